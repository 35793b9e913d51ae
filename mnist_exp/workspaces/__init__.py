"""Where an experiment runs: one interface, two implementations."""

import os

# Before anything imports MLflow, which decides then: what is run here is nobody else's business.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
