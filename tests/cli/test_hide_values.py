"""Values of environment variables are hidden by their keys, in overrides and in configs."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mnist_exp.cli.hide_values import hidden_override, hide_values
from mnist_exp.cli.prepare import CheckBeforeRun, hide_values_of_multirun
from tests.support.configs import composed

KEY = "job.environment_variables"
OTHER = "endpoint.deployment.environment_variables"
PARAMS = "hydra.sweeper.params"


@pytest.mark.parametrize(
    ("override", "shown"),
    [
        (f"+{KEY}.NEW=not yet known", f"+{KEY}.NEW=${{oc.env:NEW}}"),
        (f"{KEY}.NEW='abc,secretpart2'", f"{KEY}.NEW=${{oc.env:NEW}}"),
        (f"{OTHER}.NEW=1,first,other", f"{OTHER}.NEW=1,${{oc.env:NEW}}"),
        (f"{KEY}.NEW=range(1000,2000)", f"{KEY}.NEW=${{oc.env:NEW}}"),
        (f"{KEY}.NEW=${{oc.env:HOME}}", f"{KEY}.NEW=${{oc.env:HOME}}"),
        (f"{KEY}.NEW=${{oc.env:HOME,default}}", f"{KEY}.NEW=${{oc.env:NEW}}"),
        (f"{KEY}.NEW=${{oc.decode:default}}", f"{KEY}.NEW=${{oc.env:NEW}}"),
        (f"{KEY}.PIN=1234", f"{KEY}.PIN=${{oc.env:PIN}}"),
        (f"{KEY}.NEW='3'", f"{KEY}.NEW='3'"),
        (f"{KEY}.NEW=null", f"{KEY}.NEW=null"),
        (f"~{KEY}.NEW", f"~{KEY}.NEW"),
        (f"~{KEY}.NEW=secret", f"~{KEY}.NEW=${{oc.env:NEW}}"),
        (f"{KEY}={{A: pa\\:sssecret\\,word, B: '3'}}", f"{KEY}={{A:${{oc.env:A}},B:'3'}}"),
        (f"{KEY}={{A: one1}},{{A: 'a, b'}}", f"{KEY}={{A:${{oc.env:A}}}}"),
        (f"{KEY}={{A: one,  B: 1_0}}", f"{KEY}={{A: one,  B: 1_0}}"),
        (
            "job={name: '1', environment_variables: {A: secret}}",
            "job={name:'1',environment_variables:{A:${oc.env:A}}}",
        ),
        (f"+{PARAMS}={{{KEY}.A: secret}}", f"+{PARAMS}={{{KEY}.A:${{oc.env:A}}}}"),
        ("job.command=choice('cat environment_variables')",) * 2,
        ("model.epochs=3",) * 2,
    ],
)
def test_an_override(override: str, shown: str) -> None:
    assert hidden_override(override) == shown
    assert hidden_override(shown) == shown


def test_only_values_of_variables_change_in_a_config() -> None:
    words = [
        f"+{KEY}.MODE=train",
        f"+{OTHER}.MODE=small",
        "job.command=python train.py",
        "stage=train",
        "model=small",
    ]
    config = composed(*words)
    config.job.environment_variables["naïve"] = "secret"
    config.hydra.job.override_dirname = ",".join(words)
    hide_values(config)
    found, expected = (
        OmegaConf.to_container(one, resolve=False)
        for one in (config, composed("stage=train", "model=small", words[2]))
    )
    dirname = "job.command=python train.py,model=small,stage=train"
    assert found.pop("hydra")["job"]["override_dirname"] == dirname
    del expected["hydra"]
    hidden = {"MODE": "${oc.env:MODE}"}
    expected["job"]["environment_variables"] |= {**hidden, "naïve": "hidden"}
    expected["endpoint"]["deployment"]["environment_variables"] = hidden
    assert found == expected


def test_only_the_user_can_read_the_config_of_a_multirun(tmp_path: Path) -> None:
    folder = tmp_path / "multirun"
    CheckBeforeRun().on_multirun_start(OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}}))
    assert (folder / "multirun.yaml").stat().st_mode & 0o777 == 0o600
    hide_values_of_multirun()
