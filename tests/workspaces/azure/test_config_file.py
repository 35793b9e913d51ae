"""Azure ML's config.json: the SDK's search order, without files of other programs."""

import json
import random
from pathlib import Path

import pytest
from azure.ai.ml import MLClient

from mnist_exp.errors import ConfigError
from mnist_exp.workspaces.azure.config_file import names_in_config_file

PLACES = [
    Path(level, folder, file)
    for level in ("", "a", "a/b")
    for folder in ("", ".azureml", "aml_config")
    for file in ("config.json", "project.json")
]
HUGGING_FACE = {"architectures": ["BertModel"], "hidden_size": 768}


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def names(subscription: str) -> dict[str, str]:
    return {"subscription_id": subscription, "resource_group": "g", "workspace_name": "w"}


@pytest.mark.parametrize("seed", range(12))
def test_the_file_is_the_one_that_the_sdk_finds(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARM_CLOUD_METADATA_URL", raising=False)
    draw = random.Random(seed)
    for place in draw.sample(PLACES, 4):
        content = names(str(place))
        if draw.random() < 0.3:
            # The form of older files.
            scope = f"/subscriptions/{str(place).replace('/', '-')}/resourceGroups/g/p/P/ws/w"
            content = {"Scope": scope}
        write(tmp_path / place, content)
    start = tmp_path / "a" / "b"
    start.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(start)
    lines: list[str] = []
    found = names_in_config_file(None, lines.append)
    assert found["subscription_id"] == MLClient.from_config(object()).subscription_id
    assert lines == [f"workspace: the names are from {tmp_path / used(lines[0], tmp_path)}"]
    assert found == names_in_config_file(str(start), lines.append)


def used(line: str, root: Path) -> Path:
    return Path(line.removeprefix("workspace: the names are from ")).relative_to(root)


@pytest.mark.parametrize("content", [HUGGING_FACE, []])
def test_a_file_of_another_program_is_skipped(
    content: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "config.json", names("above"))
    write(tmp_path / "model" / "config.json", content)
    monkeypatch.chdir(tmp_path / "model")
    lines: list[str] = []
    assert names_in_config_file(None, lines.append)["subscription_id"] == "above"
    skipped, taken = lines
    assert skipped.startswith(f"workspace: skipped {tmp_path / 'model' / 'config.json'}, which is")
    assert taken == f"workspace: the names are from {tmp_path / 'config.json'}"
    with pytest.raises(ConfigError, match=r"workspace\.config_file: must be Azure ML's"):
        names_in_config_file("config.json", lines.append)


BROKEN = {"no JSON": b"{not json", "no text": b"\xff", "too deep": b"[" * 100_000}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_an_error(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "config.json", names("above"))
    broken = tmp_path / "here" / "config.json"
    broken.parent.mkdir()
    broken.write_bytes(content)
    monkeypatch.chdir(broken.parent)
    for given in (None, "config.json"):
        with pytest.raises(ConfigError, match=r"workspace\.config_file: must be .*; correct the"):
            names_in_config_file(given, print)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".azureml").symlink_to(".azureml")
    with pytest.raises(ConfigError, match=r"got .*\.azureml.* \(Too many levels of symbolic"):
        names_in_config_file(str(tmp_path / ".azureml" / "config.json"), print)
