"""Scoring scripts for models that bring none; scripts may import what is beside them."""
