"""Check the config group `sweep`, and check that the job can use the drawn values."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from mnist_exp.build import argument_name, inputs_of, script_command
from mnist_exp.checks.general import SEED_RULE, SEEDS
from mnist_exp.checks.model import model_field, number_of, share_rule, value_rule
from mnist_exp.config import ExperimentConfig
from mnist_exp.experiment import Experiment
from mnist_exp.sweeps.plan import readable_space
from mnist_exp.sweeps.space.expressions import Choice, Expression
from mnist_exp.sweeps.space.keys import name_fault
from mnist_exp.sweeps.space.parse import space_keys
from mnist_exp.templates import references

#: The config keys that a dotted key of a search space may begin with.
_TOP_KEYS = {field.name for field in fields(ExperimentConfig)}


def sweep_faults(config: Experiment) -> Iterator[str]:
    """Yield faults of the sweep.

    The faults include keys of the search space that the job does not use, and drawn values that the
    model does not accept.
    """
    plan, found = config.parsed_sweep
    yield from found
    yield from _unused_names(config)
    sweep = config.sweep
    space = (
        plan.search_space if plan else readable_space(sweep.search_space, sweep.sampling_algorithm)
    )
    for key, expression in sorted(space.items()):
        yield from _refused_values(key, expression, config)


def sweep_warnings(config: Experiment) -> Iterator[str]:
    """Yield one line for each key that the job probably ignores or that has no effect on trials."""
    job = config.job
    if job.timeout is not None and config.sweep.limits.trial_timeout is None:
        yield "job.timeout: has no effect on trials; use sweep.limits.trial_timeout"
    if job.command is not None:
        for name in sorted((swept_names(config) & set(job.inputs)) - _used_names(config)):
            yield (
                f"sweep.search_space.{name}: job.command does not use this input; "
                f"the drawn value is only in the environment variable AZUREML_SWEEP_{name}"
            )
    unknown = sorted(swept_names(config) - {*job.inputs, *config.sources.values()})
    if job.script is not None and unknown:
        flags = ", ".join(argument_name(name, job.argument_style) for name in unknown)
        yield (
            f"sweep.search_space: the job has no inputs {', '.join(unknown)}; "
            f"{job.script} must accept {flags}; the search space also has the keys of each option "
            "that the file of your sweep names in `defaults`"
        )


def swept_names(config: Experiment) -> set[str]:
    """Return the keys of the search space, including keys with faults."""
    return set(space_keys(config.sweep.search_space))


def _unused_names(config: Experiment) -> Iterator[str]:
    """Yield one line for each key of the search space that does not fit the inputs and outputs."""
    replaced: dict[str, str] = {}
    for name in sorted(name for name in swept_names(config) if not name_fault(name)):
        where = f"sweep.search_space.{name}"
        for input_name in inputs_of(name, config.job.inputs, config.sources):
            if other := replaced.get(input_name):
                yield (
                    f"{where}: sets job.inputs.{input_name}, but {other} also sets this input; "
                    "remove one of the two keys"
                )
            replaced[input_name] = name
            if isinstance(config.job.inputs.get(input_name), Mapping):
                yield (
                    f"{where}: job.inputs.{input_name} is a file or a folder, but a sweep draws "
                    "numbers and text; remove the key from the search space"
                )
        if name in config.job.outputs:
            yield (
                f"{where}: job.outputs has the same name, so the script would get two values; "
                "rename the key or the output"
            )
        if fault := _unused_name(name, config):
            yield f"{where}: {fault}"


def _unused_name(name: str, config: Experiment) -> str | None:
    """Return the reason why the job does not use a key of the search space.

    The function returns None if the key sets an input, or if the script may accept the key as a new
    option.
    """
    inputs, sources = config.job.inputs, config.sources
    used = _used_names(config)
    if name in {*used, *inputs, *sources.values()}:
        return None
    if "." in name and name.partition(".")[0] in _TOP_KEYS:
        known = ", ".join(sorted(set(sources.values()) or set(inputs)))
        return f"no input of the job uses the value of this key; the usable keys are {known}"
    if (dotted := name.replace("__", ".")) in sources.values():
        return f"no input of the job has this name; did you mean {dotted}?"
    if close := _meant(name, inputs):
        return f"no input of the job has this name; did you mean {close[0]}?"
    if config.job.command is not None:
        return "no input of the job has this name, and job.command does not use the name"
    return None


def _used_names(config: Experiment) -> set[str]:
    """Return the inputs and drawn values that the job's command refers to."""
    command = config.job.command or script_command("", config.job.inputs, {})
    return {name for kind, name in references(command) if kind in ("inputs", "search_space")}


def _meant(name: str, inputs: Iterable[str]) -> list[str]:
    """Return a list with the input that the user probably meant, or an empty list.

    Inputs that differ from `name` only in digits do not count: `beta_2` does not mean `beta_1`.
    """
    letters = re.sub(r"\d", "", name)
    others = [other for other in inputs if re.sub(r"\d", "", other) != letters]
    return get_close_matches(name, others, n=1, cutoff=0.8)


def _refused_values(key: str, expression: Expression, config: Experiment) -> Iterator[str]:
    """Yield a fault if an expression may draw an invalid value for the model or the seed."""
    field = model_field(key, config.sources)
    if field is not None:
        where = f"model.{field}"
    elif config.sources.get(key) == "seed":
        where = "seed"
    else:
        return
    for value in _drawn(expression):
        if rule := _rule(field, value, config.job.distribution.worker_count):
            shown = f"{value:g}" if type(value) is float else str(value)
            yield (
                f"sweep.search_space.{key}: may draw {shown}, but {where} must be {rule}; "
                f"use other values or bounds"
            )
            return


def _drawn(expression: Expression) -> tuple[Any, ...]:
    """Return values that an expression may draw.

    For a choice, the function returns all values, which may be mappings. For every other type of
    expression, the function returns typical and extreme values.
    """
    return expression.values if isinstance(expression, Choice) else expression.examples()


def _rule(field: str | None, value: Any, workers: int) -> str | None:
    """Return the rule that a drawn value breaks, or None for a valid value.

    Args:
        field: A field of the model group; None means the seed.
        value: The drawn value.
        workers: The number of workers that share a batch.
    """
    if field is None:
        number = number_of(value)
        # Convert to int: Python would compare a float with every number of the range, one by one.
        return None if number.is_integer() and int(number) in SEEDS else SEED_RULE
    rule = value_rule(field, value)
    return share_rule(value, workers) if field == "batch_size" and not rule else rule
