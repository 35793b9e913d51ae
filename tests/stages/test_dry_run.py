import pytest

from mnist_exp.stages.dry_run import planned
from tests.support.configs import config


@pytest.mark.parametrize("stage", ["train", "sweep"])
def test_a_resumed_run_keeps_its_name(stage: str) -> None:
    (document,) = planned(config(f"stage={stage}", f"run={stage}_20250102"))
    assert document.name == f"{stage}_20250102"
    (new,) = planned(config(f"stage={stage}"))
    assert new.name != document.name
