"""The errors that a user can cause or meet.

    MnistExpError         the root: its text is what the user reads
    ├── ConfigError       the config breaks rules; holds every fault
    ├── DataError         missing, damaged or unreachable data
    ├── OutputsError      the outputs folder cannot be written
    ├── JobError          a job failed or cannot run; holds the end of its log
    ├── NotFoundError     no record, model, endpoint or deployment of that name
    ├── EndpointError     an endpoint answered with an error, or did not answer
    ├── RefusedError      the workspace refuses the request
    └── ServiceError      Azure failed, or cannot be reached

There is a class of its own where some code catches it. A message is one line: where (a config key
or a path), the rule, the value, the remedy.
"""

from collections.abc import Sequence


class MnistExpError(Exception):
    """The root: `except MnistExpError` catches all errors of this package."""

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
    """An outputs folder that cannot be written: permissions, a full disk, a file in the way."""


class JobError(MnistExpError):
    """A job that failed or cannot run.

    Args:
        message: What happened, with the log's path.
        log_tail: The last lines of the job's log, printed below the message.
    """

    def __init__(self, message: str, log_tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log_tail = tuple(log_tail)


class NotFoundError(MnistExpError):
    """A record, model, endpoint or deployment that does not exist."""


class EndpointError(MnistExpError):
    """An endpoint that answered with an error, or did not answer."""


class RefusedError(MnistExpError):
    """A request that the workspace does not allow.

    A name or port is taken, the workspace has no such feature, the sign-in or a role is missing,
    the quota is used up, or Azure gets too many requests.
    """


class ServiceError(MnistExpError):
    """A failure of Azure: it failed, rejected a request as invalid, or cannot be reached."""
