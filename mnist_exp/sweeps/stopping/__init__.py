"""Early termination: the policies, and the functions that read a policy from the config."""
