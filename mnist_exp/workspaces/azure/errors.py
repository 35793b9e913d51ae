"""Azure's exceptions in our words: what happened, what to do, and the request's id."""

import re

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

from mnist_exp.errors import MnistExpError, NotFoundError, RefusedError, ServiceError

#: What must never be seen: signatures and keys in addresses, tokens in headers.
_SECRETS = re.compile(
    r"(?i)\b(sig|skoid|key|token|secret|password)=[^&\s\"']+|Bearer\s+[\w.~+/=-]+"
)
_QUOTA = re.compile(r"(?i)quota|OutOfCapacity|not enough cores|SkuNotAvailable")
_LONGEST = 400

SIGN_IN = "run `az login`, or choose another workspace.credential"
ROLE = (
    "ask for the role AzureML Data Scientist on the workspace "
    "(AzureML Compute Operator to create computes)"
)
AGAIN = "run the same command again later; what has been made is found and used"

IN_USE = "wait for what is under way, or choose another name"
#: HTTP status -> what it is to us, and what to do.
_STATUSES: dict[int, tuple[type[MnistExpError], str]] = {
    403: (RefusedError, f"; {ROLE}"),
    404: (NotFoundError, ""),
    409: (RefusedError, f"; {IN_USE}"),
    412: (RefusedError, f"; {IN_USE}"),
    429: (RefusedError, f"; {AGAIN}"),
}


def mapped(error: Exception, doing: str) -> MnistExpError:
    """Return our error for one of Azure's.

    Args:
        error: Azure's.
        doing: What failed: a config key or a name.
    """
    if isinstance(error, CredentialUnavailableError):
        return RefusedError(
            f"workspace.credential: no way to sign in was found ({error_text(error)}); {SIGN_IN}"
        )
    if isinstance(error, MlException):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, HttpResponseError | ServiceRequestError | ServiceResponseError):
            return mapped(cause, doing)
        return ServiceError(f"{doing}: the SDK refused: {_details(error_text(error))}")
    if isinstance(error, HttpResponseError):
        return _of_status(error, doing)
    return ServiceError(
        f"{doing}: Azure cannot be reached ({error_text(error)}); see that the network is there, "
        f"then {AGAIN}"
    )


def error_text(error: Exception) -> str:
    """Return an exception's message on one line, without secrets."""
    inner = getattr(error, "error", None)
    text = str(getattr(inner, "message", None) or getattr(error, "message", None) or error)
    return _SECRETS.sub("[hidden]", " ".join(text.split()))[:_LONGEST]


def _of_status(error: HttpResponseError, doing: str) -> MnistExpError:
    said = f"{error_text(error)}{_request(error)}"
    status = error.status_code or 0
    if isinstance(error, ClientAuthenticationError):
        return RefusedError(f"{doing}: Azure did not accept who we are: {said}; {SIGN_IN}")
    if _QUOTA.search(said):
        return RefusedError(
            f"{doing}: {said}; ask for more quota in Azure ML studio, or take a smaller size or "
            "fewer instances; mnist-exp stage=doctor shows what is left"
        )
    kind, remedy = _STATUSES.get(status, (ServiceError, ""))
    if kind is ServiceError:
        return ServiceError(f"{doing}: Azure {_failing(status)}: {said}")
    return kind(f"{doing}: {said}{remedy}")


def _failing(status: int) -> str:
    return f"failed with status {status}, {AGAIN}" if status >= 500 else "refused"


def _request(error: HttpResponseError) -> str:
    headers = getattr(error.response, "headers", None) or {}
    name = headers.get("x-ms-request-id") or headers.get("x-ms-client-request-id")
    return f" (request {name})" if name else ""


def _details(text: str) -> str:
    """Return the faults of the SDK's long explanation, or all of it."""
    found = re.findall(r"\(x\) (.*?)(?= \(x\) | Resolutions:|$)", text)
    return "; ".join(found) or text
