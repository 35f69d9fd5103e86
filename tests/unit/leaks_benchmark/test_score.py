"""The scorer, on verdicts made by hand."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.leaks.score import details, score, totals

from ._verdicts import HOUR, alarm, elsewhere, leak, run, steady_leak

pytestmark = pytest.mark.once(reason="arithmetic of the benchmark")


def test_right_verdict_is_a_hit_in_every_respect() -> None:
    """Found, with site, span and holder, fifteen minutes and 15 MiB after the first leaked byte."""
    scored = score(leak(alarm(at=900.0)))
    assert scored.hit and scored.site_top1 and scored.site_top3 and scored.span_ok and scored.holder_ok
    assert scored.false_alarms == 0
    assert scored.time_to_detect_s == pytest.approx(900.0, abs=1)
    assert scored.leaked_bytes_at_detection == pytest.approx(15 * 2**20, rel=1e-3)


def test_time_counts_from_the_first_leaked_byte() -> None:
    """A leak that begins after twenty minutes and is found after thirty took ten."""
    scored = score(leak(alarm(at=1800.0), truth=steady_leak(onset=1200.0)))
    assert scored.time_to_detect_s == pytest.approx(600.0, abs=1)
    assert scored.leaked_bytes_at_detection == pytest.approx(10 * 2**20, rel=0.05)


def test_growing_is_no_hit_for_a_leak() -> None:
    """Nor a false alarm: it is true."""
    scored = score(leak(alarm("growing", active_s=HOUR)))
    assert not scored.hit and scored.false_alarms == 0 and scored.time_to_detect_s is None


def test_growing_is_right_where_the_bound_is_unknown() -> None:
    """And a leak is wrong there, with or without it."""
    assert score(run("growing_bound_unknown", alarm("growing"))).hit
    both = score(run("growing_bound_unknown", alarm("growing"), alarm("leak")))
    assert not both.hit and both.false_alarms == 1
    assert not score(run("growing_bound_unknown")).hit


def test_sustained_growing_on_bounded_is_half_a_false_alarm() -> None:
    """Once, however many there are; a short one is none."""
    assert score(run("bounded", alarm("growing", active_s=599.0))).false_alarms == 0
    assert score(run("bounded", alarm("growing", active_s=600.0), alarm("growing", active_s=900.0))).false_alarms == 0.5


@pytest.mark.parametrize("kind", ["leak", "retained_spans", "unended_spans"])
def test_any_leak_on_bounded_is_a_false_alarm(kind: str) -> None:
    """Each verdict counts."""
    assert score(run("bounded", alarm(kind), alarm(kind, 2000.0))).false_alarms == 2


def test_verdict_before_the_first_leaked_byte_is_a_false_alarm() -> None:
    """It cannot have seen the leak; a later one still can."""
    scored = score(leak(alarm(at=300.0), alarm(at=2400.0), truth=steady_leak(onset=1200.0)))
    assert scored.false_alarms == 1 and scored.hit
    assert scored.time_to_detect_s == pytest.approx(1200.0, abs=1)


def test_verdict_that_accuses_the_innocent_is_a_false_alarm() -> None:
    """Neither its span nor its site is right: no hit, although there is a leak."""
    scored = score(leak(elsewhere()))
    assert not scored.hit and scored.false_alarms == 1


def test_verdict_that_accuses_nobody_is_a_hit_without_a_site() -> None:
    """Growth as such, or a line of a library without a span: it cannot be called wrong. A wrong function can."""
    for site, function, hit in (([], None, True), (["decoder.py:355"], None, True), (["ping"], "ping", False)):
        said = alarm(span_name=None, root_name=None, site=site, scenario_site=function, holder=None)
        scored = score(leak(said))
        assert scored.hit is hit and scored.false_alarms == (0 if hit else 1) and not scored.site_top1


def test_site_in_the_top_three_but_not_first() -> None:
    """The first verdict has the right span, the third the right site, from which the holder counts."""
    other = alarm(site=["put", "store"], scenario_site="store", holder=None)
    scored = score(leak(other, dataclasses.replace(other, site=["x"]), alarm(at=1000.0)))
    assert scored.hit and not scored.site_top1 and scored.site_top3 and scored.holder_ok
    assert not score(leak(other, other, other, alarm())).site_top3


def test_method_is_found_under_either_of_its_names() -> None:
    """CPython 3.10 knows `__init__`, later ones `Lease.__init__`; another class's is not it."""
    for name, right in (("__init__", True), ("Lease.__init__", True), ("Basket.__init__", False)):
        assert score(leak(alarm(scenario_site=name), site="Lease.__init__")).site_top1 is right


def test_kept_span_is_judged_by_span_and_holder() -> None:
    """Where SITE is None; a wrong holder makes the site wrong, not the span."""
    kept = steady_leak(retained=frozenset({"GET /orders"}))
    right = score(leak(alarm("retained_spans", site=[], scenario_site=None), site=None, truth=kept))
    assert right.hit and right.site_top1 and right.span_ok and right.holder_ok
    wrong = score(leak(alarm("retained_spans", site=[], scenario_site=None, holder="queue"), site=None, truth=kept))
    assert wrong.hit and not wrong.site_top1 and wrong.span_ok and not wrong.holder_ok


def test_kept_spans_are_a_hit_only_where_spans_are_kept() -> None:
    """By the census of the traced run: retained and unended are different things."""
    for kind, truth, hit in (
        ("retained_spans", steady_leak(), False),
        ("unended_spans", steady_leak(), False),
        ("retained_spans", steady_leak(retained=frozenset({"GET /orders"})), True),
        ("unended_spans", steady_leak(retained=frozenset({"GET /orders"})), False),
        ("unended_spans", steady_leak(unended=frozenset({"stream"})), True),
    ):
        assert score(leak(alarm(kind), truth=truth)).hit is hit, (kind, truth.retained, truth.unended)


def test_unended_child_span_may_be_named_itself() -> None:
    """Its own name is as right as that of the request it belongs to."""
    truth = steady_leak(unended=frozenset({"stream"}))
    said = alarm("unended_spans", span_name="stream", root_name=None, scenario_site=None, site=[])
    scored = score(leak(said, truth=truth))
    assert scored.hit and scored.false_alarms == 0


def test_native_growth_is_a_hit_only_for_memory_outside_python() -> None:
    """And is as mild as `growing` otherwise."""
    said = alarm("native_growth", site=[], span_name=None, root_name=None, scenario_site=None)
    assert score(leak(said, truth=steady_leak(python_share=0.1))).hit
    assert not score(leak(said)).hit
    assert score(run("bounded", said)).false_alarms == 0


def test_span_of_the_scenario_counts_by_its_root() -> None:
    """A leak in a child span is in the endpoint that the driver opened."""
    assert score(leak(alarm(span_name="convert"))).span_ok
    assert not score(leak(alarm(span_name="convert", root_name="GET /health"))).span_ok


def test_totals_by_hand() -> None:
    """Two of three leaks found, one of them at the right site; one bounded scenario wrong three times in an hour."""
    scores = [score(one) for one in (
        leak(alarm(at=600.0)),
        leak(alarm(at=1200.0, site=["put"], scenario_site="put")),
        leak(),
        run("bounded", alarm(), alarm(at=1800.0), alarm(at=2700.0)),
        run("bounded", alarm("growing", active_s=HOUR)),
        run("bounded"),
    )]
    got = totals(scores)
    assert got["leaks"] == 3
    assert got["recall"] == pytest.approx(2 / 3)
    assert got["precision"] == pytest.approx(2 / (2 + 1 + 0.5))
    assert got["false_alarms_per_day"] == pytest.approx(3.5 / (6 / 24))
    assert got["site_top1"] == got["site_top3"] == pytest.approx(1 / 3)
    assert got["span_ok"] == got["holder_ok"] == pytest.approx(2 / 3)
    assert got["median_time_to_detect_s"] == pytest.approx(900.0, abs=1)
    assert set(got) == {
        "leaks", "recall", "precision", "false_alarms_per_day", "site_top1", "site_top3", "span_ok", "holder_ok",
        "median_time_to_detect_s",
    }


def test_skipped_counts_nowhere_and_failed_counts_as_missed() -> None:
    """A scenario that cannot run here says nothing; one that dies must not raise the score."""
    scores = [score(leak(alarm())), score(leak(skipped="needs x")), score(leak(failed="died"))]
    assert totals(scores)["leaks"] == 2
    assert totals(scores)["recall"] == 0.5
    assert details(scores)["skipped"] == 1 and details(scores)["failed"] == 1


def test_leaks_without_a_namable_holder_do_not_count_for_it() -> None:
    """Where HOLDER is None, whatever is said of the holder is right."""
    scores = [score(leak(alarm(holder=None), holder=None)), score(leak(alarm(holder="other")))]
    assert totals(scores)["holder_ok"] == 0.0
    assert totals(scores[:1])["holder_ok"] is None


def test_nothing_measured_is_none() -> None:
    """Not zero, and not a division by it."""
    assert totals([])["recall"] is None and totals([])["false_alarms_per_day"] is None
    assert details([])["intervals"]["recall"] is None


def test_intervals_hold_the_figure_and_narrow_with_agreement() -> None:
    """Drawn over scenarios: twelve, of which half are found."""
    scores = [score(leak(*[alarm()] * (i % 2), name=f"s{i}")) for i in range(12)]
    low, high = details(scores)["intervals"]["recall"]
    assert 0 < low < 0.5 < high < 1
    found = [score(leak(alarm(), name=f"s{i}")) for i in range(12)]
    assert details(found)["intervals"]["recall"] == [1.0, 1.0]
