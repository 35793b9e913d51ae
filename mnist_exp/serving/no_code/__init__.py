"""Scoring scripts for models without a script, in a folder of their own.

A scoring script may import the modules in its folder, so this folder holds nothing else.
"""
