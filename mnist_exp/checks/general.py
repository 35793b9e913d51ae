"""Checks of the keys that belong to no config group."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from mnist_exp.config import ExperimentConfig, PageConfig, RunsConfig, Stage, WorkspaceType
from mnist_exp.specs import parse_model_name
from mnist_exp.status import JobStatus

#: Valid seeds, and the text of the rule for seeds in messages.
SEEDS = range(2**31)
SEED_RULE = f"from {SEEDS[0]} to {SEEDS[-1]}"

#: Maximum number of minutes without use after which the page ends: a day.
_MOST_MINUTES = 24 * 60
#: Stages that do not use the record of an earlier run.
_STAGES_WITHOUT_RUN = (
    Stage.compute,
    Stage.runs,
    Stage.prune,
    Stage.doctor,
    Stage.all,
    Stage("import"),
)


def runs_faults(runs: RunsConfig) -> Iterator[str]:
    """Yield faults of the keys that select past runs."""
    known = [status.value for status in JobStatus]
    if runs.status is not None and runs.status.lower() not in map(str.lower, known):
        yield f"runs.status: must be one of {', '.join(known)}, got {runs.status}"
    if runs.limit is not None and runs.limit < 1:
        yield f"runs.limit: must be at least 1, got {runs.limit}; null lists all runs"
    older, newer = runs.older_than_days, runs.newer_than_days
    for key, days in (("older_than_days", older), ("newer_than_days", newer)):
        if days is not None and not days >= 0:
            yield f"runs.{key}: must be at least 0, got {days}"
    if older is not None and newer is not None and older > newer:
        yield f"runs.older_than_days: must be at most runs.newer_than_days, got {older} and {newer}"
    low, high = runs.min_value, runs.max_value
    if low is not None and high is not None and low > high:
        yield f"runs.min_value: must be at most runs.max_value, got {low} and {high}"


def multirun_faults(config: ExperimentConfig) -> Iterator[str]:
    """Yield faults of the key for multiruns."""
    most = config.max_concurrent_variants
    if most is not None and most < 1:
        yield (
            f"max_concurrent_variants: must be at least 1, got {most}; null means the number of "
            "cores"
        )


def page_faults(page: PageConfig) -> Iterator[str]:
    """Yield faults of the keys of `stage=page`."""
    if page.port is not None and not 1024 <= page.port <= 65535:
        yield f"page.port: must be from 1024 to 65535, got {page.port}; null chooses a free port"
    if not 0 < page.idle_minutes <= _MOST_MINUTES:
        yield (
            f"page.idle_minutes: must be above 0 and at most {_MOST_MINUTES}, "
            f"got {page.idle_minutes:g}"
        )


def general_faults(config: ExperimentConfig) -> Iterator[str]:
    """Yield faults of the seed, the outputs folder, `wait`, and the keys `run` and `resume`."""
    if config.seed not in SEEDS:
        yield f"seed: must be {SEED_RULE}, got {config.seed}"
    yield from _outputs_faults(config.outputs_dir)
    yield from _run_faults(config)
    if config.stage is Stage.all and not config.wait:
        yield (
            "wait: must be true for stage=all, because each stage needs the earlier results; "
            "remove wait=false"
        )
    if config.stage is Stage.prune and config.workspace.type is WorkspaceType.azure:
        yield (
            "workspace: must be local for stage=prune, because Azure's SDK cannot delete jobs, got "
            "azure; use workspace=local, or archive the jobs with az ml job archive"
        )
    if config.resume not in (None, "last"):
        yield (
            f"resume: must be last, got {config.resume!r}; to resume a run by its name, "
            "use run=NAME"
        )
    elif config.resume and config.run:
        yield f"resume: run={config.run} already names the sweep; remove run= or resume="
    elif config.resume and config.stage is not Stage.sweep:
        yield (
            f"resume: only stage=sweep uses this key, got stage={config.stage}; use run=NAME "
            "instead"
        )


def _outputs_faults(outputs_dir: str) -> Iterator[str]:
    if not outputs_dir.strip():
        yield "outputs_dir: must be a folder, got ''; the default is outputs"
    if outputs_dir.startswith("~"):
        # Hydra does not expand ~ and would create a folder with the name ~.
        meant = os.path.expanduser(outputs_dir)  # noqa: PTH111
        # For an unknown user, as in ~nobody/results, expanduser() returns the text unchanged.
        written = "DIR" if meant.startswith("~") else meant
        yield f"outputs_dir: must not begin with ~; write {shlex.quote(f'outputs_dir={written}')}"
    if {"'", '"'} <= set(str(Path(outputs_dir).absolute())):
        yield (
            "outputs_dir: must not contain both ' and \", because MLflow cannot open a store in "
            f"such a folder, got {Path(outputs_dir).absolute()}; choose another folder "
            "with outputs_dir=DIR"
        )
    folder = Path(outputs_dir)
    for link in (folder, *folder.parents):
        if link.is_symlink() and not link.exists():
            yield (
                f"outputs_dir: must be a folder, got {folder}, but {link} is a broken link; delete "
                "the link, or choose another folder with outputs_dir=DIR"
            )


def _run_faults(config: ExperimentConfig) -> Iterator[str]:
    if config.run is not None and config.stage in _STAGES_WITHOUT_RUN:
        yield (
            f"run: stage={config.stage.value} uses no earlier run, got {config.run}; remove run="
        )
    elif config.stage is Stage.deploy and config.run and "@" in parse_model_name(config.run)[0]:
        yield (
            "run: must be NAME, NAME:VERSION or NAME@latest, because Azure ML has no aliases, got "
            f"{config.run}; write the version instead of the alias"
        )
