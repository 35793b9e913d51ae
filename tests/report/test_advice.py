"""The lines that call an endpoint, run as a person does who copies them."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.config import RegistrationConfig, Stage
from mnist_exp.records import Record
from mnist_exp.report.advice import Repeated, how_to_call, next_command
from tests.support.sample_results import record

SECRET = "a-key-that-nobody-sees"
#: Notes its arguments, and does what curl does.
CURL = """#!/bin/sh
printf '%s\\n' "$@" > "{noted}"
exec "{curl}" -s "$@"
"""


class Asked(BaseHTTPRequestHandler):
    """Keeps what it is asked."""

    heard: list[tuple[str | None, str | None, bytes]]

    def do_POST(self) -> None:
        """Answer 7."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.heard.append((self.headers["authorization"], self.headers["content-type"], body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[7]")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Asked.heard = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Asked) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.mark.external
@pytest.mark.parametrize(("shell", "field"), [("sh", "primary"), ("bash", "token")])
def test_the_printed_lines_call_it_and_no_argument_is_the_key(
    tmp_path: Path, server: ThreadingHTTPServer, shell: str, field: str
) -> None:
    curl = shutil.which("curl")
    assert curl
    (tmp_path / "curl").write_text(CURL.format(noted=tmp_path / "noted", curl=curl))
    (tmp_path / "curl").chmod(0o755)
    keys = tmp_path / "my keys.json"
    keys.write_text(json.dumps({field: SECRET}))
    request = tmp_path / "my request.json"
    request.write_text('{"data": []}')
    endpoint = {
        "scoring_uri": f"http://127.0.0.1:{server.server_port}/score",
        "auth_mode": "key" if field == "primary" else "aml_token",
    }
    lines = how_to_call(
        record(
            Stage.deploy,
            endpoint=endpoint,
            paths={"keys": str(keys), "request": str(request)},
        )
    )
    done = subprocess.run(
        [shell, "-c", "\n".join(lines)],
        env={
            **os.environ,
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "http_proxy": "http://127.0.0.1:9",
            "ALL_PROXY": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[7]"
    assert Asked.heard == [(f"Bearer {SECRET}", "application/json", b'{"data": []}')]
    assert SECRET not in (tmp_path / "noted").read_text()


def following(ended: Record, *overrides: str, **registration: str | None) -> str:
    """Return the next command after a command with the given overrides and registration config."""
    return next_command(ended, Repeated(overrides, (), RegistrationConfig(**registration)))  # type: ignore[arg-type]


def test_the_next_command_after_an_mlflow_model_chooses_its_endpoint() -> None:
    model = {"name": "digits", "version": "1", "type": "mlflow_model"}
    registered = record(Stage.register, name="digits:1", model=model)
    usual = "mnist-exp stage=deploy run=digits:1"
    assert following(registered) == f"{usual} endpoint=mlflow"
    assert following(registered, "endpoint=mine") == f"{usual} endpoint=mine"
    other = record(Stage.register, name="digits:1", model={**model, "type": "custom_model"})
    assert following(other) == usual


@pytest.fixture
def ended(tmp_path: Path) -> Callable[..., Record]:
    """Return a function that returns the record of a local sweep with one trial."""
    for name in ("sweep_1", "sweep_1_0"):
        (tmp_path / name).mkdir()

    def sweep(*logged_models: str) -> Record:
        best, paths = {"name": "sweep_1_0"}, {"folder": str(tmp_path / "sweep_1")}
        found = record(Stage.sweep, name="sweep_1", best=best, paths=paths)
        return replace(found, logged_models=logged_models)

    return sweep


NEXT_USUAL = "mnist-exp stage=register run=sweep_1"


def test_the_next_command_after_a_job_that_logged_models_registers_a_model(
    ended: Callable[..., Record], tmp_path: Path
) -> None:
    group = f"{NEXT_USUAL} registration=mlflow_model"
    one, two = ended("a"), ended("a", "b")
    assert following(one) == group
    assert following(two) == f"{group} registration.path=a"
    # The config of the user already selects a logged model.
    theirs: dict[str, str | None] = {"type": "mlflow_model", "path": None}
    assert following(one, **theirs) == NEXT_USUAL
    assert following(one, "registration=mine", **theirs) == f"{NEXT_USUAL} registration=mine"
    assert following(two, **theirs) == f"{NEXT_USUAL} registration.path=a"
    assert following(two, **theirs | {"path": "b"}) == NEXT_USUAL
    # The job saved the file that the config of the user registers.
    (tmp_path / "sweep_1_0" / "artifacts").mkdir()
    (tmp_path / "sweep_1_0" / "artifacts" / "weights.json").touch()
    assert following(two, path="weights.json") == NEXT_USUAL


def test_there_is_no_next_command_after_a_job_that_saved_no_model(
    ended: Callable[..., Record], tmp_path: Path
) -> None:
    sweep = ended()
    assert following(sweep) == following(sweep, path=None) == ""
    (tmp_path / "sweep_1_0" / "outputs" / "model").mkdir(parents=True)
    assert following(sweep) == following(sweep, path=None) == NEXT_USUAL
    assert following(sweep, path="outputs/weights.json") == ""
