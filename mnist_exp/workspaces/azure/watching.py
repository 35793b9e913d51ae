"""Follows a job: its log as the SDK streams it, its metrics as they come, until it has ended.

The stream runs in a thread of its own, so that Ctrl-C detaches at once. It may end before the job
does, or break; the job itself is asked until it has ended.
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

from mnist_exp.results import JobResult
from mnist_exp.status import JobStatus
from mnist_exp.workspaces.azure.errors import error_text
from mnist_exp.workspaces.azure.quiet import captured
from mnist_exp.workspaces.azure.submission import Jobs, status_of
from mnist_exp.workspaces.base import Detached, Observer

_TAIL_LINES = 20
#: How often a stream that breaks is taken up again.
_STREAMS = 4
#: What the SDK prints around a job's own lines.
_FRAME = re.compile(r"RunId: |Web View: |Execution Summary|=+$|Streaming \S+$|$")


def watch_job(
    name: str, client: MLClient, jobs: Jobs, observer: Observer, poll_s: float
) -> JobResult:
    """Follow a job to its end and return what came of it.

    Raises:
        Detached: Ctrl-C; the job goes on.
    """
    try:
        job = jobs.get(name)
        observer.message(f"in the studio: {job.studio_url}")
        observer.idle()
        stream = _Stream(client, name)
        status: JobStatus | None = None
        for lines in stream.lines(poll_s):
            for line in lines:
                observer.message(line)
            job = jobs.get(name)
            if status_of(job) is not status:
                status = status_of(job)
                observer.message(f"{name}: {status.value}")
            if status.is_finished:
                break
            observer.job_changed(jobs.result(job))
        return _ended(job, jobs, stream, observer)
    except KeyboardInterrupt as error:
        raise Detached(name) from error


def _ended(job: Job, jobs: Jobs, stream: "_Stream", observer: Observer) -> JobResult:
    for line in stream.rest():
        observer.message(line)
    result = jobs.result(job)
    if result.status is JobStatus.FAILED:
        why = stream.why or f"the job failed; its log is in the studio: {job.studio_url}"
        result = replace(result, why=why, log_tail=tuple(stream.tail))
    elif result.status is JobStatus.CANCELED:
        result = replace(result, why="canceled on Azure")
    observer.job_changed(result)
    return result


class _Stream:
    """A job's log, streamed in the background."""

    def __init__(self, client: MLClient, name: str) -> None:
        self.why = ""
        self.tail: list[str] = []
        self._client = client
        self._name = name
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._passed = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def lines(self, poll_s: float) -> Iterator[list[str]]:
        """Yield, every so often and for ever, the lines that came since."""
        pause = min(0.2, poll_s)
        while True:
            yield self._taken()
            deadline = time.monotonic() + poll_s
            while self._queue.empty() and time.monotonic() < deadline:
                if not self._thread.is_alive():
                    # Nothing more will come of it; look whether the job has ended.
                    time.sleep(pause)
                    break
                time.sleep(0.02)

    def rest(self) -> list[str]:
        """Return the last lines of a job that has ended."""
        self._thread.join(timeout=10)
        return self._taken()

    def _taken(self) -> list[str]:
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
                # A stream that is taken up again begins at the beginning.
                if seen > self._passed:
                    self._passed = seen
                    self._queue.put(text)

            try:
                with captured(line):
                    self._client.jobs.stream(self._name)
            except JobException as error:
                self.why = _reason(error)
                return
            except (AzureError, RequestException):
                time.sleep(attempt)
            else:
                return


def _reason(error: JobException) -> str:
    """Return the cause in the JSON that the SDK wraps into its message."""
    found = re.search(r"\{.*\}", str(error.message), re.DOTALL)
    try:
        inner = json.loads(found[0])["error"] if found else {}
    except (ValueError, KeyError):
        inner = {}
    if isinstance(inner, dict) and inner.get("message"):
        return " ".join(str(inner["message"]).split())
    return error_text(error)
