import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnist_exp import experiment, names
from mnist_exp.cli import checked_config
from mnist_exp.cli import prepare as prepare_module
from mnist_exp.cli.compose import split
from mnist_exp.cli.error_output import FULL_ERROR
from mnist_exp.cli.prepare import prepare
from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.errors import ConfigError, JobError, MnistExpError, NotFoundError
from mnist_exp.lazy import open_workspace
from mnist_exp.records import Record, RecordIndex
from mnist_exp.specs import CommandJob, DeploymentSpec, EndpointSpec, ModelSpec, Spec, SweepJob
from mnist_exp.stages import StageRunner, deploy
from mnist_exp.workspaces.base import Workspace
from mnist_exp.workspaces.local.workspace import LocalWorkspace
from tests.support.configs import composed
from tests.support.in_process import InProcessCli
from tests.support.sample_results import record


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the empty current folder of the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    monkeypatch.delenv(FULL_ERROR, raising=False)
    return tmp_path


# The check before a run.


def checked(*overrides: str) -> None:
    prepare(*split(composed(*overrides)))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["stage=compute", "seed=-1"], "seed: must be from 0"),
        (["stage=compute", "+model.x=1"], "model.x: no such key"),
        (["stage=register"], "run: no completed sweep in"),
        (["stage=deploy"], "run: no registered model in"),
        (["stage=invoke"], "endpoint.name: no endpoint is deployed"),
        (["stage=cleanup", "endpoint.name=nobody"], "nobody"),
        (["stage=train", "job.script=nope.py"], "job.script: must be a file in job.code"),
        (["stage=compute", "outputs_dir=/proc/out"], "outputs_dir: must be a folder that can be"),
        (
            ["stage=compute", "hydra.run.dir=/proc/out", "hydra.mode=RUN"],
            "hydra.run.dir: must be a folder that can be written",
        ),
        (["stage=all", "wait=false"], "wait: must be true for stage=all"),
    ],
)
def test_a_check_that_fails_leaves_nothing_behind(
    here: Path, overrides: list[str], expected: str
) -> None:
    with pytest.raises(MnistExpError) as caught:
        checked(*overrides)
    assert expected in caught.value.lines[0]
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("stage", ["compute", "train", "sweep"])
def test_a_check_that_passes_leaves_nothing_behind(here: Path, stage: str) -> None:
    checked(f"stage={stage}", f"data.cache_dir={here.parent / 'cache'}")
    assert list(here.iterdir()) == []


def test_all_faults_of_the_config_come_at_once(here: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        checked("stage=train", "model.epochs=0", "model.batch_size=0", "seed=-1")
    assert len(caught.value.faults) == 3


def test_warnings_are_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked("stage=compute", "compute=gpu_cluster", "compute.size=STANDARD_NC6")
    assert "warning: compute.size: STANDARD_NC6 was retired" in capsys.readouterr().err


# One command is prepared once.


def add_record(outputs: Path, stage: Stage, name: str, **changes: Any) -> None:
    """Save a record, as a stage of an earlier command does."""
    saved = record(stage, name=name, **changes)
    folder = outputs / "runs" / "earlier" / stage.value
    saved.save(folder)
    RecordIndex(outputs).add(saved, folder)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find a registered model without a workspace."""
    model = {"name": "digits", "version": "1", "type": "custom_model"}
    monkeypatch.setattr(deploy, "registered_model", lambda _: model)


WORKSPACES = [
    pytest.param(["workspace=local"], id="local"),
    pytest.param(
        [
            "profile=azure",
            "workspace.subscription_id=s",
            "workspace.resource_group=g",
            "workspace.workspace_name=w",
        ],
        id="azure",
        # urllib3, which the SDK imports, binds a socket to look for IPv6.
        marks=pytest.mark.external,
    ),
]


class Counted:
    """A function that records what it returns."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.returned: list[Any] = []

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        self.returned.append(self._function(*arguments, **keywords))
        return self.returned[-1]


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], Counted]:
    """Return a function that records the calls of a module's function."""

    def counted(owner: Any, name: str) -> Counted:
        calls = Counted(getattr(owner, name))
        monkeypatch.setattr(owner, name, calls)
        return calls

    return counted


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[StageRunner]:
    """Return the calls of `run_stage`, which runs no stage here."""
    called: list[StageRunner] = []

    def run_stage(runner: StageRunner) -> Record:
        called.append(runner)
        return record(runner.stage)

    monkeypatch.setattr(prepare_module, "run_stage", run_stage)
    return called


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("workspace", WORKSPACES)
def test_a_command_is_composed_once_and_opens_one_workspace(
    in_process_cli: InProcessCli,
    count: Callable[[Any, str], Counted],
    frames: list[StageRunner],
    workspace: list[str],
) -> None:
    composed = count(checked_config, "to_experiment")
    opened = count(prepare_module, "open_workspace")
    drawn = count(names.secrets, "token_hex")
    done = in_process_cli("stage=deploy", *workspace)
    assert done.returncode == 0, done.stderr
    (runner,) = frames
    context = runner.context
    assert [context.workspace] == opened.returned
    assert [context.config] == composed.returned
    # The checks and the stage use the same new endpoint.
    assert runner.name == f"tff-dnn-endpoint-{drawn.returned[0]}"
    assert [spec.name for spec in runner.specs] == [runner.name, "tff-blue"]
    assert len(drawn.returned) == 1
    assert context.folder.is_dir()


def test_the_workspace_is_closed_after_the_stage_and_after_a_failed_check(
    in_process_cli: InProcessCli,
    count: Callable[[Any, str], Counted],
    frames: list[StageRunner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[LocalWorkspace] = []

    def close(workspace: LocalWorkspace) -> None:
        closed.append(workspace)

    monkeypatch.setattr(LocalWorkspace, "close", close)
    opened = count(prepare_module, "open_workspace")
    assert in_process_cli("stage=train").returncode == 0
    assert closed == opened.returned
    assert in_process_cli("stage=train", "hydra.run.dir=/proc/none").returncode == 1
    assert closed == opened.returned
    assert (len(closed), len(frames)) == (2, 1)


def test_a_sweep_is_parsed_once(
    in_process_cli: InProcessCli,
    count: Callable[[Any, str], Counted],
    frames: list[StageRunner],
) -> None:
    parsed = count(experiment, "parse_sweep")
    done = in_process_cli("stage=sweep")
    assert done.returncode == 0, done.stderr
    ((plan, faults),) = parsed.returned
    assert faults == []
    (job,) = frames[0].specs
    assert isinstance(job, SweepJob)
    assert job.search_space is plan.search_space


class SpecRecorder:
    """The specs that a command hands to its workspace, which creates nothing here.

    Attributes:
        checked: The specs that the workspace checked.
        used: The first spec from which the workspace would create an object. The stage then fails.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checked: list[Spec] = []
        self.used: list[Spec] = []
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(prepare_module, "open_workspace", self._open)

    def _open(
        self, config: ExperimentConfig, outputs: Path, message: Callable[[str], None]
    ) -> Workspace:
        workspace = open_workspace(config, outputs, message)
        replacements: dict[str, Callable[..., None]] = {
            "check": lambda spec, _: self.checked.append(spec),
            "find_job": lambda _: None,
            "get_endpoint": _no_endpoint,
            "model_file": lambda *_: None,
            **dict.fromkeys(("submit", "register_model", "create_or_update_endpoint"), self._use),
        }
        for name, function in replacements.items():
            self._monkeypatch.setattr(workspace, name, function)
        return workspace

    def _use(self, spec: Spec) -> None:
        self.used.append(spec)
        raise JobError("the workspace creates nothing")


def _no_endpoint(name: str) -> None:
    raise NotFoundError(f"{name}: no such endpoint")


@pytest.mark.external  # git, for the commit in the stage's record
@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("workspace", WORKSPACES)
@pytest.mark.parametrize(
    ("stage", "kinds"),
    [
        ("train", [CommandJob]),
        ("sweep", [SweepJob]),
        ("register", [ModelSpec]),
        ("deploy", [EndpointSpec, DeploymentSpec]),
    ],
)
def test_a_stage_uses_the_spec_that_the_workspace_checked(
    in_process_cli: InProcessCli,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    kinds: list[type],
    workspace: list[str],
) -> None:
    add_record(in_process_cli.outputs, Stage.sweep, "sweep_1", best={"name": "t", "metrics": {}})
    specs = SpecRecorder(monkeypatch)
    done = in_process_cli(f"stage={stage}", *workspace)
    assert "the workspace creates nothing" in done.stderr
    assert [type(spec) for spec in specs.checked] == kinds
    (used,) = specs.used
    assert used is specs.checked[0]


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_stage_all_keeps_the_specs_that_the_workspace_checked(
    in_process_cli: InProcessCli,
    monkeypatch: pytest.MonkeyPatch,
    frames: list[StageRunner],
    workspace: list[str],
) -> None:
    specs = SpecRecorder(monkeypatch)
    done = in_process_cli("stage=all", *workspace)
    assert done.returncode == 0, done.stderr
    assert [type(spec) for spec in specs.checked] == [CommandJob, EndpointSpec, DeploymentSpec]
    assert all(spec is kept for spec, kept in zip(specs.checked, frames[0].specs, strict=True))


def test_each_variant_of_a_multirun_is_prepared_by_itself(
    in_process_cli: InProcessCli, frames: list[StageRunner]
) -> None:
    done = in_process_cli("-m", "stage=compute", "seed=1,2")
    assert done.returncode == 0, done.stderr
    contexts = [runner.context for runner in frames]
    assert [context.config.seed for context in contexts] == [1, 2]
    assert len({context.folder for context in contexts}) == 2


@pytest.mark.external  # findings about the machine
def test_a_stage_that_only_prints_leaves_no_folder(
    in_process_cli: InProcessCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = in_process_cli.folder
    done = in_process_cli("stage=status")
    assert (done.returncode, done.stderr, list(folder.iterdir())) == (0, "", [])
    assert done.stdout == (
        "no job runs, and no endpoint exists; mnist-exp stage=runs lists past runs\n"
    )
    done = in_process_cli("-m", "stage=status,runs", "seed=1,2")
    assert (done.returncode, list(folder.iterdir())) == (0, [])
    assert (done.stdout.count("no job runs"), "Completed" in done.stdout) == (2, False)
    # A variant that fails, and a variant with a record beside a variant without a record.
    assert in_process_cli("-m", "stage=compare").returncode == 1
    assert list(folder.iterdir()) == []
    assert in_process_cli("-m", "stage=status,compute", "hydra.sweep.dir=mine").returncode == 0
    assert sorted(path.name for path in (folder / "mine").iterdir()) == [
        *("1", "comparison.csv", "comparison.json", "multirun.yaml", "report.html"),
    ]
    shutil.rmtree(folder / "mine")
    shutil.rmtree(folder / "outputs")
    done = in_process_cli("stage=doctor", "model.epochs=0")
    assert (done.returncode, list(folder.iterdir())) == (1, [])
    # Each finding is printed once. The last line only counts the findings.
    assert (done.stdout.count("model.epochs"), "model.epochs" in done.stderr) == (1, False)
    assert done.stderr.startswith("error: doctor local: 1 of ")
    assert in_process_cli("stage=logs").returncode == 1
    # Such a stage also works in a folder that cannot be written.
    for key in ("outputs_dir", "hydra.run.dir"):
        assert in_process_cli("stage=status", f"{key}=/proc/none").returncode == 0

    def interrupt(_: LocalWorkspace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalWorkspace, "list_endpoints", interrupt)
    done = in_process_cli("stage=status")
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    assert list(folder.iterdir()) == []


@pytest.mark.external  # git, for the commit in the stage's record
def test_a_cleanup_with_nothing_to_delete_is_a_success(in_process_cli: InProcessCli) -> None:
    done = in_process_cli("stage=cleanup")
    assert done.returncode == 0, done.stderr
    assert "nothing to delete: no endpoint of outputs exists" in done.stderr
    # A name with a typing error is a fault: the endpoint with the right name would stay.
    assert in_process_cli("stage=cleanup", "endpoint.name=digits").returncode == 1
    # The user may have deleted the latest endpoint in another way.
    add_record(in_process_cli.outputs, Stage.deploy, "gone", endpoint={"name": "gone"})
    assert "nothing to delete" in in_process_cli.ok("stage=cleanup").stderr


def test_a_command_whose_callback_did_not_run_is_prepared_by_the_task(
    in_process_cli: InProcessCli, frames: list[StageRunner]
) -> None:
    assert in_process_cli("stage=compute", "~hydra.callbacks.check").returncode == 0
    assert len(frames) == 1
    faulty = in_process_cli("stage=train", "model.epochs=0", "~hydra.callbacks.check")
    assert (faulty.returncode, len(frames)) == (1, 1)
    assert faulty.stderr.startswith("error: model.epochs: must be")


def test_split_separates_the_tasks_part_from_hydras(here: Path) -> None:
    task, hydra_config = split(composed("stage=train"))
    assert "hydra" not in task
    assert task.stage.value == "train"
    assert hydra_config.job.config_name == "config"
