"""One bug: what to change in the source, and which tests must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class Stale(Exception):
    """The code has moved on: what a mutant replaces is not there, or not there only once."""


@dataclass(frozen=True)
class Mutant:
    """A bug class, by its number in catalogue.BUG_CLASSES, and one way of having the bug."""

    name: str
    bug_class: int
    description: str
    file: str
    edits: tuple[tuple[str, str], ...]
    """(old text, new text); each old text occurs exactly once."""
    tests: tuple[str, ...]
    """pytest's node ids; each of these must fail."""

    def mutated(self, source: Path) -> str:
        """The file's text with the bug in it. Raises Stale."""
        path = source / self.file
        if not path.exists():
            raise Stale(f"{self.name}: there is no {self.file} any more")
        text = path.read_text()
        for old, new in self.edits:
            if (count := text.count(old)) != 1:
                raise Stale(f"{self.name}: occurs {count} times in {self.file}, and must once:\n{old}")
            text = text.replace(old, new)
        return text
