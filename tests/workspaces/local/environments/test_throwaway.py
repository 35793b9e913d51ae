"""What a job installs stays in the job: the environment of mnist-exp never changes."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path

import pytest

from mnist_exp.config import DistributionConfig, DistributionType
from mnist_exp.workspaces.local.environments.interpreter import this_interpreter
from mnist_exp.workspaces.local.environments.throwaway import create_throwaway
from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.small_jobs import choice, command_job, sweep_job
from tests.support.watching import Watcher
from tests.support.wheels import make_wheel

#: A package that mnist-exp needs, and that is quick to install.
OURS = "platformdirs"
PIP_SETTINGS = "[global]\ntimeout = 9\n"


def installed() -> set[tuple[str, str, str]]:
    """Return what `pip freeze` would print for this environment, with the place of each package."""
    return {(one.name, one.version, str(one.locate_file(""))) for one in distributions()}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two versions of a package, and a broken version of a package of ours."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        make_wheel(folder, "tinypkg", version, {"tinypkg.py": f"VERSION = {version!r}"})
    make_wheel(folder, OURS, "1.0", {f"{OURS}/__init__.py": "__version__ = '1.0'"})
    return folder


@pytest.fixture
def install(wheels: Path) -> str:
    """The arguments of pip that install from the folder of wheels."""
    return f"install --quiet --no-index --no-deps --find-links {shlex.quote(str(wheels))}"


def test_a_job_installs_and_uninstalls_for_itself(workspace: LocalWorkspace, install: str) -> None:
    command = (
        f"pip {install} tinypkg==1.0 && python -m pip {install} {OURS}==1.0 && "
        "pip uninstall --yes hydra-core && "
        f"python -c 'import {OURS}, hydra, tinypkg; print({OURS}.__version__, tinypkg.VERSION)'"
        " > outputs/versions.txt"
    )
    before = installed()
    name = workspace.submit(command_job(command))
    result = workspace.watch(name, Watcher())
    folder = Path(result.folder)
    log = Path(result.log).read_text(encoding="utf-8")
    assert (folder / "outputs" / "versions.txt").read_text(encoding="utf-8") == "1.0 1.0\n", log
    assert installed() == before
    assert not list(folder.glob("environment*"))


def test_two_trials_at_once_install_two_versions(
    workspace: LocalWorkspace, code: Callable[..., Path], install: str
) -> None:
    script = (
        "import subprocess, sys\n"
        "version, *install = sys.argv[1:]\n"
        "pip = [sys.executable, '-m', 'pip', *install, 'tinypkg==' + version]\n"
        "subprocess.run(pip, check=True)\n"
        "import tinypkg, logger\n"
        "logger.log_metric('score', float(tinypkg.VERSION))\n"
    )
    command = f"python script.py {{{{search_space.version}}}} {install}"
    job = sweep_job(command, {"version": choice("1.0", "2.0")}, code=code(script))
    result = workspace.watch(workspace.submit(job), Watcher())
    assert [trial.best for trial in result.trials] == [1.0, 2.0], result.trials


def test_each_worker_has_an_environment_of_its_own(workspace: LocalWorkspace) -> None:
    distribution = DistributionConfig(DistributionType.tensorflow, 2)
    command = 'echo "$VIRTUAL_ENV" > outputs/$AZUREML_CR_NODE_RANK.txt'
    job = command_job(command, distribution=distribution)
    result = workspace.watch(workspace.submit(job), Watcher())
    folders = {
        path.read_text(encoding="utf-8") for path in Path(result.folder, "outputs").iterdir()
    }
    assert len(folders) == 2


def test_an_outputs_folder_with_a_colon_does_not_weaken_the_rule(
    tmp_path: Path, empty_store: Path, wheels: Path
) -> None:
    outputs = tmp_path / "a:b"
    outputs.mkdir()
    shutil.copyfile(empty_store, outputs / STORE_NAME)
    workspace = LocalWorkspace(outputs)
    job = command_job("python -c 'import sys; print(sys.prefix)' && command -v pip")
    result = workspace.watch(workspace.submit(job), Watcher())
    prefix, pip = Path(result.log).read_text(encoding="utf-8").split()
    assert (prefix, Path(pip).parent) != (sys.prefix, Path(sys.executable).parent)
    assert Path(pip).is_relative_to(prefix)
    assert not Path(prefix).exists()

    # The environment of a deployment is in the outputs folder.
    variables = create_throwaway(this_interpreter(), outputs / "own")
    assert not any(folder.startswith(str(tmp_path)) for folder in variables["PATH"].split(":"))
    pip_install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index"]
    wheel = wheels / "tinypkg-1.0-py3-none-any.whl"
    subprocess.run([*pip_install, wheel], env=variables, check=True)
    assert list((outputs / "own").rglob("tinypkg.py"))


def test_a_missing_package_is_told_with_the_way_to_get_it(workspace: LocalWorkspace) -> None:
    name = workspace.submit(command_job("python -c 'import nosuchpackage'"))
    result = workspace.watch(name, Watcher())
    assert "No module named 'nosuchpackage'; the environment of mnist-exp " in result.why
    assert "use env=conda" in result.why


def test_the_environment_shows_what_the_interpreter_shows(tmp_path: Path) -> None:
    variables = create_throwaway(this_interpreter(), tmp_path / "it's one")
    code = "import json, sys; json.dump([sys.prefix, sys.path[1:]], sys.stdout)"
    shown = {}
    for python in (sys.executable, tmp_path / "it's one" / "bin" / "python"):
        done = subprocess.run([python, "-P", "-c", code], capture_output=True, check=True, env={})
        prefix, path = json.loads(done.stdout)
        shown[prefix] = path
    ours, theirs = shown[sys.prefix], shown[variables["VIRTUAL_ENV"]]
    own = [path for path in theirs if path.startswith(variables["VIRTUAL_ENV"])]
    assert len(own) == 1
    assert [path for path in theirs if path not in own] == ours


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """A function that runs a command in an environment of its own, and returns the output.

    The packages of the interpreter belong to this Python. Its console scripts are those of a folder
    whose name a shell would split.
    """
    programs = tmp_path / "an env" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    (programs / "uv").symlink_to(pytest.importorskip("uv").find_uv_bin())
    lines = {
        "tool": f"#!{programs}/python3",
        "far": f"#!/bin/sh\n'''exec' \"{programs}/python\" \"$0\" \"$@\"\n' '''",
        "other": f"#!{programs}/python2.7",
        "pip-tool": f"#!{programs}/python3",
        # conda needs the Python of its own environment.
        "conda": f"#!{programs}/python3",
    }
    lines["where"] = lines["tool"]
    (tmp_path / "an env" / "pip.conf").write_text(PIP_SETTINGS)
    # The path of these programs is longer than the name of a file may be.
    user = tmp_path / ("user" * 60)
    files = {programs / name: start for name, start in lines.items()}
    files |= {user / "bin" / name: lines["tool"] for name in ("tool", "user-tool")}
    (user / "bin").mkdir(parents=True)
    for path, start in files.items():
        shown = "sys.argv[0]" if path.name == "where" else "sys.prefix, sys.argv[1:]"
        path.write_text(f"{start}\nimport sys; print({shown})\n")
        path.chmod(0o755)
    folders = (*this_interpreter().site_folders, user / "lib" / "python3" / "site-packages")
    interpreter = replace(this_interpreter(), executable=programs / "python", site_folders=folders)
    variables = create_throwaway(interpreter, tmp_path / "its own")

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            env={**variables, "HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    assert not list((tmp_path / "an env").rglob("tinypkg*"))


def test_console_scripts_run_in_the_environment(own: Callable[[str], str], tmp_path: Path) -> None:
    shown = f"{tmp_path / 'its own'} ['a b']\n"
    (tmp_path / "an env" / "bin" / "folder").mkdir(exist_ok=True)
    assert own("tool 'a b' && far 'a b' && pip-tool 'a b' && user-tool 'a b'") == shown * 4
    # The path of the wrapper is used in other ways.
    assert own('python "$(readlink -f "$(command -v tool)")" "a b"') == shown
    assert own('ln -s "$(command -v tool)" linked && ./linked "a b"') == shown
    assert own('"$VIRTUAL_ENV/bin/pip" --version') == own("pip --version")
    # The job has its own copy of the settings of pip, which only this user can read.
    assert own('stat -c %a "$VIRTUAL_ENV/pip.conf"') == "600\n"
    assert own('test ! -L "$VIRTUAL_ENV/pip.conf" && cat "$VIRTUAL_ENV/pip.conf"') == PIP_SETTINGS
    # A program that searches beside its own path finds the wrappers.
    assert Path(own("where").strip()).parent == Path(own("command -v tool").strip()).parent
    for name in ("other", "conda"):
        assert Path(own(f"command -v {name}").strip()).parent == tmp_path / "an env" / "bin"
    # conda refuses to change a folder without the file conda-meta/history.
    assert own('test ! -e "$CONDA_PREFIX/conda-meta" && echo "$CONDA_PREFIX"') == own(
        'echo "$VIRTUAL_ENV"'
    )


def test_a_file_system_needs_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    variables = create_throwaway(this_interpreter(), tmp_path / "its own")
    found = shutil.which("pytest", path=variables["PATH"])
    assert found is not None
    assert Path(found).is_relative_to(tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        "uv pip install",
        "uv pip install --system",
        "env -u VIRTUAL_ENV uv pip install",
        "pip install --user",
    ],
)
def test_every_way_to_install_changes_the_environment(
    own: Callable[[str], str], tmp_path: Path, wheels: Path, command: str
) -> None:
    own(f"{command} --quiet --no-index {shlex.quote(str(wheels))}/tinypkg-1.0-py3-none-any.whl")
    assert list((tmp_path / "its own").rglob("tinypkg.py"))
    assert own("python -c 'import tinypkg; print(tinypkg.VERSION)'") == "1.0\n"


def test_an_environment_that_the_job_has_activated_gets_the_packages(
    own: Callable[[str], str], tmp_path: Path, wheels: Path
) -> None:
    wheel = shlex.quote(str(wheels / "tinypkg-1.0-py3-none-any.whl"))
    own(f"uv venv --quiet e && . e/bin/activate && uv pip install --quiet --no-index {wheel}")
    assert list((tmp_path / "e").rglob("tinypkg.py"))


def test_uv_run_leaves_the_environment_of_the_project(own: Callable[[str], str]) -> None:
    project = '[project]\nname = "p"\nversion = "0"\nrequires-python = ">=3.10"\n'
    command = "uv run --offline --quiet python -c 'import sys; print(sys.prefix)'"
    text = own(f"printf {shlex.quote(project)} > pyproject.toml; {command}; ls -A")
    assert text.splitlines()[0].endswith("its own")
    assert ".venv" not in text.split()
