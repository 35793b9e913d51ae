import errno
import itertools
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mnist_exp.metrics import MetricPoint
from mnist_exp.report.insights import sweep_insights
from mnist_exp.results import JobResult
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.backend import TrialEnded
from mnist_exp.sweeps.journal import (
    Created,
    Decided,
    Ended,
    Finished,
    Interrupted,
    Logged,
    Resumed,
    Sampled,
    Started,
    read_entries,
    read_history,
    to_line,
)
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.stopping.policies import BanditPolicy
from mnist_exp.sweeps.tuner import Tuner
from mnist_exp.workspaces.local.sweep.reporting import trial_result
from tests.support.decisions import decisions_of

MAXIMIZE = Objective("acc", Goal.MAXIMIZE)
BANDIT = BanditPolicy(slack_factor=0.1, evaluation_interval=2)
UNBOUNDED = [{"x": index} for index in range(1000)]


def logged(trial, value, step=0, row=0, at=0.0):
    return Logged(MetricPoint("acc", value, step, trial, row), at=at)


class MemoryJournal:
    """A journal in memory."""

    def __init__(self, entries=()):
        self.entries = list(entries)

    def append(self, entry):
        self.entries.append(entry)


@pytest.fixture
def tune(log):
    def run(backend, limits, journal, policy=None, **options):
        return Tuner(
            configurations=UNBOUNDED,
            limits=limits,
            objective=MAXIMIZE,
            policy=policy,
            backend=backend,
            listener=log,
            journal=journal,
            history=read_history(journal.entries, "acc") if journal.entries else None,
            **options,
        ).run()

    return run


@pytest.mark.parametrize(
    "entry",
    [
        Created({"name": "s"}, at=1.5),
        Resumed((1, 2), (3,), at=2.0),
        Sampled(0, {"lr": 0.1, "name": "ü"}, at=3.0),
        Started(0),
        logged(0, 0.5, 3, 17),
        logged(0, math.inf),
        Decided(0, 4, "0.6 < 0.7"),
        Decided(0, None, "canceled: sweep timeout of 1 s"),
        Ended(0, "Failed", 3, "exit code 3"),
        Interrupted("interrupted"),
        Finished("Completed", 0),
    ],
)
def test_an_entry_is_a_line_and_comes_back(entry):
    line = to_line(entry)
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    assert list(read_entries(line)) == [entry]
    json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_not_a_number_comes_back_as_it_was():
    (entry,) = read_entries(to_line(logged(0, math.nan)))
    assert math.isnan(entry.point.value)


def test_lines_that_a_kill_cut_short_are_skipped():
    whole = to_line(Started(0))
    again = Resumed((0,))
    text = whole + whole[:9] + "\n" + to_line(again) + whole + whole[:-4]
    assert list(read_entries(text)) == [Started(0), again, Started(0)]


@pytest.mark.parametrize(
    "line",
    ["@@@@", "[]", "3", '{"event": "unknown"}', to_line(Started(0))[:9], "[" * 100_000],
    ids=lambda line: line[:20],
)
def test_lines_that_no_kill_can_leave_are_damage(line):
    whole = to_line(Started(0))
    with pytest.raises(ValueError, match="line 2 is damaged"):
        list(read_entries(whole + line + "\n" + whole))


def test_every_event_is_written_in_order(tune, simulate, script):
    journal = MemoryJournal()
    tune(simulate([script([0.9, 0.8]), script([0.9], exit_code=2)]), Limits(2, 1), journal)
    assert [to_line(entry).split(",")[0][11:-1] for entry in journal.entries] == [
        "sampled",
        "started",
        "logged",
        "logged",
        "ended",
        "sampled",
        "started",
        "logged",
        "ended",
        "finished",
    ]
    assert all(entry.at > 1e9 for entry in journal.entries)


def test_a_sweep_resumed_after_any_entry_ends_like_an_undisturbed_one(tune, simulate, script):
    scripts = [script([0.9, 0.92]), script([0.1, 0.2]), script([0.95, 0.97]), script([0.5])]
    whole = MemoryJournal()
    result = tune(simulate(scripts), Limits(4, 2), whole)
    for count in range(1, len(whole.entries)):
        journal = MemoryJournal(whole.entries[:count])
        before = read_history(journal.entries, "acc")
        finished = [trial.index for trial in before.trials if trial.status.is_finished]
        again = tuple(trial.index for trial in before.unfinished)
        journal.append(Resumed((), again))
        backend = simulate(scripts)
        found = tune(backend, Limits(4, 2), journal)
        assert [(t.status, t.parameters, t.values) for t in found.trials] == [
            (t.status, t.parameters, t.values) for t in result.trials
        ]
        assert found.best == result.best
        assert {trial for _, trial, _ in backend.started} == set(range(4)) - set(finished)


def test_decisions_follow_from_the_journal_alone(tune, simulate, script):
    scripts = [script([0.8, 0.801, 0.7, 0.7]), script([0.1] * 9), script([0.79, 0.5, 0.5, 0.9])]
    journal = MemoryJournal()
    tune(simulate(scripts, cancel_s=1.5), Limits(3, 2), journal, BANDIT)
    written = [
        (one.trial, one.interval, one.reason) for one in journal.entries if isinstance(one, Decided)
    ]
    assert len(written) == 1
    again = decisions_of(read_entries("".join(map(to_line, journal.entries))), BANDIT, MAXIMIZE)
    assert [(trial, cut.interval, cut.reason) for trial, cut in again] == written


def test_a_decision_that_a_kill_prevented_does_not_follow_from_the_journal():
    entries = [
        Sampled(0, {"x": 0}),
        Sampled(1, {"x": 1}),
        *(logged(0, 0.9) for _ in range(4)),
        logged(1, 0.1),
        logged(1, 0.1),
        # Killed here, before the decision.
        Resumed((0, 1)),
        logged(1, 0.2),
        logged(1, 0.1),
    ]
    assert decisions_of(entries[:8], BANDIT, MAXIMIZE) == []
    assert decisions_of(entries[:10], BANDIT, MAXIMIZE) == []
    # The command still ran here, and did not decide so.
    (found,) = decisions_of([*entries, logged(0, 0.9)], BANDIT, MAXIMIZE)
    assert (found[0], found[1].interval) == (1, 4)


def test_the_result_of_an_ended_sweep_is_read_again(tune, simulate, script):
    journal = MemoryJournal()
    scripts = [script([0.9, 0.8]), script([0.95])]
    result = tune(simulate(scripts), Limits(2, 1, timeout=3), journal)
    assert result.why
    before = list(journal.entries)
    backend = simulate(scripts)
    again = tune(backend, Limits(2, 1, timeout=3), journal)
    assert (again.status, again.why, again.best) == (result.status, result.why, result.best)
    assert [trial.values for trial in again.trials] == [trial.values for trial in result.trials]
    assert (backend.started, journal.entries) == ([], before)


def test_a_decided_trial_is_not_run_again(tune, simulate, script):
    journal = MemoryJournal(
        [
            Sampled(0, {"x": 0}),
            Started(0),
            logged(0, 0.1),
            Decided(0, 2, "0.1 < 0.7"),
            Resumed(),
        ]
    )
    backend = simulate(lambda index: script([0.5]))
    result = tune(backend, Limits(2, 1), journal)
    assert [trial for _, trial, _ in backend.started] == [1]
    assert result.trials[0].status is JobStatus.CANCELED
    assert result.trials[0].why == "cut at interval 2: 0.1 < 0.7"
    assert result.trials[0].cut.interval == 2


def test_a_trial_that_a_full_disk_fails_with_the_command_is_unfinished(tune, simulate, script):
    backend = simulate([script([0.5] * 9)])
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    answers = iter([full, [TrialEnded(0, 1, "exit code 1: no space is left", by_itself=True)]])

    def poll(timeout_s):
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    backend.poll = poll
    journal = MemoryJournal()
    with pytest.raises(OSError, match="No space left"):
        tune(backend, Limits(1, 1), journal)
    assert not any(isinstance(entry, Ended) for entry in journal.entries)
    assert [trial.index for trial in read_history(journal.entries, "acc").unfinished] == [0]


def test_an_interrupt_leaves_trials_unfinished_in_the_journal(tune, simulate, script):
    class Impatient:
        def __init__(self, backend):
            self.backend, self.polls = backend, 0

        def __getattr__(self, name):
            return getattr(self.backend, name)

        def poll(self, timeout_s):
            self.polls += 1
            if self.polls == 2:
                raise KeyboardInterrupt
            return self.backend.poll(timeout_s)

    journal = MemoryJournal()
    with pytest.raises(KeyboardInterrupt):
        tune(Impatient(simulate([script([0.5] * 9)])), Limits(1, 1), journal)
    assert isinstance(journal.entries[-1], Interrupted | Logged)
    history = read_history(journal.entries, "acc")
    assert [trial.index for trial in history.unfinished] == [0]
    assert history.finished is None


def shown(result):
    """Return the rows of the trials and the insights, without what depends on the machine."""
    trials = [trial_result("s", MAXIMIZE, one, 0.0, Path("log")) for one in result.trials]
    job = JobResult("s", result.status, trials=trials, best=f"s_{result.best}")
    rows = [replace(one, late=0, metrics={}, duration_s=0.0) for one in trials]
    return rows, sweep_insights(job, MAXIMIZE, 4, {}) | {"late": ""}


def test_a_sweep_shows_the_same_after_an_interrupt_at_any_time(tune, simulate, script):
    """The trials log values until their processes have ended, and resume after these values."""
    curves = [[0.8, 0.82, 0.9, 0.91], [0.1, 0.2, 0.95, 0.95], [0.7, 0.75, 0.76, 0.77], [0.5] * 4]
    scripts = [script(values) for values in curves]
    whole = tune(simulate(scripts), Limits(4, 1), MemoryJournal(), BANDIT)
    expected = [trial.values for trial in whole.trials], *shown(whole)
    assert expected[2]["savings"].startswith("4 of 16 epochs (25%)")
    assert [trial.cut is not None for trial in whole.trials] == [False, True, True, True]
    for count in range(12):
        backend = simulate(scripts, cancel_s=1.5)
        polls, poll = itertools.count(), backend.poll

        def interrupted(timeout_s, polls=polls, poll=poll, count=count):
            if next(polls) == count:
                raise KeyboardInterrupt
            return poll(timeout_s)

        backend.poll = interrupted
        journal = MemoryJournal([Created({})])
        with pytest.raises(KeyboardInterrupt):
            tune(backend, Limits(4, 1), journal, BANDIT)
        before = read_history(journal.entries, "acc")
        logged = {trial.index: len(trial.values) for trial in before.unfinished}
        rest = [script(values[logged.get(i, 0) :]) for i, values in enumerate(curves)]
        result = tune(simulate(rest), Limits(4, 1), journal, BANDIT)
        assert ([trial.values for trial in result.trials], *shown(result)) == expected


def test_time_spent_by_earlier_commands_counts_toward_the_timeout(tune, simulate, script):
    at = [
        Created({}, at=100.0),
        Sampled(0, {"x": 0}, at=101.0),
        Interrupted("interrupted", at=108.0),
        # The night between does not count.
        Resumed((), (0,), at=9000.0),
    ]
    assert read_history(at, "acc").elapsed == 8.0
    statuses = [read_history(at[:count], "acc").status.value for count in (2, 3, 4)]
    assert statuses == ["Running", "Canceled", "Running"]
    result = tune(simulate([script([0.5] * 60)]), Limits(1, 1, timeout=20), MemoryJournal(at))
    assert result.why == "sweep timeout of 20 s"
    assert len(result.trials[0].values) == 12


def test_earlier_values_of_a_trial_that_restarts_do_not_count():
    entries = [
        Sampled(0, {"x": 0}),
        Sampled(1, {"x": 1}),
        logged(0, 0.9, 1, 4),
        logged(1, 0.8, 1, 5),
        Resumed((1,), (0,)),
        logged(0, 0.7, 1, 9),
    ]
    history = read_history(entries, "acc")
    assert [trial.values for trial in history.trials] == [[0.7], [0.8]]
    points = [
        (point.value, point.step) for trial in history.trials for point in trial.points("acc")
    ]
    assert points == [(0.7, 1), (0.8, 1)]
    assert history.row == 9


def test_fail_fast_ends_the_sweep_at_the_first_failed_trial(tune, simulate, script, log):
    scripts = [script([0.5] * 9), script([0.4], exit_code=3), script([0.9])]
    journal = MemoryJournal()
    result = tune(simulate(scripts), Limits(3, 2), journal, fail_fast=True)
    assert [trial.status.value for trial in result.trials] == ["Canceled", "Failed"]
    assert result.status is JobStatus.FAILED
    assert result.why == "trial 1 failed (exit code 3), and sweep.fail_fast is set"
    assert result.best == 0
    history = read_history(journal.entries, "acc")
    assert history.finished is not None
    assert history.status is JobStatus.FAILED


@pytest.mark.parametrize(
    ("fail_on_failed_trials", "status"), [(False, "Completed"), (True, "Failed")]
)
def test_fail_on_failed_trials_decides_the_status_of_the_sweep(
    tune, simulate, script, *, fail_on_failed_trials, status
):
    scripts = [script([0.5]), script([0.4], exit_code=3), script([0.9])]
    journal = MemoryJournal()
    for _ in ("run", "result read again"):
        result = tune(
            simulate(scripts),
            Limits(3, 2),
            journal,
            fail_on_failed_trials=fail_on_failed_trials,
        )
        # All run, and the best one is found.
        assert [trial.status.value for trial in result.trials] == [
            "Completed",
            "Failed",
            "Completed",
        ]
        assert (result.status.value, result.best, result.why) == (status, 2, "")
    (finished,) = (entry for entry in journal.entries if isinstance(entry, Finished))
    assert finished.status == status


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\n"])
def test_a_text_may_hold_any_end_of_a_line(mark):
    entries = [Sampled(0, {"x": f"a{mark}b"}), Ended(0, "Failed", 1, f"said{mark}this")]
    assert list(read_entries("".join(map(to_line, entries)))) == entries


def test_fail_fast_applies_to_a_resumed_sweep(tune, simulate, script):
    journal = MemoryJournal(
        [
            Created({}, at=0.0),
            Sampled(0, {"x": 0}, at=1.0),
            Started(0, at=1.0),
            Sampled(1, {"x": 1}, at=1.0),
            Started(1, at=1.0),
            Ended(0, "Failed", 7, "exit code 7", at=2.0),
        ]
    )
    backend = simulate(lambda _: script([0.5]))
    result = tune(backend, Limits(8, 2), journal, fail_fast=True)
    assert result.status is JobStatus.FAILED
    assert backend.started == []
    assert [trial.status for trial in result.trials] == [JobStatus.FAILED, JobStatus.CANCELED]
    assert all(trial.ended >= trial.started for trial in result.trials)


def test_a_resumed_sweep_whose_time_is_over_starts_nothing(tune, simulate, script):
    journal = MemoryJournal(
        [
            Created({}, at=0.0),
            Sampled(0, {"x": 0}, at=1.0),
            Started(0, at=1.0),
            logged(0, 0.5, 1, 1, at=2.0),
            Decided(0, None, "canceled: sweep timeout of 3 s", at=4.0),
        ]
    )
    backend = simulate(lambda _: script([0.9]))
    result = tune(backend, Limits(8, 2, timeout=3), journal)
    assert backend.started == []
    assert [trial.status for trial in result.trials] == [JobStatus.CANCELED]
    assert "sweep timeout of 3 s" in result.why


@pytest.mark.parametrize(
    ("entry", "name", "value"),
    [
        (logged(0, 0.5), "value", None),
        (logged(0, 0.5), "trial", "0"),
        (logged(0, 0.5), "at", "yesterday"),
        (logged(0, 0.5), "value", "much"),
        (Sampled(0, {}), "parameters", [1]),
        (Resumed((1,), (2,)), "again", "12"),
        (Ended(0, "Failed", 1), "exit_code", "1"),
        (Decided(0, 1, "cut"), "reason", 1),
    ],
)
def test_a_field_of_another_type_is_damage(entry, name, value):
    line = json.dumps(json.loads(to_line(entry)) | {name: value})
    with pytest.raises(ValueError, match=f"^line 1 is damaged: the field {name} "):
        list(read_entries(f"{line}\n{to_line(entry)}"))


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        # Without its trial, the value would count for trial 0.
        (logged(3, 0.5), "trial"),
        (logged(0, 0.5), "step"),
        (logged(0, 0.5), "row"),
        (Resumed((1,), (2,)), "again"),
        (Ended(0, "Failed", 1), "exit_code"),
        (Finished("Completed", 2), "best"),
        (Started(0), "at"),
    ],
)
def test_an_entry_without_one_of_its_fields_is_damage(entry, name):
    content = json.loads(to_line(entry))
    del content[name]
    # A killed command may leave a part of the last line, but this line is valid JSON.
    text = to_line(Created({})) + json.dumps(content)
    with pytest.raises(ValueError, match=f"^line 2 is damaged: .* must have the field {name}$"):
        list(read_entries(text))


def test_an_entry_with_an_unknown_field_is_damage():
    line = json.dumps(json.loads(to_line(Started(0))) | {"colour": "red"})
    with pytest.raises(ValueError, match=r"^line 1 is damaged: .* must not have the field colour$"):
        list(read_entries(line))


def test_a_trial_that_is_sampled_twice_is_damage():
    with pytest.raises(ValueError, match="an entry samples trial 0, expected"):
        read_history([Created({}), Sampled(0, {}), Sampled(0, {})], "acc")
