"""Scoring scripts for models that bring none; a folder of their own, since scripts import theirs."""
