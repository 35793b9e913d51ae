"""Workspaces, where an experiment runs: one interface and two implementations."""

import os

# MLflow reads this when it is imported: it must not send usage data about the experiments.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
