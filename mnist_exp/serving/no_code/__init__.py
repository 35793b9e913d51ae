"""The scoring script for models without a script.

A scoring script can import the modules in its folder. Therefore this folder holds no other module.
"""
