"""All faults of a command that Hydra cannot compose, in one go."""

from pathlib import Path

from tests.support.in_process import InProcessCli


def faults(cli: InProcessCli, *arguments: str) -> list[str]:
    """Return the key of each reported fault."""
    done = cli(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert not cli.outputs.exists()
    return [line.removeprefix("error: ").partition(":")[0] for line in done.stderr.splitlines()]


def test_a_misspelt_stage_hides_no_misspelt_key(in_process_cli: InProcessCli) -> None:
    found = faults(in_process_cli, "stage=trian", "model.epohcs=1", "seed=x")
    assert sorted(found) == ["model.epohcs", "seed", "stage"]


def test_an_override_that_fits_in_its_group_is_no_fault(
    in_process_cli: InProcessCli, tmp_path: Path
) -> None:
    (tmp_path / "my configs" / "job").mkdir(parents=True)
    text = "defaults: [tutorial, _self_]\ninputs: {momentum: 0.9}\n"
    (tmp_path / "my configs" / "job" / "mine.yaml").write_text(text, encoding="utf-8")
    # Hydra applies the key after the group, though it stands before the group.
    fitting = ["stage=train", "job.inputs.momentum=0.5", "job=mine"]
    found = faults(in_process_cli, "--config-dir", "my configs", *fitting, "modle.x=1", "seed=-1")
    assert found == ["modle", "seed"]


def test_flags_that_we_cannot_repeat_leave_the_first_fault(in_process_cli: InProcessCli) -> None:
    assert faults(in_process_cli, "-m", "stage=train", "modle.x=1", "seed=1,2") == ["modle"]
