"""The user's package indexes: pip's settings, translated to the environment variables of uv."""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

#: Setting of pip -> variable of uv. https://docs.astral.sh/uv/reference/environment/
_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
#: Variables of uv that say where packages come from.
_OWN = ("UV_CONFIG_FILE", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_URL")
_TRUE = ("1", "on", "true", "yes")


def uv_variables() -> Mapping[str, str]:
    """Return the variables that make uv use the same package indexes as pip.

    If the user has configured uv, the result is empty, because uv then uses its own configuration.
    """
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = (folder / "uv" / "uv.toml", Path("/etc/uv/uv.toml"))
    if any(name in os.environ for name in _OWN) or any(path.is_file() for path in files):
        return {}
    settings = _pip_settings()
    found = {
        variable: ",".join(text.split()) if name == "find-links" else " ".join(text.split())
        for name, variable in _VARIABLES.items()
        if (text := settings.get(name))
    }
    if "UV_NO_INDEX" in found and found["UV_NO_INDEX"].lower() not in _TRUE:
        del found["UV_NO_INDEX"]
    # pip takes the best version of all indexes. By default, uv takes the best version of the first
    # index that has the package.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **found}


def _pip_settings() -> dict[str, str]:
    """Return pip's settings for `pip install`, from its files and its environment variables."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    # Each line is SECTION.NAME='VALUE'.
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found:
            found[section][name] = str(ast.literal_eval(value))
    # A later section has priority: https://pip.pypa.io/en/stable/topics/configuration/
    return found["global"] | found["install"] | found[":env:"]
