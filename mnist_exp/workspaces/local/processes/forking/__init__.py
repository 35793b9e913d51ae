"""Trials as forks of a server process that has already imported their libraries.

analysis     reads a command and its script: can a fork run it, which libraries does it import
client       starts the server, has it run scripts, and receives their exit codes
server       imports the libraries, forks itself for each trial, and kills what a trial leaves
rehearsal    makes MLflow's slow first calls in the server
script       runs a script in a fork as `python SCRIPT` would
script_exit  ends the fork as Python's own exit would, but faster
"""
