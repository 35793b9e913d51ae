"""Jobs on this machine: started in a folder of their own, or gone on with."""

from contextlib import ExitStack
from dataclasses import replace

from mnist_exp.errors import ConflictError
from mnist_exp.specs import CommandJob
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import BY_THE_USER
from mnist_exp.workspaces.local.jobs.environment import PARENT, TrackedRun
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.running_job import RunningJob, Site, TrialOf
from mnist_exp.workspaces.local.processes.job_orphans import end_orphans, of_job


def start_job(
    job: CommandJob, site: Site, trial: TrialOf | None = None, ended: int | None = None
) -> RunningJob:
    """Start a job in a folder of its own, or go on with one that has not been completed.

    Going on keeps the named outputs, with the checkpoints in them, and the MLflow run.

    Args:
        job: What runs.
        site: Where it runs.
        trial: The sweep that it is part of, if it is.
        ended: The exit code of an attempt that has ended by itself: nothing is started then.

    Raises:
        MnistExpError: It could not be started; nothing of it runs.
    """
    folder = JobFolder(site.root, job.name, job.worker_count)
    with ExitStack() as stack:
        stack.enter_context(folder.locked())
        if folder.exists:
            # Of a supervisor that was killed together with the command before.
            end_orphans(of_job(folder.work))
        if folder.exists and not (trial and trial.begins_again):
            run = _again(folder, site)
            # The trials of a sweep are never evicted.
            job = job if trial else _without_drill(job, site)
        else:
            run = _first(job, site, folder, trial)
        running = RunningJob(job, site, folder, run, trial)
        running.describe(JobStatus.STARTING)
        running.resources = stack.pop_all()
    try:
        if ended is None:
            running.start()
        else:
            running.ended_unseen(ended)
    except KeyboardInterrupt:
        running.close(canceled=BY_THE_USER)
        raise
    except BaseException as error:
        running.close(failed=f"could not be started: {error}")
        raise
    return running


def check_again(folder: JobFolder, job: CommandJob) -> None:
    """See that a job that is to be gone on with is the one that was begun.

    Raises:
        ConflictError: It ran another command, or in another experiment.
    """
    if not folder.exists:
        return
    kept = folder.description()
    for key, value in (("experiment_name", job.experiment_name), ("command", job.command)):
        if kept[key] != value:
            raise ConflictError(
                f"run: job {job.name} was begun with the {key} {kept[key]!r}, got {value!r}; "
                "leave run= out to begin another"
            )


def _first(job: CommandJob, site: Site, folder: JobFolder, trial: TrialOf | None) -> TrackedRun:
    if folder.exists:
        site.tracking.discard(folder.run_id)
        folder.put_outputs_aside()
    tags = {"azureml.job": job.name, "azureml.displayName": job.display_name}
    if trial is not None:
        tags |= {PARENT: trial.run_id, "azureml.sweep": trial.sweep}
    return site.tracking.start(job.experiment_name, job.name, folder.path, tags)


def _without_drill(job: CommandJob, site: Site) -> CommandJob:
    if job.compute.evict_after_epochs is None:
        return job
    site.observer.message(
        f"job {job.name} goes on, and is not evicted: compute.evict_after_epochs takes the first"
        " attempt"
    )
    return replace(job, compute=replace(job.compute, evict_after_epochs=None))


def _again(folder: JobFolder, site: Site) -> TrackedRun:
    description = folder.description()
    if description["status"] == JobStatus.COMPLETED.value:
        raise ConflictError(
            f"run: a job named {folder.path.name} exists in {site.root} and is Completed; "
            "names are used once"
        )
    run_id = str(description["mlflow_run_id"])
    site.tracking.resume(run_id)
    folder.console.note(f"started again, {description['status']} before")
    return TrackedRun(site.tracking.uri, run_id, str(description["mlflow_experiment_id"]))
