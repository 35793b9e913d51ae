"""Convert the exceptions of Azure's SDK to exceptions of this program.

A message contains the cause. If a remedy is known, the message also contains the remedy. The same
applies to the id of the request.
"""

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

#: Secrets that a message must never show: signatures and keys in addresses, tokens in headers.
_SECRETS = re.compile(
    r"(?i)\b(sig|skoid|key|token|secret|password)=[^&\s\"']+|Bearer\s+[\w.~+/=-]+"
)
#: Texts in Azure's messages that report a missing quota or an unavailable VM size.
_QUOTA = re.compile(r"(?i)quota|OutOfCapacity|not enough cores|SkuNotAvailable")
#: Maximum number of characters that a message quotes from Azure's text.
_LONGEST_TEXT = 400

_SIGN_IN = "run `az login`, or choose another workspace.credential"
_ROLE = (
    "ask for the role AzureML Data Scientist on the workspace; to create compute targets, also ask "
    "for the role AzureML Compute Operator"
)
_AGAIN = "run the same command again later; the command will use everything created so far"
_IN_USE = "wait until the other operation has finished, or choose another name"

#: HTTP status -> class of this program's exception, and the remedy at the end of its message.
_STATUSES: dict[int, tuple[type[MnistExpError], str]] = {
    403: (RefusedError, f"; {_ROLE}"),
    404: (NotFoundError, ""),
    409: (RefusedError, f"; {_IN_USE}"),
    412: (RefusedError, f"; {_IN_USE}"),
    429: (RefusedError, f"; {_AGAIN}"),
}


def map_error(error: Exception, subject: str) -> MnistExpError:
    """Return this program's exception for an exception of Azure's SDK.

    Args:
        error: The exception of the SDK.
        subject: Beginning of the message, such as a config key or the name of an object.
    """
    if isinstance(error, CredentialUnavailableError):
        return RefusedError(
            f"workspace.credential: no way to sign in was found ({error_text(error)}); {_SIGN_IN}"
        )
    if isinstance(error, MlException):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, HttpResponseError | ServiceRequestError | ServiceResponseError):
            return map_error(cause, subject)
        return ServiceError(
            f"{subject}: Azure's SDK refused the request: {_faults_in(error_text(error))}"
        )
    if isinstance(error, HttpResponseError):
        return _map_response(error, subject)
    return ServiceError(
        f"{subject}: Azure cannot be reached ({error_text(error)}); check the network, "
        f"then {_AGAIN}"
    )


def error_text(error: Exception) -> str:
    """Return an exception's message on one line, without secrets."""
    inner = getattr(error, "error", None)
    text = str(getattr(inner, "message", None) or getattr(error, "message", None) or error)
    return _SECRETS.sub("[hidden]", " ".join(text.split()))[:_LONGEST_TEXT]


def _map_response(error: HttpResponseError, subject: str) -> MnistExpError:
    text = f"{error_text(error)}{_request_id(error)}"
    status = error.status_code or 0
    if isinstance(error, ClientAuthenticationError):
        return RefusedError(f"{subject}: Azure did not accept the credential: {text}; {_SIGN_IN}")
    if _QUOTA.search(text):
        return RefusedError(
            f"{subject}: {text}; ask for more quota in Azure ML studio, or choose a smaller size "
            "or fewer instances; mnist-exp stage=doctor shows the available cores"
        )
    kind, remedy = _STATUSES.get(status, (ServiceError, ""))
    if kind is not ServiceError:
        return kind(f"{subject}: {text}{remedy}")
    failure = f"failed with status {status}" if status >= 500 else "refused the request"
    advice = f"; {_AGAIN}" if status >= 500 else ""
    return ServiceError(f"{subject}: Azure {failure}: {text}{advice}")


def _request_id(error: HttpResponseError) -> str:
    headers = getattr(error.response, "headers", None) or {}
    name = headers.get("x-ms-request-id") or headers.get("x-ms-client-request-id")
    return f" (request {name})" if name else ""


def _faults_in(text: str) -> str:
    """Return the faults that the SDK's text lists; the whole text if it lists no faults."""
    found = re.findall(r"\(x\) (.*?)(?= \(x\) | Resolutions:|$)", text)
    return "; ".join(found) or text
