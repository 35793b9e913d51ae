"""The journal of a sweep, and the functions that read the journal.

The journal has one line per entry, and one entry for every event of the sweep. The tuner appends
an entry before it reports the event. The entries are in the order in which the tuner received the
events. A command that resumes the sweep rebuilds the sweep from the entries alone.
"""

from mnist_exp.sweeps.journal.entries import (
    JOURNAL_NAME,
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
from mnist_exp.sweeps.journal.texts import event_text

__all__ = [
    "JOURNAL_NAME",
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
    "event_text",
    "read_entries",
    "read_history",
    "to_line",
]
