"""The user's package indexes: pip's settings, translated to the environment variables of uv.

The settings are read without pip, because the environment of mnist-exp may have no pip, e.g. if uv
has created this environment.
"""

import configparser
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from mnist_exp.errors import RefusedError

#: Setting of pip -> variable of uv. https://docs.astral.sh/uv/reference/environment/
_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
}
#: Variables of uv that say where packages come from.
_OWN = (
    *("UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_URL"),
    "UV_NO_INDEX",
)
#: Settings in uv's files that say where packages come from.
_SOURCES = ("index", "index-url", "extra-index-url", "find-links", "no-index")
_TRUE = ("1", "on", "true", "yes")


def uv_variables() -> Mapping[str, str]:
    """Return the variables that make uv use the same package indexes as pip.

    If the user has configured package indexes for uv, the result is empty, because uv then uses its
    own configuration.

    Raises:
        RefusedError: A configuration file of pip has a fault.
    """
    if any(name in os.environ for name in _OWN) or any(map(_names_sources, _uv_files())):
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


def _uv_files() -> Sequence[Path]:
    """Return the paths of uv's configuration files."""
    if os.environ.get("UV_NO_CONFIG", "").lower() in _TRUE:
        return ()
    if named := os.environ.get("UV_CONFIG_FILE"):
        return (Path(named),)
    folders = [_user_folder(), *_system_folders(), Path("/etc")]
    return [folder / "uv" / "uv.toml" for folder in folders]


def _names_sources(path: Path) -> bool:
    """Return whether a configuration file of uv says where packages come from."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        # Ignore a file that cannot be read. uv itself reports the error when it runs.
        return False
    names = {*content, *(content["pip"] if isinstance(content.get("pip"), dict) else ())}
    return not names.isdisjoint(_SOURCES)


def _pip_settings() -> Mapping[str, str]:
    """Return pip's settings for `pip install`, from its files and its environment variables.

    The keys of the result are pip's option names with dashes, e.g. `index-url`.
    https://pip.pypa.io/en/stable/topics/configuration/
    """
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for path in _pip_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise RefusedError(
                f"env: {path} must be a configuration file of pip ({reason}); correct the file"
            ) from error
        for section, settings in found.items():
            if parser.has_section(section):
                settings |= {_name(key): value for key, value in parser.items(section)}
    variables = {
        _name(key.removeprefix("PIP_")): value
        for key, value in os.environ.items()
        if key.startswith("PIP_")
    }
    # pip splits a value at white space, and expands a tilde.
    values = (found["global"] | found["install"] | variables).items()
    return {name: " ".join(map(os.path.expanduser, text.split())) for name, text in values}


def _pip_files() -> Sequence[Path]:
    """Return the paths of pip's configuration files; a later file has a higher priority."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return ()
    files = [*(folder / "pip" / "pip.conf" for folder in _system_folders()), Path("/etc/pip.conf")]
    # A file in PIP_CONFIG_FILE replaces the files of the user.
    if not named or not Path(named).exists():
        files += [Path.home() / ".pip" / "pip.conf", _user_folder() / "pip" / "pip.conf"]
    return [*files, Path(sys.prefix) / "pip.conf", *([Path(named)] if named else ())]


def _name(key: str) -> str:
    return key.lower().replace("_", "-").removeprefix("--")


def _user_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _system_folders() -> Sequence[Path]:
    folders = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [Path(folder) for folder in folders.split(os.pathsep) if folder]
