"""The fields that command jobs and sweeps share."""

from collections.abc import Mapping
from typing import Any

from mnist_exp.azure_files.expressions import template
from mnist_exp.azure_files.section import Section
from mnist_exp.config import ComputeType, DistributionType, Identity
from mnist_exp.sweeps.fields import shown
from mnist_exp.templates import literal_text

#: Config key -> field, for the fields of a job.
JOB_KEYS = {
    **{
        f"job.{name}": name
        for name in (
            *("experiment_name", "display_name", "description", "tags"),
            *("inputs", "outputs", "identity"),
        )
    },
    "job.timeout": "limits.timeout",
    "compute": "compute",
}
#: Config key -> field, for the fields of a command job that a sweep has below `trial`.
TRIAL_KEYS = {
    "job.command": "command",
    "job.code": "code",
    "job.environment_variables": "environment_variables",
    "job.distribution": "distribution",
    "env": "environment",
}
#: The other fields of a job, which have no effect in mnist-exp.
IGNORED = ("name", "services", "queue_settings", "properties", "parent_job_name")
_IGNORED_RESOURCES = ("shm_size", "docker_args", "locations", "max_instance_count", "properties")
_LITERALS = str | int | float | bool


def read_names(section: Section, experiment: str) -> dict[str, Any]:
    """Return the names, the description and the tags of a job.

    Args:
        section: The document.
        experiment: The name of the experiment if the document has none.
    """
    tags = section.below("tags")
    return {
        "experiment_name": section.text("experiment_name") or experiment,
        "display_name": section.text("display_name"),
        "description": section.text("description") or "",
        "tags": {str(name): tags.text(name) or "" for name in tags.content},
    }


def read_inputs_and_outputs(section: Section) -> dict[str, Any]:
    """Return the inputs and the outputs of a job, with absolute local paths."""
    inputs, outputs = section.below("inputs"), section.below("outputs")
    return {
        "inputs": {str(name): _input(inputs, name) for name in inputs.content},
        "outputs": {str(name): dict(outputs.below(name).content) for name in outputs.content},
    }


def _input(section: Section, name: str) -> Any:
    value = section.get(name)
    if isinstance(value, Mapping):
        path = value.get("path")
        if not isinstance(path, str) or "://" in path or path.startswith("azureml:"):
            return dict(value)
        return {**value, "path": section.below(name).path("path", path)}
    if not isinstance(value, _LITERALS):
        section.fault(f"must be text, a number, true or false, got {shown(value)}", name)
    return value


def read_trial(section: Section, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return the command, the code, the variables and the distribution of a job.

    Args:
        section: The document of a command job, or the field `trial` of a sweep.
        keys: As for `template`.
    """
    command, faults = template(section.text("command") or "", keys)
    if not command:
        section.fault("must be given", "command")
    for fault in faults:
        section.fault(fault, "command")
    variables = section.below("environment_variables")
    return {
        "command": command,
        "code": _code(section),
        "environment_variables": {
            str(name): _variable(variables, name) for name in variables.content
        },
        "distribution": _distribution(section),
    }


def _code(section: Section) -> str | None:
    code = section.text("code")
    if code is None:
        return None
    if "://" in code or code.startswith(("azureml:", "git+")):
        section.fault(f"must be a local folder, got {code}; download it", "code")
    return section.path("code", code)


def _variable(section: Section, name: str) -> str:
    value = section.get(name)
    if isinstance(value, _LITERALS):
        return literal_text(value)
    section.fault(f"must be text, got {shown(value)}", name)
    return ""


def _distribution(section: Section) -> dict[str, Any]:
    distribution, resources = section.below("distribution"), section.below("resources")
    instances = resources.whole_number("instance_count") or 1
    if not distribution.content:
        if instances > 1:
            resources.fault(
                f"must be 1 without a distribution, got {instances}; set.resources.instance_count=1"
                " runs the command once",
                "instance_count",
            )
        return {}
    kind = (distribution.text("type") or "").lower()
    if kind not in tuple(DistributionType):
        distribution.fault(
            f"must be {', '.join(DistributionType)}, got {shown(kind)}; set.distribution=null and "
            "set.resources.instance_count=1 run one process",
            "type",
        )
        return {}
    distribution.check_names(("type", "worker_count", "parameter_server_count"), "a distribution")
    workers = distribution.whole_number("worker_count") or instances
    if resources.get("instance_count") is not None and instances != workers:
        resources.fault(
            f"must be distribution.worker_count ({workers}), got {instances}", "instance_count"
        )
    servers = distribution.whole_number("parameter_server_count") or 0
    return {"type": kind, "worker_count": workers, "parameter_server_count": servers}


def read_identity(section: Section) -> str | None:
    """Return the identity that reads the data on Azure; None for Azure ML's default."""
    if section.get("identity") is None:
        return None
    kind = (section.below("identity").text("type") or "").lower().removesuffix("_identity")
    if kind in tuple(Identity):
        return kind
    if kind not in ("aml_token", "amltoken"):
        section.fault(
            f"must be user_identity, managed_identity or aml_token, got {kind}", "identity", "type"
        )
    return None


def read_compute(section: Section, resources: Section) -> dict[str, Any]:
    """Return the content of the config group `compute`.

    Args:
        section: The document.
        resources: The field `resources`.
    """
    name = (section.text("compute") or "serverless").removeprefix("azureml:")
    if name == "local":
        return {"type": ComputeType.local.value, "name": name}
    if name == "serverless":
        size = resources.text("instance_type")
        return {"type": ComputeType.serverless.value, "name": name, "size": size}
    return {"type": ComputeType.amlcompute.value, "name": name}


def ignored_fields(section: Section, resources: Section) -> list[str]:
    """Return the fields of a job that have no effect in mnist-exp."""
    resources.check_names(
        ("instance_count", "instance_type", *_IGNORED_RESOURCES), "the resources of a job"
    )
    found = [name for name in IGNORED if section.get(name) is not None]
    place = ".".join(resources.key)
    found += [f"{place}.{name}" for name in _IGNORED_RESOURCES if name in resources.content]
    cluster = (section.get("compute") or "serverless") not in ("serverless", "azureml:serverless")
    if cluster and resources.get("instance_type") is not None:
        found.append(f"{place}.instance_type")
    if section.get("identity") is not None:
        rest = sorted(set(section.below("identity").content) - {"type"})
        found += [f"identity.{name}" for name in rest]
    return found
