"""Start a new job in its own folder, or resume a job that has not completed."""

from contextlib import ExitStack
from dataclasses import replace

from mnist_exp.errors import RefusedError
from mnist_exp.same_job import require_same_job
from mnist_exp.specs import CommandJob
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.base import BY_THE_USER
from mnist_exp.workspaces.local.jobs.environment import PARENT, TrackedRun
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.jobs.host import JobHost, TrialContext
from mnist_exp.workspaces.local.jobs.running_job import RunningJob
from mnist_exp.workspaces.local.processes.job_orphans import end_orphans, of_job


def start_job(
    job: CommandJob, host: JobHost, trial: TrialContext | None = None, ended: int | None = None
) -> RunningJob:
    """Start a new job in its own folder, or resume a job that has not completed.

    A job that resumes uses the same MLflow run and the same named outputs, such as checkpoints.

    Args:
        job: The job.
        host: The context of local jobs.
        trial: The sweep that the job belongs to, if the job is a trial.
        ended: The exit code of an attempt (an execution of the job's command) that ended while no
            `mnist-exp` command ran. If `ended` is given, no process is started.

    Raises:
        MnistExpError: The job could not be started. No process of the job runs.
    """
    folder = JobFolder(host.root, job.name, job.worker_count)
    with ExitStack() as stack:
        stack.enter_context(folder.locked())
        if folder.exists:
            # If the last command and the job's supervisor were both killed, processes of the job
            # may still run.
            end_orphans(of_job(folder.work, folder.fork_server))
        if folder.exists and not (trial and trial.restarts):
            run = _resumed_run(folder, host)
            # Trials are never evicted.
            job = job if trial else _without_eviction(job, host)
        else:
            run = _new_run(job, host, folder, trial)
        running = RunningJob(job, host, folder, run, trial)
        running.describe(JobStatus.STARTING)
        running.resources = stack.pop_all()
    try:
        if ended is None:
            running.start()
        else:
            running.adopt_ended(ended)
    except KeyboardInterrupt:
        running.close(canceled=BY_THE_USER)
        raise
    except BaseException as error:
        running.close(failed=f"could not be started: {error}")
        raise
    return running


def require_same_command(folder: JobFolder, job: CommandJob) -> None:
    """Check that a job with this name was not started earlier with other settings.

    Raises:
        RefusedError: The command or the experiment of the earlier job differs from that of `job`.
    """
    if folder.exists:
        given = {"experiment_name": job.experiment_name, "command": job.command}
        kept = folder.description(*given)
        require_same_job(f"train {job.name}", {key: kept[key] for key in given}, given)


def _new_run(
    job: CommandJob, host: JobHost, folder: JobFolder, trial: TrialContext | None
) -> TrackedRun:
    if folder.exists:
        host.tracking.discard(folder.run_id)
        folder.reset_outputs()
    tags = {**job.tags, "azureml.job": job.name, "azureml.displayName": job.display_name}
    if trial is not None:
        tags |= {PARENT: trial.run_id, "azureml.sweep": trial.sweep}
    run = host.tracking.start(job.experiment_name, job.name, folder.path, tags, job.run_name)
    if trial is None:
        # All trials have the inputs of the sweep. Logging them for each trial would take 10 ms.
        host.tracking.log_inputs(run.run_id, job.inputs)
    return run


def _without_eviction(job: CommandJob, host: JobHost) -> CommandJob:
    if job.compute.evict_after_epochs is None:
        return job
    host.observer.message(
        f"compute.evict_after_epochs: job {job.name} resumes and is not evicted, because the key "
        "applies only to the first attempt"
    )
    return replace(job, compute=replace(job.compute, evict_after_epochs=None))


def _resumed_run(folder: JobFolder, host: JobHost) -> TrackedRun:
    description = folder.description("status", "mlflow_experiment_id")
    if description["status"] == JobStatus.COMPLETED.value:
        raise RefusedError(
            f"run: the job {folder.path.name} in {host.root} is already Completed; "
            "a job name can be used only once"
        )
    run_id = folder.run_id
    host.tracking.resume(run_id)
    folder.console.note(f"restarted; the last status was {description['status']}")
    return host.tracking.tracked(run_id, description["mlflow_experiment_id"])
