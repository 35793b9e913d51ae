"""The seam to Azure: calls are tried again where that helps, and its exceptions become ours.

Everything that is created is named before it is sent, so any call may be made twice. The SDK
itself repeats what is throttled or broken, but no POST that is throttled, no call with an expired
token, and none that comes too early after a create.
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

from mnist_exp.workspaces.azure.errors import mapped
from mnist_exp.workspaces.azure.quiet import quiet

T = TypeVar("T")

#: HTTP statuses that another try may heal.
_PASSING = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Retrying:
    """How calls to Azure are made.

    Attributes:
        tries: At most, for faults that pass.
        pause_s: Before the second try; doubled before each further one.
    """

    tries: int = 4
    pause_s: float = 1.0

    def call(self, doing: str, action: Callable[[], T], *, settling: bool = False) -> T:
        """Return what the action returns.

        Args:
            doing: What it is about, for the error: a config key or a name.
            action: The call; safe to repeat.
            settling: What it asks for has just been created, and may not be seen everywhere yet.

        Raises:
            MnistExpError: It failed, and went on failing where that could have passed.
        """
        with self.errors(doing), quiet():
            for attempt in range(1, self.tries):
                try:
                    return action()
                except (AzureError, RequestException) as error:
                    if not _may_pass(error, attempt, settling):
                        raise
                    time.sleep(self.pause_s * 2 ** (attempt - 1))
            return action()

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn Azure's exceptions in the block into ours."""
        try:
            yield
        except (AzureError, RequestException) as error:
            raise mapped(error, doing) from error


def _may_pass(error: Exception, attempt: int, settling: bool) -> bool:
    if isinstance(error, ResourceNotFoundError):
        return settling
    if isinstance(error, ClientAuthenticationError):
        # A token that expired on the way; without any credential there is no answer to speak of.
        return attempt == 1 and error.response is not None
    if isinstance(error, ResourceExistsError):
        return "progress" in str(error).lower()
    if isinstance(error, HttpResponseError):
        return error.status_code in _PASSING
    if isinstance(error, MlException):
        cause = error.__cause__ or error.__context__
        return isinstance(cause, Exception) and _may_pass(cause, attempt, settling)
    return isinstance(error, ServiceRequestError | ServiceResponseError | RequestException)
