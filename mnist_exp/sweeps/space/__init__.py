"""The search space: its expressions, and how they are read from the config."""
