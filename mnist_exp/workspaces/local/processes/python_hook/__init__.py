"""A folder on PYTHONPATH, so that each Python process of a job records why it failed.

When Python starts, Python imports `sitecustomize` from this folder.
"""
