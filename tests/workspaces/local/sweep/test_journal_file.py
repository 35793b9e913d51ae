"""The file of a sweep's journal on a full disk."""

import resource
import signal
from pathlib import Path

import pytest

from mnist_exp.errors import OutputsError
from mnist_exp.metrics import MetricPoint
from mnist_exp.sweeps.journal import Ended, Entry, Interrupted, Logged
from mnist_exp.workspaces.local.sweep.journal_file import JournalFile


def test_an_entry_that_does_not_fit_is_not_written_in_part(
    tmp_path: Path,
) -> None:
    journal = JournalFile(tmp_path)
    kept: list[Entry] = [Logged(MetricPoint("acc", value)) for value in (0.5, 0.6)]
    for entry in kept:
        journal.append(entry)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # Half of the next line fits.
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 20, hard))
    try:
        with pytest.raises(OutputsError, match=r"cannot be written .* make space"):
            journal.append(Logged(MetricPoint("acc", 0.7)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    last: list[Entry] = [Ended(0, "Completed", 0), Interrupted("x")]
    for entry in last:
        journal.append(entry)
    journal.close()
    assert list(journal.entries()) == [*kept, *last]
