"""The software of jobs and deployments: conda files, and Azure ML's curated environments."""

from mnist_exp.software.conda_file import Recipe, read_conda_file
from mnist_exp.software.curated import curated_names, curated_recipe
from mnist_exp.software.pypi import RecipeError, find_conda

__all__ = [
    "Recipe",
    "RecipeError",
    "curated_names",
    "curated_recipe",
    "find_conda",
    "read_conda_file",
]
