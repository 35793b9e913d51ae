import pytest

from mnist_exp.status import JobStatus
from mnist_exp.sweeps.ranking import Goal
from mnist_exp.sweeps.sampling.algorithms import Sampling, SamplingType
from mnist_exp.sweeps.sampling.bayesian import BayesianConfigurations
from mnist_exp.sweeps.space.expressions import Choice, QUniform, Uniform
from mnist_exp.sweeps.trial import Trial

SPACE = {"x": Uniform(-5.0, 5.0), "q": QUniform(1.0, 9.0, 0.5), "c": Choice(("a", 2, {"k": 1}))}
SAMPLING = Sampling(SamplingType.BAYESIAN, seed=3)


def score(parameters):
    return -((parameters["x"] - 2) ** 2) + (3 if parameters["c"] == 2 else 0)


def drawn(configurations, start, end):
    found = []
    for index in range(start, end):
        parameters = configurations[index]
        configurations.tell(index, score(parameters))
        found.append(parameters)
    return found


def test_what_is_drawn_lies_in_the_space():
    for parameters in drawn(BayesianConfigurations(SPACE, SAMPLING, Goal.MAXIMIZE), 0, 30):
        assert -5 <= parameters["x"] <= 5
        assert (parameters["q"] / 0.5).is_integer()
        assert 1 <= parameters["q"] <= 9
        assert parameters["c"] in ("a", 2, '{"k":1}')


@pytest.mark.parametrize(("goal", "sign"), [(Goal.MAXIMIZE, 1), (Goal.MINIMIZE, -1)])
def test_it_learns_from_what_it_is_told(goal, sign):
    configurations = BayesianConfigurations(SPACE, SAMPLING, goal)
    values = []
    for index in range(60):
        parameters = configurations[index]
        values.append(score(parameters))
        configurations.tell(index, sign * values[-1])
    assert sum(values[-20:]) / 20 > sum(values[:20]) / 20 + 2


def test_a_seed_repeats_the_sequence_as_long_as_trials_end_in_order():
    first, second = (BayesianConfigurations(SPACE, SAMPLING, Goal.MAXIMIZE) for _ in range(2))
    assert drawn(first, 0, 15) == drawn(second, 0, 15)


def test_trials_without_a_value_and_those_that_run_are_no_obstacle():
    configurations = BayesianConfigurations(SPACE, SAMPLING, Goal.MAXIMIZE)
    running = [configurations[index] for index in range(3)]
    configurations.tell(1, None)
    assert len(running) == 3
    drawn(configurations, 3, 20)
    with pytest.raises(ValueError, match="the next trial is 20, asked for 7"):
        configurations[7]


def test_a_sweep_goes_on_with_what_is_known():
    before = BayesianConfigurations(SPACE, SAMPLING, Goal.MAXIMIZE)
    trials = [
        Trial(index, parameters, 0.0, JobStatus.COMPLETED, [score(parameters)])
        for index, parameters in enumerate(drawn(before, 0, 25))
    ]
    trials.append(Trial(25, before[25], 0.0))
    trials.append(Trial(26, before[26], 0.0, JobStatus.FAILED))
    after = BayesianConfigurations(SPACE, SAMPLING, Goal.MAXIMIZE, trials)
    after.tell(25, 0.5)
    found = drawn(after, 27, 47)
    assert sum(map(score, found)) / 20 > sum(score(one.parameters) for one in trials[:20]) / 20
    # A generator that began again would repeat its first draws.
    assert not {one["x"] for one in found} & {trial.parameters["x"] for trial in trials}
