"""What a dump's comments say of verdicts comes back whole."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import spanheap
from spanheap.detection.verdict import LeakVerdict
from spanheap.dumps import description
from spanheap.report import subject
from spanheap.snapshot import Site
from tests.report import dumps

pytestmark = pytest.mark.once(reason="text from data")


def verdict(**changes: object) -> LeakVerdict:
    """One of everything."""
    site = Site(stack=list(dumps.REMEMBER), span_names=["db"], live_bytes=1, live_objects=1, allocated_bytes=1,
                allocated_objects=1, samples=1, variance=0)
    values: dict[str, object] = {
        "kind": "leak", "site": site, "span_name": "SELECT\norders", "root_name": "GET /orders", "trace_ids": ["ab" * 16],
        "live_bytes": 5e6, "growth_bytes_per_s": 1234.5, "share_of_growth": 0.5, "confidence": 0.9, "time_to_limit_s": 60.0,
        "holder": dumps.HOLDER, "since": 5.0, "reason": "nothing takes from it",
    }
    return LeakVerdict(**(values | changes))  # type: ignore[arg-type]


def through_a_dump(folder: Path, *verdicts: LeakVerdict) -> list[subject.Verdict]:
    """As a report has them."""
    comments = [description._one_line(line) for line in description.verdict_lines(verdicts)]
    return subject.of_file(dumps.service(folder, comments=comments)).verdicts


def test_fields_come_back(tmp_path: Path) -> None:
    """Line, holder, growth; a name with a line feed too."""
    assert through_a_dump(tmp_path, verdict()) == [subject.Verdict(
        "leak", "GET /orders", "SELECT\norders", dumps.REMEMBER[0], 5e6, 1234.5, 0.5, 0.9, 60.0, dumps.HOLDER,
        "nothing takes from it", ("ab" * 16,))]


def test_what_is_not_known_is_left_open(tmp_path: Path) -> None:
    """No site, no span, no limit, no holder."""
    found, = through_a_dump(tmp_path, verdict(kind="native_growth", site=None, span_name=None, root_name=None, holder=None,
                                              time_to_limit_s=None, trace_ids=[]))
    assert found[:4] == ("native_growth", "", "", None) and found.time_to_limit_s is None and found.holder == ""


def test_infinite_numbers_do_not_hinder_a_dump(tmp_path: Path) -> None:
    """JSON has none; they are not known, then."""
    found, = through_a_dump(tmp_path, verdict(time_to_limit_s=math.inf, growth_bytes_per_s=math.nan))
    assert found.time_to_limit_s is None and found.growth_bytes_per_s == 0.0


def test_a_dump_has_five_verdicts_at_most(tmp_path: Path) -> None:
    """The first ones, which grow most."""
    assert len(through_a_dump(tmp_path, *[verdict()] * 9)) == 5


def test_a_manual_dump_has_the_verdicts_of_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how many spans have ended, for the time line."""
    monkeypatch.setattr(spanheap.Session, "leaks", lambda self: [verdict()])
    with spanheap.profile(tick=None, detect=None, dumps=None) as session:
        about = subject.of_file(session.dump(tmp_path / "heap.pb.gz"))
    assert [found.kind for found in about.verdicts] == ["leak"] and dict(about.facts)["ended_spans"] == "0"
