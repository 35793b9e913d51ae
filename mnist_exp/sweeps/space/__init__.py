"""The search space: expressions, and how the config is read into them."""
