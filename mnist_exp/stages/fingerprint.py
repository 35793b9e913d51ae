"""Whether two commands ask for the same: a hash of what decides what a stage makes."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from mnist_exp.config import ExperimentConfig, Stage
from mnist_exp.snapshot import snapshot_hash

__all__ = ["fingerprint"]

#: How a command is run, not what it makes.
MANNER = ("stage", "run", "resume", "wait", "dry_run", "outputs_dir")
#: Groups that have no say in a stage.
IRRELEVANT = {
    Stage.train: ("sweep", "registration", "endpoint"),
    Stage.sweep: ("registration", "endpoint"),
}
WITH_CODE = (Stage.train, Stage.sweep, Stage.all)


def fingerprint(config: ExperimentConfig, stage: Stage) -> str:
    """Return the hash of config, code included where it travels."""
    content = asdict(config)
    for key in (*MANNER, *IRRELEVANT.get(stage, ())):
        content.pop(key, None)
    if stage in WITH_CODE and config.job.code:
        content["code"] = snapshot_hash(Path(config.job.code), Path(config.outputs_dir))
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
