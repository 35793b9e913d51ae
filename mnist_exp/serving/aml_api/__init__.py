"""Modules that scripts import from Azure ML's inference server.

No other module of this program imports these modules. `azure_modules` gives the modules the names
that scripts use.
"""
