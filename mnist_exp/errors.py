"""Every error that a user can cause or meet.

    MnistExpError                 the root: its text is what the user reads
    ├── ConfigError               the config breaks rules; carries every fault found
    ├── DataError                 missing, damaged or unreachable data
    ├── OutputsError              the outputs folder cannot be written
    ├── JobError                  a job failed or cannot be run; names its log
    ├── NotFoundError             no such record, model, endpoint or deployment
    ├── ConflictError             the name or port is taken, or the thing is in use
    ├── EndpointError             an endpoint refused, or did not answer
    ├── UnsupportedError          asked of a workspace that cannot do it
    ├── AuthenticationError       nobody is signed in, or the service does not know us
    ├── AccessError               signed in, and a role is missing
    ├── QuotaError                the service has no more machines for us
    ├── ThrottledError            the service wants fewer requests
    └── ServiceError              the service failed, refused, or cannot be reached

A message is one line: where (a config key or a path), the rule, the value, the remedy.
"""

from collections.abc import Sequence


class MnistExpError(Exception):
    """The root of the tree: catch this one to catch them all."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The messages to print, one fault a line."""
        return (str(self),)


class ConfigError(MnistExpError):
    """The config breaks one or more rules.

    Args:
        faults: One line for each broken rule; never empty.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each broken rule."""
        return self.faults


class DataError(MnistExpError):
    """Data is missing, damaged or cannot be fetched."""


class OutputsError(MnistExpError):
    """The outputs folder cannot be written: permissions, a full disk, a file in the way."""


class JobError(MnistExpError):
    """A job failed or could not be run.

    Args:
        message: What happened, with the log's path.
        log_tail: The last lines of the job's log, printed below the message.
    """

    def __init__(self, message: str, log_tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log_tail = tuple(log_tail)


class NotFoundError(MnistExpError):
    """A record, model, endpoint or deployment of that name does not exist."""


class ConflictError(MnistExpError):
    """A name or a port is taken, or the thing to change is in use."""


class EndpointError(MnistExpError):
    """An endpoint answered with an error, or did not answer."""


class UnsupportedError(MnistExpError):
    """The chosen workspace cannot do what was asked."""


class AuthenticationError(MnistExpError):
    """Nobody is signed in, or the service does not accept who we are."""


class AccessError(MnistExpError):
    """We are known, and a role is missing."""


class QuotaError(MnistExpError):
    """The service has no more machines, or cores, for us."""


class ThrottledError(MnistExpError):
    """The service wants fewer requests."""


class ServiceError(MnistExpError):
    """The service failed, refused what was asked, or cannot be reached."""
