"""Repeat calls to Azure after transient errors.

Exceptions of Azure's SDK are converted to exceptions of this program. A call can be repeated
safely, because this program chooses the name of an object before it sends the request that creates
the object. A repeated request therefore creates no second object.

The SDK itself repeats a request that was throttled (except a POST) or that failed with a server
error. This module also repeats the following requests, which the SDK does not repeat:

- a throttled POST
- a request with an expired token
- a request that needs an object that was created a moment ago
- a request that Azure refuses because another operation is in progress

If a call takes longer than a few seconds, a message reports what the command waits for.
"""

import threading
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
from mnist_exp.workspaces.azure.network import TRANSIENT_STATUSES, network_fault
from mnist_exp.workspaces.azure.sdk_output import quiet, shown
from mnist_exp.workspaces.azure.sign_in import SignInError

T = TypeVar("T")

#: Seconds between two messages about the same wait.
_BETWEEN_MESSAGES_S = 60


def _ignore(_: str) -> None:
    """Print nothing."""


@dataclass(frozen=True)
class RetryPolicy:
    """Rules for repeating a failed call.

    Attributes:
        tries: Maximum number of tries.
        pause_s: Seconds before the second try. The pause doubles before each further try.
        patience_s: Seconds of a wait before a message reports the wait.
        message: Function that prints a line.
    """

    tries: int = 4
    pause_s: float = 1.0
    patience_s: float = 5.0
    message: Callable[[str], None] = _ignore

    def call(
        self,
        subject: str,
        action: Callable[[], T],
        *,
        settling: bool = False,
        wait: str = "waiting for Azure's answer",
    ) -> T:
        """Call the action, and return its result.

        Args:
            subject: Beginning of an error message, such as a config key or the name of an object.
            action: Function that makes the call to Azure. The function may be called several times.
            settling: Whether the call needs an object that was created a moment ago. Azure may
                not find such an object yet.
            wait: What the command waits for during the call, for a message.

        Raises:
            MnistExpError: The last try failed, or a try failed with an error that is not
                transient.
        """
        with self.mapped_errors(subject), self.announced(f"{subject}: {wait}"), quiet():
            for attempt in range(1, self.tries):
                try:
                    return action()
                except (AzureError, RequestException) as error:
                    if network_fault(error) or not _is_transient(error, attempt, settling):
                        raise
                    time.sleep(self.pause_s * 2 ** (attempt - 1))
            return action()

    @contextmanager
    def announced(self, wait: str) -> Iterator[None]:
        """Print a message if the block takes longer than `patience_s` seconds.

        Args:
            wait: The message: what the command waits for.
        """
        has_ended = threading.Event()

        def announce() -> None:
            pause = self.patience_s
            while not has_ended.wait(pause):
                with shown():
                    self.message(wait)
                pause = _BETWEEN_MESSAGES_S

        thread = threading.Thread(target=announce, daemon=True, name="messages about waits")
        thread.start()
        try:
            yield
        finally:
            has_ended.set()
            thread.join()

    @contextmanager
    def mapped_errors(self, subject: str) -> Iterator[None]:
        """Convert exceptions of Azure's SDK in the block to exceptions of this program."""
        try:
            yield
        except (AzureError, RequestException) as error:
            raise map_error(error, subject) from error
        except (OSError, ValueError) as error:
            # `requests` raises a plain OSError if the file in REQUESTS_CA_BUNDLE is missing, and a
            # ValueError of urllib3 if the address of the proxy is not valid.
            if network_fault(error) is None:
                raise
            raise map_error(error, subject) from error


def _is_transient(error: Exception, attempt: int, settling: bool) -> bool:
    if isinstance(error, ResourceNotFoundError):
        return settling
    if isinstance(error, ClientAuthenticationError):
        # Azure refuses a token that has expired. The second try uses a new token.
        return error.is_transient if isinstance(error, SignInError) else attempt == 1
    if isinstance(error, ResourceExistsError):
        return "progress" in str(error).lower()
    if isinstance(error, HttpResponseError):
        return error.status_code in TRANSIENT_STATUSES
    if isinstance(error, MlException):
        cause = error.__cause__ or error.__context__
        return isinstance(cause, Exception) and _is_transient(cause, attempt, settling)
    return isinstance(error, ServiceRequestError | ServiceResponseError | RequestException)
