"""Check that the job's script declares the arguments that the script gets."""

import re
from collections.abc import Iterator
from pathlib import Path

from mnist_exp.build import argument_name
from mnist_exp.checks.sweep import swept_names
from mnist_exp.config import ArgumentStyle
from mnist_exp.experiment import Experiment
from mnist_exp.script_options import ScriptOptions, script_options


def argument_faults(config: Experiment) -> Iterator[str]:
    """Yield a line if the job spells an argument in a way that its script does not declare."""
    job, options = config.job, _options(config)
    style = job.argument_style
    if job.script is None or job.command is not None:
        return
    reader = options.reads_key_value
    if reader and not options.declared and style is not ArgumentStyle.key_value:
        yield (
            f"job.argument_style: {job.script} uses {reader}, which reads key=value, got {style}; "
            "set job.argument_style=key_value"
        )
        return
    names = _arguments(config)
    other = {
        ArgumentStyle.dashes: ArgumentStyle.underscores,
        ArgumentStyle.underscores: ArgumentStyle.dashes,
        ArgumentStyle.key_value: ArgumentStyle.dashes,
    }[style]
    missed = [
        name
        for name in names
        if not options.accepts(argument_name(name, style))
        and argument_name(name, other) in options.declared
    ]
    if not missed or (style is ArgumentStyle.key_value and reader):
        return
    given, declared = (argument_name(missed[0], each) for each in (style, other))
    is_mixed = any("_" in name and options.accepts(argument_name(name, style)) for name in names)
    remedy = (
        f"spell the options of {job.script} in one way, or use job.command"
        if is_mixed
        else f"set job.argument_style={other}"
    )
    yield (f"job.argument_style: {job.script} declares {declared}, but would get {given}; {remedy}")


def argument_warnings(config: Experiment) -> Iterator[str]:
    """Yield one line for each input that the script may read as an option, or silently ignore."""
    job, options = config.job, _options(config)
    command = job.command or ""
    for name, value in job.inputs.items():
        if isinstance(value, str) and value.startswith("-") and _is_argument(name, command):
            yield (
                f"job.inputs.{name}: begins with a minus sign, got {value}; a script would read "
                f"this value as an option; write --{name}={{{{inputs.{name}}}}} in job.command"
            )
    for name in _arguments(config):
        argument = argument_name(name, job.argument_style)
        longer = options.longer_names(argument)
        if options.abbreviates and len(longer) == 1 and argument not in options.declared:
            yield (
                f"job.inputs.{name}: {job.script} does not declare {argument}, and argparse reads "
                f"this option as {longer[0]}; rename the input if another value is meant"
            )
    if options.reads_nothing and (names := _arguments(config)):
        yield (
            f"job.script: {job.script} does not read its command line, so the values of "
            f"{', '.join(names)} may have no effect"
        )
    if options.lenient and (options.declared or options.derived):
        for name in _arguments(config):
            argument = argument_name(name, job.argument_style)
            if argument.startswith("--") and not options.accepts(argument):
                yield (
                    f"job.inputs.{name}: {job.script} does not declare {argument}, and its "
                    f"{options.lenient} ignores undeclared options; the value may have no effect"
                )


def _is_argument(name: str, command: str) -> bool:
    """Return whether a command contains an option, a space, and a reference to the input."""
    return bool(
        re.search(rf"--?\w[\w-]*\s+['\"]?\{{\{{\s*inputs\.{re.escape(name)}\s*\}}\}}", command)
    )


def _options(config: Experiment) -> ScriptOptions:
    job = config.job
    if job.script is None or job.code is None:
        return ScriptOptions()
    return script_options(Path(job.code), job.script)


def _arguments(config: Experiment) -> list[str]:
    """Return the names of the inputs, drawn values and outputs that the script gets."""
    inputs, sources = config.job.inputs, config.sources
    drawn = swept_names(config) if config.stage.sweeps else set()
    return [*inputs, *sorted(drawn - {*inputs, *sources.values()}), *config.job.outputs]
