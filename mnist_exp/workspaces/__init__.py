"""Workspaces: the places where an experiment can run. One interface has two implementations."""

import os

# MLflow reads this variable during its import. MLflow must not send usage data about experiments.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
