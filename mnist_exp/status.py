"""The status of a job, a trial or a sweep, with Azure ML's names."""

from enum import StrEnum

#: The reason of a job whose command ended without a final status, e.g. after `kill -9`.
KILLED = "the command that ran the job was killed"


class JobStatus(StrEnum):
    """The status of a job, with Azure ML's names.

    https://learn.microsoft.com/python/api/azure-ai-ml/azure.ai.ml.entities.job
    """

    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_finished(self) -> bool:
        """Whether the job has ended."""
        return self is JobStatus.COMPLETED or self.ended_badly

    @property
    def ended_badly(self) -> bool:
        """Whether the job has failed or was canceled."""
        return self in {JobStatus.FAILED, JobStatus.CANCELED}
