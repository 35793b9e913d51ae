"""Early termination: the policies, and how the config is read into them."""
