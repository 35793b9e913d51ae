"""Whether a sweep can be resumed: its journal is whole, and its rules are the same."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from mnist_exp.errors import OutputsError
from mnist_exp.same_job import START_ANOTHER, require_same_job
from mnist_exp.specs import SweepJob
from mnist_exp.sweeps.journal import History, read_history
from mnist_exp.sweeps.space.expressions import Expression
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile

#: The parts of a sweep's description that a resumed sweep may not change.
_RULES = ("command", "sampling_algorithm", "search_space", "objective", "early_termination")


def kept_history(job: SweepJob, journal: JournalFile, *, has_trials: bool) -> History | None:
    """Return the sweep as its journal describes it; None when the sweep is new.

    Args:
        job: The sweep.
        journal: Its journal.
        has_trials: Whether a trial of the sweep has been started.

    Raises:
        OutputsError: The journal is damaged.
    """
    try:
        entries = list(journal.entries())
        if not entries and has_trials:
            raise ValueError("it is empty, although there are trials")
        if not entries:
            return None
        history = read_history(entries, job.objective.primary_metric)
        if not history.sweep:
            raise ValueError("it does not describe the sweep")
    except (LookupError, ValueError) as error:
        raise OutputsError(
            f"run: the journal {journal.path} of sweep {job.name} is damaged ({error}); "
            f"restore a copy of it, or {START_ANOTHER}"
        ) from error
    return history


def as_submitted(job: SweepJob, history: History) -> SweepJob:
    """Return the job with the seed that was drawn when the sweep was submitted.

    Raises:
        RefusedError: The sweep was submitted with other rules.
    """
    kept: Mapping[str, Any] = history.sweep
    if job.sampling.seed is None:
        seed = kept.get("sampling_algorithm", {}).get("seed")
        job = replace(job, sampling=replace(job.sampling, seed=seed))
    rules = {part: value for part, value in description(job).items() if part in _RULES}
    require_same_job(f"sweep {job.name}", {part: kept.get(part) for part in rules}, rules)
    return job


def description(job: SweepJob) -> dict[str, Any]:
    """Return what the journal keeps of a sweep: its rules, and the seed that was drawn."""
    policy = job.early_termination
    content = {
        "name": job.name,
        "command": job.trial.command,
        "sampling_algorithm": asdict(job.sampling),
        "search_space": _described(job.search_space),
        "objective": asdict(job.objective),
        "limits": asdict(job.limits),
        "early_termination": {"type": policy.type, **asdict(policy)} if policy else None,
    }
    # In the form in which it is read back: JSON turns tuples into lists.
    found: dict[str, Any] = json.loads(json.dumps(content))
    return found


def _described(value: Any) -> Any:
    """Return expressions as mappings, also those within the values of a choice."""
    if isinstance(value, Expression):
        own = {field.name: _described(getattr(value, field.name)) for field in fields(value)}
        return {"type": value.type, **own}
    if isinstance(value, Mapping):
        return {key: _described(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_described(part) for part in value]
    return value
