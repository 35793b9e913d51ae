"""The lines that call an endpoint, run as a person does who copies them."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mnist_exp.config import Stage
from mnist_exp.report.advice import how_to_call, next_command
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


def test_the_next_command_after_an_mlflow_model_chooses_its_endpoint() -> None:
    model = {"name": "digits", "version": "1", "type": "mlflow_model"}
    registered = record(Stage.register, name="digits:1", model=model)
    usual = "mnist-exp stage=deploy run=digits:1"
    assert next_command(registered) == f"{usual} endpoint=mlflow"
    assert next_command(registered, ["endpoint=mine"]) == f"{usual} endpoint=mine"
    other = record(Stage.register, name="digits:1", model={**model, "type": "custom_model"})
    assert next_command(other) == usual


def test_the_next_command_after_a_job_that_logged_models_registers_a_model() -> None:
    usual = "mnist-exp stage=register run=train_1"
    assert next_command(record(Stage.train)) == usual
    one = record(Stage.train, logged_models=["a"])
    assert next_command(one) == f"{usual} registration=mlflow_model"
    assert next_command(one, ["registration=mine"]) == f"{usual} registration=mine"
    two = record(Stage.train, logged_models=["a", "b"])
    assert next_command(two) == f"{usual} registration=mlflow_model registration.path=a"


def test_there_is_no_next_command_after_a_job_that_saved_no_model(tmp_path: Path) -> None:
    job = tmp_path / "sweep_1_0"
    job.mkdir()
    (tmp_path / "sweep_1").mkdir()
    sweep = record(
        Stage.sweep,
        name="sweep_1",
        best={"name": job.name},
        paths={"folder": str(tmp_path / "sweep_1")},
    )
    assert next_command(sweep) == ""
    assert next_command(sweep, ["registration.path=outputs/weights.json"])
    (job / "outputs" / "model").mkdir(parents=True)
    assert next_command(sweep) == "mnist-exp stage=register run=sweep_1"
