"""Inputs and outputs of a job as azure-ai-ml's entities.

A mode that is Azure ML's default is not named: the service would show it as something chosen.
https://learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from azure.ai.ml import Input, Output

from mnist_exp.config import DataConfig
from mnist_exp.specs import Literal, OutputSpec, PathInput
from mnist_exp.templates import literal_text

#: Returns the address or local folder of a path input.
Resolve = Callable[[Path | str | DataConfig], str]

_DEFAULT_INPUT_MODE = "ro_mount"
_DEFAULT_OUTPUT_MODE = "rw_mount"


def inputs_of(
    inputs: Mapping[str, Literal | PathInput], resolve: Resolve
) -> dict[str, Input | str | int | float]:
    """Return inputs by name."""
    return {name: _input(value, resolve) for name, value in inputs.items()}


def outputs_of(outputs: Mapping[str, OutputSpec]) -> dict[str, Output]:
    """Return outputs by name; the service decides where they are kept."""
    return {
        name: Output(type=spec.type, mode=_unless(spec.mode, _DEFAULT_OUTPUT_MODE))
        for name, spec in outputs.items()
    }


def _input(value: Literal | PathInput, resolve: Resolve) -> Input | str | int | float:
    if isinstance(value, PathInput):
        mode = _unless(value.mode, _DEFAULT_INPUT_MODE)
        return Input(type=value.type, path=resolve(value.path), mode=mode)
    # The SDK would write 1 and 0 for a bool, and does not know a config's enums.
    return literal_text(value) if isinstance(value, bool | str) else value


def _unless(value: str, default: str) -> str | None:
    return None if value == default else value
