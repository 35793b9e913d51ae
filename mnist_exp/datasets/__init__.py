"""Functions that write, download or find MNIST's digits on this machine, and check the files."""

from mnist_exp.datasets.digits import sample_digits, test_digits, validate_folder
from mnist_exp.datasets.idx import read_images, read_labels
from mnist_exp.datasets.sources import cache_folder, local_folder, materialize

__all__ = [
    "cache_folder",
    "local_folder",
    "materialize",
    "read_images",
    "read_labels",
    "sample_digits",
    "test_digits",
    "validate_folder",
]
