"""Dumps in an emergency: where memory is refused nothing can be made any more, so that one lies ready.

    the limit is near ──► prepare, if the budget allows one ──► write, which allocates nothing ──► enter it in the budget
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from spanheap import _core
from spanheap.dumps.loading import DUMPING, load
from spanheap.dumps.outcomes import Outcomes
from spanheap.dumps.policy import DumpPolicy
from spanheap.errors import DumpError

if TYPE_CHECKING:
    from spanheap.dumps.prepared import PreparedDump
    from spanheap.session import Session

PREPARE_EVERY_S = 30.0   # so often what is ready is held against the budget
# A request that the whole machine could not serve says nothing about the heap.
MACHINE_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class EmergencyDumps:
    """Of a session's automatic dumps, which see to it that these are called one at a time."""

    def __init__(self, policy: DumpPolicy, outcomes: Outcomes) -> None:
        self.refused_below = MACHINE_BYTES
        """Only a request for fewer bytes is one that should have been served."""
        self._policy = policy
        self._outcomes = outcomes
        self.reset()

    def reset(self) -> None:
        """In the beginning, and in the child of a fork."""
        self._memory_refused = False
        self._next_prepare = self._wait_until = 0.0   # the latter: the end of the cooldown
        self._retry_at = 0.0   # after one that could not be written
        self._prepared: PreparedDump | None = None
        self._why_unprepared: str | None = None
        self._to_enter: tuple[Path, int, int] | None = None   # a dump that is not yet in the budget

    def close(self) -> None:
        if self._prepared is not None:
            self._prepared.close()
            self._prepared = None

    def set_back(self, now: float) -> None:
        """The clock was: nothing may wait for it to catch up."""
        self._next_prepare = self._retry_at = now
        self._wait_until = min(self._wait_until, now + self._policy.cooldown_s)

    # ------------------------------------------------------------ before

    def keep_ready(self, session: Session, now: float) -> None:
        """To be called while one may be needed soon."""
        if now >= self._next_prepare or (self._prepared is not None and not self._prepared.is_in_place()):
            self._prepare(session, now)

    def _prepare(self, session: Session, now: float) -> None:
        """Make one ready, if the budget allows one."""
        load(*DUMPING)
        from spanheap.dumps import folder
        from spanheap.dumps.budget import Budget
        from spanheap.dumps.prepared import PreparedDump

        self._next_prepare = now + PREPARE_EVERY_S
        try:
            directory = folder.opened(self._policy.folder)
            if folder.free_bytes(directory) < self._policy.min_free_bytes:
                refusal: str | None = "disk_space"
            else:
                refusal = Budget.of(self._policy, directory).refusal(now, emergency=True)
            if refusal is not None:
                self.close()
            elif self._prepared is None or not self._prepared.is_in_place():   # cleaners of /tmp remove folders
                self.close()
                self._prepared = PreparedDump(directory, session._profiler.resource(), session._profiler.started)
            self._why_unprepared = refusal
        except (OSError, MemoryError, DumpError) as error:
            self._why_unprepared = "failed"
            self._outcomes.failed("emergency", error)

    # ------------------------------------------------------------ when it comes

    def is_asked_for(self) -> bool:
        """Whether memory was refused, and no dump has shown it yet."""
        if _core.take_refused(self.refused_below):
            self._memory_refused = True
        return self._memory_refused

    def memory_refused(self, session: Session, now: float) -> None:
        """Write it. What this raises, a MemoryError most likely, the next tick tries again."""
        if now < self._retry_at:   # it goes on being asked for
            return
        if now < self._wait_until:
            self._memory_refused = False
            self._outcomes.refused("memory_error", "cooldown", None)
            return
        if self._prepared is None:   # where nothing was expected to refuse
            self._prepare(session, now)
        if self._prepared is None:
            self._memory_refused = False
            self._outcomes.refused("memory_error", self._why_unprepared or "busy", None)
            return
        self._write(session, 0, now)

    def limit_reached(self, session: Session, now: float) -> str | None:
        """Write it; returns why it was not, if it was not."""
        if now < self._wait_until or self._prepared is None:
            return self._why_unprepared or "cooldown"
        return self._write(session, 1, now)

    def _write(self, session: Session, reason: int, now: float) -> str | None:
        """Why it was not, if it was not. From `write` on nothing is allocated until the file is complete."""
        prepared = self._prepared
        if prepared is None or not session._profiler.dump_lock.acquire(False):
            return "busy"
        try:
            error = prepared.write(reason)
        finally:
            session._profiler.dump_lock.release()
        self._prepared = None
        self._to_enter = prepared.path, reason, error   # counted, paid for and logged by the next tick that has memory
        if error:   # a folder that is gone is made anew by the next tick; a disk may have room later
            self._why_unprepared = "failed"
            self._next_prepare = self._retry_at = now + (0.0 if error == errno.ENOENT else PREPARE_EVERY_S)
            return "failed"
        self._memory_refused = False
        self._wait_until = now + self._policy.cooldown_s
        self._next_prepare = now + PREPARE_EVERY_S
        return None

    # ------------------------------------------------------------ after

    def enter(self, now: float) -> Path | None:
        """It was not paid for before it was written: that needs memory. Returns where it is, once."""
        if self._to_enter is None:
            return None
        from spanheap.dumps.budget import Budget, Busy
        from spanheap.dumps.prepared import REASONS

        path, reason, error = self._to_enter
        if error:
            self._to_enter = None
            self._outcomes.failed(REASONS[reason], OSError(error, os.strerror(error), str(path)))
            return None
        try:
            Budget.of(self._policy, path.parent).spend(now, path.name, emergency=True, written=True)
        except Busy:
            return None
        except OSError as problem:   # the dump is there all the same, and counts for the day as a file of the folder
            self._outcomes.failed("budget", problem)
        self._to_enter = None
        self._outcomes.written(REASONS[reason], path)
        return path
