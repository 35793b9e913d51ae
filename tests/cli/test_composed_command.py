"""Composition for the Python API, which must not disturb the caller's own use of Hydra."""

import logging
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer

from mnist_exp import compose as compose_experiment
from mnist_exp.cli import composer
from mnist_exp.errors import ConfigError
from tests.support.files import write_file
from tests.support.paths import CONF


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def state() -> Mapping[str, Any]:
    """Return the state of this process that Hydra could change."""
    root = logging.getLogger()
    return {
        "hydra": GlobalHydra.instance().hydra,
        "settings": HydraConfig.instance().cfg,
        "schemas": set(ConfigStore.instance().repo),
        "job": OmegaConf.to_container(JobRuntime.instance().conf),
        "version": VersionBase.instance().getbase(),
        "resolvers": dict(BaseContainer._resolvers),
        "logging": (root.level, list(root.handlers)),
        "process": (list(sys.argv), Path.cwd(), dict(os.environ)),
    }


def test_a_config_is_composed_and_nothing_is_written(here: Path) -> None:
    config = compose_experiment("stage=train", "model=wide", epochs=5, outputs_dir="mine")
    assert config.model.first_layer_neurons == 512
    assert config.model.epochs == config.job.inputs["epochs"] == 5
    limits = compose_experiment("stage=sweep", max_concurrent_trials=3).sweep.limits
    assert limits.max_concurrent_trials == 3
    assert config.outputs_dir == "mine"
    assert list(here.iterdir()) == []


def test_an_input_of_a_users_own_job_is_a_keyword(here: Path) -> None:
    job = "experiment_name: mine\ncode: ../../code\nscript: fit.py\ninputs: {lr: 1}\n"
    write_file(here / "conf/job/mine.yaml", f"{job}primary_metric: null\n")
    write_file(here / "code/fit.py", "")
    config = compose_experiment("stage=train", "job=mine", config_dir="conf", lr=0.5)
    assert config.job.inputs == {"lr": 0.5}


def test_all_faults_are_raised_together(here: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_experiment("stage=train", "model.epohcs=3", seed=-1)
    assert [line.partition(":")[0] for line in caught.value.lines] == ["model.epohcs", "seed"]
    with pytest.raises(ConfigError) as caught:
        compose_experiment("model.epohcs=3", "stage=sweep", lr=0.1, max_total_trials=0)
    assert [line.partition(":")[0] for line in caught.value.lines] == [
        "lr",
        "model.epohcs",
        "sweep.limits.max_total_trials",
    ]
    assert "did you mean learning_rate?" in caught.value.lines[0]
    with pytest.raises(ConfigError, match=r"^config_dir: must be a folder, got .*nope, which"):
        compose_experiment("stage=train", config_dir="nope")


def test_a_caller_that_uses_hydra_notices_nothing() -> None:
    OmegaConf.register_new_resolver("now", lambda _: "mine", replace=True)
    try:
        with initialize_config_dir(str(CONF), version_base="1.2"):
            HydraConfig.instance().cfg = OmegaConf.create({"hydra": {}})
            before = state()
            compose_experiment("stage=train")
            with pytest.raises(ConfigError):
                compose_experiment("stage=train", "model.epohcs=3")
            assert state() == before
            # The caller's Hydra still composes from its own folders.
            assert "first_layer_neurons" in compose("model/wide")["model"]
    finally:
        HydraConfig.instance().cfg = None
        OmegaConf.clear_resolver("now")


class AnnouncedLock:
    """A lock that sets the event `is_awaited` before a thread waits for the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_awaited = threading.Event()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self.is_awaited.set()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_a_thread_that_waits_for_another_notices_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = AnnouncedLock()
    monkeypatch.setattr(composer, "_lock", lock)
    with initialize_config_dir(str(CONF), version_base="1.2"):
        before, instance = state(), GlobalHydra.instance()
        with composer.isolated_hydra():
            with initialize_config_dir(str(CONF), version_base="1.3"):
                pass
            # Hydra has replaced its singleton.
            assert GlobalHydra.instance() is not instance
            waiting = threading.Thread(target=compose_experiment, args=["stage=train"])
            waiting.start()
            assert lock.is_awaited.wait(60)
        waiting.join()
        assert state() == before
        assert GlobalHydra.instance() is instance
