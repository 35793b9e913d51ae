"""stage=import: write a job file as config groups that mean the same."""

import os
import re
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from mnist_exp.azure_files import JobFile
from mnist_exp.config import Stage
from mnist_exp.records import Record, write_text
from mnist_exp.stages.context import StageRunner
from mnist_exp.templates import NOT_TEXT, escaped_text

#: Config group -> the keys whose values are local paths.
_PATHS = {"job": ("code",), "env": ("conda_file",)}


class ImportStage(StageRunner):
    """The stage that writes the content of a job file into a folder with config groups."""

    stage = Stage("import")

    @cached_property
    def name(self) -> str:
        """The name of the option in each config group: the name of the file."""
        return re.sub(r"[^\w-]", "_", self._file.document.path.stem)

    @property
    def _file(self) -> JobFile:
        job_file = self.context.config.job_file
        if job_file is None:
            raise TypeError("the config of stage=import must have a job file")
        return job_file

    @cached_property
    def _targets(self) -> Mapping[str, Path]:
        """Config group -> the file to write."""
        folder = Path(self.context.config.import_dir)
        return {group: folder / group / f"{self.name}.yaml" for group in self._file.groups}

    def faults(self) -> list[str]:
        """Return a line for each file that exists already."""
        return [
            f"import_dir: must not contain {path}, which would be replaced; delete the file, or "
            "use another folder with import_dir=DIR"
            for path in self._targets.values()
            if path.exists()
        ]

    def run(self, record: Record) -> Record:
        """Write one file for each config group, and print the command that uses the files."""
        for group, path in self._targets.items():
            content = _relative(group, self._file.groups[group], path.parent.resolve())
            source = self._file.document.path
            lines = yaml.dump(
                escaped_text(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True
            )
            write_text(path, f"# {group}={self.name}: imported from {source}.\n{lines}")
            self.context.display.output(f"wrote {path}")
        words = [f"{group}={self.name}" for group in self._targets]
        flags = ["--config-dir", self.context.config.import_dir]
        command = ["mnist-exp", *flags, f"stage={self._file.stage}", *words]
        self.context.display.output(f"use: {shlex.join(command)}")
        return record


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """A writer of YAML that quotes each text that Hydra would read as a number."""


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    style = '"' if NOT_TEXT.fullmatch(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def _relative(group: str, content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a config group whose local paths are relative to the folder of its file."""
    changed = dict(content)
    for key in _PATHS.get(group, ()):
        if changed.get(key):
            changed[key] = os.path.relpath(changed[key], folder)
    if inputs := changed.get("inputs"):
        changed["inputs"] = {name: _input(value, folder) for name, value in inputs.items()}
    return changed


def _input(value: Any, folder: Path) -> Any:
    path = value.get("path") if isinstance(value, Mapping) else None
    if not isinstance(path, str) or not Path(path).is_absolute():
        return value
    return {**value, "path": os.path.relpath(path, folder)}
