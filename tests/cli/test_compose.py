"""The configs of the tests, which compose equal config groups only once."""

import os

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from tests.support.configs import composed, newly_composed


@pytest.mark.parametrize(
    "overrides",
    [
        ["stage=train"],
        ["model.epochs=3", "stage=all", "model=small", "profile=azure", "model.batch_size=8"],
        ["job={experiment_name: mine}", "+job.inputs.x=${seed}", "~job.inputs.epochs"],
        ["hydra.run.dir=here", "endpoint.traffic.blue=100", "++compute.size=x", "compute=local"],
        ["sweep.search_space={}", "+sweep.search_space.a={type: choice, values: [1]}"],
    ],
)
def test_the_config_of_a_test_is_the_one_that_hydra_composes(overrides: list[str]) -> None:
    for _ in range(2):
        found, expected = composed(*overrides), newly_composed(*overrides)
        # No setting uses the text that Hydra joins from all overrides.
        for config in (found, expected):
            config.hydra.job.override_dirname = ""
        assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)
        assert [OmegaConf.is_struct(config.job) for config in (found, expected)] == [True, True]


@pytest.mark.parametrize(
    "override",
    ["model.epohcs=1", "model=tutoral", "seed=x", "seed=[1", "seed=1,2", "modle=small", "model=3"],
)
def test_the_error_of_a_test_is_the_one_that_hydra_raises(override: str) -> None:
    errors = []
    for compose in (composed, newly_composed):
        with pytest.raises((HydraException, ValueError)) as caught:
            compose("stage=train", override)
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]


def test_a_sweep_on_this_machine_runs_at_most_one_trial_for_each_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})

    def concurrent(*overrides: str) -> object:
        limits = composed("stage=sweep", *overrides).sweep.limits
        return limits.max_concurrent_trials

    assert [concurrent(), concurrent("sweep=quick")] == [3, 2]
    assert concurrent("sweep.limits.max_concurrent_trials=4") == 4
    assert concurrent("profile=azure") == 4
