"""The scoring script for MLflow models that are deployed without a script of the user.

A scoring script can import every module in its folder. Therefore this folder contains no modules
except for the scoring script.
"""
