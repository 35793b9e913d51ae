"""Keys on the command line that the stage does not read, or that contradict each other."""

import re
from collections.abc import Iterator
from dataclasses import fields

from mnist_exp.config import AuthMode, ExperimentConfig, Stage
from mnist_exp.experiment import Experiment
from mnist_exp.specs import parse_model_name

#: The keys and groups of the config itself. A group of the user's own has another name.
_TOP_LEVEL = {field.name for field in fields(ExperimentConfig)}
#: Keys that every stage may read. For example, the stage opens the workspace.
_ALWAYS = (
    *("stage", "dry_run", "run", "resume", "outputs_dir"),
    *("workspace", "data.cache_dir"),
)
_TRAINING = (
    *("compute", "env", "data", "model", "job", "seed", "wait", "figure_format"),
    *("file", "set"),
)
#: Stage -> the keys and the groups that the stage reads. A group stands for all its keys. A stage
#: that is missing here reads all keys.
_READ: dict[Stage, tuple[str, ...]] = {
    Stage.compute: ("compute",),
    Stage("import"): ("file", "set", "import_dir", "env", "compute"),
    Stage.train: (*_TRAINING, "max_concurrent_variants"),
    Stage.sweep: (*_TRAINING, "sweep"),
    Stage.register: ("registration",),
    Stage.deploy: ("registration.name", "endpoint"),
    Stage.invoke: (
        "data",
        "seed",
        "figure_format",
        "endpoint.name",
        "endpoint.invoke_deployment",
        # Without a scoring script, the request is the example of an MLflow model.
        "endpoint.deployment.scoring_script",
        "endpoint.request_file",
        "endpoint.samples",
    ),
    Stage.page: ("page", "data", "seed", "endpoint.name", "endpoint.invoke_deployment"),
    Stage.status: ("endpoint.name",),
    Stage.logs: ("endpoint.name", "endpoint.log_lines", "endpoint.deployment.name"),
    Stage.cancel: (),
    Stage.compare: ("figure_format",),
    Stage.report: (),
    Stage.runs: ("runs",),
    Stage.prune: ("prune", "runs"),
    Stage.cleanup: (
        "endpoint.name",
        "endpoint.deployment.name",
        "compute",
        "env.delete_on_cleanup",
    ),
}
#: Stage -> the stages that may follow. The proposed next command repeats the keys that these
#: stages read.
_LATER = {
    Stage.compute: (Stage.train, Stage.sweep, Stage.register, Stage.deploy, Stage.invoke),
    Stage.train: (Stage.register, Stage.deploy, Stage.invoke),
    Stage.sweep: (Stage.register, Stage.deploy, Stage.invoke),
    Stage.register: (Stage.deploy, Stage.invoke),
    Stage.deploy: (Stage.invoke,),
}
#: Stage -> keys that the stage does not read, although `_READ` contains their whole group.
_OF_ANOTHER = {
    Stage.deploy: ("endpoint.invoke_deployment", "endpoint.log_lines"),
    Stage.prune: ("runs.order", "runs.limit", "runs.format"),
}


def is_unused(stage: Stage, key: str) -> bool:
    """Return whether no stage reads a key or a group: neither the stage nor a stage that follows.

    `GROUP@PACKAGE` sets the keys below PACKAGE.
    """
    folder, _, package = key.partition("@")
    key = package or folder.replace("/", ".")
    if key.startswith("runs.") and stage not in (Stage.runs, Stage.prune):
        return True
    if stage not in _READ or not _is_of_schema(key):
        return False
    if key in _OF_ANOTHER.get(stage, ()):
        return True
    readers = (stage, *_LATER.get(stage, ()))
    return not any(_is_among(key, keys) for keys in (_ALWAYS, *(_READ[each] for each in readers)))


def unused_warnings(config: Experiment) -> Iterator[str]:
    """Yield one line for each key or group on the command line that has no effect.

    A group of the user's own may set any key. It has an effect if one of these keys has an effect.
    """
    for key in config.given:
        keys = (key,) if _is_of_schema(key) else config.chosen.get(key, ())
        reasons = [_why_unused(config, each) for each in keys]
        if reasons and all(reasons):
            yield f"{key}: has no effect, because {reasons[0]}"


def _why_unused(config: Experiment, key: str) -> str | None:
    """Return the reason why a key on the command line has no effect; None if it has an effect."""
    stage, endpoint = config.stage, config.endpoint
    is_referenced = _is_referenced(config, key)
    swept = _swept(config, key) if stage.sweeps else ""
    reasons = {
        f"stage={stage} does not read this key": is_unused(stage, key) and not is_referenced,
        "no other key refers to this key, as in job.inputs.epochs=${model.epochs}": (
            stage.trains and key.startswith("model.") and not is_referenced
        ),
        f"sweep.search_space.{swept} sets this input of each trial": bool(swept),
        f"endpoint.name={endpoint.name} names the endpoint": (
            endpoint.name is not None and key in ("endpoint.name_prefix", "endpoint.reuse")
        ),
        "endpoint.request_file is the request": (
            endpoint.request_file is not None and key == "endpoint.samples"
        ),
        "endpoint.auth_mode=key uses no tokens": (
            endpoint.auth_mode is AuthMode.key and key == "endpoint.token_lifetime"
        ),
        "endpoint.rollout.steps is empty": (
            key.startswith("endpoint.rollout.") and not endpoint.rollout.steps
        ),
    }
    return next((reason for reason, is_true in reasons.items() if is_true), None)


def _swept(config: Experiment, key: str) -> str:
    """Return the name in the search space that replaces a key; empty if the key has an effect."""
    readers = {reader for reader, target in config.references if target == key} or {key}
    inputs = {reader.removeprefix("job.inputs.") for reader in readers}
    return min(inputs) if inputs <= set(config.sweep.search_space) else ""


def contradiction_faults(config: Experiment) -> Iterator[str]:
    """Yield one line for each key that seems to choose a model or a deployment, but does not."""
    run, name = config.run, config.registration.name
    deployment = config.endpoint.deployment.name
    setter = config.setter("registration.name") if config.stage is Stage.deploy else None
    if setter and run is not None and parse_model_name(run)[0] != name:
        yield (
            f"registration.name: must be the model that run= names, got {name} and run={run}; "
            f"remove {setter}= or run="
        )
    called = config.endpoint.invoke_deployment
    is_given = "endpoint.invoke_deployment" in config.given
    if config.stage is Stage.cleanup and is_given and called is not None:
        yield (
            "endpoint.invoke_deployment: is only for stage=invoke; to delete one deployment, use "
            f"endpoint.deployment.name={called}; to delete the endpoint with all its deployments, "
            "remove this key"
        )
    names_deployment = "endpoint.deployment.name" in config.given and called != deployment
    if config.stage is Stage.invoke and names_deployment:
        yield (
            "endpoint.deployment.name: stage=invoke calls the deployment that the traffic chooses; "
            f"to call {deployment}, use endpoint.invoke_deployment={deployment}"
        )


def _is_of_schema(key: str) -> bool:
    """Return whether a key or a group belongs to the config, e.g. not a group of the user's own."""
    return re.split("[./@]", key)[0] in _TOP_LEVEL


def _is_referenced(config: Experiment, key: str) -> bool:
    """Return whether the stage reads another key whose value refers to `key`."""
    return any(
        _is_among(key, (target,)) and not is_unused(config.stage, reader)
        for reader, target in config.references
    )


def _is_among(key: str, others: tuple[str, ...]) -> bool:
    """Return whether a key is one of the other keys, or is below or above one of them."""
    return any(f"{key}.".startswith(f"{o}.") or f"{o}.".startswith(f"{key}.") for o in others)
