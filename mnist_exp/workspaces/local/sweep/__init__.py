"""Sweeps on this machine: trials as jobs, a journal, an MLflow parent run."""
