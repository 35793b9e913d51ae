"""Early termination: the policies, and how they are read from the config."""
