"""Whether a sweep may be gone on with, and by which rules: those that it was made with."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from mnist_exp.errors import ConflictError, OutputsError
from mnist_exp.specs import SweepJob
from mnist_exp.sweeps.journal import History, read_history
from mnist_exp.sweeps.space.expressions import Expression
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile


def kept_history(job: SweepJob, journal: JournalFile, *, has_trials: bool) -> History | None:
    """Return what there was of the sweep; None when it is new.

    Args:
        job: The sweep.
        journal: Of the sweep.
        has_trials: Whether a trial of it has been begun.

    Raises:
        OutputsError: The journal is damaged.
    """
    try:
        entries = list(journal.entries())
        if not entries and has_trials:
            raise ValueError("it is empty, and there are trials")
        if not entries:
            return None
        history = read_history(entries, job.objective.primary_metric)
        if not history.sweep:
            raise ValueError("it does not tell how the sweep was made")
    except (LookupError, ValueError) as error:
        raise OutputsError(
            f"run: the journal {journal.path} of sweep {job.name} is damaged ({error}); put back a "
            "copy of it, or leave run= and resume= out to begin another sweep"
        ) from error
    return history


def as_begun(job: SweepJob, history: History) -> SweepJob:
    """Return the job with the seed that it was made with.

    Raises:
        ConflictError: It was made with other rules.
    """
    kept: Mapping[str, Any] = history.sweep
    if job.sampling.seed is None:
        seed = kept.get("sampling_algorithm", {}).get("seed")
        job = replace(job, sampling=replace(job.sampling, seed=seed))
    now = description(job)
    for part in ("command", "sampling_algorithm", "search_space", "objective", "early_termination"):
        if now[part] != kept.get(part):
            raise ConflictError(
                f"run: sweep {job.name} was made with another {part}, {kept.get(part)}, "
                f"got {now[part]}; leave run= out to begin another"
            )
    return job


def description(job: SweepJob) -> dict[str, Any]:
    """Return what the journal keeps of a sweep: its rules, with the seed that was drawn."""
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
    # As it will be read: tuples are lists there.
    found: dict[str, Any] = json.loads(json.dumps(content))
    return found


def _described(value: Any) -> Any:
    """Return expressions as they are written, those within a choice as well."""
    if isinstance(value, Expression):
        own = {field.name: _described(getattr(value, field.name)) for field in fields(value)}
        return {"type": value.type, **own}
    if isinstance(value, Mapping):
        return {key: _described(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_described(part) for part in value]
    return value
