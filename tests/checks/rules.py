"""Changes of a config that break a rule, and the test that each rule shares."""

from collections.abc import Callable
from typing import Any

from mnist_exp import checks
from mnist_exp.config import ExperimentConfig
from tests.support.configs import fresh_config

Change = Callable[[ExperimentConfig], object]
#: The stage, the change that breaks the rule, a part of the message.
Rule = tuple[str, Change, str]

LR = {"type": "uniform", "min_value": 0.0, "max_value": 1.0}


def setting(**values: Any) -> Change:
    """Return a change that sets dotted keys, dots written as two underscores."""

    def change(config: ExperimentConfig) -> None:
        for key, value in values.items():
            *parents, name = key.split("__")
            node: Any = config
            for parent in parents:
                node = node[parent] if isinstance(node, dict) else getattr(node, parent)
            if isinstance(node, dict):
                node[name] = value
            else:
                setattr(node, name, value)

    return change


def command(text: str, **inputs: Any) -> Change:
    """Return a change that runs a shell command instead of the script."""
    return setting(job__script=None, job__command=text, job__inputs=inputs, job__outputs={})


def assert_is_one_line(stage: str, change: Change, expected: str) -> None:
    """Assert that a change of a valid config breaks one rule, whose message is one line."""
    assert checks.faults(fresh_config(f"stage={stage}")) == []
    config = fresh_config(f"stage={stage}")
    change(config)
    found = checks.faults(config)
    about = [line for line in found if expected in line]
    assert len(about) == 1, found
    # The rules of traffic and of mixed spaces break two at once; each other rule breaks alone.
    assert len(found) == 1 or "traffic" in expected or "search_space.learning_rate" in expected
    assert all("\n" not in line and "None" not in line for line in found)
