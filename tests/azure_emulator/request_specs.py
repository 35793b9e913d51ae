"""Bodies of requests as specs, which the local workspace runs."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mnist_exp.config import ComputeConfig, ComputeType, EnvConfig, EnvType, RequestSettingsConfig
from mnist_exp.specs import CommandJob, DeploymentSpec, OutputSpec, PathInput, SweepJob
from mnist_exp.sweeps import parse_sweep
from mnist_exp.sweeps.plan import SweepPlan
from tests.azure_emulator.rules import check_search_space
from tests.azure_emulator.wire import RefusalError

HERE = ComputeConfig(ComputeType.local, "local")
PYTHON = EnvConfig(EnvType.local)
#: Expression -> the names of the values in its list.
FIELDS = {
    "choice": ["values"],
    "randint": ["upper"],
    "uniform": ["min_value", "max_value"],
    "quniform": ["min_value", "max_value", "q"],
    "loguniform": ["min_value", "max_value"],
    "qloguniform": ["min_value", "max_value", "q"],
    "normal": ["mu", "sigma"],
    "qnormal": ["mu", "sigma", "q"],
    "lognormal": ["mu", "sigma"],
    "qlognormal": ["mu", "sigma", "q"],
}
POLICIES = {
    "Bandit": ("bandit", ["slackFactor", "slackAmount"]),
    "MedianStopping": ("median_stopping", []),
    "TruncationSelection": ("truncation_selection", ["truncationPercentage"]),
}

FolderOf = Callable[[str], Path]


def sweep_plan(body: Mapping[str, Any]) -> SweepPlan:
    """Return a sweep's part of a job; refuse what the service would refuse."""
    policy = body.get("earlyTermination")
    check_search_space(body["searchSpace"])
    plan, faults = parse_sweep(
        {
            "sampling_algorithm": _sampling(body["samplingAlgorithm"]),
            "search_space": {k: _expression(v) for k, v in body["searchSpace"].items()},
            "objective": {
                "primary_metric": body["objective"]["primaryMetric"],
                "goal": body["objective"]["goal"],
            },
            "limits": _limits(body["limits"]),
            "early_termination": _policy(policy) if policy else None,
        }
    )
    if plan is None:
        raise RefusalError(400, "UserError", "; ".join(faults))
    return plan


def sweep_job(name: str, body: Mapping[str, Any], code: Path | None, folder: FolderOf) -> SweepJob:
    """Return the sweep."""
    plan = sweep_plan(body)
    trial = command_job(name, {**body, **body["trial"]}, code, folder)
    return SweepJob(
        name, trial, plan.search_space, plan.sampling, plan.objective, plan.limits,
        plan.early_termination,
    )  # fmt: skip


def command_job(
    name: str, body: Mapping[str, Any], code: Path | None, folder: FolderOf
) -> CommandJob:
    """Return the command job. Azure does not quote the values that it inserts into a command."""
    inputs: dict[str, Any] = {}
    for key, value in (body.get("inputs") or {}).items():
        if value["jobInputType"] == "literal":
            inputs[key] = value["value"]
        else:
            inputs[key] = PathInput(folder(value["uri"]))
    return CommandJob(
        name=name,
        experiment_name=body.get("experimentName") or "Default",
        display_name=body.get("displayName") or name,
        command=_own_command(body["command"]),
        quoted=False,
        compute=HERE,
        environment=PYTHON,
        code=code,
        inputs=inputs,
        outputs={key: OutputSpec() for key in body.get("outputs") or {}},
        environment_variables=body.get("environmentVariables") or {},
        timeout=seconds((body.get("limits") or {}).get("timeout")),
    )


def _own_command(command: str) -> str:
    """Return a command with our spelling of references."""
    return command.replace("${{", "{{")


def deployment_spec(
    endpoint: str, name: str, body: Mapping[str, Any], code: Path | None, model: str
) -> DeploymentSpec:
    """Return the deployment."""
    settings = body.get("requestSettings") or {}
    return DeploymentSpec(
        name=name,
        endpoint=endpoint,
        model=model,
        code=str(code) if code else None,
        scoring_script=body["codeConfiguration"]["scoringScript"] if code else None,
        environment=PYTHON,
        instance_type=body["instanceType"],
        environment_variables=body.get("environmentVariables") or {},
        request_settings=RequestSettingsConfig(
            max_concurrent_requests_per_instance=settings.get("maxConcurrentRequestsPerInstance", 1)
        ),
    )


def seconds(duration: str | None) -> int | None:
    """Return the seconds of an ISO 8601 duration of days, hours, minutes and seconds."""
    if not duration:
        return None
    found = re.fullmatch(r"P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", duration)
    if not found:
        raise RefusalError(400, "BadArgument", f"{duration} is no duration")
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def _sampling(sent: Mapping[str, Any]) -> dict[str, Any]:
    kind = sent["samplingAlgorithmType"].lower()
    kept = {key: sent[key] for key in ("seed", "rule", "logbase") if sent.get(key) is not None}
    if "logbase" in kept:
        kept["logbase"] = float(kept["logbase"])
    return {"type": kind, **{k: v.lower() if k == "rule" else v for k, v in kept.items()}}


def _expression(sent: Any) -> dict[str, Any]:
    kind, values = sent
    if kind == "choice":
        return {"type": "choice", "values": [_choice(value) for value in values[0]]}
    return {"type": kind, **dict(zip(FIELDS[kind], values, strict=True))}


def _choice(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: _expression(v) if isinstance(v, list) else v for k, v in value.items()}


def _limits(sent: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "max_total_trials": sent["maxTotalTrials"],
        "max_concurrent_trials": sent.get("maxConcurrentTrials"),
        "timeout": seconds(sent.get("timeout")),
        "trial_timeout": seconds(sent.get("trialTimeout")),
    }
    return {key: value for key, value in found.items() if value is not None}


def _policy(sent: Mapping[str, Any]) -> dict[str, Any]:
    kind, names = POLICIES[sent["policyType"]]
    shared = ["evaluationInterval", "delayEvaluation"]
    snake = {
        re.sub("([A-Z])", r"_\1", key).lower(): sent[key]
        for key in [*names, *shared]
        if sent.get(key)
    }
    return {"type": kind, **json.loads(json.dumps(snake))}
