"""Shell commands that the user can run next: the next stage, or a request to an endpoint."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mnist_exp.config import ModelType, RegistrationConfig, Stage
from mnist_exp.past_runs import JOB_STAGES
from mnist_exp.records import Record, shown_path
from mnist_exp.specs import MODEL_PATH
from mnist_exp.status import JobStatus

#: Stage -> the stage of the proposed next command.
NEXT = {
    Stage.compute: Stage.train,
    Stage.train: Stage.register,
    Stage.sweep: Stage.register,
    Stage.register: Stage.deploy,
    Stage.deploy: Stage.invoke,
    Stage.invoke: Stage.cleanup,
}
#: Keys and config groups that say where a job is.
PLACE = ("outputs_dir", "profile", "workspace")
#: After a stage in this set, the next command names the stage's record with `run=`.
_NAMED = frozenset({Stage.train, Stage.sweep, Stage.register})


@dataclass(frozen=True)
class Repeated:
    """The parts of a command that the proposed next command repeats.

    Attributes:
        overrides: Overrides of Hydra, e.g. `outputs_dir=mine`.
        flags: Flags of Hydra, with their values.
        registration: The config with which the next command registers a model.
    """

    overrides: Sequence[str] = ()
    flags: Sequence[str] = ()
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)


def next_command(record: Record, repeated: Repeated) -> str:
    """Return the command of the stage that follows a record's stage.

    The text is empty if no stage follows, or if the record has no result that the next stage can
    use.
    """
    overrides = next_overrides(record, repeated)
    return shlex.join(["mnist-exp", *repeated.flags, *overrides]) if overrides else ""


def next_overrides(record: Record, repeated: Repeated) -> list[str]:
    """Return the overrides of the command that `next_command` returns."""
    following = NEXT.get(record.stage)
    is_unusable = record.stage is Stage.sweep and record.best is None
    if following is None or is_unusable or record.status is not JobStatus.COMPLETED:
        return []
    lacks_files = following is Stage.register and _lacks_files(record, repeated.registration)
    if lacks_files and not record.logged_models:
        return []
    words = [f"stage={following.value}"]
    if record.stage in _NAMED:
        words.append(f"run={record.name}")
    if record.workspace != "local":
        words.append(f"workspace={record.workspace}")
    needed = _logged_model(record, repeated.registration) if lacks_files else _needed(record)
    # If the user has set a key, do not propose another value.
    chosen = set(map(_key, repeated.overrides))
    words += [override for override in needed if _key(override) not in chosen]
    given = set(map(_key, words))
    return words + [override for override in repeated.overrides if _key(override) not in given]


def job_commands(record: Record, repeated: Repeated) -> Mapping[str, str]:
    """Return stage -> command, for the stages that inspect or cancel an unfinished job.

    The mapping is empty if the record describes no job, or a job that has ended.
    """
    if record.stage not in JOB_STAGES or record.status.is_finished:
        return {}
    given = {"workspace": record.workspace} if record.workspace != "local" else {}
    kept = [text for text in repeated.overrides if _key(text).partition(".")[0] in PLACE]
    added = [f"{key}={value}" for key, value in given.items() if key not in map(_key, kept)]
    return {
        stage.value: shlex.join(
            ["mnist-exp", *repeated.flags, f"stage={stage}", f"run={record.name}", *added, *kept]
        )
        for stage in (Stage.status, Stage.logs, Stage.cancel)
    }


def _key(override: str) -> str:
    return override.partition("=")[0]


def _lacks_files(record: Record, registration: RegistrationConfig) -> bool:
    """Return whether a local job did not save the files that the next command would register."""
    best = record.best["name"] if record.best else record.name
    job = Path(record.paths.get("folder", ""), "..", best)
    path = registration.path or MODEL_PATH
    return job.is_dir() and not any((folder / path).exists() for folder in (job / "artifacts", job))


def _logged_model(record: Record, registration: RegistrationConfig) -> list[str]:
    """Return the overrides that are necessary to register a model that the script logged."""
    needed, path = [], registration.path
    if registration.type != ModelType.mlflow_model:
        needed.append("registration=mlflow_model")
        path = None
    if path not in record.logged_models and (path or len(record.logged_models) > 1):
        needed.append(f"registration.path={record.logged_models[0]}")
    return needed


def _needed(record: Record) -> list[str]:
    """Return the overrides that the next command needs, whatever this command had.

    To deploy an MLflow model without a script, this is a config group. To delete the endpoint, this
    is its name: a config group may name a deployment, and stage=cleanup then deletes only that.
    """
    if record.stage is Stage.invoke:
        return [f"endpoint.name={record.name}"]
    is_mlflow = (record.model or {}).get("type") == ModelType.mlflow_model
    return ["endpoint=mlflow"] if record.stage is Stage.register and is_mlflow else []


def how_to_call(record: Record) -> list[str]:
    """Return shell lines that send a request to a deployed endpoint.

    The lines do not contain the key, but read the key into a shell variable. The key is never an
    argument of a process, because every user of the machine can read such arguments. The shell runs
    `printf` itself, without a process. curl reads the header with the key from standard input.

    The record's `paths` may contain `keys` (a JSON file with the field `primary` or `token`) and
    `request` (a file with a request body).
    """
    endpoint = record.endpoint or {}
    address = endpoint.get("scoring_uri")
    if record.stage is not Stage.deploy or not address:
        return []
    body = shlex.quote("@" + shown_path(record.paths.get("request", "request.json")))
    # A proxy cannot reach 127.0.0.1 of this machine.
    direct = "--noproxy 127.0.0.1 " if urlsplit(str(address)).hostname == "127.0.0.1" else ""
    curl = (
        "printf 'Authorization: Bearer %s' \"$KEY\" | "
        f'curl {direct}-H @- -H "Content-Type: application/json" '
        f"-d {body} {shlex.quote(str(address))}"
    )
    return [*_fetch_key(record), curl]


def how_to_see_in_mlflow(record: Record) -> list[str]:
    """Return the command that starts MLflow's UI, and the address of the job's runs in the UI."""
    page, folder = record.paths.get("mlflow"), record.paths.get("folder")
    if not page or not folder:
        return []
    store = shlex.quote(f"sqlite:///{shown_path(str(Path(folder).parent.parent / 'mlflow.db'))}")
    return [f"mlflow ui --backend-store-uri {store}", page]


def _fetch_key(record: Record) -> list[str]:
    name = shlex.quote(record.name)
    if record.workspace == "azure":
        show = f"az ml online-endpoint get-credentials --name {name} --query primaryKey -o tsv"
        return [f"KEY=$({show})"]
    if "keys" not in record.paths:
        return []
    path = shlex.quote(shown_path(record.paths["keys"]))
    uses_tokens = (record.endpoint or {}).get("auth_mode") == "aml_token"
    field = "token" if uses_tokens else "primary"
    script = f"'import json, sys; print(json.load(sys.stdin)[\"{field}\"])'"
    return [f"KEY=$(python3 -c {script} < {path})"]
