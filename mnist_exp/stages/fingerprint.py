"""Whether two commands ask for the same: a hash of what decides what a stage makes."""

import hashlib
import json
from pathlib import Path

from mnist_exp.config import Stage
from mnist_exp.experiment import Experiment
from mnist_exp.snapshot import snapshot_hash

#: How a command is run, not what it makes.
_MANNER = ("stage", "run", "resume", "wait", "dry_run", "outputs_dir")
#: Groups that have no say in a stage.
_IRRELEVANT = {
    Stage.train: ("sweep", "registration", "endpoint"),
    Stage.sweep: ("registration", "endpoint"),
}
_WITH_CODE = (Stage.train, Stage.sweep, Stage.all)


def fingerprint(config: Experiment, stage: Stage) -> str:
    """Return the hash of config, code included where it travels."""
    content = config.content()
    for key in (*_MANNER, *_IRRELEVANT.get(stage, ())):
        content.pop(key, None)
    if stage in _WITH_CODE and config.job.code:
        content["code"] = snapshot_hash(Path(config.job.code), Path(config.outputs_dir))
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
