"""Rules of the endpoint group."""

import pytest

from mnist_exp.config import EnvType
from tests.checks.rules import Change, Rule, assert_is_one_line, setting
from tests.support.paths import REPOSITORY

RULES: dict[str, Rule] = {
    "server's setting": (
        "deploy",
        setting(endpoint__deployment__environment_variables={"SCORING_TIMEOUT_MS": "1s"}),
        "endpoint.deployment.environment_variables.SCORING_TIMEOUT_MS: must be a whole number "
        "above 0, got '1s'",
    ),
    "endpoint name": (
        "invoke",
        setting(endpoint__name="9"),
        "endpoint.name: must be 3 to 32 letters",
    ),
    "endpoint prefix": (
        "deploy",
        setting(endpoint__name_prefix="x" * 30),
        "endpoint.name_prefix: must be 3 to 32 letters",
    ),
    "samples": (
        "invoke",
        setting(endpoint__samples=0),
        "endpoint.samples: must be at least 1, got 0",
    ),
    "port": (
        "deploy",
        setting(endpoint__port=80),
        "endpoint.port: must be from 1024 to 65535, got 80",
    ),
    "request file": (
        "invoke",
        setting(endpoint__request_file="/nowhere.json"),
        "endpoint.request_file: must be a file, got /nowhere.json",
    ),
    "traffic of one": (
        "deploy",
        setting(endpoint__traffic={"a": 150, "b": -50}),
        "endpoint.traffic.b: must be a whole percentage from 0 to 100, got -50",
    ),
    "traffic": (
        "deploy",
        setting(endpoint__traffic={"a": 90}),
        "endpoint.traffic: must sum to 0 or 100, got 90",
    ),
    "deployment name": (
        "deploy",
        setting(endpoint__deployment__name="x"),
        "endpoint.deployment.name: must be 3 to 32 letters",
    ),
    "deployment code": (
        "deploy",
        setting(endpoint__deployment__code="/nowhere"),
        "endpoint.deployment.code: must be a folder, got /nowhere",
    ),
    "no deployment code": (
        "deploy",
        setting(endpoint__deployment__code=None),
        "endpoint.deployment.code: must be the folder that contains endpoint.deployment."
        "scoring_script (score.py), got null",
    ),
    "scoring script": (
        "deploy",
        setting(endpoint__deployment__scoring_script="nope.py"),
        "endpoint.deployment.scoring_script: must be a file in endpoint.deployment.code",
    ),
    "instances": (
        "deploy",
        setting(endpoint__deployment__instance_count=51),
        "endpoint.deployment.instance_count: must be from 1 to 50, got 51",
    ),
    "request timeout": (
        "deploy",
        setting(endpoint__deployment__request_settings__request_timeout_ms=180_001),
        "request_timeout_ms: must be from 1 to 180000, got 180001",
    ),
    "concurrent requests": (
        "deploy",
        setting(endpoint__deployment__request_settings__max_concurrent_requests_per_instance=0),
        "max_concurrent_requests_per_instance: must be from 1 to 1000, got 0",
    ),
    "deployment environment": (
        "deploy",
        setting(
            endpoint__deployment__environment__type=EnvType.conda,
            endpoint__deployment__environment__conda_file=f"{REPOSITORY}/trainer/conda-score.yaml",
        ),
        "endpoint.deployment.environment.image: a conda environment needs a Docker image",
    ),
    "deletion of a deployment's environment": (
        "deploy",
        setting(endpoint__deployment__environment__delete_on_cleanup=True),
        "endpoint.deployment.environment.delete_on_cleanup: must be false, got true; env.delete",
    ),
}


@pytest.mark.parametrize(("stage", "change", "expected"), RULES.values(), ids=RULES.keys())
def test_a_broken_rule_is_one_line(stage: str, change: Change, expected: str) -> None:
    assert_is_one_line(stage, change, expected)
