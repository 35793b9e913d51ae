"""Sampling: how configurations are drawn from a search space."""
