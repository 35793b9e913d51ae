"""The software of jobs and deployments: conda files, and Azure ML's curated environments."""

from mnist_exp.software.conda_file import Recipe, RecipeError, read_conda_file
from mnist_exp.software.curated import curated_names, curated_recipe

__all__ = ["Recipe", "RecipeError", "curated_names", "curated_recipe", "read_conda_file"]
