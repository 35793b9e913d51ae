import subprocess
import sys

import pytest

FOREIGN = {"hydra", "mlflow", "numpy", "omegaconf", "httpx", "tensorflow"}


@pytest.mark.parametrize("module", ["__main__", "worker_process"])
def test_a_process_imports_no_other_part_of_this_program(module: str):
    code = f"import sys, mnist_exp.serving.{module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert not {module.partition(".")[0] for module in modules} & FOREIGN
    ours = {module for module in modules if module.startswith("mnist_exp")}
    assert all(
        module.startswith("mnist_exp.serving")
        for module in ours - {"mnist_exp", "mnist_exp.orphans"}
    )
