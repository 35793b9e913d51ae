"""A mapping of a document, read field by field. All faults of the document are collected."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_exp.azure_files.document import Document, Key
from mnist_exp.sweeps.fields import did_you_mean, shown


@dataclass(frozen=True)
class Section:
    """A mapping of a document.

    Attributes:
        document: The document.
        key: The key of the mapping; empty for the whole document.
        content: The mapping.
        faults: One line for each fault of the document. All sections share the list.
    """

    document: Document
    key: Key
    content: Mapping[str, Any]
    faults: list[str]

    def get(self, name: str) -> Any:
        """Return the value of a field; None if the field is missing."""
        return self.content.get(name)

    def below(self, name: str) -> "Section":
        """Return the mapping of a field; an empty section if the field is missing."""
        value = self.get(name)
        if value is not None and not isinstance(value, Mapping):
            self.fault(f"must be a mapping, got {shown(value)}", name)
        content = value if isinstance(value, Mapping) else {}
        return Section(self.document, (*self.key, name), content, self.faults)

    def text(self, name: str) -> str | None:
        """Return the text of a field; None if the field is missing."""
        value = self.get(name)
        if value is None or isinstance(value, str):
            return value
        self.fault(f"must be text, got {shown(value)}; write it in quotes", name)
        return None

    def whole_number(self, name: str) -> int | None:
        """Return the whole number of a field; None if the field is missing."""
        value = self.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        # Azure ML's SDK accepts a number in quotes.
        if isinstance(value, str) and value.strip().isdecimal():
            return int(value)
        self.fault(f"must be a whole number, got {shown(value)}", name)
        return None

    def fault(self, text: str, *names: str) -> None:
        """Note a fault of the mapping, or of a value below the mapping."""
        self.faults.append(f"{self.document.where((*self.key, *names))}: {text}")

    def path(self, name: str, path: str) -> str:
        """Return the local path in a field as an absolute path."""
        return self.document.absolute((*self.key, name), path)

    def check_names(self, known: Iterable[str], kind: str) -> None:
        """Note a fault for each unknown field of the mapping."""
        known = tuple(known)
        for name in self.content:
            if name not in known:
                guess = did_you_mean(str(name), known)
                self.fault(f"Azure ML has no such key in {kind}{guess}", str(name))
