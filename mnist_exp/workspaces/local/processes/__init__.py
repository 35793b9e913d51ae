"""The processes of jobs on this machine.

supervisor   runs one command and kills all that the command started
job_process  starts a command under a supervisor, and terminates it
workers      all processes of a job: one, or several that train together
job_orphans  processes of a job that outlived their supervisor
forking      trials as forks of a process that has imported their libraries
"""
