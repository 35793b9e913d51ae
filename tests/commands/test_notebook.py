"""The Python API in a real kernel, and the outputs in the file of the notebook."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from mnist_exp.workspaces.local.tracking.database import STORE_NAME
from tests.support.files import write_file
from tests.support.paths import GUARD, REPOSITORY

#: A script that creates the file `there`, and then runs until it is ended.
ENDLESS = """\
import argparse, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("--there")
pathlib.Path(parser.parse_args().there).touch()
time.sleep(600)
"""

ENDLESS_JOB = """\
experiment_name: endless
code: ../../code
script: fit.py
inputs: {there: there}
primary_metric: null
"""

#: The stop button of a notebook sends this signal.
STOP = """\
import os, pathlib, signal, threading, time

def stop():
    while not pathlib.Path("there").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=stop).start()
there = pathlib.Path("there").absolute()
try:
    mx.train("job=endless", config_dir="endless/conf", there=there)
except KeyboardInterrupt:
    pass
"""

#: Runs the code of cells in one kernel. Returns the outputs of each cell.
Run = Callable[[Any], list[list[Mapping[str, Any]]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a notebook in an empty folder."""
    monkeypatch.setenv("PYTHONPATH", str(GUARD))

    def execute(notebook: Any) -> list[list[Mapping[str, Any]]]:
        place = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, timeout=240, resources=place).execute()
        return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]

    return execute


def text_of(outputs: list[Mapping[str, Any]]) -> str:
    """Return the text of the only output of a cell, after checks that it is in its last state."""
    assert [output["output_type"] for output in outputs] in (["display_data"], ["execute_result"])
    texts = outputs[0]["data"].values()
    # Frames of a progress bar would begin with a carriage return, and contain a spinner.
    assert not any({*"\r⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"} & {*text} for text in texts)
    return str(outputs[0]["data"]["text/plain"])


def test_a_cell_keeps_one_output_and_its_stop_button_cancels_the_job(
    run: Run, mine: Path, tmp_path: Path, empty_store: Path
) -> None:
    write_file(tmp_path / "endless/code/fit.py", ENDLESS)
    write_file(tmp_path / "endless/conf/job/endless.yaml", ENDLESS_JOB)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / STORE_NAME).write_bytes(empty_store.read_bytes())
    cells = [
        f"import mnist_exp as mx\nr = mx.train('job=mine', lr=0.75, config_dir={str(mine)!r})",
        "s = mx.sweep('job=mine', 'sweep=mine')".replace(")", f", config_dir={str(mine)!r})"),
        STOP,
        "r",
        "mx.runs()",
    ]
    code = [nbformat.v4.new_code_cell(text) for text in cells]
    trained, swept, stopped, handle, past = map(text_of, run(nbformat.v4.new_notebook(cells=code)))
    assert "train  Completed in" in trained
    assert "score=2.25" in trained
    assert "sweep  Completed in" in swept
    assert "resume the job with: mnist_exp.train(run='train_" in stopped
    assert handle.startswith("<Run train_")
    assert [word for word in past.split() if word in ("Completed", "Canceled")] == [
        "Completed",
        "Completed",
        "Canceled",
    ]


@pytest.mark.soak
def test_the_example_runs(run: Run) -> None:
    notebook = nbformat.read(REPOSITORY / "examples" / "digits.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    outputs = [cell for cell in run(notebook) if cell]
    assert len(outputs) > 5
    assert all(text_of(cell) for cell in outputs)
