"""The journal of a sweep: everything that happened, one entry a line, and how to read it back.

The tuner appends an entry before it reports the event. An interrupted sweep is rebuilt from these
entries alone, so values stand in the order in which the tuner received them.
"""

from mnist_exp.sweeps.journal.entries import (
    Created,
    Decided,
    Ended,
    Entry,
    Finished,
    Interrupted,
    Journal,
    Logged,
    Resumed,
    Sampled,
    Started,
    read_entries,
    to_line,
)
from mnist_exp.sweeps.journal.history import History, read_history

__all__ = [
    "Created",
    "Decided",
    "Ended",
    "Entry",
    "Finished",
    "History",
    "Interrupted",
    "Journal",
    "Logged",
    "Resumed",
    "Sampled",
    "Started",
    "read_entries",
    "read_history",
    "to_line",
]
