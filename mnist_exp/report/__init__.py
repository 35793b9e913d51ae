"""What people see: progress while a job runs, summaries when a stage ends, figures to look at.

Only this package imports rich, and only `mnist_exp.report.figures` imports matplotlib.
"""
