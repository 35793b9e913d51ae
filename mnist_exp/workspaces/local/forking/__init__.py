"""Trials as forks of a process that has their libraries imported already.

`server` is that process, `client` talks to it, `calls` tells which commands can be run so, and
`preload` which libraries a script will want.
"""
