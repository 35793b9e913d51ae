"""Shell completion of values: options of config groups, stages, other choices, and run names.

Hydra completes the names of config groups and keys. Hydra's own completion of options knows neither
the folder of `--config-dir` nor a list such as `model=small,wide`.

A shell asks for a completion with `mnist-exp -sc query=bash`. The variable COMP_LINE contains the
line to complete. https://hydra.cc/docs/tutorials/basic/running_your_app/tab_completion
"""

import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from mnist_exp.cli.compose import config_folder
from mnist_exp.cli.primary import FOLDER_FLAGS
from mnist_exp.cli.schema_keys import choices_at
from mnist_exp.past_runs import JOB_STAGES
from mnist_exp.records import RecordIndex


def completed_words(line: str) -> list[str] | None:
    """Return the words that complete the last word of a command line.

    Return None if Hydra completes the last word.
    """
    *words, last = line.split(" ")
    key, equals, given = last.partition("=")
    if not key or not equals:
        return None
    values = _run_names(words) if key == "run" else choices_at(key) or _options(key, words)
    if not values:
        return None
    # With -m, a key may have several values.
    before, comma, given = given.rpartition(",")
    found = (value for value in values if value not in before.split(","))
    return [f"{key}={before}{comma}{value}" for value in found if value.startswith(given)]


def _options(group: str, words: Sequence[str]) -> list[str]:
    """Return the options of a config group; an empty list if there is no such group."""
    folders = [config_folder()]
    for word, following in pairwise([*words, ""]):
        flag, equals, value = word.partition("=")
        if flag in FOLDER_FLAGS:
            # The line to complete contains ~ and quotes as the user typed them.
            given = (value if equals else following).strip("'\"")
            folders.append(Path(os.path.expanduser(given)))  # noqa: PTH111 - never raises
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def _run_names(words: Iterable[str]) -> list[str]:
    """Return the names of past runs, newest first. With `stage=train`, return only trainings."""
    values = dict(word.split("=", 1) for word in words if "=" in word)
    stages = [stage for stage in JOB_STAGES if stage.value == values.get("stage")] or JOB_STAGES
    index = RecordIndex(Path(values.get("outputs_dir", "outputs")))
    return list(dict.fromkeys(record.name for record, _ in index.newest_first(*stages)))
