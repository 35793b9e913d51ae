"""The MLflow store of an outputs folder.

The modules `database` and `sources` do not import MLflow.
"""
