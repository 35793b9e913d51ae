"""Compiled programs, kept in a folder for other runs to take.

XLA takes a second to compile the fast path. Runs that differ in nothing but their learning rate
or seed need the same program: TensorFlow finds it by its whole text, and writes it under another
name first, so runs may share a folder while they run. It is made for one machine and one
TensorFlow, so the folder should live no longer than what runs there, such as a sweep.
"""

import os

__all__ = ["FOLDER_VARIABLE", "share_programs"]

#: Names the folder; without it nothing is kept.
FOLDER_VARIABLE = "XLA_PROGRAMS_FOLDER"
_FLAGS = "TF_XLA_FLAGS"
_OPTION = "--tf_xla_persistent_cache_directory"


def share_programs() -> None:
    """Tells TensorFlow of the folder, if there is one; call it before anything is compiled."""
    folder, flags = os.environ.get(FOLDER_VARIABLE), os.environ.get(_FLAGS, "")
    # Flags are separated by blanks, and there is no way to write one within a value.
    if folder and _OPTION not in flags and not any(letter.isspace() for letter in folder):
        ours = f"{_OPTION}={folder} --tf_xla_persistent_cache_prefix=program"
        os.environ[_FLAGS] = f"{flags} {ours}".strip()
