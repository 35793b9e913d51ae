"""Which endpoints use a saved environment. An environment that is used is not deleted.

The file HASH.endpoints beside the folder HASH of an environment has a line for each deployment that
was created with the environment. Each line is the folder of an endpoint, as JSON.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from mnist_exp.records import INVALID_JSON
from mnist_exp.serving.settings import SETTINGS_FILE
from mnist_exp.workspaces.local.processes.job_orphans import find_processes


def add_endpoint(folder: Path, endpoint: Path) -> None:
    """Save that an endpoint may use an environment.

    Args:
        folder: The folder of the environment.
        endpoint: The folder of the endpoint.
    """
    with _file(folder).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(str(endpoint))}\n")


def forget_endpoints(folder: Path) -> None:
    """Delete the list of the endpoints that may use an environment."""
    _file(folder).unlink(missing_ok=True)


def is_used(folder: Path, programs: Path) -> bool:
    """Return whether an endpoint uses an environment, even if the endpoint has been stopped.

    Args:
        folder: The folder of the environment.
        programs: The folder of its programs.
    """
    # The workers of endpoints outlive the command that held the lock. Therefore search for
    # processes whose PATH contains the environment.
    if find_processes(lambda path: str(programs) in path.split(os.pathsep), "PATH"):
        return True
    # An update may have changed the environment of a deployment. Search the present settings.
    text = json.dumps(str(programs))[1:-1]
    return any(
        _contains(path, text) for endpoint in _endpoints(folder) for path in _settings(endpoint)
    )


def _file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.endpoints")


def _endpoints(folder: Path) -> set[str]:
    file, found = _file(folder), set()
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            found.add(str(json.loads(line)))
        except INVALID_JSON:
            # The command that wrote the line was killed, and has created no deployment.
            continue
    return found


def _settings(endpoint: str) -> Iterator[Path]:
    """Yield the settings of an endpoint. Another command may delete the endpoint meanwhile."""
    for folder, _, names in os.walk(endpoint):
        if SETTINGS_FILE in names:
            yield Path(folder, SETTINGS_FILE)


def _contains(path: Path, text: str) -> bool:
    try:
        return text in path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
