"""The command line: Hydra in, exit code out. Hydra and OmegaConf are imported only here."""
