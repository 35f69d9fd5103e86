"""A DumpPolicy that cannot be is refused with the value and what would be right."""

from __future__ import annotations

import signal
from typing import Any

import pytest

import spanheap

pytestmark = pytest.mark.once(reason="pure functions")


@pytest.mark.parametrize(
    ("name", "value", "error", "says"),
    [
        ("on_leak", 1, TypeError, "True or False"),
        ("full_at", 60, ValueError, "between 0.01 and 1.0"),
        ("full_at", 0.9, ValueError, "must not be above aggregates_at=0.85"),
        ("aggregates_at", "85 %", TypeError, "a number"),
        ("limit_bytes", 0.5, TypeError, "a whole number"),
        ("limit_bytes", 0, ValueError, "between 1"),
        ("growth_percent", 0, ValueError, "between 0.01"),
        ("signal", 999, ValueError, "signal.SIGUSR2"),
        ("signal", signal.SIGKILL, ValueError, "cannot be SIGKILL"),
        ("signal", signal.SIGSEGV, ValueError, "cannot be SIGSEGV"),
        ("folder", 3, TypeError, "a directory"),
        ("cooldown_s", -1, ValueError, "between 0"),
        ("max_per_day", 0, ValueError, "between 1 and 1,000"),
        ("keep", True, TypeError, "whole number"),
        ("min_free_bytes", -1, ValueError, "between 0"),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: Any, error: type[Exception], says: str) -> None:
    """The message names the field, the value and the range."""
    with pytest.raises(error, match=says) as raised:
        spanheap.DumpPolicy(**{name: value})
    assert f"DumpPolicy({name}=…)" in str(raised.value)


def test_repr_shows_what_was_changed() -> None:
    """As LeakPolicy's."""
    assert repr(spanheap.DumpPolicy(keep=3)) == "DumpPolicy(keep=3)"
