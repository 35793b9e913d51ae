"""The search space: the classes of the expressions, and the functions that read the config."""
