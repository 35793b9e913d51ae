"""Sweeps on this machine: trials that run as jobs, a journal, and an MLflow parent run."""
