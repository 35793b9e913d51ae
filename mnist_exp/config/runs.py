"""The keys of the stages that read past runs."""

from dataclasses import dataclass

from mnist_exp.config.enums import OutputFormat, RunOrder, Stage


@dataclass
class RunsConfig:
    """The selection, the order and the format of the runs in `stage=runs`.

    `stage=prune` uses the same selection.
    """

    # Stage of the runs; null lists training runs and sweeps.
    stage: Stage | None = None
    # Azure ML's status of the runs, e.g. Failed; null lists runs with any status.
    status: str | None = None
    # Experiment of the runs; null lists the runs of all experiments.
    experiment_name: str | None = None
    # Metric that the table shows; null shows the primary metric of each run.
    metric: str | None = None
    # Lowest value of this metric; null lists all runs, also runs without the metric.
    min_value: float | None = None
    # Highest value of this metric; null lists all runs, also runs without the metric.
    max_value: float | None = None
    # Minimum number of days since the start of a run's last command; null lists runs of any age.
    older_than_days: float | None = None
    # Maximum number of days since the start of a run's last command; null lists runs of any age.
    newer_than_days: float | None = None
    # started: the latest run is the last row. metric: the best value is the last row.
    order: RunOrder = RunOrder.started
    # Maximum number of rows; null lists all runs.
    limit: int | None = 20
    # table, or json for other programs.
    format: OutputFormat = OutputFormat.table


@dataclass
class PruneConfig:
    """The deletion of past runs by `stage=prune`."""

    # false only prints which runs stage=prune would delete. true deletes these runs.
    delete: bool = False
