"""Reading of Azure ML's job files: YAML documents for `az ml job create --file`.

The result of reading is the content of the config groups `job`, `sweep`, `env` and `compute`. The
code reads the files that the user names, and changes no files. `mnist_exp.azure_form` is the
inverse: it converts specs to documents.
"""

from mnist_exp.azure_files.job_file import JobFile, read_job_file

__all__ = ["JobFile", "read_job_file"]
