"""Checks that a command does not change the submitted job that the command resumes.

The command line compares its overrides with the saved config. The local workspace compares the new
spec with the saved spec. The command line and the workspace both use this module, so that both
print the same message.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_exp.errors import RefusedError

#: Remedy in a message: how to start another job.
START_ANOTHER = "remove run= and resume= to start another job"


@dataclass(frozen=True)
class Difference:
    """One value that differs from the value of the submitted job.

    Attributes:
        path: The parts of the value's dotted key.
        kept: The value of the submitted job; None if the submitted job has no such key.
        given: The value that the command sets; None if the command has no such key.
    """

    path: tuple[str, ...]
    kept: Any
    given: Any

    @property
    def key(self) -> str:
        """The path as a dotted key."""
        return ".".join(self.path)

    def message(self, job: str, remedy: str = START_ANOTHER) -> str:
        """Return a message with the key, both values and the remedy.

        Args:
            job: The stage and the name of the job, e.g. `sweep NAME`.
            remedy: What the user can do.
        """
        kept, given = (json.dumps(value, default=str) for value in (self.kept, self.given))
        if "environment_variables" in self.path:
            # The values may be secrets.
            return f"{self.key}: must stay as in {job}; {remedy}"
        return (
            f"{self.key}: must stay {kept}, got {given}; {job} was submitted with {kept}; {remedy}"
        )


def differences(kept: Any, given: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Yield each difference between two mappings.

    Two nested mappings are compared key by key. All other values are compared as a whole.
    """
    if not (isinstance(kept, Mapping) and isinstance(given, Mapping)):
        if kept != given:
            yield Difference(path, kept, given)
        return
    for name in {**kept, **given}:
        yield from differences(kept.get(name), given.get(name), (*path, name))


def require_same_job(job: str, kept: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that a command does not change the values of a submitted job.

    Raises:
        RefusedError: The job was submitted with other values.
    """
    for difference in differences(kept, given):
        raise RefusedError(difference.message(job))
