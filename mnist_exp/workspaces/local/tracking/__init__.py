"""The MLflow store of an outputs folder. Only `store` imports MLflow."""
