"""Calls to Azure: repeated where that helps, with Azure's exceptions turned into ours.

Everything is named before it is created, so every call may be made twice. The SDK itself repeats
requests that were throttled or met a server error. It does not repeat a throttled POST, a request
whose token has expired, or a read that came too soon after the creation.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from requests.exceptions import RequestException

from mnist_exp.workspaces.azure.error_mapping import map_error
from mnist_exp.workspaces.azure.sdk_output import quiet

T = TypeVar("T")

#: HTTP statuses of faults that may be over at the next try.
_TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how fast a failed call is repeated.

    Attributes:
        tries: Largest number of tries.
        pause_s: Seconds before the second try; doubled before each further try.
    """

    tries: int = 4
    pause_s: float = 1.0

    def call(self, subject: str, action: Callable[[], T], *, settling: bool = False) -> T:
        """Return what the action returns.

        Args:
            subject: What the call is about, for the error: a config key or a name.
            action: The call. It may be made several times.
            settling: Whether the call reads something that was created a moment ago. Azure may
                not find that at once.

        Raises:
            MnistExpError: The call failed, or the last of several tries did.
        """
        with self.mapped_errors(subject), quiet():
            for attempt in range(1, self.tries):
                try:
                    return action()
                except (AzureError, RequestException) as error:
                    if not _is_transient(error, attempt, settling):
                        raise
                    time.sleep(self.pause_s * 2 ** (attempt - 1))
            return action()

    @contextmanager
    def mapped_errors(self, subject: str) -> Iterator[None]:
        """Turn Azure's exceptions in the block into ours."""
        try:
            yield
        except (AzureError, RequestException) as error:
            raise map_error(error, subject) from error


def _is_transient(error: Exception, attempt: int, settling: bool) -> bool:
    if isinstance(error, ResourceNotFoundError):
        return settling
    if isinstance(error, ClientAuthenticationError):
        # The token may have expired. Without a response there was no token at all.
        return attempt == 1 and error.response is not None
    if isinstance(error, ResourceExistsError):
        return "progress" in str(error).lower()
    if isinstance(error, HttpResponseError):
        return error.status_code in _TRANSIENT_STATUSES
    if isinstance(error, MlException):
        cause = error.__cause__ or error.__context__
        return isinstance(cause, Exception) and _is_transient(cause, attempt, settling)
    return isinstance(error, ServiceRequestError | ServiceResponseError | RequestException)
