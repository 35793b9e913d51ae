"""A simulated backend with a virtual clock: a sweep of hours takes milliseconds in a test."""

import heapq
import itertools

import pytest
from hypothesis import settings

from mnist_exp.errors import JobError
from mnist_exp.metrics import MetricPoint
from mnist_exp.sweeps.backend import TrialEnded

# Hypothesis draws the same examples in every run. A slow example does not fail.
settings.register_profile("sweeps", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("sweeps")


class Script:
    """A simulated trial, which logs a value every `every` seconds, and then exits."""

    def __init__(self, values=(), every=1.0, exit_code=0, metric="acc", startable=True):
        self.values = values
        self.every = every
        self.exit_code = exit_code
        self.metric = metric
        self.startable = startable


class SimulatedBackend:
    """A backend that simulates trials. A canceled trial ends `cancel_s` seconds later."""

    def __init__(self, script_of, cancel_s=0.1):
        self.script_of = script_of
        self.cancel_s = cancel_s
        self.time = 0.0
        self.started = []
        self.canceled = []
        self.finished = []
        self.alive = set()
        self.most_alive = 0
        self._queue = []
        self._order = itertools.count()

    def start(self, trial, parameters):
        script = self.script_of(trial)
        if not script.startable:
            raise JobError("no such script: train.py")
        self.started.append((self.time, trial, parameters))
        self.alive.add(trial)
        self.most_alive = max(self.most_alive, len(self.alive))
        at = self.time
        for value in script.values:
            at += script.every
            self._push(at, MetricPoint(script.metric, value, trial=trial))
        self._push(at + script.every, TrialEnded(trial, script.exit_code))

    def poll(self, timeout_s):
        until = self.time + timeout_s
        while self._queue:
            at, _, event = self._queue[0]
            if at > until:
                break
            heapq.heappop(self._queue)
            if event.trial not in self.alive:
                continue
            self.time = at
            if isinstance(event, TrialEnded):
                self.alive.discard(event.trial)
            return [event]
        self.time = until
        return []

    def cancel(self, trial):
        self.canceled.append((self.time, trial))
        if trial in self.alive:
            self._push(self.time + self.cancel_s, TrialEnded(trial, -15))

    def finish(self, trial):
        self.finished.append((trial.index, trial.status.value))

    def now(self):
        return self.time

    def _push(self, at, event):
        heapq.heappush(self._queue, (at, next(self._order), event))


class Log:
    """A listener that records messages and changes."""

    def __init__(self):
        self.messages = []
        self.changes = []

    def trial_changed(self, trial):
        self.changes.append((trial.index, trial.status.value))

    def message(self, text):
        self.messages.append(text)


@pytest.fixture(scope="session")
def script():
    return Script


@pytest.fixture(scope="session")
def simulate():
    """Return a function that creates a simulated backend.

    The scripts are a list, or a function from a trial's index to its script.
    """

    def make(scripts, **options):
        script_of = scripts if callable(scripts) else scripts.__getitem__
        return SimulatedBackend(script_of, **options)

    return make


@pytest.fixture
def log():
    return Log()
