"""Rules of the endpoint group."""

from pathlib import Path

import pytest

from mnist_exp.checks.endpoint import read_request
from mnist_exp.config import EnvType
from mnist_exp.errors import ConfigError
from tests.checks.rules import Change, Rule, assert_is_one_line, setting
from tests.support.paths import REPOSITORY

RULES: dict[str, Rule] = {
    "server's setting": (
        "deploy",
        setting(endpoint__deployment__environment_variables={"SCORING_TIMEOUT_MS": "1s"}),
        "endpoint.deployment.environment_variables.SCORING_TIMEOUT_MS: must be a whole number "
        "above 0, got another text",
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


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b'{"a": [1.50]}\r\n', b'{"a": [1.5]}'),
        (b'\xef\xbb\xbf{"a": "\xc3\xa9"}', b'{"a": "\\u00e9"}'),
        ('{"a": "é"}'.encode("utf-16"), b'{"a": "\\u00e9"}'),
        ('{"a": 1}'.encode("utf-32"), b'{"a": 1}'),
        (b"null", b"null"),
    ],
)
def test_a_request_is_the_body_that_the_sdk_sends(
    tmp_path: Path, content: bytes, body: bytes
) -> None:
    (tmp_path / "r.json").write_bytes(content)
    assert read_request(str(tmp_path / "r.json")) == body


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "must be a file with JSON, got {path} (Expecting value: line 1"),
        (b"a: 1", "must be a file with JSON, got {path} (Expecting value: line 1"),
        (b'"\xe9"', "must be a file with JSON, got {path} ('utf-8' codec"),
        (b"[" * 100_000, "must be a file with JSON, got {path} (maximum recursion depth"),
        (b" " * 10_485_761, "must have at most 10485760 bytes, Azure's limit, got {path}"),
    ],
    ids=["empty", "yaml", "latin-1", "deep", "large"],
)
def test_a_file_that_is_no_request_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_request(str(path))
    (line,) = caught.value.lines
    assert line.startswith(f"endpoint.request_file: {reason.format(path=path)}")
    assert "\n" not in line


def test_an_endless_file_is_too_large() -> None:
    with pytest.raises(ConfigError, match="must have at most 10485760 bytes"):
        read_request("/dev/zero")


def test_a_folder_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"must be a readable file, got {tmp_path} .Is a dir"):
        read_request(str(tmp_path))
