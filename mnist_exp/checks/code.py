"""Checks of code folders: their ignore files, their size, and what Azure cannot upload."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mnist_exp.config import WorkspaceType
from mnist_exp.errors import MnistExpError
from mnist_exp.experiment import Experiment
from mnist_exp.ignore_rules import ignore_file
from mnist_exp.results import size_text
from mnist_exp.snapshot import is_excluded, left_out, snapshot_size

#: Azure's SDK warns about an upload above this number of bytes.
_LARGE = 100_000_000
#: A file that a shell command runs: `python -u t.py`, `bash t.sh` or `./t`.
_RUN = re.compile(
    r"(?:^|[\s;&|(])(?:(?:python[\d.]*|bash|sh)\s+(?:-[a-zA-Z]+\s+)*|(?=\./))"
    r"(?P<path>\w[\w./-]*|\./[\w./-]+)(?=[\s;&|)]|$)"
)
#: Maximum number of entries that the warning names.
_SHOWN = 3


def code_faults(
    config: Experiment, key: str, code: str | None, script: str | None
) -> Iterator[str]:
    """Yield one line for each reason why the code folder cannot be copied or uploaded.

    Args:
        config: The config.
        key: The config key of the script, e.g. `job.script`.
        code: The code folder; None if there is no code.
        script: The path of the script, relative to the code folder; None if there is no script.
    """
    if code is None or not Path(code).is_dir():
        return
    # Unlike Path.resolve(), realpath() does not raise an error for a link that points to itself.
    group, outputs = key.rpartition(".")[0], Path(os.path.realpath(config.outputs_dir))
    if outputs == Path(code).resolve():
        yield (
            f"{group}.code: must not be the outputs folder, because its records and keys would be "
            f"copied with the code, got {code}; choose another folder with outputs_dir=DIR"
        )
        return
    try:
        if script is not None and is_excluded(Path(code), script):
            yield _excluded(f"{key}: must be a file", Path(code), script)
        if config.workspace.type is WorkspaceType.azure:
            yield from _outputs(group, Path(code).resolve(), outputs)
            for path, what in left_out(Path(code), Path(config.outputs_dir)):
                yield (
                    f"{Path(code, path)}: must not be in a code folder on Azure, because the path "
                    f"{what}, which Azure's SDK cannot upload; delete it"
                )
    except MnistExpError as error:
        yield from error.lines


def command_faults(config: Experiment) -> Iterator[str]:
    """Yield one line for each file that the job's command runs although it is excluded.

    An ignore rule excludes the file, so the job would have no such file.
    """
    code, command = Path(config.job.code or ""), config.job.command or ""
    if config.job.code is None:
        return
    paths = (os.path.normpath(found["path"]) for found in _RUN.finditer(command))
    # `code_faults` reports an ignore file with a fault.
    with suppress(MnistExpError):
        for path in dict.fromkeys(paths):
            if (code / path).is_file() and is_excluded(code, path):
                yield _excluded("job.command: must run only files", code, path)


def _excluded(rule: str, code: Path, path: str) -> str:
    file = _ignore_file(code)
    return (
        f"{rule} that {file} does not exclude, got {path}; add the line !/{path} to the end of "
        f"{file}"
    )


def _outputs(group: str, code: Path, outputs: Path) -> Iterator[str]:
    """Yield one line if Azure's SDK would upload the outputs folder with the code.

    The outputs folder contains the keys of local endpoints. It also contains the records, which
    each command changes. The SDK would therefore upload the code again for each job.
    """
    if not outputs.is_relative_to(code):
        return
    name = outputs.relative_to(code).as_posix()
    if not is_excluded(code, f"{name}/endpoints/NAME/keys.json"):
        yield (
            f"{group}.code: must not contain the outputs folder on Azure, because "
            f"Azure's SDK would upload its records and keys, got {outputs}; add the line "
            f"/{name}/ to {_ignore_file(code)}"
        )


def _ignore_file(code: Path) -> Path:
    """Return the ignore file of a code folder, or the path for a new ignore file."""
    return ignore_file(code) or code / ".amlignore"


def code_warnings(where: str, code: str | None, outputs_dir: str) -> Iterator[str]:
    """Yield one line if a code folder is large, with the largest entries of the folder.

    Args:
        where: The config key of the code folder.
        code: The code folder; None if there is no code.
        outputs_dir: The outputs folder, whose files are not part of the code.
    """
    if code is None or not Path(code).is_dir():
        return
    found = snapshot_size(Path(code), Path(outputs_dir))
    if found.size <= _LARGE:
        return
    entries = [f"{name} ({size_text(size)})" for name, size in list(found.entries.items())[:_SHOWN]]
    yield (
        f"{where}: {found.files} files with {size_text(found.size)} are copied from "
        f"{code}; the largest entries are {', '.join(entries)}; to leave out an entry, write its "
        f"name in {_ignore_file(Path(code))}"
    )
