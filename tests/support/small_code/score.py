"""A scoring script that stands for the scoring script of the trainer."""


def init():
    """Load nothing."""


def run(raw_data):
    """Return the request."""
    return raw_data
