"""Hyperparameter search by Azure ML's rules: search space, sampling, policies, ranking, tuner.

This package starts no process and uses no file and no network. The tuner starts and cancels trials
only through a `Backend`. SciPy (for Sobol sequences) and Optuna (for bayesian sampling and for the
importance of parameters) are imported only if a sweep needs them.
"""

from mnist_exp.sweeps.plan import SweepPlan, parse_sweep

__all__ = ["SweepPlan", "parse_sweep"]
