"""The search for all faults of a command that Hydra cannot compose.

Hydra stops at the first bad override. We therefore correct or omit this override and compose again,
until Hydra can compose the remaining overrides. Then we check the resulting config.
"""

from bisect import bisect_left
from collections.abc import Sequence

from omegaconf import DictConfig

from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.checked_config import checked_experiment
from mnist_exp.cli.compose import split
from mnist_exp.cli.composer import Compose, composer, search_folders
from mnist_exp.cli.corrections import correction, with_corrections
from mnist_exp.cli.error_output import error_lines
from mnist_exp.cli.hydra_errors import explain, is_foreign
from mnist_exp.cli.primary import PrimaryConfig


def all_faults(
    first: Exception,
    primary: PrimaryConfig,
    overrides: Sequence[str],
    flags: Sequence[str] | None = None,
) -> list[str]:
    """Return a line for each fault of a command that Hydra cannot compose.

    Args:
        first: The error that Hydra raised.
        primary: The command's primary config and its other flags.
        overrides: The command's overrides.
        flags: All flags of the command; None for a call of the Python API.
    """
    folders = search_folders(primary)
    if folders is None or (folders and "hydra.searchpath" in map(override_key, overrides)):
        return _first_fault(first, overrides, flags)
    faults: list[str] = []
    bad_keys = set()
    corrected = _Corrected(overrides)
    with composer(primary, folders) as compose_with:
        # Put config groups before config keys. Hydra also applies config groups first, regardless
        # of the order in the command.
        left = sorted(overrides, key=lambda text: "." in override_key(text))
        outcome: DictConfig | Exception = first
        while isinstance(outcome, Exception):
            bad = _named(explain(outcome), left)
            if bad is None:
                bad, outcome = _first_bad(left, outcome, compose_with)
            faults.append(explain(outcome))
            if bad is None:
                # The fault is not in an override, but for example in the file of --config-name.
                return list(dict.fromkeys(faults))
            place = left.index(bad)
            left[place : place + 1] = corrected.replace(bad, outcome, faults[-1])
            bad_keys.add(override_key(bad))
            outcome = _composed(left, compose_with)
    others = [line for line in _config_faults(outcome) if _key(line) not in bad_keys]
    found = list(dict.fromkeys([*faults, *others]))
    return with_corrections(found, corrected.corrections, corrected.overrides, flags)


def composable(primary: PrimaryConfig, overrides: Sequence[str]) -> list[str]:
    """Return the overrides of a command without the overrides that Hydra cannot apply."""
    found: list[str] = []
    with composer(primary, search_folders(primary) or []) as compose_with:
        for text in overrides:
            if isinstance(_composed([*found, text], compose_with), DictConfig):
                found.append(text)
    return found


def _first_fault(
    error: Exception, overrides: Sequence[str], flags: Sequence[str] | None
) -> list[str]:
    """Return the line of the first fault, if other faults cannot be found."""
    line = explain(error)
    corrected = _Corrected(overrides)
    if bad := _named(line, overrides):
        corrected.replace(bad, error, line)
    return with_corrections([line], corrected.corrections, corrected.overrides, flags)


class _Corrected:
    """The overrides of a command, in which corrections replace bad overrides.

    Attributes:
        overrides: The overrides, in the order of the command.
        corrections: Line of a fault -> the correction of its override.
    """

    def __init__(self, overrides: Sequence[str]) -> None:
        self.overrides = list(overrides)
        self.corrections: dict[str, str] = {}

    def replace(self, bad: str, error: Exception, fault: str) -> list[str]:
        """Replace a bad override. Return the overrides with which to compose instead of it."""
        found = correction(bad, error)
        if found is None or found in self.overrides:
            return []
        self.overrides[self.overrides.index(bad)] = found
        self.corrections[fault] = found
        return [found]


def _named(line: str, overrides: Sequence[str]) -> str | None:
    """Return the override that a fault's line names; None if the line names no override.

    If the line names a key, return the override of this key, or of the nearest key above or below
    this key.
    """
    for override in overrides:
        if line.startswith(f"{override}:"):
            return override
    key = _key(line).lstrip("+~")
    above = [text for text in overrides if f"{key}.".startswith(f"{override_key(text)}.")]
    below = (text for text in overrides if override_key(text).startswith(f"{key}."))
    return max(above, key=lambda text: len(override_key(text)), default=next(below, None))


def _first_bad(
    overrides: Sequence[str], error: Exception, compose_with: Compose
) -> tuple[str | None, Exception]:
    """Return the first override that Hydra cannot apply, and the error that this override causes.

    A binary search needs about four compositions for ten overrides. If the overrides are not the
    reason for `error`, the function returns None and `error`.
    """
    found = bisect_left(
        range(len(overrides) + 1),
        True,
        key=lambda count: isinstance(_composed(overrides[:count], compose_with), Exception),
    )
    outcome = _composed(overrides[:found], compose_with)
    if found == 0 or not isinstance(outcome, Exception):
        return None, error
    return overrides[found - 1], outcome


def _composed(overrides: Sequence[str], compose_with: Compose) -> DictConfig | Exception:
    """Return the composed config, or the exception that an invalid override causes."""
    try:
        return compose_with(overrides)
    except Exception as error:
        if not is_foreign(error):
            raise
        return error


def _config_faults(composed: DictConfig) -> Sequence[str]:
    """Return a line for each fault of a composed config."""
    try:
        checked_experiment(*split(composed))
    except Exception as error:
        lines = error_lines(error)
        if lines is None:
            raise
        return lines
    return []


def _key(line: str) -> str:
    """Return the key at the beginning of a fault's line."""
    return line.partition(":")[0]
