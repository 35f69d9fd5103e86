"""Automatic dumps at work in a session: the tick asks the triggers, the budget and the disk, and writes.

    emergency() ── the system refused memory ─────────────────────────────┐
    tick(now) ──► the memory limit's upper rung ──────────────────────────┴► a prepared dump, which allocates nothing
            └──► verdicts, lower rung, growth, signal ──► budget, disk ──► would it show anything new? ──► a full dump

Rules of this file:

* Nothing is raised into the tick. What fails is counted, and logged the first time.
* What only a dump needs is imported by the first one, by `load`, which no fork can come into.
* A trigger that was held up by the cooldown asks again after it; what is refused otherwise is refused for as long.
* One dump at a time, a manual one included: the profiler's `dump_lock` is taken without waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spanheap import _core, memory_limit
from spanheap.detection.percent import PercentRule
from spanheap.dumps.baseline import Baseline
from spanheap.dumps.emergency import MACHINE_BYTES, EmergencyDumps
from spanheap.dumps.loading import DUMPING, load
from spanheap.dumps.on_signal import SignalRequest
from spanheap.dumps.outcomes import Outcomes
from spanheap.dumps.policy import DumpPolicy
from spanheap.dumps.trigger import Ladder, Trigger, shows_the_same

if TYPE_CHECKING:
    from spanheap.session import Session

LIMITS_EVERY_S = 30.0    # 0.4 ms
READ_EVERY_S = 0.5       # the use of the limit: 40 us
PREPARE_AT = 0.5         # of the limit; from there on an emergency dump is ready. For RLIMIT_AS, which refuses: at once
VERDICTS = 256           # remembered


class Automatic:
    """One a session, when its `dumps` is not None. `emergency`, `tick` and `close` are the session's to call."""

    def __init__(self, policy: DumpPolicy) -> None:
        self.policy = policy
        self.outcomes = Outcomes()
        self._ladder = Ladder(policy.full_at, policy.aggregates_at)
        percent = policy.growth_percent
        self._growth = PercentRule(percent, policy.growth_within) if percent is not None else None
        self.signal = SignalRequest(policy.signal) if policy.signal is not None else None
        self._limits: list[memory_limit.Limit] = []
        self._busy = threading.Lock()   # the re-entrancy latch: ticks may come from anywhere when tick=None
        self._fraction = 0.0
        self._emergencies = EmergencyDumps(policy, self.outcomes)
        self._baseline = Baseline(policy.baseline_after)
        self._reset()

    def _reset(self) -> None:
        self._first: float | None = None
        self._next_limits = self._next_reading = self._wait_until = 0.0
        self._served: dict[object, None] = {}
        self.outcomes.forget()
        self._shown: tuple[dict[int, float], dict[int, float]] | None = None   # sites of the last dump's base, and its own
        self._now = 0.0

    def start(self) -> None:
        if self.signal is not None:
            self.signal.install()

    def close(self, session: Session, now: float) -> None:
        """A last chance for what was refused just before the end; then all is given back."""
        self._now = max(self._now, now)
        try:
            self.emergency(session)
            self._enter(self._now)
        except Exception:
            self.outcomes.errors += 1
        if self.signal is not None:
            self.signal.remove()
        self._emergencies.close()
        self._baseline.close()

    def forked(self) -> None:
        """In the child, whose heap, names and locks are its own from here on."""
        self._busy = threading.Lock()
        self._emergencies.reset()
        self._baseline.reset()
        self._reset()

    # ------------------------------------------------------------ emergencies

    def emergency(self, session: Session) -> None:
        """At the beginning of each tick, before anything that needs memory. Raises nothing."""
        if not (self.policy.on_memory_error and self._emergencies.is_asked_for() and self._busy.acquire(False)):
            return
        try:
            self._emergencies.memory_refused(session, self._now)
        except Exception:   # a MemoryError, most likely: the next tick tries again
            self.outcomes.errors += 1
        finally:
            self._busy.release()

    def _enter(self, now: float) -> None:
        """Count an emergency dump that was written; from then on it is one like the others."""
        path = self._emergencies.enter(now)
        if path is not None:
            self._shown = self._baseline.sites, _core.Capture().site_bytes()   # the dump itself had no memory for them
            self._after(path)

    # ------------------------------------------------------------ tick

    def tick(self, session: Session, now: float) -> None:
        """One step. Raises nothing."""
        if not self._busy.acquire(False):
            return
        try:
            with _core.Muted():
                self._step(session, now)
        except Exception as error:
            self.outcomes.failed("tick", error)
        finally:
            self._busy.release()

    def _step(self, session: Session, now: float) -> None:
        if now < self._now:   # the clock was set back: nothing may wait for it to catch up
            self._next_limits = self._next_reading = now
            self._wait_until = min(self._wait_until, now + self.policy.cooldown_s)
            self._emergencies.set_back(now)
        self._now = now
        if self._first is None or now < self._first:
            self._first = now
        if self.signal is not None:
            self.signal.look_after()
        age = now - self._first
        if age == 0:   # before anything that is to be compared with it
            self._capture_baseline(session, age)
        self._enter(now)
        rung = self._rung(session, now)
        if rung == "aggregates":
            refusal = self._emergencies.limit_reached(session, now)
            self._enter(now)
            if refusal is None:
                self._ladder.done(rung)
                self.outcomes.served("memory_limit", rung)
                return
            self.outcomes.refused("memory_limit", refusal, rung)
        for trigger in self._triggers(session, now, rung):
            self._serve(session, trigger, now)
            return   # one a tick
        self._capture_baseline(session, age)

    def _rung(self, session: Session, now: float) -> str | None:
        if self.policy.full_at is None and self.policy.aggregates_at is None and not self.policy.on_memory_error:
            return None
        if now >= self._next_limits:
            self._next_limits = now + LIMITS_EVERY_S
            self._limits = memory_limit.find(given=self.policy.limit_bytes)
            self._emergencies.refused_below = max((limit.bytes for limit in self._limits), default=MACHINE_BYTES)
        if now < self._next_reading or not self._limits:
            return None
        self._next_reading = now + READ_EVERY_S
        usage = memory_limit.tightest(self._limits)
        self._fraction = usage.fraction if usage is not None else 0.0
        refuses = any(limit.source == "RLIMIT_AS" for limit in self._limits)
        if refuses or self._fraction >= min(PREPARE_AT, self.policy.aggregates_at or 1.0):
            self._emergencies.keep_ready(session, now)
        return self._ladder.observe(now, self._fraction)

    def _triggers(self, session: Session, now: float, rung: str | None) -> Iterator[Trigger]:
        if self.signal is not None and self.signal.asked:
            yield Trigger("signal", holders=True)
        if rung == "full":
            yield Trigger("memory_limit", f"{self._fraction:.0%} of the limit", key=rung, holders=True,
                          lines=(f"memory_limit_used={self._fraction:.3f}",))
        if self.policy.on_leak:
            for verdict in session.leaks():
                key = (verdict.kind, verdict.root_name, verdict.span_name, verdict.application_frame)
                if key not in self._served:
                    yield Trigger("leak", str(verdict), key=key, verdict=verdict, holders=verdict.holder is None,
                                  lines=(f"verdict={verdict}", *((f"holder={verdict.holder}",) if verdict.holder else ())))
        if self._growth is not None:
            live = _core.sums()[0]
            found = self._growth.observe(now, live)
            if found is not None:
                since, grown = found
                yield Trigger("growth", lines=(f"growth={grown:.0f} bytes within {now - since:.0f} s",), holders=True)

    # ------------------------------------------------------------ full dumps

    def _serve(self, session: Session, trigger: Trigger, now: float) -> None:
        if now < self._wait_until:
            self._refuse(trigger, "cooldown")
            return
        try:
            refusal = self._dump(session, trigger, now)
        except Exception as error:
            self.outcomes.failed(trigger.reason, error)
            if trigger.reason == "signal":
                self._done(trigger)
            self._wait_until = now + max(self.policy.cooldown_s, 1.0)
            return
        if refusal is None:
            self._done(trigger)
            self._wait_until = now + self.policy.cooldown_s
        elif refusal == "saved":
            self.outcomes.saved(trigger.reason)
            self._done(trigger)
            self._answer(trigger, refusal)
        else:
            self._refuse(trigger, refusal)
            if refusal != "busy":
                self._wait_until = now + self.policy.cooldown_s

    def _refuse(self, trigger: Trigger, why: str) -> None:
        """It asks again; a signal does not, it can be sent again."""
        self.outcomes.refused(trigger.reason, why, trigger.key)
        if trigger.reason == "signal":
            self._done(trigger)
            self._answer(trigger, why)

    def _answer(self, trigger: Trigger, why: str) -> None:
        if trigger.reason == "signal" and self.signal is not None:
            self.outcomes.answer(self.signal.name, why)

    def _done(self, trigger: Trigger) -> None:
        if trigger.reason == "signal" and self.signal is not None:
            self.signal.asked = False
        elif trigger.reason == "memory_limit":
            self._ladder.done(str(trigger.key))
        elif trigger.key is not None:
            if len(self._served) >= VERDICTS:
                self._served.clear()
            self._served[trigger.key] = None
        self.outcomes.served(trigger.reason, trigger.key)

    def _dump(self, session: Session, trigger: Trigger, now: float) -> str | None:
        """Write it; returns why it was not, if it was not."""
        load(*DUMPING)
        from spanheap.dumps import annotated, folder, largest_holders
        from spanheap.dumps.budget import Budget, Busy

        directory = folder.opened(self.policy.folder)
        if folder.free_bytes(directory) < self.policy.min_free_bytes:
            return "disk_space"
        budget = Budget.of(self.policy, directory)
        refusal = budget.refusal(now)
        if refusal is not None:
            if refusal == "cooldown":   # of another process, or of one before this
                self._wait_until = min(budget.until(now), now + self.policy.cooldown_s)
            self.outcomes.newest_path = folder.newest(directory)
            return refusal
        lines = [*trigger.lines, *(largest_holders.lines(session) if trigger.holders else [])]
        path = directory / folder.new_name()
        kept: dict[int, float] = {}

        def wanted(capture: _core.Capture) -> bool:
            kept.update(capture.site_bytes())
            if self._shown is not None and shows_the_same(*self._shown, kept):
                return False
            entered = budget.spend(now, path.name)
            if entered is not None:
                raise _Refused(entered)
            return True

        if not session._profiler.dump_lock.acquire(False):
            return "busy"
        try:
            if annotated.write(session, path, trigger.reason, lines, wanted) is None:
                return "saved"
        except Busy:
            return "busy"
        except _Refused as refused:
            return refused.why
        finally:
            session._profiler.dump_lock.release()
        self._shown = self._baseline.sites, kept
        self.outcomes.written(trigger.reason, path, trigger.verdict)
        self._after(path)
        return None

    def _after(self, path: Path) -> None:
        """Beside a dump that is complete: what to compare it with; and room for the next."""
        from spanheap.dumps import folder

        try:
            self._baseline.copy_beside(path, folder.base_name(path.name))
            folder.tidy(path.parent, keep=self.policy.keep, max_bytes=self.policy.max_folder_bytes)
        except OSError as error:
            self.outcomes.failed("folder", error)

    def _capture_baseline(self, session: Session, age: float) -> None:
        try:
            self._baseline.capture(session, age)
        except (OSError, MemoryError, AttributeError) as error:
            self.outcomes.failed("baseline", error)


class _Refused(Exception):
    """By the budget, as another process was faster."""

    def __init__(self, why: str) -> None:
        self.why = why
