"""The inputs of a job as data sets in the MLflow store."""

from pathlib import Path

from mnist_exp.specs import PathInput
from mnist_exp.workspaces.local.tracking.data_sets import data_sets, digest
from tests.support.local_jobs import LocalJobs


def test_the_digest_depends_on_names_and_content(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "below").mkdir(parents=True)
    (folder / "a").write_text("1")
    first = digest(folder)
    assert len(first) == 8
    assert digest(folder) == first
    (folder / "a").write_text("2")
    second = digest(folder)
    (folder / "a").rename(folder / "below" / "a")
    assert len({first, second, digest(folder), digest(folder / "below" / "a")}) == 4


def test_an_input_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    inputs = {"a": PathInput(tmp_path / "a"), "gone": PathInput(tmp_path / "gone"), "lr": 0.1}
    assert [one.dataset.name for one in data_sets(inputs)] == ["a"]


def test_a_job_logs_its_inputs(jobs: LocalJobs, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("1,2\n")
    jobs.run("true", inputs={"table": PathInput(tmp_path / "table.csv", "uri_file")})
    (found,) = jobs.tracked().inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.source_type) == ("table", "local")
    assert str(tmp_path / "table.csv") in found.dataset.source
    assert [(tag.key, tag.value) for tag in found.tags] == [("mlflow.data.context", "training")]
