"""Hyperparameter search by Azure ML's rules: search space, sampling, policies, ranking, tuner.

This package starts no process and uses no file or network; the tuner acts through its `Backend`.
Only `sobol` needs SciPy, and only `bayesian` and `importance` need Optuna. They import these
libraries when they are used.
"""

from mnist_exp.sweeps.plan import SweepPlan, parse_sweep

__all__ = ["SweepPlan", "parse_sweep"]
