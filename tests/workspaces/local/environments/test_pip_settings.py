"""uv uses the indexes that the user has configured for pip."""

import os
import sys
from pathlib import Path

import pytest

from mnist_exp.errors import RefusedError
from mnist_exp.workspaces.local.environments.pip_settings import uv_variables


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a configuration of pip."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
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


def test_the_files_of_pip_have_its_priorities(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(home / "prefix"))
    system, site = home / "xdg" / "pip" / "pip.conf", home / "prefix" / "pip.conf"
    for path, text in {
        system: "[global]\nclient-cert = ~/a.pem\nindex-url = https://system.example\n",
        site: "[global]\nproxy = http://proxy:80\nindex_url = x\n[install]\ntimeout = 9\n",
    }.items():
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    found = uv_variables()
    assert found["SSL_CLIENT_CERT"] == str(home / "a.pem")
    assert (found["ALL_PROXY"], found["UV_HTTP_TIMEOUT"]) == ("http://proxy:80", "9")
    assert found["UV_DEFAULT_INDEX"] == "x"
    assert "https://two.example/simple" in found["UV_INDEX"]
    named = home / "named.conf"
    named.write_text("[global]\nno_index = yes\nindex-url = y\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(named))
    found = uv_variables()
    assert (found["UV_NO_INDEX"], found["UV_DEFAULT_INDEX"]) == ("yes", "y")
    assert "https://two.example/simple" not in found.get("UV_INDEX", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert set(uv_variables()) == {"UV_INDEX_STRATEGY"}


def test_a_broken_file_of_pip_is_one_line(home: Path) -> None:
    (home / ".config" / "pip" / "pip.conf").write_text("index-url = x\n", encoding="utf-8")
    with pytest.raises(RefusedError) as caught:
        uv_variables()
    (line,) = caught.value.lines
    assert line.startswith(f"env: {home}/.config/pip/pip.conf must be a configuration file of pip")
    assert "\n" not in line


def test_the_users_configuration_of_uv_counts_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / ".config" / "uv" / "uv.toml"
    file.parent.mkdir()
    for text in ("index-url = 'x'", "[pip]\nfind-links = ['x']", "[[index]]\nurl = 'x'"):
        file.write_text(text, encoding="utf-8")
        assert uv_variables() == {}
    # A file without indexes changes nothing.
    file.write_text("native-tls = true\n[pip]\nlink-mode = 'copy'\n", encoding="utf-8")
    assert uv_variables()["UV_DEFAULT_INDEX"] == "https://one.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    assert uv_variables() == {}
