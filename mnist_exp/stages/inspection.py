"""stage=status and stage=logs: print the state and the logs of endpoints, or of a job."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property

from mnist_exp.config import Stage
from mnist_exp.records import Record
from mnist_exp.results import Deployment, DeploymentStatistics, Endpoint, counted
from mnist_exp.stages.context import StageRunner
from mnist_exp.stages.earlier_records import (
    deployed_endpoint,
    endpoint_faults,
    named_deployment,
    names_endpoint,
)
from mnist_exp.stages.named_jobs import NamedJob, named_job, print_job, running_jobs


class _InspectionStage(StageRunner):
    """A stage that inspects the job that `run=` names, or endpoints."""

    @cached_property
    def _job(self) -> NamedJob | None:
        return named_job(self.context)


class StatusStage(_InspectionStage):
    """The stage that prints the state of running jobs and endpoints; it changes nothing."""

    stage = Stage.status

    def faults(self) -> list[str]:
        """Return an error message if the named job or endpoint does not exist."""
        if self._job:
            return self._job.faults()
        return endpoint_faults(self.context) if names_endpoint(self.context) else []

    @cached_property
    def name(self) -> str:
        """The name of the job or endpoint that the config names, or `all`."""
        if self._job:
            return self._job.name
        return deployed_endpoint(self.context) if names_endpoint(self.context) else "all"

    def run(self, record: Record) -> Record:
        """Print the summary of the job, or each running job, each endpoint and each deployment."""
        if self._job:
            print_job(self.context, self._job.record())
            return record
        running = [] if names_endpoint(self.context) else running_jobs(self.context)
        for job in running:
            found = job.record
            self.context.display.output(f"{found.stage.value}  {found.status.value}  {found.name}")
        endpoints = self._endpoints()
        for endpoint in endpoints:
            statistics = self.context.workspace.statistics(endpoint.name)
            for line in _endpoint_lines(endpoint, statistics):
                self.context.display.output(line)
        if not endpoints and not running:
            self.context.display.output(
                "no job runs, and no endpoint exists; mnist-exp stage=runs lists past runs"
            )
        return record

    def _endpoints(self) -> Sequence[Endpoint]:
        if names_endpoint(self.context):
            return [self.context.workspace.get_endpoint(deployed_endpoint(self.context))]
        return self.context.workspace.list_endpoints()


class LogsStage(_InspectionStage):
    """The stage that prints the last log lines of an endpoint's deployments, or a job's log."""

    stage = Stage.logs

    def faults(self) -> list[str]:
        """Return an error message if the job, the endpoint or the deployment does not exist."""
        if self._job:
            return self._job.faults()
        return endpoint_faults(self.context, named_deployment(self.context))

    @cached_property
    def name(self) -> str:
        """The name of the job or of the endpoint."""
        if self._job:
            return self._job.name
        return deployed_endpoint(self.context)

    def run(self, record: Record) -> Record:
        """Print the last lines of each deployment's log, or follow the log of the named job."""
        if self._job:
            # The user ends this command with Ctrl-C. The job continues.
            with suppress(KeyboardInterrupt):
                for line in self.context.workspace.job_log(record.name):
                    self.context.display.output(line)
            return record
        endpoint = self.context.workspace.get_endpoint(record.name)
        wanted = named_deployment(self.context)
        for deployment in endpoint.deployments:
            if wanted not in (None, deployment.name):
                continue
            count = self.context.config.endpoint.log_lines
            lines = self.context.workspace.logs(endpoint.name, deployment.name, count)
            where = deployment.log or ("last lines of the log" if lines else "no log")
            self.context.display.output(f"{deployment.name}: {where}")
            for line in lines:
                self.context.display.output(f"  {line}")
        return record


def _endpoint_lines(
    endpoint: Endpoint, statistics: Mapping[str, DeploymentStatistics]
) -> Iterator[str]:
    why = f": {endpoint.why}" if endpoint.why else ""
    yield f"{endpoint.name}  {endpoint.provisioning_state}{why}"
    no_traffic = "" if endpoint.traffic else "  answers 404: no deployment has traffic"
    yield f"  {endpoint.scoring_uri}{no_traffic}"
    yield f"  auth_mode {endpoint.auth_mode}{_expiry(endpoint)}"
    for deployment in endpoint.deployments:
        yield f"  {_deployment_line(endpoint, deployment, statistics.get(deployment.name))}"


def _expiry(endpoint: Endpoint) -> str:
    if endpoint.expires is None:
        return ""
    when = datetime.fromtimestamp(endpoint.expires, UTC).isoformat(timespec="seconds")
    return f", deletes itself at {when} (endpoint.ttl)"


def _deployment_line(
    endpoint: Endpoint, deployment: Deployment, statistics: DeploymentStatistics | None
) -> str:
    parts = [f"{deployment.name}  {deployment.provisioning_state}"]
    if deployment.model:
        parts.append(deployment.model)
    parts.append(f"{endpoint.traffic.get(deployment.name, 0)} % of the traffic")
    if mirrored := endpoint.mirror_traffic.get(deployment.name):
        parts.append(f"{mirrored} % mirrored")
    if statistics is not None:
        processes = ", ".join(map(str, statistics.processes)) or "none"
        parts.append(f"processes {processes}")
        parts.append(counted(statistics.restarts, "restart"))
        parts.append(str(statistics))
    if deployment.why:
        parts.append(deployment.why)
    return ", ".join(parts)
