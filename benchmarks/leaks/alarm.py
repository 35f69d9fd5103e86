"""An alarm: one thing that a detector said, from when until when. The detector's verdicts and the baselines' alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The same thing said again within this time is the same alarm; after it, a new one. Virtual seconds.
EPISODE_GAP_S = 600.0

# Bounds what a detector gone wild costs the driver. Alarms beyond it are counted.
MAX_ALARMS = 1000

# Frames that CPython before 3.12 makes for comprehensions: the function around them is meant.
_INNER = ("<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")


@dataclass
class Alarm:
    """What was said; times are virtual seconds."""

    kind: str
    span_name: str | None
    root_name: str | None
    site: list[str]             # functions, leaf first; [] when none was named
    scenario_site: str | None   # the leaf-most function of the scenario's own module in it
    holder: str | None
    at_s: float
    until_s: float              # the last time it was said
    active_s: float = 0.0       # for how long in all

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Said:
    """One verdict at one time, in terms of the scenario."""

    kind: str
    span_name: str | None = None
    root_name: str | None = None
    site: Sequence[str] = ()
    scenario_site: str | None = None
    holder: str | None = None
    key: Any = None             # what makes it the same alarm as before, beside kind and names

    @property
    def identity(self) -> tuple[Any, ...]:
        return (self.kind, self.span_name, self.root_name, self.key if self.key is not None else tuple(self.site))


@dataclass
class AlarmLog:
    """Turns what is said at each moment into alarms, in the order in which they were raised; best verdict first."""

    alarms: list[Alarm] = field(default_factory=list)
    dropped: int = 0
    _open: dict[tuple[Any, ...], Alarm] = field(default_factory=dict)
    _last: float = 0.0

    def observe(self, now: float, said: Iterable[Said]) -> None:
        """What holds at `now`; called with rising times."""
        step, self._last = now - self._last, now
        for one in said:
            alarm = self._open.get(one.identity)
            if alarm is None or now - alarm.until_s > EPISODE_GAP_S:
                if len(self.alarms) >= MAX_ALARMS:
                    self.dropped += 1
                    continue
                alarm = Alarm(
                    one.kind, one.span_name, one.root_name, list(one.site), one.scenario_site, one.holder, now, now
                )
                self._open[one.identity] = alarm
                self.alarms.append(alarm)
            elif now - alarm.until_s <= step:   # without a break
                alarm.active_s += step
            alarm.until_s = now
            alarm.holder = one.holder or alarm.holder   # a holder may be looked for after the verdict


def verdict_said(verdict: Any, scenario_file: Path) -> Said:
    """A spanheap.LeakVerdict as Said."""
    frames = list(verdict.site.stack) if verdict.site is not None else []
    return Said(
        kind=verdict.kind, span_name=verdict.span_name or None, root_name=getattr(verdict, "root_name", None) or None,
        site=[frame.function for frame in frames], scenario_site=scenario_function(frames, scenario_file),
        holder=str(verdict.holder) if verdict.holder else None,
        key=tuple((frame.filename, frame.function) for frame in frames),
    )


def scenario_function(frames: Sequence[Any], scenario_file: Path) -> str | None:
    """The leaf-most function of the scenario's module in a stack (leaf first), without comprehensions."""
    for frame in frames:
        if frame.filename == str(scenario_file):
            name = without_comprehensions(frame.function)
            if name:
                return name
    return None


def without_comprehensions(function: str) -> str:
    """`Cache.fill.<locals>.<listcomp>` → `Cache.fill`; "" where CPython 3.10 gives no more than `<listcomp>`."""
    parts = function.split(".")
    while parts and parts[-1] in _INNER:
        parts.pop()
        if parts and parts[-1] == "<locals>":
            parts.pop()
    return ".".join(parts)


def is_function(named: str | None, wanted: str) -> bool:
    """Whether a frame's name means that function: names as `Cache.put` and as `put` (CPython 3.10) are compared alike."""
    if named is None:
        return False
    if "." in named and "." in wanted:
        return named == wanted or named.endswith("." + wanted)
    return named.rpartition(".")[2] == wanted.rpartition(".")[2]
