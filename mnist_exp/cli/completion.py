"""Shell completion of the values that Hydra cannot complete: stages, other choices, and run names.

Hydra completes config groups, their options and the keys. A shell asks for a completion with
`mnist-exp -sc query=bash`. The variable COMP_LINE contains the line to complete.
https://hydra.cc/docs/tutorials/basic/running_your_app/tab_completion
"""

from collections.abc import Iterable
from pathlib import Path

from mnist_exp.cli.schema_keys import choices_at
from mnist_exp.past_runs import JOB_STAGES
from mnist_exp.records import RecordIndex


def completed_words(line: str) -> list[str] | None:
    """Return the words that complete the last word of a command line.

    Return None if Hydra completes the last word.
    """
    *words, last = line.split(" ")
    key, equals, given = last.partition("=")
    values = _run_names(words) if key == "run" else choices_at(key)
    if not equals or not values:
        return None
    return [f"{key}={value}" for value in values if value.startswith(given)]


def _run_names(words: Iterable[str]) -> list[str]:
    """Return the names of past runs, newest first. With `stage=train`, return only trainings."""
    values = dict(word.split("=", 1) for word in words if "=" in word)
    stages = [stage for stage in JOB_STAGES if stage.value == values.get("stage")] or JOB_STAGES
    index = RecordIndex(Path(values.get("outputs_dir", "outputs")))
    return list(dict.fromkeys(record.name for record, _ in index.newest_first(*stages)))
