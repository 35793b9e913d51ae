"""Hyperparameter search by Azure ML's rules: search space, sampling, policies, ranking, tuner.

Everything here is pure, or acts through the tuner's `Backend`: no process, no file, no network.
Only `sobol` needs SciPy, and only `bayesian` and `importance` need Optuna: imported when asked for.
"""

from mnist_exp.sweeps.plan import SweepPlan, parse_sweep

__all__ = ["SweepPlan", "parse_sweep"]
