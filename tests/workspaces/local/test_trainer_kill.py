"""A killed sweep of the real trainer resumes from its trials' checkpoints."""

import re
from pathlib import Path

from mnist_exp.specs import OutputSpec, PathInput, SweepJob
from mnist_exp.status import JobStatus
from mnist_exp.sweeps.journal import Ended, Logged
from tests.support.paths import REPOSITORY
from tests.support.small_jobs import sweep_job
from tests.workspaces.local.killing import Victim, run_here

EPOCHS = 60
METRICS = ("loss", "training_acc", "validation_acc")
COMMAND = (
    "python train.py --data-folder {{inputs.data_folder}} --checkpoints {{outputs.checkpoints}} "
    f"--epochs {EPOCHS} --first-layer-neurons 16 --second-layer-neurons 16 "
    "--learning-rate {{search_space.lr}}"
)


def trainer_sweep(data: Path) -> SweepJob:
    """Return a sweep of the trainer: two learning rates at once."""
    objective = {"primary_metric": "validation_acc", "goal": "maximize"}
    return sweep_job(
        COMMAND,
        {"lr": {"type": "choice", "values": [0.01, 0.1]}},
        sweep={"objective": objective},
        code=REPOSITORY / "trainer",
        inputs={"data_folder": PathInput(data, mode="direct")},
        outputs={"checkpoints": OutputSpec()},
    )


def test_running_trials_resume_from_checkpoints_and_log_no_epoch_twice(
    outputs: Path, digits: Path
) -> None:
    victim = Victim(outputs, trainer_sweep(digits))
    victim.wait_for(
        lambda found: (
            {one.point.trial for one in found if isinstance(one, Logged) and one.point.step >= 3}
            == {0, 1}
        )
    )
    victim.kill()
    assert victim.left_behind() == []
    before = victim.entries()
    assert not any(isinstance(entry, Ended) for entry in before)

    result = run_here(outputs, trainer_sweep(digits))

    assert [trial.status for trial in result.trials] == [JobStatus.COMPLETED] * 2
    for index, trial in enumerate(result.trials):
        logs = (outputs / "jobs" / f"sweep_{index}" / "user_logs" / "std_log.txt").read_text()
        resumed = re.findall(r"resuming from epoch (\d+)", logs)
        assert len(resumed) == 1
        assert int(resumed[0]) >= 2
        # Of the second attempt; the first one stands above.
        later = [
            int(number) for number in re.findall(r"^epoch +(\d+)/", logs.split("resuming")[1], re.M)
        ]
        assert later == list(range(int(resumed[0]) + 1, EPOCHS + 1))
        for name in METRICS:
            assert [point.step for point in trial.metrics[name]] == list(range(1, EPOCHS + 1))
            steps = [
                entry.point.step
                for entry in victim.entries()
                if isinstance(entry, Logged)
                and (entry.point.trial, entry.point.name) == (index, name)
            ]
            assert sorted(steps) == list(range(1, EPOCHS + 1))
        assert trial.events == EPOCHS
