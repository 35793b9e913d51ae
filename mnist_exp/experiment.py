"""The experiment: the composed config, and values that are computed from the config."""

from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mnist_exp.config import ExperimentConfig, changes
from mnist_exp.hidden_values import key_names, shown_values
from mnist_exp.sweeps import SweepPlan, parse_sweep

if TYPE_CHECKING:
    from mnist_exp.azure_files import JobFile


@dataclass
class Experiment(ExperimentConfig):
    """A composed config, with the config keys that the job's inputs refer to.

    Attributes:
        sources: Job input -> the config key that the value of the input comes from, e.g.
            `epochs` -> `model.epochs`. A search space may use the name of the input or the
            config key.
        overrides: The overrides of the command line, without the values of environment variables.
        given: The config keys and config groups that the command line sets.
        chosen: Config group that the command line chooses -> the config keys that its option sets.
        references: Pairs of config keys. The value of the first key refers to the second key, e.g.
            with `${model.epochs}`.
        interpolations: Config key -> value as written, for each value that contains a variable of
            the caller's environment, e.g. `${oc.env:TOKEN}`.
        job_file: The job file that `file=` names, or None.
    """

    sources: dict[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    chosen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    references: tuple[tuple[str, str], ...] = ()
    interpolations: dict[str, str] = field(default_factory=dict)
    job_file: "JobFile | None" = None

    @property
    def changes(self) -> list[str]:
        """The overrides that change the results of a stage."""
        return changes(self.overrides)

    def setter(self, key: str) -> str | None:
        """Return what sets a config key on the command line: the key itself, or a config group.

        Returns:
            None if the command line does not set the key.
        """
        if key in self.given:
            return key
        return next((group for group, keys in self.chosen.items() if key in keys), None)

    @cached_property
    def parsed_sweep(self) -> tuple[SweepPlan | None, list[str]]:
        """The plan of the sweep (None if the sweep has faults), and one line for each fault."""
        return parse_sweep(self.sweep)

    def with_hidden_values(self) -> "Experiment":
        """Return the experiment without the values of environment variables.

        A text with a variable of the caller's environment becomes the text as written. Names and
        keys without a group keep their values, because a stage uses these values to find records. A
        type keeps its value, because the other keys depend on the type.
        """
        # `replace` drops the cached `parsed_sweep`, which contains the values.
        hidden = replace(deepcopy(self))
        for key, written in self.interpolations.items():
            *groups, name = key_names(key)
            if "." in key and name not in ("name", "type"):
                _replace_text(hidden, groups, name, written)
        for owner in (hidden.job, hidden.endpoint.deployment):
            owner.environment_variables = shown_values(owner.environment_variables)
        return hidden

    def content(self) -> dict[str, Any]:
        """Return the config as plain values, in the format of `config.json` in a run folder.

        The attribute `sources` becomes the key `job.sources`, because the existing `config.json`
        files contain this key.
        """
        content = asdict(self)
        content["job"]["sources"] = content.pop("sources")
        for name in ("overrides", "given", "chosen", "references", "interpolations", "job_file"):
            del content[name]
        return content


def _replace_text(config: Any, groups: Sequence[str], name: str, text: str) -> None:
    """Replace a text in a config.

    Args:
        config: The config. Nested values are dataclasses, mappings and lists.
        groups: The path of the dataclass, mapping or list that contains the text.
        name: The last part of the text's key.
        text: The new text.
    """
    owner = config
    for group in groups:
        owner = owner[int(group)] if isinstance(owner, list) else _values(owner)[group]
    values: Any = owner if isinstance(owner, list) else _values(owner)
    key = int(name) if isinstance(owner, list) else name
    # A number or a member of an enum does not contain the text of a variable.
    with suppress(KeyError):
        if type(values[key]) is str:
            values[key] = text


def _values(owner: Any) -> dict[str, Any]:
    return owner if isinstance(owner, dict) else vars(owner)
