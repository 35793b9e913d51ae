"""The front's part of the container.

On Azure ML, a request passes two programs in the container before the script gets the request: the
HTTP server gunicorn, and Azure ML's inference server. Both programs refuse some requests. This
module refuses the same requests with the same status, and handles headers in the same way.

| status | condition |
|---|---|
| 414 | the request line has more than 4,094 bytes |
| 417 | the header `Expect` contains a value other than `100-continue` |
| 431 | a header has more than 8,190 bytes; or the id of the request has more than 100 characters |

https://docs.gunicorn.org/en/stable/settings.html#security
"""

from mnist_exp.serving.frames import Reply
from mnist_exp.serving.http_answer import JSON, Header
from mnist_exp.serving.http_head import HttpHead
from mnist_exp.serving.replies import error_reply

_REQUEST_LINE_LIMIT = 4094
#: Maximum number of bytes of a header's name, value and line break.
_HEADER_LIMIT = 8190
_ID_LIMIT = 100
_REQUEST_ID = b"x-request-id"
_CLIENT_ID = b"x-ms-client-request-id"
#: The old name of the client's id. Azure ML's server still accepts this name.
_OLD_CLIENT_ID = b"x-ms-request-id"
_IDS = frozenset((_REQUEST_ID, _CLIENT_ID, _OLD_CLIENT_ID))
_TRACE_ID = b"traceid"
#: Headers of the container's answer that the endpoint replaces or drops.
_NOT_PASSED_ON = {
    *("content-length", "connection", "keep-alive", "transfer-encoding", "upgrade", "trailer"),
    *("x-request-id", "x-ms-request-id", "x-ms-client-request-id", "x-ms-server-version"),
}


def refusal(head: HttpHead) -> Reply | None:
    """Return the reply to a request that the container refuses; None for any other request."""
    return _refusal_of_gunicorn(head) or _refusal_of_ids(head)


def _refusal_of_gunicorn(head: HttpHead) -> Reply | None:
    if head.request_line_size > _REQUEST_LINE_LIMIT:
        return error_reply(414, f"the request line must be at most {_REQUEST_LINE_LIMIT} bytes")
    if head.longest_header > _HEADER_LIMIT:
        return error_reply(431, f"each header must be at most {_HEADER_LIMIT} bytes")
    if head.headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        return error_reply(417, "the header expect must be 100-continue")
    return None


def _refusal_of_ids(head: HttpHead) -> Reply | None:
    if _IDS.isdisjoint(head.headers):
        return None
    if len(_value(head, _REQUEST_ID)) > _ID_LIMIT:
        return error_reply(431, f"x-request-id must not exceed {_ID_LIMIT} characters")
    if max(len(_value(head, name)) for name in (_CLIENT_ID, _OLD_CLIENT_ID)) > _ID_LIMIT:
        names = "x-ms-request-id and x-ms-client-request-id"
        return error_reply(431, f"{names} must not exceed {_ID_LIMIT} characters")
    return None


def script_headers(head: HttpHead) -> dict[str, str]:
    """Return the request's headers as the script gets them, without the key.

    The container drops a name with an underscore, because WSGI cannot distinguish an underscore
    from a hyphen. The values of a repeated header are joined.
    """
    found: dict[str, str] = {}
    for raw_name, raw_value in head.all_headers:
        if b"_" not in raw_name:
            name, value = raw_name.decode("latin-1").title(), raw_value.decode("latin-1")
            found[name] = f"{found[name]},{value}" if name in found else value
    found.pop("Authorization", None)
    return found


def answer_headers(head: HttpHead, reply: Reply, *, is_refused: bool) -> list[Header]:
    """Return the headers of the container's answer that the endpoint passes on.

    Args:
        head: The head of the request.
        reply: The answer.
        is_refused: Whether the answer is a `refusal`.
    """
    headers = _reply_headers(reply)
    client_id = b"" if is_refused else _value(head, _CLIENT_ID) or _value(head, _OLD_CLIENT_ID)
    if client_id:
        headers.append((_CLIENT_ID, client_id))
    if _TRACE_ID in head.headers:
        headers.append((_TRACE_ID, _value(head, _TRACE_ID)))
    if reply.status != 200:
        headers.append((b"ms-azureml-model-error-statuscode", str(reply.status).encode()))
        headers.append((b"ms-azureml-model-error-reason", b"model_error"))
    return headers


def _reply_headers(reply: Reply) -> list[Header]:
    if not reply.packed_headers:
        took = (b"x-ms-run-fn-exec-ms", b"%.3f" % (reply.microseconds / 1000))
        return [JSON, (b"x-ms-run-function-failed", b"False"), took]
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in reply.headers
        if name.lower() not in _NOT_PASSED_ON
    ]


def _value(head: HttpHead, name: bytes) -> bytes:
    """Return the value of a header, or the joined values of a repeated header."""
    if name not in head.headers:
        return b""
    return b",".join(value for sent, value in head.all_headers if sent == name)
