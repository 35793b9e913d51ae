"""The entries of a journal as lines of text, for the log and the report of a sweep."""

from mnist_exp.sweeps.journal.entries import (
    Created,
    Decided,
    Ended,
    Entry,
    Finished,
    Interrupted,
    Logged,
    Resumed,
    Sampled,
)


def event_text(entry: Entry, metric: str = "") -> str:
    """Return an entry as text; empty for an entry that few users need.

    Args:
        entry: The entry.
        metric: The metric whose values have a text; empty if no value has a text.
    """
    text = ""
    match entry:
        case Created():
            text = "the sweep starts"
        case Resumed():
            text = "the sweep resumes"
        case Sampled():
            drawn = (f"{key}={_short(value)}" for key, value in entry.parameters.items())
            text = f"trial {entry.trial}: {', '.join(drawn)}"
        case Logged() if entry.point.name == metric:
            text = f"trial {entry.point.trial}: {metric} {_short(entry.point.value)}"
        case Decided():
            text = f"trial {entry.trial}: {entry.text}"
        case Ended():
            text = _ended(f"trial {entry.trial}: {entry.status}", entry.why)
        case Interrupted():
            text = f"the sweep was {entry.why}"
        case Finished():
            text = _ended(f"the sweep is {entry.status}", entry.why)
    return text


def _ended(text: str, why: str) -> str:
    return f"{text}: {why}" if why else text


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
