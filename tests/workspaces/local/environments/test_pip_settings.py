"""uv uses the indexes that the user has configured for pip."""

import os
from pathlib import Path

import pytest

from mnist_exp.workspaces.local.environments.pip_settings import uv_variables


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a configuration of pip."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    file = tmp_path / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text(
        "[global]\nindex-url = https://one.example/simple\nfind-links = /a\n    /b\n"
        "[install]\nextra-index-url = https://two.example/simple https://three.example/simple\n",
        encoding="utf-8",
    )
    return tmp_path


def test_files_and_variables_of_pip_become_variables_of_uv(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_TRUSTED_HOST", "one.example")
    monkeypatch.setenv("PIP_NO_INDEX", "false")
    found = uv_variables()
    assert found["UV_DEFAULT_INDEX"] == "https://one.example/simple"
    assert found["UV_INDEX"] == "https://two.example/simple https://three.example/simple"
    assert found["UV_FIND_LINKS"] == "/a,/b"
    assert found["UV_INSECURE_HOST"] == "one.example"
    assert "UV_NO_INDEX" not in found
    monkeypatch.setenv("PIP_INDEX_URL", "https://four.example/simple")
    assert uv_variables()["UV_DEFAULT_INDEX"] == "https://four.example/simple"


def test_the_users_configuration_of_uv_counts_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".config" / "uv").mkdir()
    (home / ".config" / "uv" / "uv.toml").touch()
    assert uv_variables() == {}
    (home / ".config" / "uv" / "uv.toml").unlink()
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    assert uv_variables() == {}
