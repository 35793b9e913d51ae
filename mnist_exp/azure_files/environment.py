"""The environment of a job file: a reference, an image with a conda file, or a file of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnist_exp.azure_files.document import load_document
from mnist_exp.azure_files.section import Section
from mnist_exp.config import EnvType
from mnist_exp.errors import ConfigError

#: Fields that do not change the packages of the environment.
_DESCRIPTION = ("$schema", "name", "version", "description", "tags", "properties", "os_type")
_FIELDS = (*_DESCRIPTION, "image", "conda_file", "build", "inference_config", "datastore")
#: The prefix of a reference to a file with an environment.
_FILE = "file:"


def read_environment(section: Section) -> Mapping[str, Any]:
    """Return the content of the config group `env`.

    Args:
        section: The mapping with the field `environment`.
    """
    value = section.get("environment")
    if value is None:
        section.fault("must be given; or choose an environment with env=local", "environment")
        return {}
    if isinstance(value, Mapping):
        return _inline(section.below("environment"))
    text = section.text("environment")
    if text is None:
        return {}
    if text.startswith(_FILE) or text.endswith((".yml", ".yaml")):
        return _from_file(section, text.removeprefix(_FILE))
    # `azureml://registries/...` is the whole name.
    name = text if text.startswith("azureml://") else text.removeprefix("azureml:")
    return {"type": EnvType.curated.value, "name": name}


def _inline(section: Section) -> Mapping[str, Any]:
    section.check_names(_FIELDS, "an environment")
    if section.get("build") is not None:
        section.fault(
            "is a Docker image that must be built, which mnist-exp does not do; choose the Python "
            "environment of mnist-exp with env=local, or packages with env=conda "
            "env.conda_file=FILE",
            "build",
        )
        return {}
    conda, node = section.get("conda_file"), {"type": EnvType.conda.value}
    if image := section.text("image"):
        node["image"] = image
    if isinstance(conda, Mapping):
        section.fault(
            "must be the path of a conda file; write the packages into a file of their own, "
            "beside this file",
            "conda_file",
        )
    elif conda is not None and (path := section.text("conda_file")):
        node["conda_file"] = section.path("conda_file", path.removeprefix(_FILE))
    return node


def _from_file(section: Section, name: str) -> Mapping[str, Any]:
    """Return the environment that another file describes."""
    path = Path(section.path("environment", name))
    try:
        document = load_document(path, {}, section.document.current)
    except ConfigError as error:
        for line in error.lines:
            section.fault(line.removeprefix("file: "), "environment")
        return {}
    return _inline(Section(document, (), document.content, section.faults))
