from dataclasses import replace

import numpy as np
import pytest

from digits.cluster import Cluster, Task
from digits.compiled import CompiledPath
from digits.errors import DivergedError, SettingsError, Stopped, StopRequest, stoppable
from digits.training import Pace, TrainingLoop, epoch_order, seconds_since_process_start


@pytest.fixture
def quick(settings):
    return replace(settings, first_layer_neurons=16, second_layer_neurons=8, epochs=3)


def loop_of(settings, parts, stop=None) -> TrainingLoop:
    path = CompiledPath(settings, parts.training)
    alone = Cluster(None, Task(), "CPU")
    return TrainingLoop(path, settings, parts, alone, stop or StopRequest())


def test_learns_and_counts_epochs_from_one(quick, parts):
    epochs = list(loop_of(replace(quick, learning_rate=0.1), parts).epochs())
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert epochs[2].metrics["loss"] < epochs[0].metrics["loss"]
    assert epochs[2].metrics["validation_acc"] > 0.7
    assert set(epochs[0].metrics) == {"loss", "training_acc", "validation_acc"}


def test_continues_after_the_epochs_that_are_done(quick, parts):
    assert [epoch.number for epoch in loop_of(quick, parts).epochs(2)] == [3]


def test_metrics_do_not_depend_on_where_an_epoch_is_cut(quick, parts, monkeypatch):
    whole = [epoch.metrics for epoch in loop_of(quick, parts).epochs()]
    monkeypatch.setattr("digits.training._STRETCH_SECONDS", 0)
    stepwise = [epoch.metrics for epoch in loop_of(quick, parts).epochs()]
    assert stepwise == whole


def test_a_batch_larger_than_the_data_is_an_error(quick, parts):
    with pytest.raises(SettingsError, match=r"--batch-size must be at most the 3600 .* got 3601"):
        loop_of(replace(quick, batch_size=3601), parts)


def test_a_diverging_loss_ends_the_run_with_epoch_and_parameters(quick, parts):
    loop = loop_of(replace(quick, learning_rate=1e30), parts)
    with pytest.raises(DivergedError, match=r"became (nan|inf) in epoch 1: .*learning_rate=1e\+30"):
        next(loop.epochs())


def test_a_network_that_the_last_step_ruined_ends_the_run(quick, parts):
    # An epoch of one step: its loss is that of the weights before the step.
    loop = loop_of(replace(quick, batch_size=3600, learning_rate=1e38), parts)
    with pytest.raises(DivergedError, match="outputs became inf or nan in epoch 1"):
        next(loop.epochs())


def test_a_complete_epoch_is_not_lost_to_a_signal(quick, parts):
    with stoppable() as stop:
        loop = loop_of(replace(quick, batch_size=3600), parts, stop)
        stop.receive(15, None)
        epochs = loop.epochs()
        assert next(epochs).number == 1
        with pytest.raises(Stopped, match="SIGTERM after epoch 1"):
            next(epochs)


def test_stops_between_two_stretches(quick, parts, monkeypatch):
    monkeypatch.setattr("digits.training._STRETCH_SECONDS", 0)
    with stoppable() as stop:
        loop = loop_of(quick, parts, stop)
        epochs = loop.epochs()
        next(epochs)
        stop.receive(15, None)
        with pytest.raises(Stopped, match="SIGTERM in epoch 2"):
            next(epochs)


def test_every_epoch_has_an_order_of_its_own_that_the_seed_decides():
    first, second = epoch_order(42, 1, 1000), epoch_order(42, 2, 1000)
    assert sorted(first) == list(range(1000))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, epoch_order(42, 1, 1000))
    assert not np.array_equal(first, epoch_order(43, 1, 1000))


def test_a_stretch_of_steps_takes_half_a_second():
    pace = Pace()
    assert pace.stretch() == 1
    # The first step waits for the compiler, so it says nothing about the others.
    pace.learn(1, 20.0)
    assert pace.stretch() == 1
    pace.learn(1, 0.001)
    assert pace.stretch() == 2
    pace.learn(2, 0.002)
    assert pace.stretch() == 6
    pace.learn(997, 0.997)
    assert pace.stretch() == 500
    pace.learn(500, 500.0)
    assert pace.stretch() == 1


def test_steps_that_take_long_are_taken_one_by_one():
    pace = Pace()
    pace.learn(1, 20.0)
    pace.learn(1, 0.8)
    assert pace.stretch() == 1


def test_the_clock_counts_from_the_start_of_the_process():
    before = seconds_since_process_start()
    assert 0 < before <= seconds_since_process_start()
