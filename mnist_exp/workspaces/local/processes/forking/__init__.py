"""Trials as forks of a server process that has already imported the trials' libraries.

analysis     finds out whether a fork can run a command, and which libraries the script imports
client       starts the server, sends scripts to the server, and receives the scripts' exit codes
server       imports the libraries, forks for each trial, and kills orphan processes of trials
rehearsal    makes MLflow's slow first calls in the server, before the first fork
script       runs a script in a fork in the same way as `python SCRIPT`
script_exit  ends a fork in the same way as Python's own exit, but faster
"""
