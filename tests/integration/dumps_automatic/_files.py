"""What is in the folder of a test, and what the tests have in common."""

from __future__ import annotations

import os
from pathlib import Path

from spanheap.dumps import folder

BLOCK = 2000
START = 1_800_000_000.0


def written(tmp_path: Path) -> list[Path]:
    """The dumps without their bases; a prepared one last."""
    found = [path for path in (tmp_path / "dumps").glob("*.pb.gz") if ".base." not in path.name]
    return sorted(found, key=lambda path: "-emergency" in path.name)


def base(dump: Path) -> Path:
    """What is beside it."""
    return dump.with_name(folder.base_name(dump.name))


def resident() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fill(kept: list[bytes], size: float) -> None:
    """Until this process has so many bytes resident: what others have freed is used up first."""
    while resident() < size:
        kept.append(b"x" * (1 << 20))
