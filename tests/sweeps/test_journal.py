import errno
import json
import math
import os

import pytest

from mnist_exp.status import JobStatus
from mnist_exp.sweeps.backend import TrialEnded
from mnist_exp.sweeps.history import read_history
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
    decisions_of,
    read_entries,
    to_line,
)
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.stopping.bandit import BanditPolicy
from mnist_exp.sweeps.tuner import Tuner

MAXIMIZE = Objective("acc", Goal.MAXIMIZE)
BANDIT = BanditPolicy(slack_factor=0.1, evaluation_interval=2)
UNBOUNDED = [{"x": index} for index in range(1000)]


class Pages:
    """A journal in memory, which may lose everything after so many entries."""

    def __init__(self, entries=()):
        self.entries = list(entries)

    def append(self, entry):
        self.entries.append(entry)


@pytest.fixture
def tune(log):
    def run(backend, limits, pages, policy=None, **options):
        history = read_history(pages.entries, "acc") if pages.entries else None
        tuner = Tuner(UNBOUNDED, limits, MAXIMIZE, policy, backend, log, pages, history, **options)
        return tuner.run()

    return run


@pytest.mark.parametrize(
    "entry",
    [
        Created({"name": "s"}, at=1.5),
        Resumed((1, 2), (3,), at=2.0),
        Sampled(0, {"lr": 0.1, "name": "ü"}, at=3.0),
        Started(0),
        Logged(0, "acc", 0.5, 3, 17),
        Logged(0, "acc", math.inf),
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
    (entry,) = read_entries(to_line(Logged(0, "acc", math.nan)))
    assert math.isnan(entry.value)


def test_lines_that_a_kill_has_cut_short_are_passed_over():
    whole = to_line(Started(0))
    again = Resumed((0,))
    text = whole + whole[:9] + "\n" + to_line(again) + whole + whole[:-4]
    assert list(read_entries(text)) == [Started(0), again, Started(0)]


@pytest.mark.parametrize(
    "line", ["@@@@", "[]", "3", '{"event": "unknown"}', to_line(Started(0))[:9]]
)
def test_lines_that_no_kill_can_have_left_are_told_of(line):
    whole = to_line(Started(0))
    with pytest.raises(ValueError, match="line 2 is damaged"):
        list(read_entries(whole + line + "\n" + whole))


def test_everything_is_noted_in_order(tune, simulate, script):
    pages = Pages()
    tune(simulate([script([0.9, 0.8]), script([0.9], exit_code=2)]), Limits(2, 1), pages)
    assert [to_line(entry).split(",")[0][11:-1] for entry in pages.entries] == [
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
    assert all(entry.at > 1e9 for entry in pages.entries)


def test_a_sweep_goes_on_from_every_entry_as_if_nothing_had_happened(tune, simulate, script):
    scripts = [script([0.9, 0.92]), script([0.1, 0.2]), script([0.95, 0.97]), script([0.5])]
    whole = Pages()
    result = tune(simulate(scripts), Limits(4, 2), whole)
    for count in range(1, len(whole.entries)):
        pages = Pages(whole.entries[:count])
        before = read_history(pages.entries, "acc")
        finished = [trial.index for trial in before.trials if trial.status.is_finished]
        again = tuple(trial.index for trial in before.unfinished)
        pages.append(Resumed((), again))
        backend = simulate(scripts)
        found = tune(backend, Limits(4, 2), pages)
        assert [(t.status, t.parameters, t.values) for t in found.trials] == [
            (t.status, t.parameters, t.values) for t in result.trials
        ]
        assert (found.best, found.ranking) == (result.best, result.ranking)
        assert not set(finished) & {trial for _, trial, _ in backend.started}


def test_decisions_follow_from_the_journal_alone(tune, simulate, script):
    scripts = [script([0.8, 0.801, 0.7, 0.7]), script([0.1] * 9), script([0.79, 0.5, 0.5, 0.9])]
    pages = Pages()
    tune(simulate(scripts, cancel_s=1.5), Limits(3, 2), pages, BANDIT)
    noted = [
        (one.trial, one.interval, one.reason) for one in pages.entries if isinstance(one, Decided)
    ]
    assert len(noted) == 1
    again = decisions_of(read_entries("".join(map(to_line, pages.entries))), BANDIT, MAXIMIZE)
    assert [(trial, cut.interval, cut.reason) for trial, cut in again] == noted


def test_a_decision_that_nobody_was_left_to_take_is_not_taken_again():
    entries = [
        Sampled(0, {"x": 0}),
        Sampled(1, {"x": 1}),
        *(Logged(0, "acc", 0.9) for _ in range(4)),
        Logged(1, "acc", 0.1),
        Logged(1, "acc", 0.1),
        # Killed here, before the decision.
        Resumed((0, 1)),
        Logged(1, "acc", 0.2),
        Logged(1, "acc", 0.1),
    ]
    assert decisions_of(entries[:8], BANDIT, MAXIMIZE) == []
    assert decisions_of(entries[:10], BANDIT, MAXIMIZE) == []
    # Somebody was there this time, and did not take it.
    (found,) = decisions_of([*entries, Logged(0, "acc", 0.9)], BANDIT, MAXIMIZE)
    assert (found[0], found[1].interval) == (1, 4)


def test_a_sweep_that_has_ended_is_told_of_again(tune, simulate, script):
    pages = Pages()
    scripts = [script([0.9, 0.8]), script([0.95])]
    result = tune(simulate(scripts), Limits(2, 1, timeout=3), pages)
    assert result.why
    before = list(pages.entries)
    backend = simulate(scripts)
    again = tune(backend, Limits(2, 1, timeout=3), pages)
    assert (again.status, again.why, again.best) == (result.status, result.why, result.best)
    assert [trial.values for trial in again.trials] == [trial.values for trial in result.trials]
    assert (backend.started, pages.entries) == ([], before)


def test_a_decided_trial_is_not_run_again(tune, simulate, script):
    pages = Pages(
        [
            Sampled(0, {"x": 0}),
            Started(0),
            Logged(0, "acc", 0.1),
            Decided(0, 2, "0.1 < 0.7"),
            Resumed(),
        ]
    )
    backend = simulate(lambda index: script([0.5]))
    result = tune(backend, Limits(2, 1), pages)
    assert [trial for _, trial, _ in backend.started] == [1]
    assert result.trials[0].status is JobStatus.CANCELED
    assert result.trials[0].why == "cut at interval 2: 0.1 < 0.7"
    assert result.trials[0].cut.interval == 2


def test_what_a_full_disk_fails_as_the_command_leaves_is_unfinished(tune, simulate, script):
    backend = simulate([script([0.5] * 9)])
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    answers = iter([full, [TrialEnded(0, 1, "exit code 1: no space is left", by_itself=True)]])

    def poll(timeout_s):
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    backend.poll = poll
    pages = Pages()
    with pytest.raises(OSError, match="No space left"):
        tune(backend, Limits(1, 1), pages)
    assert not any(isinstance(entry, Ended) for entry in pages.entries)
    assert [trial.index for trial in read_history(pages.entries, "acc").unfinished] == [0]


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

    pages = Pages()
    with pytest.raises(KeyboardInterrupt):
        tune(Impatient(simulate([script([0.5] * 9)])), Limits(1, 1), pages)
    assert isinstance(pages.entries[-1], Interrupted | Logged)
    history = read_history(pages.entries, "acc")
    assert [trial.index for trial in history.unfinished] == [0]
    assert history.finished is None


def test_time_spent_by_earlier_commands_counts_toward_the_timeout(tune, simulate, script):
    at = [
        Created({}, at=100.0),
        Sampled(0, {"x": 0}, at=101.0),
        Interrupted("interrupted", at=108.0),
        # The night between does not count.
        Resumed((), (0,), at=9000.0),
    ]
    assert read_history(at, "acc").elapsed == 8.0
    result = tune(simulate([script([0.5] * 60)]), Limits(1, 1, timeout=20), Pages(at))
    assert result.why == "sweep timeout of 20 s"
    assert len(result.trials[0].values) == 12


def test_values_of_a_trial_that_begins_again_do_not_count():
    entries = [
        Sampled(0, {"x": 0}),
        Sampled(1, {"x": 1}),
        Logged(0, "acc", 0.9, 1, 4),
        Logged(1, "acc", 0.8, 1, 5),
        Resumed((1,), (0,)),
        Logged(0, "acc", 0.7, 1, 9),
    ]
    history = read_history(entries, "acc")
    assert [trial.values for trial in history.trials] == [[0.7], [0.8]]
    assert history.points == {0: {"acc": [(0.7, 1)]}, 1: {"acc": [(0.8, 1)]}}
    assert history.row == 9


def test_a_failing_trial_ends_the_sweep_where_that_is_asked_for(tune, simulate, script, log):
    scripts = [script([0.5] * 9), script([0.4], exit_code=3), script([0.9])]
    pages = Pages()
    result = tune(simulate(scripts), Limits(3, 2), pages, fail_fast=True)
    assert [trial.status.value for trial in result.trials] == ["Canceled", "Failed"]
    assert result.status is JobStatus.FAILED
    assert result.why == "trial 1 failed (exit code 3), and sweep.fail_fast is set"
    assert result.best == 0
    assert read_history(pages.entries, "acc").finished is not None


@pytest.mark.parametrize(("is_asked_for", "status"), [(False, "Completed"), (True, "Failed")])
def test_a_failed_trial_fails_the_whole_sweep_where_that_is_asked_for(
    tune, simulate, script, *, is_asked_for, status
):
    scripts = [script([0.5]), script([0.4], exit_code=3), script([0.9])]
    pages = Pages()
    for _ in ("run", "told of again"):
        options = {"fail_on_failed_trials": is_asked_for}
        result = tune(simulate(scripts), Limits(3, 2), pages, **options)
        # All run, and the best one is found.
        assert [trial.status.value for trial in result.trials] == [
            "Completed",
            "Failed",
            "Completed",
        ]
        assert (result.status.value, result.best, result.why) == (status, 2, "")
    (finished,) = (entry for entry in pages.entries if isinstance(entry, Finished))
    assert finished.status == status


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\n"])
def test_a_text_may_hold_any_end_of_a_line(mark):
    entries = [Sampled(0, {"x": f"a{mark}b"}), Ended(0, "Failed", 1, f"said{mark}this")]
    assert list(read_entries("".join(map(to_line, entries)))) == entries


def test_fail_fast_holds_when_a_sweep_goes_on(tune, simulate, script):
    pages = Pages(
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
    result = tune(backend, Limits(8, 2), pages, fail_fast=True)
    assert result.status is JobStatus.FAILED
    assert backend.started == []
    assert [trial.status for trial in result.trials] == [JobStatus.FAILED, JobStatus.CANCELED]
    assert all(trial.ended >= trial.started for trial in result.trials)


def test_a_sweep_whose_time_is_over_starts_nothing_when_it_goes_on(tune, simulate, script):
    pages = Pages(
        [
            Created({}, at=0.0),
            Sampled(0, {"x": 0}, at=1.0),
            Started(0, at=1.0),
            Logged(0, "acc", 0.5, 1, 1, at=2.0),
            Decided(0, None, "canceled: sweep timeout of 3 s", at=4.0),
        ]
    )
    backend = simulate(lambda _: script([0.9]))
    result = tune(backend, Limits(8, 2, timeout=3), pages)
    assert backend.started == []
    assert [trial.status for trial in result.trials] == [JobStatus.CANCELED]
    assert "sweep timeout of 3 s" in result.why


@pytest.mark.parametrize(
    ("entry", "name", "value"),
    [
        (Logged(0, "acc", 0.5), "value", None),
        (Logged(0, "acc", 0.5), "trial", "0"),
        (Logged(0, "acc", 0.5), "at", "yesterday"),
        (Sampled(0, {}), "parameters", [1]),
        (Ended(0, "Failed", 1), "exit_code", "1"),
        (Decided(0, 1, "cut"), "reason", 1),
    ],
)
def test_a_field_of_another_type_is_damage(entry, name, value):
    line = json.dumps(json.loads(to_line(entry)) | {name: value})
    with pytest.raises(ValueError, match="line 1 is damaged"):
        list(read_entries(f"{line}\n{to_line(entry)}"))


def test_a_trial_that_is_sampled_twice_is_damage():
    with pytest.raises(ValueError, match="trial 0 is not the next one to be sampled"):
        read_history([Created({}), Sampled(0, {}), Sampled(0, {})], "acc")
