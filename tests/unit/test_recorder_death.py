"""How a process ended, from what it left: a case for each line of the reasoning."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from spanheap.recorder.death import Death, Kind, Writer, growth, judge
from spanheap.recorder.recording import End, Identity, Point, Recording

pytestmark = pytest.mark.once(reason="a pure function")

BOOT = "ab" * 16
DEAD = Writer(locked=False, running=False, boot_id=BOOT)
MIB = 1 << 20


def recording(*shares: float, limit: int = 256 * MIB, tick: float = 1.0, ends: tuple[End, ...] = ()) -> Recording:
    """One with a point a second of so much of the limit."""
    who = Identity("app.py", "orders", 7, 99, 1, BOOT, 1000.0, 5.0, "3.11.0", "0.1.0", 4096.0, tick)
    points = [Point(1001.0 + i, int(share * 256 * MIB), int(share * limit), limit, 1e6, 2, 3)
              for i, share in enumerate(shares)]
    return Recording("FILE", who, ends={end.kind: end for end in ends}, points=points)


def end(kind: int, *, time: float = 1005.0, code: int = 0, text: str = "") -> End:
    """A mark."""
    return End(kind, code, time, text)


CLEAN, EXCEPTION, SIGNAL = 0, 1, 2


@pytest.mark.parametrize(("given", "writer", "kind", "text"), [
    (recording(0.5), Writer(True, True, BOOT), Kind.RUNNING, "is running"),
    (recording(0.5), Writer(True, False, "other"), Kind.RUNNING, "is running"),
    (recording(0.5), Writer(False, True, BOOT), Kind.RUNNING, "a copy"),
    (recording(0.5, ends=(end(CLEAN),)), DEAD, Kind.CLEAN, "ended cleanly: the session was shut down"),
    (recording(0.99, ends=(end(CLEAN),)), DEAD, Kind.CLEAN, "ended cleanly"),
    (recording(0.5, ends=(end(CLEAN),)), Writer(False, True, BOOT), Kind.CLEAN, "the process runs on"),
    (recording(0.5, ends=(end(EXCEPTION, text="app.Broken"),)), DEAD, Kind.EXCEPTION, "uncaught exception: app.Broken"),
    (recording(0.5, ends=(end(EXCEPTION),)), DEAD, Kind.EXCEPTION, "of unknown type"),
    (recording(0.5, ends=(end(SIGNAL, code=signal.SIGSEGV),)), DEAD, Kind.SIGNAL, "ended by SIGSEGV (Segmentation fault)"),
    (recording(0.5, ends=(end(SIGNAL, code=999),)), DEAD, Kind.SIGNAL, "ended by signal 999"),
    (recording(0.5, ends=(end(SIGNAL, code=6), end(CLEAN))), DEAD, Kind.SIGNAL, "SIGABRT"),
    (recording(0.5, 0.97), DEAD, Kind.LIMIT, "killed at 97 % of the memory limit (248 of 256 MiB)"),
    (recording(0.2, 0.4, 0.6, 0.8), DEAD, Kind.LIMIT,
     "killed at 80 % of the memory limit (205 of 256 MiB) and growing by 51 MiB/s"),
    (recording(0.80, 0.80, 0.81), DEAD, Kind.KILLED, "killed at 81 % of the memory limit (207 of 256 MiB), without a sign"),
    (recording(0.5, limit=0), DEAD, Kind.KILLED,
     "killed at 128 MiB resident, without a memory limit, without a sign of how: SIGKILL"),
    (recording(), DEAD, Kind.KILLED, "killed, without a sign"),
    (recording(0.5), Writer(False, False, "cd" * 16), Kind.REBOOT, "this machine has been started since"),
    (recording(0.97), Writer(False, False, "cd" * 16), Kind.LIMIT, "at 97 % of"),
    (recording(0.5), Writer(False, False, ""), Kind.KILLED, "SIGKILL"),
], ids=range(19))
def test_how_it_ended(given: Recording, writer: Writer, kind: Kind, text: str) -> None:
    """The kind, and what is said of it."""
    death = judge(given, writer)
    assert death.kind is kind and text in death.text
    assert death.is_death == (kind not in (Kind.RUNNING, Kind.CLEAN))


def test_a_signal_that_was_survived_is_not_the_end() -> None:
    """The application handled it, and points came after it."""
    points = (0.5,) * 10
    survived = recording(*points, ends=(end(SIGNAL, time=1003.0, code=signal.SIGABRT),))
    assert judge(survived, DEAD).kind is Kind.KILLED
    last = recording(*points, ends=(end(SIGNAL, time=1010.5, code=signal.SIGABRT),))
    assert judge(last, DEAD).kind is Kind.SIGNAL


@pytest.mark.parametrize(("ends", "time"), [((), 1003.0), ((end(CLEAN, time=1003.2),), 1003.2)], ids=["killed", "clean"])
def test_when_it_ended(ends: tuple[End, ...], time: float) -> None:
    """The mark's time, or the last sign of life."""
    assert judge(recording(0.1, 0.1, 0.1, ends=ends), DEAD).time == time


def test_growth() -> None:
    """Bytes a second, of what is limited, else of resident memory; nothing from less than two moments."""
    assert growth(recording(0.5).points) == 0 and growth([]) == 0
    assert growth(recording(0.25, 0.5).points) == 64 * MIB
    assert growth(recording(0.25, 0.5, limit=0).points) == 64 * MIB
    same_time: list[Any] = [recording(0.5).points[0]] * 2
    assert growth(same_time) == 0


def test_a_death_is_one_line() -> None:
    """It goes into logs."""
    death = judge(recording(0.5, ends=(end(EXCEPTION, text="a\nb"),)), DEAD)
    assert isinstance(death, Death) and "\n" not in death.text
