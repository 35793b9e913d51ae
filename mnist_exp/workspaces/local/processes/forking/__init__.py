"""Trials as forks of a server process that has already imported the trials' libraries.

analysis     finds out whether a fork can run a command, and which libraries the script imports
client       starts the server, sends scripts to the server, and receives the scripts' exit codes
preload      imports the libraries of the trials in the server
server       forks for each trial, and kills orphan processes of trials
rehearsal    calls MLflow in the server before the first fork, because the first calls are slow
script       runs a script in a fork in the same way as `python SCRIPT`
script_exit  ends a fork in the same way as Python's own exit, but faster
"""
