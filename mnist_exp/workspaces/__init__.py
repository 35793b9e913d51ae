"""Where an experiment runs: one interface, two implementations."""
