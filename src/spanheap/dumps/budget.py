"""How many dumps may still be written: kept in a file of the folder, so that a service in a crash loop has the same budget.

    read under the lock ──► refused, or entered in the file ──► only then is the dump written

A dump is paid for before it is written: what fails, or dies, is not tried again at once. All processes that share the folder
share the budget. A file that is damaged or gone is made anew from the dumps that are there. Times in the future (the clock
was set back) count for the day and not for the cooldown: so they are not forgotten, and do not last for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spanheap.dumps import folder as folders
from spanheap.dumps.policy import DumpPolicy

DAY_S = 86400.0
_SKEW_S = 60.0         # between the clocks of two machines, or of the tick and the file system
_MAX_BYTES = 1 << 20   # of the file; 1,000 dumps are 100 KB
_STATE, _LOCK = ".budget.json", ".budget.lock"


class Entry(NamedTuple):
    """A dump that was paid for."""

    time: float   # Unix seconds
    name: str
    emergency: bool


class Busy(Exception):
    """Another process has the lock: no dump now."""


class Budget:
    """Of one folder. Raises OSError where the folder cannot be written to."""

    def __init__(self, folder: Path, *, cooldown_s: float, max_per_day: int) -> None:
        self._folder = folder
        self._cooldown_s = cooldown_s
        self._max_per_day = max_per_day

    @classmethod
    def of(cls, policy: DumpPolicy, folder: Path) -> Budget:
        return cls(folder, cooldown_s=policy.cooldown_s, max_per_day=policy.max_per_day)

    def refusal(self, now: float, *, emergency: bool = False) -> str | None:
        """Why there is to be no dump now: "cooldown" or "budget"; None: there may be one. `now`: Unix seconds."""
        return self._refusal(self._entries(now), now, emergency)

    def spend(self, now: float, name: str, *, emergency: bool = False, written: bool = False) -> str | None:
        """Enter a dump that is about to be written (or, of an emergency, was); returns why not. Raises Busy."""
        with self._locked():
            entries = self._entries(now)
            refusal = None if written else self._refusal(entries, now, emergency)
            if refusal is None:
                entries = [entry for entry in entries if entry.name != name]
                self._replace([*entries, Entry(now, name, emergency)])
            return refusal

    def until(self, now: float) -> float:
        """When the cooldown will be over, and if it is, now."""
        return max([now, *(entry.time + self._cooldown_s for entry in self._entries(now))])

    # An emergency does not wait for dumps that were none: a leak that is fast has both within minutes.
    def _refusal(self, entries: list[Entry], now: float, emergency: bool) -> str | None:
        kept_back = 0 if emergency or self._max_per_day == 1 else 1
        if len(entries) >= self._max_per_day - kept_back:
            return "budget"
        if any(now - entry.time < self._cooldown_s for entry in entries if entry.emergency or not emergency):
            return "cooldown"
        return None

    def _entries(self, now: float) -> list[Entry]:
        entries = {entry.name: entry for entry in self._read()}
        for dump in folders.dumps(self._folder):   # one that was written as the process died, or of before the damage
            entries.setdefault(dump.name, Entry(dump.mtime, dump.name, "-emergency" in dump.name))
        recent = [self._in_the_past(entry, now) for entry in entries.values() if now - entry.time < DAY_S]
        return sorted(recent)[-1000:]

    def _in_the_past(self, entry: Entry, now: float) -> Entry:
        if entry.time <= now:
            return entry
        return entry._replace(time=now if entry.time <= now + _SKEW_S else now - self._cooldown_s)

    def _read(self) -> list[Entry]:
        try:
            fd = os.open(self._folder / _STATE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return []
        with open(fd, "rb") as f:
            if not _is_ours(fd):
                return []
            data = f.read(_MAX_BYTES)
        try:
            return [_entry(row) for row in json.loads(data)["dumps"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            return []

    def _replace(self, entries: list[Entry]) -> None:
        temporary = self._folder / f".spanheap-{os.urandom(8).hex()}.tmp"
        text = json.dumps({"version": 1, "dumps": [entry._asdict() for entry in entries]})
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "w", encoding="utf-8") as f:
                f.write(text)
                f.flush()
                os.fsync(fd)
            os.replace(temporary, self._folder / _STATE)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        fd = os.open(self._folder / _LOCK, flags, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy from None
            yield
        finally:
            os.close(fd)


def _is_ours(fd: int) -> bool:
    found = os.fstat(fd)
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()


def _entry(row: Any) -> Entry:
    time, name, emergency = row["time"], row["name"], row["emergency"]
    if isinstance(time, bool) or not isinstance(time, (int, float)) or not isinstance(name, str) or time != time:
        raise ValueError(row)
    return Entry(float(time), name, bool(emergency))
