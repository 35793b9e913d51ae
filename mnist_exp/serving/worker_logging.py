"""The log of a worker, and the file `logging.json` of the user."""

import json
import logging
import logging.config
import sys
from collections.abc import Iterable
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)s [%(process)d] %(message)s"
#: The parent of all loggers of this program.
_OURS = "mnist_exp"
_FILE = "logging.json"


def log_to_stdout() -> None:
    """Write the lines of this program to standard output, whatever the user configures."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger = logging.getLogger(_OURS)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def configure_logging(folders: Iterable[Path]) -> None:
    """Configure the script's loggers with the first `logging.json`, as Azure ML's server does.

    Without such a file, the script's lines are written to standard output.

    Raises:
        ValueError: The file is not JSON, or not a configuration of `logging`.
    """
    files = [folder / _FILE for folder in folders if (folder / _FILE).is_file()]
    if not files:
        logging.basicConfig(level=logging.INFO, format=_FORMAT, stream=sys.stdout)
        return
    logging.config.dictConfig(json.loads(files[0].read_text(encoding="utf-8")))
    # By default, a configuration disables all loggers that exist already.
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and name.startswith(_OURS):
            logger.disabled = False
