from pathlib import Path

from mnist_exp.metrics import MetricPoint
from mnist_exp.sweeps.journal import Sampled, Started, read_history
from mnist_exp.workspaces.local.jobs.folder import JobFolder
from mnist_exp.workspaces.local.sweep.resume_plan import plan_resume


def test_steps_that_only_the_store_has_are_recognized_if_a_trial_logs_them_again(
    tmp_path: Path,
) -> None:
    folder = JobFolder(tmp_path, "sweep_0")
    folder.describe({"name": "sweep_0"})
    checkpoint = folder.named_outputs / "checkpoints" / "step"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    history = read_history([Sampled(0, {}), Started(0)], "score")
    unread = [MetricPoint("score", 0.5, 1), MetricPoint("loss", 0.5, 1), MetricPoint("other", 1.0)]
    plan = plan_resume(history, {0: folder}, "score", unread)
    assert plan.resumed == (0,)
    assert plan.known_steps == {(0, "score"): frozenset(), (0, "loss"): frozenset()}
