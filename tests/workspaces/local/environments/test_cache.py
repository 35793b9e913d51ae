"""Saved environments: created once, by one command, and complete or absent."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mnist_exp.config import EnvConfig, EnvType
from mnist_exp.errors import ConfigError, OutputsError, RefusedError
from mnist_exp.serving.settings import SETTINGS_FILE
from mnist_exp.workspaces.local.environments.cache import EnvironmentCache
from mnist_exp.workspaces.local.environments.interpreter import this_interpreter
from mnist_exp.workspaces.local.environments.makers import Order
from tests.support.in_process import InProcessCli
from tests.support.paths import REPOSITORY
from tests.support.waiting import eventually
from tests.workspaces.local.environments.conftest import VERSION, Conda

#: A stand-in for conda. It says that it has begun, waits for a line, and creates an environment.
CONDA = """\
#!/bin/bash
echo "$@" >> {folder}/calls
echo begun > {folder}/begun
read -r < {folder}/go
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/bin" "$2/lib/python{version}/site-packages"
cp "$4" {folder}/seen.yaml
ln -s {python} "$2/bin/python"
"""
#: A command that creates the environment of a conda file.
CREATE = """\
import sys
from pathlib import Path
from mnist_exp.config import EnvConfig, EnvType
from mnist_exp.workspaces.local.environments.cache import EnvironmentCache

env = EnvConfig(EnvType.conda, image="image", conda_file=sys.argv[2])
with EnvironmentCache(Path(sys.argv[1])).using(env, "env", print):
    pass
"""


def run(python: Path, code: str) -> str:
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_local_is_the_python_of_mnist_exp(environments: EnvironmentCache) -> None:
    with environments.using(EnvConfig(EnvType.local), "env", print) as interpreter:
        assert interpreter == this_interpreter()
        assert interpreter.is_this_python
    assert environments.list() == []


def test_an_environment_is_created_once(environments: EnvironmentCache, conda: Conda) -> None:
    said: list[str] = []
    env = conda("tinypkg=1.0")
    with environments.using(env, "env", said.append) as first:
        assert not first.is_this_python
        assert run(first.executable, "import tinypkg; print(tinypkg.VERSION)") == "1.0"
        with pytest.raises(subprocess.CalledProcessError):
            run(first.executable, "import hydra")
    assert any("creating" in line for line in said)
    said.clear()
    with environments.using(env, "env", said.append) as second:
        assert (second, said) == (first, [])
    with environments.using(conda("tinypkg=2.0", "cpuonly"), "env", said.append) as other:
        assert run(other.executable, "import tinypkg; print(tinypkg.VERSION)") == "2.0"
    assert any("cpuonly of " in line for line in said)
    (older, newer) = environments.list()
    assert older.made_with == newer.made_with == "uv"
    assert older.version == VERSION
    assert 0 < older.size < 2**30
    lines = list(environments.describe())
    assert len(lines) == 3
    assert env.conda_file is not None
    assert env.conda_file in lines[0]


def test_two_commands_at_once_create_one_environment(tmp_path: Path, conda: Conda) -> None:
    env, said = conda("tinypkg"), list[str]()

    def use(_: int) -> Path:
        with EnvironmentCache(tmp_path).using(env, "env", said.append) as interpreter:
            return interpreter.executable

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(use, range(3)))) == 1
    assert len([line for line in said if "creating" in line]) == 1


def test_what_a_killed_command_has_created_is_created_again(
    tmp_path: Path, environments: EnvironmentCache, conda: Conda, fake_conda: Path
) -> None:
    env = conda("tinypkg")
    root = tmp_path / "cache" / "environments"
    command = [sys.executable, "-c", CREATE, root, str(env.conda_file)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as killed:
        assert (fake_conda / "begun").read_text(encoding="utf-8") == "begun\n"
        killed.kill()
    said: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        # The killed command's conda still runs, so the next command must wait for its end.
        waiting = pool.submit(lambda: _executable(environments, env, said.append))
        eventually(lambda: said)
        (fake_conda / "go").write_text("go\n", encoding="utf-8")
        assert (fake_conda / "begun").read_text(encoding="utf-8") == "begun\n"
        (fake_conda / "go").write_text("go\n", encoding="utf-8")
        assert waiting.result().exists()
    assert "waiting" in said[0]
    assert len((fake_conda / "calls").read_text(encoding="utf-8").splitlines()) == 2
    assert [saved.made_with for saved in environments.list()] == ["conda"]


def test_conda_gets_the_file_with_absolute_paths(
    environments: EnvironmentCache, conda: Conda, fake_conda: Path
) -> None:
    env = conda("conda-forge::numpy>=1.26", pip="['-r more.txt', six]")
    assert env.conda_file is not None
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(lambda: _executable(environments, env, print))
        (fake_conda / "begun").read_text(encoding="utf-8")
        (fake_conda / "go").write_text("go\n", encoding="utf-8")
        assert made.result().is_symlink()
    (call,) = (fake_conda / "calls").read_text(encoding="utf-8").splitlines()
    assert call.startswith("env create --quiet --prefix ")
    seen = (fake_conda / "seen.yaml").read_text(encoding="utf-8")
    assert f"-r {Path(env.conda_file).parent}/more.txt" in seen
    assert "conda-forge::numpy>=1.26" in seen


def _executable(
    environments: EnvironmentCache, env: EnvConfig, message: Callable[[str], None]
) -> Path:
    with environments.using(env, "env", message) as interpreter:
        return interpreter.executable


@pytest.fixture
def fake_conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program `conda`, which is on PATH, and its pipes `begun` and `go`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("begun", "go"):
        os.mkfifo(folder / name)
    values = {"folder": folder, "version": VERSION, "python": this_interpreter().base}
    (folder / "conda").write_text(CONDA.format(**values), encoding="utf-8")
    (folder / "conda").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize(
    ("packages", "python", "pip", "expected"),
    [
        (["cudatoolkit=11.8"], f"={VERSION}", "[]", "cudatoolkit"),
        (["tinypkg=3"], f"={VERSION}", "[]", "tinypkg"),
        ([], f"={VERSION}", "[nosuchpkg]", "nosuchpkg"),
        ([], "=3.99", "[]", "needs Python 3.99, which is not on this machine"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_leaves_nothing(
    environments: EnvironmentCache,
    conda: Conda,
    packages: list[str],
    python: str,
    pip: str,
    expected: str,
) -> None:
    env = conda(*packages, python=python, pip=pip)
    with (
        pytest.raises(RefusedError, match=expected) as caught,
        environments.using(env, "endpoint.deployment.environment", print),
    ):
        pass
    (line,) = caught.value.lines
    assert line.startswith(f"endpoint.deployment.environment: {env.conda_file}")
    assert "\n" not in line
    assert environments.list() == []
    assert list(environments.delete_all()) == []


def test_an_unknown_curated_environment_is_one_line(environments: EnvironmentCache) -> None:
    env = EnvConfig(EnvType.curated, name="AzureML-nothing@latest")
    with (
        pytest.raises(ConfigError, match=r"^env\.name: .*sklearn-1\.5"),
        environments.using(env, "env", print),
    ):
        pass


def test_a_cache_folder_that_is_a_file_is_one_line(tmp_path: Path, conda: Conda) -> None:
    (tmp_path / "file").touch()
    environments = EnvironmentCache(tmp_path / "file" / "environments")
    with (
        pytest.raises(OutputsError, match=r"^data\.cache_dir: "),
        environments.using(conda(), "env", print),
    ):
        pass


def outcomes_of_deletion(environments: EnvironmentCache) -> list[str]:
    return [line.partition(":")[0] for line in environments.delete_all()]


def test_an_environment_in_use_is_not_deleted(environments: EnvironmentCache, conda: Conda) -> None:
    with environments.using(conda(), "env", print) as interpreter:
        assert outcomes_of_deletion(environments) == ["in use, not deleted"]
    variables = interpreter.variables()
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["/bin/cat"], env=variables, stdin=pipe, stdout=pipe, bufsize=0
    ) as worker:
        # The environment of a process is visible only after the program has started.
        assert worker.stdin and worker.stdout
        worker.stdin.write(b"started\n")
        worker.stdout.readline()
        assert outcomes_of_deletion(environments) == ["in use, not deleted"]
        worker.communicate()
    assert outcomes_of_deletion(environments) == ["deleted"]
    assert environments.list() == []
    assert not interpreter.executable.exists()


def test_an_environment_of_a_stopped_endpoint_is_not_deleted(
    environments: EnvironmentCache, conda: Conda, tmp_path: Path
) -> None:
    settings = tmp_path / "endpoint" / "revision" / SETTINGS_FILE
    settings.parent.mkdir(parents=True)
    with environments.using(conda(), "env", print) as interpreter:
        settings.write_text(json.dumps({"PATH": interpreter.variables()["PATH"]}), encoding="utf-8")
        environments.add_endpoint(interpreter, tmp_path / "endpoint")
    environments.add_endpoint(this_interpreter(), tmp_path / "endpoint")
    # A command was killed while it wrote a line.
    (file,) = tmp_path.rglob("*.endpoints")
    with file.open("a", encoding="utf-8") as endpoints:
        endpoints.write('"/half')
    assert outcomes_of_deletion(environments) == ["in use, not deleted"]
    # The deployment gets another environment.
    settings.write_text("{}", encoding="utf-8")
    # Another command deletes an endpoint: its folder still lists a file that does not exist.
    (tmp_path / "endpoint" / SETTINGS_FILE).symlink_to("deleted")
    assert outcomes_of_deletion(environments) == ["deleted"]
    assert outcomes_of_deletion(environments) == []


class DeletedOnce(EnvironmentCache):
    """Environments of which another command deletes the first, before this command uses it."""

    made = 0

    def _make(self, name: str, order: Order) -> None:
        super()._make(name, order)
        self.made += 1
        if self.made == 1:
            shutil.rmtree(self._root / name)


def test_an_environment_that_is_deleted_before_its_use_is_created_again(
    tmp_path: Path, conda: Conda
) -> None:
    environments = DeletedOnce(tmp_path)
    with environments.using(conda(), "env", print) as interpreter:
        assert interpreter.executable.exists()
    assert environments.made == 2


def test_an_environment_whose_python_is_gone_is_created_again(
    environments: EnvironmentCache, conda: Conda
) -> None:
    env = conda()
    with environments.using(env, "env", print) as interpreter:
        pass
    interpreter.executable.unlink()
    interpreter.executable.symlink_to("/nowhere/python")
    assert environments.list() == []
    with environments.using(env, "env", print) as again:
        assert run(again.executable, "print(1)") == "1"


def test_cleanup_deletes_and_doctor_lists_the_environments(
    in_process_cli: InProcessCli, tmp_path: Path, conda: Conda
) -> None:
    cleanup = ["stage=cleanup", "env.delete_on_cleanup=true", f"data.cache_dir={tmp_path}"]
    assert "no Python environment is saved" in in_process_cli.ok(*cleanup).stderr
    env = conda("tinypkg")
    with EnvironmentCache(tmp_path / "environments").using(env, "env", print):
        pass
    listed = in_process_cli("stage=doctor", f"data.cache_dir={tmp_path}").stdout
    assert f"environment: {env.conda_file} with Python {VERSION}: " in listed
    assert f"deleted: environment {env.conda_file}" in in_process_cli.ok(*cleanup).stderr
    assert list(tmp_path.glob("environments/*/")) == []
