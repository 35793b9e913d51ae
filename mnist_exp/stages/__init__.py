"""The stages of an experiment: one class per stage, and the function that runs a stage."""

from mnist_exp.config import Stage
from mnist_exp.stages.cancel import CancelStage
from mnist_exp.stages.cleanup import CleanupStage
from mnist_exp.stages.compare import CompareStage
from mnist_exp.stages.compute import ComputeStage
from mnist_exp.stages.context import Display, StageContext, StageRunner
from mnist_exp.stages.deploy import DeployStage
from mnist_exp.stages.doctor import DoctorStage
from mnist_exp.stages.import_file import ImportStage
from mnist_exp.stages.inspection import LogsStage, StatusStage
from mnist_exp.stages.invoke import InvokeStage
from mnist_exp.stages.page import PageStage
from mnist_exp.stages.prune import PruneStage
from mnist_exp.stages.recording import run_stage
from mnist_exp.stages.register import RegisterStage
from mnist_exp.stages.report import ReportStage
from mnist_exp.stages.runs import RunsStage
from mnist_exp.stages.sweep import SweepStage
from mnist_exp.stages.train import TrainStage

__all__ = ["RUNNERS", "Display", "StageContext", "StageRunner", "run_stage"]

RUNNERS: dict[Stage, type[StageRunner]] = {
    runner.stage: runner
    for runner in (
        ComputeStage,
        ImportStage,
        TrainStage,
        SweepStage,
        RegisterStage,
        DeployStage,
        InvokeStage,
        PageStage,
        StatusStage,
        LogsStage,
        CancelStage,
        RunsStage,
        CompareStage,
        ReportStage,
        PruneStage,
        CleanupStage,
        DoctorStage,
    )
}
