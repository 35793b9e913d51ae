"""The command line. Only this package imports Hydra and OmegaConf."""
