"""How much memory this process may use, and how much of that is used.

A limit belongs together with what it is compared with, which differs: a cgroup's counts the page cache, of which the
kernel takes back the inactive file pages before it kills anybody; RLIMIT_AS counts address space, not resident pages;
a limit that the user gives means the resident set. Several can hold at once (a pod's cgroup and its parents', each with
neighbours of its own), and which one is reached first changes: `find` gives all, `tightest` reads them.

The machine's own memory is no limit of this process: a limit that is not below it counts as none.

Functions of files below `root`, so that a test can make up a machine; nothing here raises. `usage` is for once a second
(two files, 40 us); limits can be changed and processes moved, so `find` (0.4 ms) again once in a while.
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from spanheap import process

Source = Literal["cgroup v2", "cgroup v1", "RLIMIT_AS", "given"]


class _Files(NamedTuple):
    """What a version of cgroups calls the same things."""

    limit: str
    usage: str
    reclaimable: bytes
    """In memory.stat. v1 has the cgroup alone under the short name, with its children (as its usage is) under this."""


_FILES: dict[Source, _Files] = {
    "cgroup v2": _Files("memory.max", "memory.current", b"inactive_file"),
    "cgroup v1": _Files("memory.limit_in_bytes", "memory.usage_in_bytes", b"total_inactive_file"),
}


@dataclass(frozen=True)
class Limit:
    """One limit that holds for this process."""

    bytes: int
    source: Source
    folder: str = ""
    """Of a cgroup: where its files are."""

    def __str__(self) -> str:
        where = f" {self.folder}" if self.folder else ""
        return f"{self.bytes / 2**20:,.0f} MiB ({self.source}{where})"


class Usage(NamedTuple):
    """What is used of a limit, in bytes."""

    bytes: int
    limit: Limit

    @property
    def fraction(self) -> float:
        """Of the limit, 1.0 being all of it; may be more."""
        return self.bytes / self.limit.bytes


def find(*, given: int | None = None, root: str = "/", rlimit_as: int | None = None) -> list[Limit]:
    """The limits of this process; empty: none. `given` replaces all others. `rlimit_as` is asked of the kernel if None."""
    if given is not None:
        return [Limit(given, "given")]
    limits = list(_of_cgroups(root))
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0] if rlimit_as is None else rlimit_as
    if address_space != resource.RLIM_INFINITY:
        limits.append(Limit(address_space, "RLIMIT_AS"))
    # Address space is not memory: a limit on it can be above the machine's memory and still be reached.
    total = _host_total(root)
    return [limit for limit in limits if limit.bytes > 0 and (limit.source == "RLIMIT_AS" or limit.bytes < total)]


def usage(limit: Limit, *, root: str = "/") -> Usage | None:
    """What is used of it now. None: it cannot be read any more."""
    files = _FILES.get(limit.source)
    if files is None:
        memory = process.memory(root)
        if memory is None:
            return None
        return Usage(memory.virtual if limit.source == "RLIMIT_AS" else memory.resident, limit)
    used = _number(os.path.join(limit.folder, files.usage))
    if used is None:
        return None
    reclaimable = _of_stat(limit.folder, files.reclaimable) or 0
    return Usage(max(0, used - reclaimable), limit)


def tightest(limits: Sequence[Limit], *, root: str = "/") -> Usage | None:
    """Of the limit of which the greatest part is used. None: there is none that can be read."""
    readings = [reading for limit in limits if (reading := usage(limit, root=root)) is not None]
    return max(readings, key=lambda reading: reading.fraction, default=None)


# ---------------------------------------------------------------- cgroups


def _of_cgroups(root: str) -> Iterator[Limit]:
    for source, mount_point, mount_root, path in _memory_cgroups(root):
        for folder in _with_ancestors(mount_point, mount_root, path):
            size = _cgroup_limit(folder, source)
            if size is not None:
                yield Limit(size, source, folder)


def _memory_cgroups(root: str) -> Iterator[tuple[Source, str, str, str]]:
    """(source, mount point, the cgroup that is mounted there, the one of this process) of each hierarchy with memory."""
    paths: dict[Source, str] = {}
    for line in _lines(os.path.join(root, "proc/self/cgroup")):
        fields = line.rstrip("\n").split(":", 2)   # number:controllers:path
        if len(fields) == 3:
            if fields[0] == "0" and not fields[1]:
                paths["cgroup v2"] = fields[2]
            elif "memory" in fields[1].split(","):
                paths["cgroup v1"] = fields[2]
    for line in _lines(os.path.join(root, "proc/self/mountinfo")):
        before, separator, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if not separator or len(fields) < 5 or len(kind) < 3:
            continue
        source: Source | None = None
        if kind[0] == "cgroup2":
            source = "cgroup v2"
        elif kind[0] == "cgroup" and "memory" in kind[2].split(","):
            source = "cgroup v1"
        if source is not None and source in paths:
            mount_point = os.path.join(root, _unescaped(fields[4]).lstrip("/"))
            yield source, mount_point, _unescaped(fields[3]), paths[source]


def _with_ancestors(mount_point: str, mount_root: str, path: str) -> Iterator[str]:
    """The folders of the process's cgroup and of those above it, as far as they are mounted here.

    In a container the path can be one that is not visible here (no cgroup namespace, or a process moved out of it:
    "/../x"); what is mounted is then the container's own.
    """
    inside = os.path.relpath(path, mount_root) if path.startswith("/") else ".."
    folder = mount_point if inside.startswith("..") else os.path.normpath(os.path.join(mount_point, inside))
    if not os.path.isdir(folder):
        folder = mount_point
    while True:
        yield folder
        if folder == mount_point or len(folder) <= len(mount_point):
            return
        folder = os.path.dirname(folder)


def _cgroup_limit(folder: str, source: Source) -> int | None:
    """None: no limit here ("max", or v1's number near 2**63, which `find` holds against the machine's memory)."""
    own = _number(os.path.join(folder, _FILES[source].limit))
    if source == "cgroup v2":
        return own
    # v1: what the ancestors allow, also those that cannot be seen from here.
    inherited = _of_stat(folder, b"hierarchical_memory_limit")
    return min((size for size in (own, inherited) if size is not None), default=None)


# ---------------------------------------------------------------- files


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            return f.readlines()
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        return os.read(fd, 16384)   # memory.stat has 2 KiB at the most
    except OSError:
        return b""
    finally:
        os.close(fd)


def _number(path: str) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _of_stat(folder: str, key: bytes) -> int | None:
    found = re.search(rb"^%s (\d+)$" % key, _read(os.path.join(folder, "memory.stat")), re.MULTILINE)
    return int(found[1]) if found else None


def _host_total(root: str) -> int:
    """Bytes. Where it is not known, v1's "no limit", which is 2**63 rounded down to a page."""
    for line in _lines(os.path.join(root, "proc/meminfo")):
        if line.startswith("MemTotal:"):
            fields = line.split()
            if len(fields) > 1 and fields[1].isdigit():
                return int(fields[1]) * 1024
    return (1 << 63) - (1 << 20)


def _unescaped(path: str) -> str:
    """mountinfo writes a blank in a path as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)
