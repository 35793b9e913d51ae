"""An answer to a parity case, without the parts that differ from request to request."""

import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.parity.cases import Case

#: Answers of azureml-inference-server-http 1.5.1. `make test-parity` compares this file with the
#: server, and `make test-parity ARGS=--record` writes the file.
RECORDED = Path(__file__).parent / "recorded_answers.json"
#: Status of an answer that never came, because the process ended.
NO_ANSWER = 0
_TOOK = "x-ms-run-fn-exec-ms"
#: Headers of the connection, ids, and headers that only an endpoint adds.
_IGNORED = {
    *("connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"),
    *("x-request-id", "x-ms-request-id", "x-ms-server-version"),
    *("azureml-model-deployment", "ms-azureml-model-error-reason"),
}
_CONTAINER_STATUS = "ms-azureml-model-error-statuscode"


@dataclass(frozen=True)
class Answer:
    """The status, headers and body of the inference server's answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def answer(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
    """Return the answer of the inference server, from an answer of the server or an endpoint."""
    given = [(name.lower(), value) for name, value in headers]
    if status == 424:
        status = int(dict(given)[_CONTAINER_STATUS])
    if status == 502:
        return Answer(NO_ANSWER)
    kept = [
        (name, "TIME" if name == _TOOK else value)
        for name, value in given
        if name not in _IGNORED and name != _CONTAINER_STATUS
    ]
    return Answer(status, tuple(sorted(kept)), body)


def sent(case: Case, port: int, more: Mapping[str, str]) -> Answer:
    """Send a case to a server on this machine, and return the answer.

    Args:
        more: Headers in addition to the headers of the case.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(
            case.method, target(case), skip_host="Host" in case.headers, skip_accept_encoding=True
        )
        for name, value in {**case.headers, **more, "Content-Length": str(len(case.body))}.items():
            connection.putheader(name, value)
        connection.endheaders(case.body)
        response = connection.getresponse()
        return answer(response.status, response.getheaders(), response.read())
    except (ConnectionError, http.client.BadStatusLine):
        return Answer(NO_ANSWER)
    finally:
        connection.close()


def target(case: Case) -> str:
    """Return the path and the query of a case."""
    return f"/score?{case.query}" if case.query else "/score"


def load() -> dict[str, Answer]:
    """Return the recorded answers by the ids of their cases."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    return {
        name: Answer(
            each["status"],
            tuple((header, value) for header, value in each["headers"]),
            each["body"].encode("latin-1"),
        )
        for name, each in recorded.items()
    }


def save(answers: Mapping[str, Answer]) -> None:
    """Write the recorded answers."""
    content = {
        name: asdict(each) | {"body": each.body.decode("latin-1")} for name, each in answers.items()
    }
    RECORDED.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
