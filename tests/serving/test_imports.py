import subprocess
import sys
from pathlib import Path

import pytest

from mnist_exp.serving import worker

FOREIGN = {"hydra", "mlflow", "numpy", "omegaconf", "httpx", "pathspec", "tensorflow"}


@pytest.mark.parametrize("module", ["__main__", "worker_process"])
def test_a_process_imports_what_it_needs_and_nothing_else_of_this_program(module: str):
    code = f"import sys, mnist_exp.serving.{module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert not {module.partition(".")[0] for module in modules} & FOREIGN
    ours = {module for module in modules if module.startswith("mnist_exp")}
    assert all(
        module.startswith("mnist_exp.serving")
        for module in ours - {"mnist_exp", "mnist_exp.orphans"}
    )


def test_models_of_mlflow_are_served_without_azure() -> None:
    script = Path(worker.__file__).parent / "no_code" / "mlflow_script.py"
    code = f"import runpy, sys; runpy.run_path({str(script)!r}); print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {module.partition(".")[0] for module in done.stdout.split()}
    assert "mlflow" in packages
    assert "azure" not in packages
    assert done.stderr == ""
