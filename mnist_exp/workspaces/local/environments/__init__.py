"""Python environments of local jobs and deployments.

`interpreter` describes the Python that runs a job. `throwaway` creates the environment that one job
may change, and that is deleted with the job.
"""
