"""The errors that a user can cause or see.

    MnistExpError         the base class; the text of an error is the message to the user
    ├── ConfigError       the config breaks rules; holds every fault
    ├── DataError         missing, damaged or unreachable data
    ├── OutputsError      the outputs folder cannot be written
    ├── JobError          a job failed or cannot run; holds the last lines of the job's log
    ├── NotFoundError     a record, model, endpoint or deployment does not exist
    ├── EndpointError     an endpoint answered with an error, or did not answer
    ├── RefusedError      the workspace does not allow the request
    └── ServiceError      Azure failed, or cannot be reached
        └── ConnectionLostError   a submitted job continues, but its status cannot be read

Add a class only if some code catches the class, or if the class holds more than a message. Only
RefusedError does not follow this rule: its purpose is to tell the user to change the request.

A message is one line. The line contains the config key or the path, the rule, the value, and what
to do.
"""

from collections.abc import Sequence


class MnistExpError(Exception):
    """The base class of all errors of this package."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines to print, one for each fault."""
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
        """The lines to print, one for each broken rule."""
        return self.faults


class DataError(MnistExpError):
    """Data that is missing or damaged, or that cannot be downloaded."""


class OutputsError(MnistExpError):
    """An outputs folder that cannot be written.

    Possible causes are missing permissions, a full disk, or a file at the path of the folder.
    """


class JobError(MnistExpError):
    """A job that failed or cannot run.

    Args:
        message: A description of the failure, with the path of the job's log.
        log_tail: The last lines of the job's log, printed below the message.
    """

    def __init__(self, message: str, log_tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log_tail = tuple(log_tail)


class NotFoundError(MnistExpError):
    """A record, model, endpoint or deployment that does not exist."""


class EndpointError(MnistExpError):
    """An endpoint that answered with an error, or did not answer.

    Args:
        message: A description of the failure.
        status: The HTTP status of the answer; None if there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class RefusedError(MnistExpError):
    """A request that the workspace does not allow.

    Possible causes: a name or port is taken, the workspace has no such feature, the sign-in or a
    role is missing, the quota is used up, or Azure gets too many requests.
    """


class ServiceError(MnistExpError):
    """A failure of Azure.

    Possible causes: Azure reports an internal error, rejects a request as invalid, or cannot be
    reached.
    """


class ConnectionLostError(ServiceError):
    """A submitted job continues, but the command cannot read the status of the job."""
