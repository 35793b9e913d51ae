"""The overrides of a command that change the results of a stage."""

from collections.abc import Iterable

#: Config keys that do not influence the results of a stage.
COMMAND_KEYS = (
    *("stage", "run", "resume", "outputs_dir", "wait", "dry_run"),
    *("runs", "prune", "page", "figure_format", "max_concurrent_variants"),
)


def changes(overrides: Iterable[str]) -> list[str]:
    """Return the overrides that change the results of a stage; for each key, only the last."""
    found = {text.partition("=")[0].lstrip("+~"): text for text in overrides}
    others = (*COMMAND_KEYS, "hydra")
    return [text for key, text in found.items() if key.partition(".")[0] not in others]
