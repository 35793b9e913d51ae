"""The local workspace: Azure ML's semantics on one machine. Imports nothing of Azure."""

import os

# Before anything imports MLflow: a run on one machine tells nobody.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
