"""The MLflow store of an outputs folder. Only the module `store` imports MLflow."""
