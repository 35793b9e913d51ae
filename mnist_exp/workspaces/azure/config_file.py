"""Find and read Azure ML's config.json, which contains the names that identify a workspace.

The search order is that of the SDK's `MLClient.from_config`:
https://learn.microsoft.com/python/api/azure-ai-ml/azure.ai.ml.mlclient#azure-ai-ml-mlclient-from-config
Unlike the SDK, the search skips files of other programs. For example, the models of Hugging Face
contain a file config.json too.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mnist_exp.errors import ConfigError

#: The keys of config.json. The config group `workspace` has the same keys.
KEYS = ("subscription_id", "resource_group", "workspace_name")
#: Folder and file names, in the order of the search. A `.azureml/config.json` in a parent folder
#: takes precedence over a config.json in the current folder.
_NAMES = [
    Path(folder, file)
    for folder in (".azureml", "aml_config", "")
    for file in ("config.json", "project.json")
]
#: Maximum number of parent folders that are searched.
_LEVELS = 20
#: Positions of the three values in a resource id, for older files with the key `Scope`.
_SCOPE = (2, 4, 8)


def names_in_config_file(given: str | None, message: Callable[[str], None]) -> Mapping[str, str]:
    """Return the names in the config file: the keys of `KEYS` with their values.

    Args:
        given: The path of the file, or of the folder in which the search begins; None for the
            current folder.
        message: Function that prints a line: the file that is used, and each file that is skipped.

    Raises:
        ConfigError: The given file is a file of another program, or a file cannot be read. A broken
            file is never skipped, because the next file may be that of another workspace.
    """
    try:
        return _find(Path(given or ".").expanduser(), bool(given), message)
    except OSError as error:
        raise _refusal(error.filename, str(error.strerror)) from error


def _find(start: Path, is_given: bool, message: Callable[[str], None]) -> Mapping[str, str]:
    if is_given and not start.is_dir():
        names = _read(start)
        if isinstance(names, str):
            raise _refusal(start, names)
        return names
    for path in _candidates(start.absolute()):
        names = _read(path)
        if not isinstance(names, str):
            message(f"workspace: the names are from {path}")
            return names
        message(f"workspace: skipped {path}, which is not Azure ML's config.json ({names})")
    return {}


def _candidates(start: Path) -> Iterator[Path]:
    folders = (start, *start.parents)[: _LEVELS + 1]
    paths = (folder / name for name in _NAMES for folder in folders)
    return (path for path in paths if path.is_file())


def _refusal(path: Path | str, why: str) -> ConfigError:
    return ConfigError(
        [
            f"workspace.config_file: must be Azure ML's config.json, got {path} ({why}); correct "
            "the file, or choose another file with workspace.config_file=..."
        ]
    )


def _read(path: Path) -> dict[str, str] | str:
    """Return the names in a file, or the reason why the file is not Azure ML's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _refusal(path, str(error)) from error
    if not isinstance(content, dict):
        return "it is not a JSON object"
    parts = str(content.get("Scope", "")).split("/")
    if len(parts) > max(_SCOPE):
        return dict(zip(KEYS, (parts[position] for position in _SCOPE), strict=True))
    names = {key: str(content[key]) for key in KEYS if content.get(key)}
    return names or f"it has none of the keys {', '.join(KEYS)}"
