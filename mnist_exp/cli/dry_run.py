"""Shows a dry run: YAML on standard output, everything else as comments in it."""

from datetime import UTC, datetime
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from mnist_exp.config import ExperimentConfig
from mnist_exp.records import Record
from mnist_exp.stages.dry_run import planned, snapshots
from mnist_exp.status import JobStatus


def show_dry_run(config: ExperimentConfig, folder: Path) -> Record:
    """Print what the command would do, and leave each document in a file of its own.

    Args:
        config: The experiment.
        folder: The run folder; files go to `dry-run/` in it.

    Returns:
        A record for the table of a multirun; it is kept nowhere.
    """
    target = folder / "dry-run"
    documents = planned(config)
    if not documents:
        print(f"# stage={config.stage.value} makes nothing that has a YAML form")
    for document in documents:
        text = yaml.safe_dump(document.content, sort_keys=False, allow_unicode=True)
        target.mkdir(parents=True, exist_ok=True)
        path = target / f"{document.kind}.yaml"
        path.write_text(text, encoding="utf-8")
        print(f"--- # {document.kind} {document.name}: {path}")
        print(text, end="")
    for snapshot in snapshots(config):
        count, size = len(snapshot.files), snapshot.size
        print(f"# {snapshot.key}: {count} files, {size} bytes, of {snapshot.folder}")
        for file in snapshot.files:
            print(f"#   {file}")
    return Record(
        stage=config.stage,
        name="dry run",
        status=JobStatus.COMPLETED,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        workspace=config.workspace.type.value,
    )
