"""Python environments of local jobs and deployments.

cache            creates environments once for all later commands, and deletes environments
saved            describes a saved environment
usage            finds the endpoints that use a saved environment
makers           creates an environment with conda or uv
programs         runs conda or uv, and reports the progress
pip_settings     converts pip's settings to environment variables of uv
interpreter      describes the Python that runs a job
throwaway        creates the temporary environment of one job or revision
console_scripts  runs installed programs with the packages of the throw-away environment
"""
