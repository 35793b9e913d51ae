# ruff: noqa: E402 - TensorFlow and MLflow are imported in the trainer's own way first
"""The imports of the process that scripts are forked from, see `forking.py`.

The process computes nothing, so TensorFlow has no threads in it that a fork would lack.
"""

import os

from digits import tracking
from digits.lean import absent, import_tensorflow

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
import_tensorflow(keras=True)
# As the tracker does before it imports MLflow.
tracking._hide_plugin()
with absent("pandas"):
    import digits.tracked_run

import digits.compiled
import digits.general
import digits.run  # noqa: F401
