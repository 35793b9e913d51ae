"""Watch a job until the job has finished, and report its log lines and its metrics.

The SDK streams the log in a separate thread, so that Ctrl-C takes effect immediately. The stream
may fail, or end before the job ends. Therefore this module watches the job until Azure reports that
the job has finished.
"""

import json
import queue
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Job
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import AzureError
from requests.exceptions import RequestException

from mnist_exp.errors import ConnectionLostError, MnistExpError
from mnist_exp.results import JobResult
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.azure.network import error_text
from mnist_exp.workspaces.azure.sdk_output import captured
from mnist_exp.workspaces.azure.submitted_jobs import SubmittedJobs, status_of
from mnist_exp.workspaces.base import Detached, Observer

#: Maximum number of log lines that the result of a failed job contains.
_TAIL_LINES = 20
#: Maximum number of streams for one job. After a stream fails, a new stream is opened.
_STREAMS = 4
#: Lines that the SDK itself prints before and after the lines of the job.
_FRAME = re.compile(r"RunId: |Web View: |Execution Summary|=+$|Streaming \S+$|$")


def watch_job(
    name: str, client: MLClient, jobs: SubmittedJobs, observer: Observer, poll_s: float
) -> JobResult:
    """Watch a job until it has finished, and return its result.

    Raises:
        Detached: The user pressed Ctrl-C. The job continues.
        ConnectionLostError: The status of the job cannot be read. The job continues.
    """
    stream = _LogStream(client, name)
    try:
        job = jobs.get(name)
        observer.message(f"the job in Azure ML studio: {job.studio_url}")
        observer.idle()
        stream.start()
        status: JobStatus | None = None
        warned: set[str] = set()
        for lines in stream.batches(poll_s):
            for line in lines:
                observer.message(line)
            job = jobs.get(name)
            if status_of(job) is not status:
                status = status_of(job)
                observer.message(f"{name}: {status.value}")
            if status.is_finished:
                break
            result = jobs.result(job)
            for line in result.unread:
                if line not in warned:
                    observer.message(f"warning: {line}")
            warned.update(result.unread)
            observer.job_changed(result)
        return _finished(job, jobs, stream, observer)
    except KeyboardInterrupt as error:
        stream.abandon()
        raise Detached(name) from error
    except MnistExpError as error:
        stream.abandon()
        raise ConnectionLostError(
            f"{error}; the job {name} continues, and the next command with run={name} watches it"
        ) from error


def follow_log(name: str, client: MLClient, jobs: SubmittedJobs, poll_s: float) -> Iterator[str]:
    """Yield the lines of a job's log until the job has finished. The job continues after Ctrl-C."""
    stream = _LogStream(client, name)
    try:
        stream.start()
        for lines in stream.batches(poll_s):
            yield from lines
            if status_of(jobs.get(name)).is_finished:
                break
        yield from stream.last_lines()
    finally:
        stream.abandon()


def _finished(job: Job, jobs: SubmittedJobs, stream: "_LogStream", observer: Observer) -> JobResult:
    for line in stream.last_lines():
        observer.message(line)
    jobs.read_metrics_again()
    result = jobs.result(job)
    if result.status is JobStatus.FAILED:
        why = stream.failure or f"the job failed; see the log in Azure ML studio: {job.studio_url}"
        result = replace(result, why=why, log_tail=tuple(stream.tail))
    elif result.status is JobStatus.CANCELED:
        result = replace(result, why="the job was canceled on Azure")
    observer.job_changed(result)
    return result


class _LogStream:
    """A job's log, streamed in the background.

    Attributes:
        failure: The reason why the job failed; empty if the stream has not given a reason.
        tail: The last lines that have arrived so far.
    """

    def __init__(self, client: MLClient, name: str) -> None:
        self.failure = ""
        self.tail: list[str] = []
        self._client = client
        self._name = name
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._queued = 0
        self._is_abandoned = False
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"log of {name}")

    def start(self) -> None:
        """Start streaming."""
        self._thread.start()

    def abandon(self) -> None:
        """Ignore later errors of the stream. Its thread continues: the SDK cannot stop a stream."""
        self._is_abandoned = True

    def batches(self, poll_s: float) -> Iterator[list[str]]:
        """Yield the new lines at least every `poll_s` seconds, in an endless loop."""
        pause = min(0.2, poll_s)
        while True:
            yield self._new_lines()
            deadline = time.monotonic() + poll_s
            while self._queue.empty() and time.monotonic() < deadline:
                if not self._thread.is_alive():
                    # The stream will give no more lines. Let the caller check the job's status.
                    time.sleep(pause)
                    break
                time.sleep(0.02)

    def last_lines(self) -> list[str]:
        """Return the remaining lines of a job that has finished."""
        self._thread.join(timeout=10)
        return self._new_lines()

    def _new_lines(self) -> list[str]:
        lines = []
        while not self._queue.empty():
            lines.append(self._queue.get())
        self.tail = [*self.tail, *lines][-_TAIL_LINES:]
        return lines

    def _run(self) -> None:
        for attempt in range(_STREAMS):
            seen = 0

            def line(text: str) -> None:
                nonlocal seen
                if _FRAME.match(text):
                    return
                seen += 1
                # Each new stream begins with the first line of the log. Skip the lines that an
                # earlier stream has given.
                if seen > self._queued:
                    self._queued = seen
                    self._queue.put(text)

            try:
                with captured(line):
                    self._client.jobs.stream(self._name)
            except JobException as error:
                self.failure = _cause(error)
                return
            except Exception as error:
                # After `abandon`, the caller closes the connection. The SDK may then raise any
                # exception.
                if self._is_abandoned:
                    return
                if not isinstance(error, AzureError | RequestException):
                    raise
                time.sleep(attempt)
            else:
                return


def _cause(error: JobException) -> str:
    """Return the cause of a failure. The message of the SDK contains the cause as JSON."""
    found = re.search(r"\{.*\}", str(error.message), re.DOTALL)
    try:
        inner = json.loads(found[0])["error"] if found else {}
    except (ValueError, KeyError):
        inner = {}
    if isinstance(inner, dict) and inner.get("message"):
        return " ".join(str(inner["message"]).split())
    return error_text(error)
