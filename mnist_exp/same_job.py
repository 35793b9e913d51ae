"""Whether a command that resumes a job asks for the job that was submitted under that name.

The command line compares its overrides with the config that was kept; the local workspace compares
a spec with what it kept of the job. Both ask here, and both refuse with the same message.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_exp.errors import RefusedError

#: What a user does who wants another job.
START_ANOTHER = "leave run= and resume= out to start another"


@dataclass(frozen=True)
class Difference:
    """One value that is not what it was when the job was submitted.

    Attributes:
        path: The names that lead to the value, outermost first.
        kept: The value of the submitted job; None if it has no such key.
        given: The value that the command asks for; None if it has no such key.
    """

    path: tuple[str, ...]
    kept: Any
    given: Any

    @property
    def key(self) -> str:
        """The path as a dotted key."""
        return ".".join(self.path)

    def message(self, job: str, remedy: str = START_ANOTHER) -> str:
        """Return the rule, both values and the remedy.

        Args:
            job: The kind and the name of the job.
            remedy: What to do.
        """
        kept, given = (json.dumps(value, default=str) for value in (self.kept, self.given))
        return f"{self.key}: must stay {kept}, as {job} was submitted, got {given}; {remedy}"


def differences(kept: Any, given: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Yield each difference between two mappings, as deep as both are mappings."""
    if not (isinstance(kept, Mapping) and isinstance(given, Mapping)):
        if kept != given:
            yield Difference(path, kept, given)
        return
    for name in {**kept, **given}:
        yield from differences(kept.get(name), given.get(name), (*path, name))


def require_same_job(job: str, kept: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that nothing differs.

    Raises:
        RefusedError: The job was submitted with other values.
    """
    for difference in differences(kept, given):
        raise RefusedError(difference.message(job))
