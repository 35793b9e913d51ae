"""The sweep group: its own rules, and whether the job can use what it draws."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mnist_exp.build import inputs_of, script_command
from mnist_exp.checks.general import SEED_RULE, SEEDS
from mnist_exp.checks.model import model_field, number_of, share_rule, value_rule
from mnist_exp.config import ExperimentConfig
from mnist_exp.sweeps import parse_sweep
from mnist_exp.sweeps.plan import readable_space
from mnist_exp.sweeps.space.expressions import Choice, Expression
from mnist_exp.sweeps.space.keys import name_fault
from mnist_exp.sweeps.space.parse import space_keys
from mnist_exp.templates import references


def sweep_faults(config: ExperimentConfig) -> Iterator[str]:
    """Faults of the sweep, keys that the job does not know, values that its model refuses."""
    _, found = parse_sweep(config.sweep)
    yield from found
    yield from _unused_names(config)
    sweep = config.sweep
    for key, expression in sorted(
        readable_space(sweep.search_space, sweep.sampling_algorithm).items()
    ):
        yield from _refused_values(key, expression, config)


def sweep_warnings(config: ExperimentConfig) -> Iterator[str]:
    """Inputs that the script has not, which get drawn values all the same; a limit of one job."""
    job = config.job
    if job.timeout is not None and config.sweep.limits.trial_timeout is None:
        yield "job.timeout: is none of the trials'; theirs is sweep.limits.trial_timeout"
    if job.command is not None:
        for name in sorted((swept_names(config) & set(job.inputs)) - _used_names(config)):
            yield (
                f"sweep.search_space.{name}: job.command does not use it; "
                f"the variable AZUREML_SWEEP_{name} alone has it"
            )
    strange = sorted(swept_names(config) - {*job.inputs, *job.sources.values()})
    if job.script is not None and strange:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in strange)
        yield (
            f"sweep.search_space: {', '.join(strange)}: no inputs of the job; "
            f"{job.script} must take {flags}"
        )


def swept_names(config: ExperimentConfig) -> set[str]:
    """Return the keys of the search space, faulty ones too."""
    return set(space_keys(config.sweep.search_space))


def _unused_names(config: ExperimentConfig) -> Iterator[str]:
    inputs, sources = config.job.inputs, config.job.sources
    used = _used_names(config)
    replaced: dict[str, str] = {}
    for name in sorted(name for name in swept_names(config) if not name_fault(name)):
        for input_name in inputs_of(name, inputs, sources):
            if other := replaced.get(input_name):
                yield (
                    f"sweep.search_space.{name}: gives job.inputs.{input_name} its value, and so "
                    f"does {other}; keep one of them"
                )
            replaced[input_name] = name
            if isinstance(inputs.get(input_name), Mapping):
                yield (
                    f"sweep.search_space.{name}: job.inputs.{input_name} is a file or a folder, "
                    "and a sweep draws numbers and words; leave it out of the search space"
                )
        if name in config.job.outputs:
            yield (
                f"sweep.search_space.{name}: job.outputs has a folder of that name, which the "
                "script gets; rename one of them"
            )
        if name in sources.values():
            continue
        if "." in name and hasattr(config, name.partition(".")[0]) and name not in used:
            known = ", ".join(sorted(set(sources.values()) or set(inputs)))
            yield (
                f"sweep.search_space.{name}: no input of the job takes its value from this key; "
                f"there are {known}"
            )
            continue
        close = [] if name in inputs else _meant(name, inputs)
        if name not in {*used, *inputs} and (close or config.job.command is not None):
            hint = f"did you mean {close[0]}?" if close else "the command does not use it"
            yield f"sweep.search_space.{name}: no input of the job has this name; {hint}"


def _used_names(config: ExperimentConfig) -> set[str]:
    """Return the inputs and drawn values that the job's command names."""
    command = config.job.command or script_command("", config.job.inputs, {})
    return {name for kind, name in references(command) if kind in ("inputs", "search_space")}


def _meant(name: str, inputs: Iterable[str]) -> list[str]:
    """Return the input that a name may be a slip for; `beta_2` is none for `beta_1`."""
    letters = re.sub(r"\d", "", name)
    others = [one for one in inputs if re.sub(r"\d", "", one) != letters]
    return get_close_matches(name, others, n=1, cutoff=0.8)


def _refused_values(key: str, expression: Expression, config: ExperimentConfig) -> Iterator[str]:
    field = model_field(key, config.job.sources)
    if field is not None:
        where = f"model.{field}"
    elif config.job.sources.get(key) == "seed":
        where = "seed"
    else:
        return
    for value in _drawn(expression):
        if rule := _rule(field, value, config.job.distribution.worker_count):
            shown = f"{value:g}" if type(value) is float else str(value)
            yield (
                f"sweep.search_space.{key}: may draw {shown}, and {where} must be {rule}; "
                f"take other values or bounds"
            )
            return


def _drawn(expression: Expression) -> tuple[Any, ...]:
    """Return values that stand for all that may be drawn, mappings among them."""
    return expression.values if isinstance(expression, Choice) else expression.examples()


def _rule(field: str | None, value: Any, workers: int) -> str | None:
    """Return the rule that a value breaks, of a field of the model or else of the seed."""
    if field is None:
        number = number_of(value)
        # A range looks for a float one by one.
        return None if number.is_integer() and int(number) in SEEDS else SEED_RULE
    rule = value_rule(field, value)
    return share_rule(value, workers) if field == "batch_size" and not rule else rule
