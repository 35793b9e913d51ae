"""Whole commands: multiruns, flags, and no error message of Hydra's own."""

import fcntl
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_exp import __version__
from mnist_exp.cli.main import accept_all_letters
from mnist_exp.report.layout import standard_consoles
from tests.support.command_line import Cli
from tests.support.in_process import InProcessCli


def test_variants_without_a_stage_are_rows_with_the_fault(in_process_cli: InProcessCli) -> None:
    done = in_process_cli("-m", "model=small,wide")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    fault = "error: stage: must be one of compute, run, import, train"
    assert all(line.startswith(fault) for line in errors)
    assert "Error executing job" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "  0, 1 Failed: stage: must be one of" in done.stdout


def test_a_multirun_on_this_machine_waits(in_process_cli: InProcessCli) -> None:
    done = in_process_cli("-m", "stage=train", "model=small,wide", "wait=false")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 2
    assert all(line.startswith("error: wait: must be true for a multirun on") for line in lines)


def test_an_unknown_key_is_reported_for_each_variant(in_process_cli: InProcessCli) -> None:
    done = in_process_cli("-m", "stage=compute", "+model.x=1,2")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line.partition(";")[0] for line in errors] == ["error: model.x: no such key"] * 2


def test_a_folder_that_hydra_cannot_create_is_one_line(in_process_cli: InProcessCli) -> None:
    for key, arguments in (("run", ["seed=1"]), ("sweep", ["-m", "seed=1,2"])):
        done = in_process_cli("stage=compute", *arguments, f"hydra.{key}.dir=/proc/nowhere")
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"error: hydra.{key}.dir: must be a folder that can be written")
        assert list(in_process_cli.folder.iterdir()) == []


def test_a_full_traceback_on_request_leaves_nothing_behind(in_process_cli: InProcessCli) -> None:
    done = in_process_cli("stage=train", "model.epochs=0", env={"HYDRA_FULL_ERROR": "1"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "model.epochs: must be a whole number" in done.stderr
    assert list(in_process_cli.folder.iterdir()) == []
    for off in ("0", "false"):
        done = in_process_cli("stage=train", "model.epochs=0", env={"HYDRA_FULL_ERROR": off})
        assert "Traceback" not in done.stderr


def test_the_version(in_process_cli: InProcessCli) -> None:
    assert in_process_cli.ok("--version").stdout == f"mnist-exp {__version__}\n"
    assert list(in_process_cli.folder.iterdir()) == []


@pytest.mark.external
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--cfg", "job", "stage=train"],
        ["stage=compute"],
        ["stage=train", "dry_run=true"],
        ["-m", "stage=train", "dry_run=true", "seed=1,2"],
    ],
    ids=" ".join,
)
def test_a_closed_pipe_is_no_error(cli: Cli, arguments: list[str]) -> None:
    code, errors = _without_reader(cli, arguments)
    assert code == 128 + signal.SIGPIPE
    for words in (b"Error", b"error", b"Traceback"):
        assert words not in errors


@pytest.mark.external
def test_a_reader_that_exits_after_a_line_is_no_error(cli: Cli) -> None:
    read, write = os.pipe()
    # The help does not fit into the pipe, so the command is still writing when the reader exits.
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(write, "wb") as pipe:
        command = cli.command("--help")
        process = subprocess.Popen(
            command, cwd=cli.folder, env=cli.environment, stdout=pipe, stderr=subprocess.PIPE
        )
    with process, os.fdopen(read, "rb", buffering=0) as reader:
        reader.read(1)
        reader.close()
        _, errors = process.communicate()
    assert (process.returncode, errors) == (128 + signal.SIGPIPE, b"")


@pytest.mark.external
def test_a_closed_pipe_for_all_output_is_no_error(cli: Cli) -> None:
    assert _without_reader(cli, ["stage=nope"], both=True) == (128 + signal.SIGPIPE, b"")


def _without_reader(cli: Cli, arguments: list[str], *, both: bool = False) -> tuple[int, bytes]:
    """Return the exit code and the errors of a command whose output nobody reads."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(
            cli.command(*arguments),
            cwd=cli.folder,
            env=cli.environment,
            stdout=pipe,
            stderr=pipe if both else subprocess.PIPE,
            check=False,
        )
    return done.returncode, done.stderr or b""


@pytest.mark.external
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["stage=compute"]], ids=" ".join)
def test_a_full_device_is_one_line_about_the_output(cli: Cli, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            cli.command(*arguments),
            cwd=cli.folder,
            env=cli.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
        )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("compute  ")]
    assert line.startswith("error: standard output: must be writable, but the output cannot be")
    for record in cli.outputs.glob("runs/*/*/run.json"):
        assert json.loads(record.read_text())["status"] == "Completed"


def test_letters_that_the_encoding_lacks_are_question_marks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = io.BytesIO()
    out = io.TextIOWrapper(content, encoding="latin-1", write_through=True)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "argv", ["mnist-exp", "--version"])
    accept_all_letters()
    standard_consoles().results.print(
        "a long line ends with … and 日本", overflow="ellipsis", no_wrap=True
    )
    assert content.getvalue().decode("latin-1") == "a long line ends with ? and ??\n"


def test_variants_over_stages_are_labelled_with_their_stage(in_process_cli: InProcessCli) -> None:
    done = in_process_cli("-m", "stage=register,deploy", "seed=1")
    rows = done.stdout.splitlines()
    assert any(line.split()[:2] == ["0", "stage=register"] for line in rows), done.stdout
    assert any(line.split()[:2] == ["1", "stage=deploy"] for line in rows)
    assert "seed=1" not in done.stdout


def test_a_config_folder_that_does_not_exist_is_one_line(in_process_cli: InProcessCli) -> None:
    done = in_process_cli("stage=compute", "--config-dir", "nope", "seed=1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: --config-dir: must be a folder, got ")


def test_a_deleted_current_folder_is_one_line(in_process_cli: InProcessCli) -> None:
    gone = in_process_cli.folder / "gone"
    gone.mkdir()
    handle = os.open(gone, os.O_RDONLY)
    gone.rmdir()
    in_process_cli.folder = Path(f"/proc/self/fd/{handle}")
    try:
        done = in_process_cli("stage=runs")
    finally:
        os.close(handle)
    assert done.returncode == 1
    assert done.stderr.startswith("error: current folder: must exist, but was deleted; ")


def test_bytes_that_are_not_utf8_are_one_line(in_process_cli: InProcessCli) -> None:
    other = {"OTHER": "a\udcff"}
    for words, line in {
        ("stage=train", "job.experiment_name=a\udcff"): "'job.experiment_name': the argument must",
        ("stage=runs", "outputs_dir=${oc.env:OTHER}"): "outputs_dir: must be UTF-8 text, got oth",
        (
            "stage=train",
            "+job.environment_variables.A=${oc.env:OTHER}",
        ): "job.environment_variables.A: must be UTF-8 text, got other bytes; correct",
    }.items():
        done = in_process_cli(*words, env=other)
        assert done.returncode == 1
        (found,) = done.stderr.splitlines()
        assert found.startswith(f"error: {line}")
    folder = in_process_cli.folder / "a\udcff"
    folder.mkdir()
    in_process_cli.folder = folder
    done = in_process_cli("stage=runs")
    assert done.returncode == 1
    assert done.stderr.startswith("error: current folder: the path must be UTF-8 text, got '")
    assert not list(folder.iterdir())


def test_the_next_command_can_be_pasted(in_process_cli: InProcessCli) -> None:
    (in_process_cli.folder / "my conf").mkdir()
    done = in_process_cli.ok(
        "stage=compute", "--config-dir", "my conf", "outputs_dir=else where", "seed=3"
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("  next")]
    words = shlex.split(line.removeprefix("  next"))
    expected = ["mnist-exp", "--config-dir", "my conf", "stage=train", "seed=3"]
    assert sorted(words) == sorted([*expected, "outputs_dir=else where"])
    # The command line accepts the proposed command, with the same config.
    shown = in_process_cli.ok(*words[1:], "--cfg", "job").stdout
    assert "outputs_dir: else where" in shown
    assert "stage: train" in shown


#: Sends a signal to its own process as soon as the command imports Hydra.
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


@pytest.mark.external
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_the_process(cli: Cli, number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, "stage=compute", str(int(number))],
        cwd=cli.folder,
        env=cli.environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-number, b"", b"")
    assert list(cli.folder.iterdir()) == []


def test_the_variants_of_a_multirun_get_the_written_text_of_variables(
    in_process_cli: InProcessCli,
) -> None:
    key = "job.environment_variables."
    arguments = [f"{key}A=.50", f"{key}B=1_0,010", f"{key}C=NaN", f"{key}D=a b"]
    done = in_process_cli("-m", "stage=train", "dry_run=true", *arguments)
    texts = re.findall(r"^ *([ABCD]): (.+)$", done.stdout, re.MULTILINE)
    others = [("C", "NaN"), ("D", "a b")]
    assert texts == [
        *[("A", "'.50'"), ("B", "'1_0'"), *others],
        *[("A", "'.50'"), ("B", "'010'"), *others],
    ]


@pytest.mark.parametrize("mode", [[], ["-m"]])
def test_the_values_of_environment_variables_are_in_no_file_and_no_output(
    in_process_cli: InProcessCli, mode: list[str]
) -> None:
    key = "endpoint.deployment.environment_variables"
    done = in_process_cli(
        *mode,
        "stage=deploy",
        "dry_run=true",
        f"{key}.A=earlier-secret",
        f"{key}.A=plain-secret",
        "+job.environment_variables.A=dry-run",
        f"{key}.B='quoted,\\\"secret\\\"'",
        f"+{key}={{C: escaped\\:secret\\,too, LEVEL: 3}}",
        f"{key}.D=${{oc.env:MINE}}",
        "+hydra.sweeper.params={endpoint.deployment.environment_variables.E: secret-of-params}",
        "hydra.run.dir=runs/${hydra.job.override_dirname}",
        env={"MINE": "caller-secret"},
    )
    assert done.returncode == 0, done.stderr
    files = [path for path in in_process_cli.folder.rglob("*") if path.is_file()]
    texts = [path.read_text() for path in files if path.suffix in (".yaml", ".json")]
    assert len(texts) >= 4
    assert "secret" not in "".join((*texts, *map(str, files), done.stdout, done.stderr))
    # A value that another key contains too stays there.
    assert "dry-run" in done.stdout
    composed = next(path for path in files if path.name == "config.yaml").read_text()
    for line in ("A: ${oc.env:A}", "C: ${oc.env:C}", "D: ${oc.env:MINE}", "LEVEL: '3'"):
        assert f" {line}\n" in composed


def test_no_value_is_in_the_file_of_a_multirun_that_hydra_cannot_compose(
    in_process_cli: InProcessCli,
) -> None:
    words = ["-m", "stage=compute", "model=missing", "+job.environment_variables.A=plain-secret"]
    assert in_process_cli(*words).returncode == 1
    for path in in_process_cli.folder.rglob("*.yaml"):
        assert "secret" not in path.read_text()


def test_the_outputs_folder_stays_if_hydra_changes_the_current_folder(
    in_process_cli: InProcessCli,
) -> None:
    in_process_cli.ok("stage=compute", "hydra.job.chdir=true")
    (index,) = in_process_cli.folder.rglob("index.jsonl")
    assert index == in_process_cli.folder / "outputs" / "index.jsonl"
