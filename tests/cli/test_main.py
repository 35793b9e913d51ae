"""The command in a process of its own: multiruns, flags, and no error that is Hydra's."""

import os
import shlex
import signal
import subprocess
import sys

import pytest

from mnist_exp import __version__
from tests.support.command_line import Cli


def test_variants_without_a_stage_are_rows_that_say_so(cli: Cli) -> None:
    done = cli("-m", "model=small,wide")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert all(line.startswith("error: stage: must be one of compute, train") for line in errors)
    assert "Error executing job" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("Failed: stage: must be one of") == 2


def test_a_key_that_no_variant_has_is_said_by_each(cli: Cli) -> None:
    done = cli("-m", "stage=compute", "+model.x=1,2")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line.partition(";")[0] for line in errors] == ["error: model.x: no such key"] * 2


def test_a_folder_that_hydra_cannot_make_is_one_line(cli: Cli) -> None:
    for key, arguments in (("run", ["seed=1"]), ("sweep", ["-m", "seed=1,2"])):
        done = cli("stage=compute", *arguments, f"hydra.{key}.dir=/proc/nowhere")
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"error: hydra.{key}.dir: must be a folder that can be written")
        assert list(cli.folder.iterdir()) == []


def test_a_full_traceback_on_request_leaves_nothing_either(cli: Cli) -> None:
    done = cli("stage=train", "model.epochs=0", env={"HYDRA_FULL_ERROR": "1"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "model.epochs: must be a whole number" in done.stderr
    assert list(cli.folder.iterdir()) == []


def test_the_version(cli: Cli) -> None:
    assert cli.ok("--version").stdout == f"mnist-exp {__version__}\n"
    assert list(cli.folder.iterdir()) == []


def test_a_reader_that_leaves_early_is_no_error(cli: Cli) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(
            cli.command("--help"),
            cwd=cli.folder,
            env=cli.environment,
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_variants_over_stages_can_be_told_apart(cli: Cli) -> None:
    done = cli("-m", "stage=register,deploy", "seed=1")
    rows = done.stdout.splitlines()
    assert any(line.split()[:2] == ["0", "stage=register"] for line in rows), done.stdout
    assert any(line.split()[:2] == ["1", "stage=deploy"] for line in rows)
    assert "seed=1" not in done.stdout


def test_a_config_folder_that_is_not_there(cli: Cli) -> None:
    done = cli("stage=compute", "--config-dir", "nope", "seed=1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: --config-dir: must be a folder, got ")


def test_the_next_command_can_be_pasted(cli: Cli) -> None:
    (cli.folder / "my conf").mkdir()
    done = cli.ok("stage=compute", "--config-dir", "my conf", "outputs_dir=else where", "seed=3")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("  next")]
    words = shlex.split(line.removeprefix("  next"))
    expected = ["mnist-exp", "--config-dir", "my conf", "stage=train", "seed=3"]
    assert sorted(words) == sorted([*expected, "outputs_dir=else where"])
    # The parser takes them; the config is as it was asked for.
    shown = cli.ok(*words[1:], "--cfg", "job").stdout
    assert "outputs_dir: else where" in shown
    assert "stage: train" in shown


#: Sends itself a signal as soon as the command looks for a library.
SIGNALLED = """\
import os, runpy, sys
from importlib.abc import MetaPathFinder

class Signal(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "hydra":
            os.kill(os.getpid(), int(sys.argv.pop()))

sys.meta_path.insert(0, Signal())
runpy.run_module("mnist_exp", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_moment_just_ends_it(cli: Cli, number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, "stage=compute", str(int(number))],
        cwd=cli.folder,
        env=cli.environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-number, b"", b"")
    assert list(cli.folder.iterdir()) == []
