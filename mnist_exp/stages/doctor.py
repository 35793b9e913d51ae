"""stage=doctor: find problems before a run costs money.

A finding is the result of one check. Its level is `ok`, `warn` or `fail`.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from mnist_exp import checks
from mnist_exp.build import deployment_spec
from mnist_exp.config import Stage
from mnist_exp.errors import MnistExpError
from mnist_exp.records import Record
from mnist_exp.results import Finding, Level
from mnist_exp.stages.context import StageContext, StageRunner
from mnist_exp.status import JobStatus

#: Packages that work only with certain versions of other packages.
_PINNING = ("azureml-mlflow", "azure-ai-ml")


class DoctorStage(StageRunner):
    """The stage that examines config, packages and workspace; it changes nothing."""

    stage = Stage.doctor

    @cached_property
    def name(self) -> str:
        """The type of the workspace."""
        return self.context.config.workspace.type.value

    def run(self, record: Record) -> Record:
        """Print each finding. The stage fails if a finding has the level `fail`."""
        findings = []
        for finding in self._findings():
            findings.append(finding)
            self.context.display.output(f"{finding.level.value:4}  {finding.what}: {finding.text}")
        failing = [finding for finding in findings if finding.level is Level.FAIL]
        if failing:
            why = f"{len(failing)} of {len(findings)} checks failed; see the lines with fail above"
            record = record.with_changes(status=JobStatus.FAILED, why=why)
        return record

    def _findings(self) -> Iterator[Finding]:
        yield from config_findings(self.context)
        yield from version_findings()
        config = self.context.config
        try:
            deployment = deployment_spec(config, "endpoint", "model:1")
            yield from self.context.workspace.diagnose(config.compute, deployment)
        except MnistExpError as error:
            yield from (Finding(Level.FAIL, "workspace", line) for line in error.lines)


def config_findings(context: StageContext) -> Iterator[Finding]:
    """Yield the faults and the warnings of the config. Check all groups, as for stage=all."""
    whole = replace(context.config, stage=Stage.all)
    faults, warnings = checks.faults(whole), checks.warnings(whole)
    yield from (Finding(Level.FAIL, *_split(line)) for line in faults)
    yield from (Finding(Level.WARN, *_split(line)) for line in warnings)
    if not faults:
        yield Finding(Level.OK, "config", "valid: names, sizes, search space, limits")


def version_findings() -> Iterator[Finding]:
    """Yield findings about the requirements of the packages in `_PINNING`: met or not met."""
    for package in _PINNING:
        try:
            needed = [Requirement(line) for line in requires(package) or ()]
        except PackageNotFoundError:
            yield Finding(
                Level.WARN, package, 'not installed; for Azure: pip install "mnist-exp[azure]"'
            )
            continue
        clashes = [line for requirement in needed if (line := _clash(requirement))]
        for line in clashes:
            yield Finding(Level.FAIL, package, f'{line}; run pip install "mnist-exp[azure]"')
        if not clashes:
            yield Finding(Level.OK, package, f"{version(package)}; all its requirements are met")


def _clash(requirement: Requirement) -> str | None:
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return None
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"needs {requirement}, which is not installed"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"needs {requirement}, got {found}"


def _split(line: str) -> tuple[str, str]:
    what, _, text = line.partition(": ")
    return what, text
