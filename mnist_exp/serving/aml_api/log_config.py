"""The log formatter and the log filter that a `logging.json` may name."""

import logging
import time
from typing import Literal


class RootAccessFilter(logging.Filter):
    """Filter that drops the lines about requests for the path `/`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is about another path."""
        return "GET / HTTP/1.1" not in record.getMessage()


class AMLLogFormatter(logging.Formatter):
    """Formatter that writes times in UTC."""

    converter = staticmethod(time.gmtime)

    def __init__(
        self,
        fmt: str = "%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s",
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
    ) -> None:
        super().__init__(fmt, datefmt, style)
