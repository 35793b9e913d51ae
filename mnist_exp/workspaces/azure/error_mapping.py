"""Convert the exceptions of Azure's SDK to exceptions of this program.

A message contains the cause. It also contains the remedy and the id of the request, if these are
known.
"""

import re

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from mnist_exp.errors import MnistExpError, NotFoundError, RefusedError, ServiceError
from mnist_exp.workspaces.azure.network import cause_text, error_text, network_fault
from mnist_exp.workspaces.azure.sign_in import SignInError

#: Texts in Azure's messages that report a missing quota or an unavailable VM size.
_QUOTA = re.compile(r"(?i)quota|OutOfCapacity|not enough cores|SkuNotAvailable")
_TENANT = "sign in again, to the tenant of the subscription, or choose another workspace.credential"
_AGAIN = "run the same command again later; the command will use everything created so far"
_IN_USE = "wait until the other operation has finished, or choose another name"

#: Names of the user in Azure's messages. A name may contain any word, for example `quota`.
_NAMES = re.compile(r"/subscriptions/[^\s'\"]+|'[^'\s]+'")
#: Text in Azure's answer with status 403 -> the remedy. The first text that is found counts.
_FORBIDDEN = {
    r"private (link|endpoint)|public (network )?access|virtual network|\bvnet\b|firewall|"
    r"\bIP (address|rule)|AuthorizationFailure\b": (
        "Azure does not accept requests from this network; run the command in the virtual network "
        "of the workspace, or over its VPN, or ask the administrator to allow the address of this "
        "machine"
    ),
    r"RequestDisallowedByPolicy|policy": "ask the administrator of the subscription's policies",
    r"authorization|\brole\b|permission|access denied": (
        "ask for the role AzureML Data Scientist on the workspace; to create compute targets, also "
        "ask for the role AzureML Compute Operator"
    ),
}
#: HTTP status -> class of this program's exception, and the remedy at the end of its message.
_STATUSES: dict[int, tuple[type[MnistExpError], str]] = {
    403: (RefusedError, ""),
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
    if isinstance(error, SignInError):
        return RefusedError(error.message)
    if fault := network_fault(error):
        return ServiceError(f"{subject}: Azure cannot be reached: {fault}")
    if isinstance(error, MlException):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, HttpResponseError | ServiceRequestError | ServiceResponseError):
            return map_error(cause, subject)
        return ServiceError(
            f"{subject}: Azure's SDK refused the request: {_faults_in(error_text(error))}"
        )
    if isinstance(error, HttpResponseError):
        return _map_response(error, subject)
    return ServiceError(f"{subject}: Azure cannot be reached: {cause_text(error)}; {_AGAIN}")


def _map_response(error: HttpResponseError, subject: str) -> MnistExpError:
    text = f"{error_text(error)}{_request_id(error)}"
    status = error.status_code or 0
    if isinstance(error, ClientAuthenticationError):
        return RefusedError(f"{subject}: Azure did not accept the sign-in: {text}; {_TENANT}")
    if _QUOTA.search(_NAMES.sub("", text)):
        return RefusedError(
            f"{subject}: {text}; ask for more quota in Azure ML studio, or choose a smaller size "
            "or fewer instances; mnist-exp stage=doctor shows the available cores"
        )
    if status == 403:
        return RefusedError(f"{subject}: {text}{_remedy_for_forbidden(error)}")
    kind, remedy = _STATUSES.get(status, (ServiceError, ""))
    if kind is not ServiceError:
        return kind(f"{subject}: {text}{remedy}")
    failure = f"failed with status {status}" if status >= 500 else "refused the request"
    advice = f"; {_AGAIN}" if status >= 500 else ""
    return ServiceError(f"{subject}: Azure {failure}: {text}{advice}")


def _remedy_for_forbidden(error: HttpResponseError) -> str:
    """Return the remedy for an answer with status 403; empty if the cause is not known."""
    for text in (getattr(error.error, "code", None) or "", _NAMES.sub("", error.message)):
        for rule, remedy in _FORBIDDEN.items():
            if re.search(rule, text, re.IGNORECASE):
                return f"; {remedy}"
    return ""


def _request_id(error: HttpResponseError) -> str:
    headers = getattr(error.response, "headers", None) or {}
    name = headers.get("x-ms-request-id") or headers.get("x-ms-client-request-id")
    return f" (request {name})" if name else ""


def _faults_in(text: str) -> str:
    """Return the faults that the SDK's text lists; the whole text if it lists no faults."""
    found = re.findall(r"\(x\) (.*?)(?= \(x\) | Resolutions:|$)", text)
    return "; ".join(found) or text
