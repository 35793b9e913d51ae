"""The requests that the emulator answers."""

import importlib

__all__ = ["load"]

MODULES = (
    "identity",
    "workspace",
    "computes",
    "assets",
    "jobs",
    "history",
    "tracking",
    "storage",
    "endpoints",
)


def load() -> None:
    """Fill the table of routes. Further calls change nothing."""
    for name in MODULES:
        importlib.import_module(f"tests.azure_emulator.routes.{name}")
