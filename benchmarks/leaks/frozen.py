"""The two halves: scenarios that a detector may be tuned on, and those that it may not see until it is scored.

    python -m benchmarks.leaks.frozen [--add]

FROZEN holds `sha256 half name` of each scenario file, written before any tuning, and is compared in a test. The half is the
parity of the hash of the *name*, so nobody chose it. `--add` adds new scenarios; changing one that is frozen means removing
its line by hand, in a commit that says why.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.leaks.scenario import paths

FOLDER = Path(__file__).parent / "scenarios"
FILE = Path(__file__).parent / "FROZEN"
HALVES = ("tune", "held-out")


class Entry(NamedTuple):
    """One line of FROZEN."""

    sha256: str
    half: str
    name: str


def half_of(name: str) -> str:
    """`tune` or `held-out`, of any scenario."""
    return HALVES[hashlib.sha256(name.encode()).digest()[-1] % 2]


def entry_of(path: Path) -> Entry:
    return Entry(hashlib.sha256(path.read_bytes()).hexdigest(), half_of(path.stem), path.stem)


def read(file: Path = FILE) -> list[Entry]:
    return [Entry(*line.split()) for line in file.read_text().splitlines() if line]


def helpers(folder: Path = FOLDER) -> list[Path]:
    """Modules that scenarios share are frozen with them, in neither half."""
    return sorted(folder.glob("_*.py"))


def problems(entries: Sequence[Entry], folder: Path = FOLDER) -> list[str]:
    """How the files differ from what was frozen."""
    actual = {path.stem: entry_of(path) for path in (*paths(folder), *helpers(folder))}
    found = []
    for entry in entries:
        now = actual.pop(entry.name, None)
        if now is None:
            found.append(f"{entry.name} was frozen and is gone")
        elif now.sha256 != entry.sha256:
            found.append(f"{entry.name} was changed after it was frozen")
        elif now.half != entry.half:
            found.append(f"{entry.name} belongs to {now.half}, not to {entry.half}")
    found.extend(f"{name} is not frozen: python -m benchmarks.leaks.frozen --add" for name in actual)
    return found


def add() -> int:
    """Freeze what is not frozen yet; returns how many."""
    entries = read() if FILE.exists() else []
    known = {entry.name for entry in entries}
    new = [entry_of(path) for path in (*paths(FOLDER), *helpers()) if path.stem not in known]
    FILE.write_text("".join(" ".join(entry) + "\n" for entry in sorted([*entries, *new], key=lambda entry: entry.name)))
    return len(new)


def main(arguments: Sequence[str]) -> int:
    if "--add" in arguments:
        print(f"{add()} frozen")
    found = problems(read())
    print("\n".join(found) or "as frozen")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
