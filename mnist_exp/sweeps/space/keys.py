"""Convert the names of swept parameters from Hydra's spelling to Azure ML's spelling.

A search-space key may be a dotted Hydra key (`model.learning_rate`). Azure ML does not document
whether its service accepts a dot in a key. In requests to Azure ML, two underscores therefore
replace each dot. A key may itself contain two underscores, for example a parameter of a
scikit-learn pipeline (`regressor__n_estimators`). The dots can then not be recovered from the name.
A tag of the sweep therefore contains the keys with dots. The rules for names are from
https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command.
"""

import re

from mnist_exp.names import MAX_NAME_LENGTH

_KEY = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*")


def azure_name(key: str) -> str:
    """Return Azure ML's name of a key: `model__learning_rate` for `model.learning_rate`."""
    return key.replace(".", "__")


def name_fault(key: str) -> str | None:
    """Return the rule that a search-space key breaks; None if the key is valid."""
    if len(key) > MAX_NAME_LENGTH:
        return (
            f"a name must have at most {MAX_NAME_LENGTH} characters, got {len(key)}; "
            "choose a shorter name"
        )
    if not _KEY.fullmatch(key):
        return (
            "a name must consist of letters, digits and underscores, must not begin with a digit, "
            f"and may have dots, got {key!r}; choose another name"
        )
    return None
