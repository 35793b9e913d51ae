"""Output for users: the progress of a running job, the summaries of stages, and figures.

Only this package imports rich, and only `mnist_exp.report.figures` imports matplotlib.
"""
