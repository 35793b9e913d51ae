import subprocess
import sys

FOREIGN = {"hydra", "mlflow", "numpy", "omegaconf", "httpx", "pathspec", "tensorflow"}


def test_the_server_imports_the_web_server_and_nothing_else_of_this_program():
    code = "import sys, mnist_exp.serving.__main__; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert not {module.partition(".")[0] for module in modules} & FOREIGN
    ours = {module for module in modules if module.startswith("mnist_exp")}
    assert all(module.startswith("mnist_exp.serving") for module in ours - {"mnist_exp"})
