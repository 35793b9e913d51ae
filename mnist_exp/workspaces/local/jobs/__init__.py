"""Jobs on this machine: the folders, environments, inputs and attempts of jobs.

An attempt is one execution of a job's command. A job has several attempts if the job is evicted,
resumes or restarts.
"""
