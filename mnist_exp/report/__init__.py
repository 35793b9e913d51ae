"""Output for users: progress of a running job, summaries of ended stages, and figures.

Only this package imports rich, and only `mnist_exp.report.figures` imports matplotlib.
"""
