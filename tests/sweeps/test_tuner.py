import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_exp.metrics import MetricPoint
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.backend import TrialEnded
from mnist_exp.sweeps.limits import Limits
from mnist_exp.sweeps.ranking import Goal, Objective
from mnist_exp.sweeps.stopping.policies import BanditPolicy, TruncationSelectionPolicy
from mnist_exp.sweeps.tuner import Tuner

MAXIMIZE = Objective("acc", Goal.MAXIMIZE)
BANDIT = BanditPolicy(slack_factor=0.1, evaluation_interval=2)
UNBOUNDED = [{"x": index} for index in range(1000)]


@pytest.fixture
def tune(log):
    def run(backend, limits, policy=None, configurations=UNBOUNDED, objective=MAXIMIZE):
        return Tuner(
            configurations=configurations,
            limits=limits,
            objective=objective,
            policy=policy,
            backend=backend,
            listener=log,
        )

    return run


def statuses(result):
    return [trial.status.value for trial in result.trials]


def test_trials_complete_and_the_best_of_the_whole_history_wins(tune, simulate, script):
    backend = simulate([script([0.5, 0.9, 0.6]), script([0.7, 0.8, 0.8])])
    result = tune(backend, Limits(2, 2)).run()
    assert result.status is JobStatus.COMPLETED
    assert statuses(result) == ["Completed", "Completed"]
    assert result.best == 0
    assert result.trials[0].values == [0.5, 0.9, 0.6]
    assert result.trials[1].parameters == {"x": 1}
    assert (result.why, result.warnings) == ("", ())


def test_ties_go_to_the_lowest_index(tune, simulate, script):
    backend = simulate([script([0.9], every=9), script([0.9], every=1)])
    assert tune(backend, Limits(2, 2)).run().best == 0


def test_eight_trials_four_at_once_never_exceed_four(tune, simulate, script):
    backend = simulate(lambda index: script([0.5], every=1 + index % 3))
    result = tune(backend, Limits(8, 4)).run()
    assert backend.most_alive == 4
    assert [trial for _, trial, _ in backend.started] == list(range(8))
    assert statuses(result) == ["Completed"] * 8


def test_a_slot_is_filled_at_once_and_no_batch_is_waited_for(tune, simulate, script):
    lengths = [10.0, 1.0, 1.0, 1.0]
    backend = simulate(lambda index: script([0.5], every=lengths[index]))
    tune(backend, Limits(4, 2)).run()
    assert [(at, trial) for at, trial, _ in backend.started] == [(0, 0), (0, 1), (2, 2), (4, 3)]


def test_a_trial_is_cut_and_says_why(tune, simulate, script, log):
    backend = simulate([script([0.7, 0.75, 0.801, 0.78]), script([0.7, 0.71, 0.6, 0.6, 0.6])])
    result = tune(backend, Limits(2, 1), BANDIT).run()
    assert statuses(result) == ["Completed", "Canceled"]
    text = "cut at interval 4: 0.71 < 0.801 / 1.1 = 0.728 (best: trial 0)"
    assert log.messages == [f"trial 1 {text}"]
    assert result.trials[1].why == text
    assert result.trials[1].cut.interval == 4
    assert result.trials[1].values == [0.7, 0.71, 0.6, 0.6]
    assert result.status is JobStatus.COMPLETED
    assert (1, "CancelRequested") in log.changes
    assert log.changes[-1] == (1, "Canceled")


def test_each_trial_is_finished_once_before_the_listener_hears_of_it(tune, simulate, script):
    backend = simulate([script([0.9, 0.9]), script([0.1] * 9), script(startable=False)])
    finished_at_change = []

    class Listener(SilentListener):
        def trial_changed(self, trial):
            if trial.status.is_finished:
                finished_at_change.append(list(backend.finished))

    tuner = tune(backend, Limits(3, 1), BANDIT)
    tuner.listener = Listener()
    tuner.run()
    ends = [(0, "Completed"), (1, "Canceled"), (2, "Failed")]
    assert backend.finished == ends
    assert finished_at_change == [ends[:1], ends[:2], ends]


def test_a_cut_trial_frees_its_slot_when_it_is_gone(tune, simulate, script):
    scripts = [script([0.9, 0.9]), script([0.1] * 50), script([0.9, 0.9])]
    backend = simulate(scripts, cancel_s=0.5)
    tune(backend, Limits(3, 1), BANDIT).run()
    cut_at = backend.canceled[0][0]
    assert backend.started[2][0] == cut_at + 0.5
    assert backend.most_alive == 1


def test_trials_ahead_of_the_leader_are_not_cut(tune, simulate, script):
    # The leader is slow: when the others reach interval 2 it has logged once.
    scripts = [script([0.9, 0.9], every=5), script([0.1, 0.1, 0.1])]
    result = tune(simulate(scripts), Limits(2, 2), BANDIT).run()
    assert statuses(result) == ["Completed", "Completed"]


@pytest.mark.parametrize("cancel_s", [0.1, 1.5, 99])
def test_values_logged_after_a_decision_are_kept_and_do_not_count(tune, simulate, script, cancel_s):
    # The peer of trial 2 at interval 4 would be trial 1, if its later values counted.
    scripts = [script([0.8, 0.8]), script([0.1, 0.1, 0.95, 0.95]), script([0.79] * 4)]
    result = tune(simulate(scripts, cancel_s=cancel_s), Limits(3, 1), BANDIT).run()
    assert statuses(result) == ["Completed", "Canceled", "Completed"]
    assert result.best == 0
    assert [trial.values for trial in result.trials] == [[0.8, 0.8], [0.1, 0.1], [0.79] * 4]
    late = {0.1: [], 1.5: [0.95], 99: [0.95, 0.95]}[cancel_s]
    assert [point.value for point in result.trials[1].points("acc")] == [0.1, 0.1, *late]
    # After a timeout, too.
    limits = Limits(1, 1, trial_timeout=2)
    (trial,) = tune(simulate([script([0.1, 0.2, 0.9])], cancel_s=cancel_s), limits).run().trials
    assert (trial.status.value, trial.values) == ("Canceled", [0.1, 0.2])


def test_other_metrics_are_no_intervals(tune, simulate, script):
    backend = simulate([script([0.9, 0.9]), script([0.1, 0.1], metric="loss")])
    result = tune(backend, Limits(2, 1), BANDIT).run()
    assert statuses(result) == ["Completed", "Completed"]
    assert result.trials[1].values == []
    assert result.best == 0


def test_a_failing_trial_keeps_its_metric_and_stops_no_other(tune, simulate, script, log):
    scripts = [script([0.3], exit_code=1), script([0.5]), script([0.4])]
    result = tune(simulate(scripts), Limits(3, 1)).run()
    assert statuses(result) == ["Failed", "Completed", "Completed"]
    assert result.trials[0].values == [0.3]
    assert result.trials[0].exit_code == 1
    assert log.messages == ["trial 0 failed: exit code 1"]
    assert result.status is JobStatus.COMPLETED
    assert result.best == 1


def test_trials_that_fail_for_the_same_reason_say_why_once(tune, simulate, script, log):
    tune(simulate([script([0.3], exit_code=1)] * 2), Limits(2, 1)).run()
    assert log.messages == ["trial 0 failed: exit code 1"]


def test_a_failed_trial_can_be_best_and_a_warning_says_so(tune, simulate, script):
    scripts = [script([0.9], exit_code=1), script([0.5])]
    result = tune(simulate(scripts), Limits(2, 1)).run()
    assert result.best == 0
    assert result.warnings[0] == "1 of 2 trials failed; the first is trial 0"
    assert "may have saved no model" in result.warnings[1]


def test_trials_whose_values_are_all_the_same_are_a_warning(tune, simulate, script):
    same = tune(simulate(lambda _: script([0.5, 0.6])), Limits(3, 2)).run()
    assert "all 3 trials logged the same values of" in same.warnings[0]
    other = tune(simulate(lambda index: script([0.5, 0.6 + index])), Limits(3, 2)).run()
    assert other.warnings == ()


def test_a_sweep_fails_when_every_trial_does(tune, simulate, script):
    result = tune(simulate(lambda _: script(exit_code=2)), Limits(3, 2)).run()
    assert result.status is JobStatus.FAILED
    assert result.best is None
    assert result.warnings == ()


def test_a_trial_that_cannot_be_started_is_failed_and_the_next_takes_its_slot(
    tune, simulate, script
):
    scripts = [script(startable=False), script([0.5])]
    result = tune(simulate(scripts), Limits(2, 1)).run()
    assert statuses(result) == ["Failed", "Completed"]
    assert result.trials[0].why == "no such script: train.py"


def test_a_sweep_without_its_metric_is_completed_with_a_hint(tune, simulate, script):
    result = tune(simulate(lambda _: script([0.5], metric="Acc")), Limits(2, 2)).run()
    assert result.status is JobStatus.COMPLETED
    assert result.best is None
    assert result.warnings[0].endswith("the logged metrics are: Acc; did you mean 'Acc'?")


def test_a_loss_that_is_never_a_number_has_no_best(tune, simulate, script):
    objective = Objective("acc", Goal.MINIMIZE)
    backend = simulate(lambda _: script([math.nan]))
    result = tune(backend, Limits(1, 1), objective=objective).run()
    assert result.best is None
    assert result.trials[0].values


def test_an_exhausted_grid_ends_the_sweep_early(tune, simulate, script, log):
    backend = simulate(lambda _: script([0.5]))
    result = tune(backend, Limits(10, 2), configurations=UNBOUNDED[:3]).run()
    assert len(result.trials) == 3
    assert result.status is JobStatus.COMPLETED
    assert log.messages == ["the search space has no further configuration"]


def test_the_sweeps_timeout_cancels_what_runs_and_starts_no_more(tune, simulate, script, log):
    backend = simulate(lambda _: script([0.5] * 30))
    result = tune(backend, Limits(8, 3, timeout=10)).run()
    assert statuses(result) == ["Canceled"] * 3
    assert result.status is JobStatus.CANCELED
    assert result.why == "sweep timeout of 10 s"
    assert result.best == 0
    assert backend.time == pytest.approx(10.1)
    assert log.messages[0] == "sweep canceled: sweep timeout of 10 s"


def test_a_sweep_that_is_done_in_time_is_completed(tune, simulate, script):
    result = tune(simulate([script([0.5] * 9)]), Limits(1, 1, timeout=10)).run()
    assert result.status is JobStatus.COMPLETED


def test_a_trials_timeout_counts_from_its_start_and_hits_it_alone(tune, simulate, script, log):
    scripts = [script([0.5] * 3), script([0.6] * 50), script([0.4] * 4)]
    backend = simulate(scripts)
    result = tune(backend, Limits(3, 1, trial_timeout=10)).run()
    assert statuses(result) == ["Completed", "Canceled", "Completed"]
    assert backend.canceled == [(4 + 10, 1)]
    assert log.messages == ["trial 1 canceled: trial timeout of 10 s"]
    assert result.status is JobStatus.COMPLETED
    assert result.best == 1


def test_a_silent_trial_is_timed_out_too(tune, simulate, script):
    backend = simulate([script([0.5], every=1000)])
    assert statuses(tune(backend, Limits(1, 1, trial_timeout=7)).run()) == ["Canceled"]
    assert backend.canceled == [(7, 0)]


def test_an_interrupt_cancels_all_and_leaves_a_result(tune, simulate, script, log):
    backend = simulate(lambda _: script([0.5] * 30))
    polls = itertools.count()
    poll = backend.poll

    def interrupted(timeout_s):
        if next(polls) == 4:
            raise KeyboardInterrupt
        return poll(timeout_s)

    backend.poll = interrupted
    tuner = tune(backend, Limits(8, 2))
    with pytest.raises(KeyboardInterrupt):
        tuner.run()
    result = tuner.result()
    assert backend.alive == set()
    assert result.status is JobStatus.CANCELED
    assert statuses(result) == ["Canceled", "Canceled"]
    assert result.why == "interrupted"
    assert result.best == 0
    assert log.messages[0] == "sweep canceled: interrupted"


def test_a_second_interrupt_still_leaves_finished_states(tune, simulate, script):
    backend = simulate(lambda _: script([0.5] * 30))

    def interrupted(timeout_s):
        raise KeyboardInterrupt

    backend.poll = interrupted
    tuner = tune(backend, Limits(8, 2))
    with pytest.raises(KeyboardInterrupt):
        tuner.run()
    assert statuses(tuner.result()) == ["Canceled", "Canceled"]


def test_an_interrupt_after_the_timeout_keeps_the_first_reason(tune, simulate, script):
    backend = simulate(lambda _: script([0.5] * 30), cancel_s=5)
    tuner = tune(backend, Limits(2, 2, timeout=3))
    poll = backend.poll

    def interrupted(timeout_s):
        if tuner.result().status is JobStatus.CANCEL_REQUESTED:
            backend.poll = poll
            raise KeyboardInterrupt
        return poll(timeout_s)

    backend.poll = interrupted
    with pytest.raises(KeyboardInterrupt):
        tuner.run()
    assert tuner.result().why == "sweep timeout of 3 s"
    assert statuses(tuner.result()) == ["Canceled", "Canceled"]
    assert len(backend.canceled) == 2


def test_trials_that_do_not_end_are_given_up_after_a_minute(tune, simulate, script):
    backend = simulate(lambda _: script([0.5], every=1e9), cancel_s=1e9)
    tuner = tune(backend, Limits(1, 1))
    tuner._start_next()
    tuner.cancel_all("interrupted")
    assert statuses(tuner.result()) == ["Canceled"]
    assert 60 <= backend.time < 62


def test_an_error_of_the_backend_cancels_the_trials_and_is_raised(tune, simulate, script):
    backend = simulate([script([0.5] * 5), script([0.5])])
    start = backend.start

    def broken(trial, parameters):
        if trial == 1:
            raise OSError("no space left on device")
        start(trial, parameters)

    backend.start = broken
    tuner = tune(backend, Limits(2, 2))
    with pytest.raises(OSError, match="no space"):
        tuner.run()
    assert tuner.result().why == "stopped by OSError"
    assert backend.alive == set()


def test_a_running_sweep_has_a_result(tune, simulate, script):
    backend = simulate(lambda _: script([0.5] * 3))
    tuner = tune(backend, Limits(2, 2))
    tuner._start_next()
    tuner._start_next()
    assert tuner.result().status is JobStatus.RUNNING
    assert tuner.result().warnings == ()


def test_a_ratio_of_negative_values_is_warned_about_once(tune, simulate, script, log):
    backend = simulate(lambda index: script([-0.5, -0.4, -0.3 - index]))
    result = tune(backend, Limits(2, 2), BANDIT).run()
    assert len(result.warnings) == 1
    assert "use slack_amount" in result.warnings[0]
    assert log.messages.count(f"warning: {result.warnings[0]}") == 1


def test_an_event_of_a_trial_that_has_ended_is_recorded_and_decides_nothing(tune, simulate, script):
    backend = simulate([script([0.9, 0.9, 0.9]), script([0.1])])
    tuner = tune(backend, Limits(2, 1), BANDIT)
    tuner.run()
    tuner._handle(MetricPoint("acc", 0.1, trial=1))
    assert statuses(tuner.result()) == ["Completed", "Completed"]
    assert backend.canceled == []


class SilentListener:
    def trial_changed(self, trial):
        pass

    def message(self, text):
        pass


@given(
    plays=st.lists(
        st.tuples(
            st.lists(st.floats(0, 1), max_size=6), st.floats(0.1, 3), st.sampled_from([0, 0, 0, 1])
        ),
        min_size=1,
        max_size=10,
    ),
    concurrent=st.integers(1, 4),
    policy=st.sampled_from([None, BANDIT, TruncationSelectionPolicy(truncation_percentage=40)]),
)
def test_any_sweep_ends_with_every_trial_finished_and_its_bounds_kept(
    simulate, script, plays, concurrent, policy
):
    backend = simulate(lambda i: script(plays[i][0], every=plays[i][1], exit_code=plays[i][2]))
    limits = Limits(len(plays), min(concurrent, len(plays)))
    result = Tuner(
        configurations=UNBOUNDED,
        limits=limits,
        objective=MAXIMIZE,
        policy=policy,
        backend=backend,
        listener=SilentListener(),
    ).run()
    assert len(result.trials) == len(plays)
    assert all(trial.status.is_finished for trial in result.trials)
    assert backend.most_alive <= limits.max_concurrent_trials
    assert backend.alive == set()
    values = [value for trial in result.trials for value in trial.values]
    if values:
        assert max(values) in result.trials[result.best].values
    cut = [trial for trial in result.trials if trial.cut]
    assert all(trial.status is JobStatus.CANCELED for trial in cut)
    if policy is None:
        assert cut == []


class LateBackend:
    """Reports all of a trial at its end, as where metrics are slower than the script."""

    def __init__(self, values, exit_code=0, by_itself=True):
        self.values = values
        self.exit_code = exit_code
        self.by_itself = by_itself
        self.alive = []

    def start(self, trial, parameters):
        self.alive.append(trial)

    def poll(self, timeout_s):
        trial = self.alive.pop(0)
        logged = [MetricPoint("acc", value, trial=trial) for value in self.values[trial]]
        return [*logged, TrialEnded(trial, self.exit_code, by_itself=self.by_itself)]

    def cancel(self, trial):
        """Do nothing: the trial has ended."""

    def finish(self, trial):
        """Do nothing."""

    def now(self):
        return 0.0


@pytest.mark.parametrize(
    ("exit_code", "by_itself"),
    [
        (0, True),
        (0, False),
        (1, True),
    ],
)
def test_a_trial_that_was_cut_is_canceled_even_if_it_ended_before_the_request(
    tune, exit_code, by_itself
):
    backend = LateBackend([[0.9, 0.9], [0.1, 0.1, 0.95]], exit_code, by_itself)
    cut = tune(backend, Limits(2, 1), BANDIT).run().trials[1]
    assert (cut.status.value, cut.best(Goal.MAXIMIZE)) == ("Canceled", 0.1)
    assert cut.why.startswith("cut at interval 2: ")
