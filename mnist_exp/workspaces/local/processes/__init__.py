"""The processes of jobs on this machine.

supervisor   runs one command, and kills all processes that the command started
job_process  starts and terminates a command that runs under a supervisor
workers      starts all processes of a job: one process, or several workers that train together
job_orphans  finds and kills processes of a job that outlived their supervisor
forking      runs trials as forks of a process that has already imported the trials' libraries
"""
