"""Names of swept parameters, in Hydra's spelling and in Azure ML's.

A search-space key may be a dotted Hydra key (`model.learning_rate`). Azure ML does not document
whether its service accepts a dot there. A dot is therefore sent as two underscores, which can be
undone without a table as long as no key has two underscores of its own.
Names follow https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command.
"""

import re

from mnist_exp.names import MOST_LETTERS

_KEY = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*")


def azure_name(key: str) -> str:
    """Return Azure ML's name of a key: `model__learning_rate` for `model.learning_rate`."""
    return key.replace(".", "__")


def hydra_key(name: str) -> str:
    """Return the key of a name that `azure_name` has returned."""
    return name.replace("__", ".")


def name_fault(key: str) -> str | None:
    """Return the rule that a search-space key breaks, or None."""
    if len(key) > MOST_LETTERS:
        return f"a name has at most {MOST_LETTERS} letters, got {len(key)}; rename it"
    if not _KEY.fullmatch(key):
        return (
            "a name has letters, digits and underscores, does not begin with a digit, and may be "
            f"dotted, got {key!r}; rename it"
        )
    if hydra_key(azure_name(key)) != key:
        return (
            "two underscores in a row mean a dot in Azure ML's spelling, "
            f"got {key!r}, which would collide with {hydra_key(azure_name(key))!r}; rename it"
        )
    return None
