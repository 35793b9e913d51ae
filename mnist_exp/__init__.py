"""Azure ML experiments from Hydra config, on one machine or on Azure Machine Learning."""

__version__ = "0.1.0"
