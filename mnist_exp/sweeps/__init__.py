"""Hyperparameter search by Azure ML's rules: search space, sampling, policies, ranking, tuner.

This package starts no process and uses no file or network; the tuner acts through its `Backend`.
SciPy (for Sobol sequences) and Optuna (for `bayesian` and `importance`) are imported only when
they are needed.
"""

from mnist_exp.sweeps.plan import SweepPlan, parse_sweep

__all__ = ["SweepPlan", "parse_sweep"]
