"""The detector over simulated services: what each class of growth is called, over many seeds."""

from __future__ import annotations

import math

import pytest

from spanheap.detection.case import Case
from spanheap.detection.detector import Detector
from spanheap.detection.evidence import Bound, Evidence, Outside
from spanheap.detection.policy import LeakPolicy
from spanheap.detection.series import GroupKey
from spanheap.detection.trend import Trend
from spanheap.detection.verdict import Description

from ._classes import BOUNDED, LEAKS, ROOT, SITE, UNKNOWN, Class, forever, per_hour
from ._simulator import INTERVAL, Kind

FEW_SEEDS = 6
pytestmark = pytest.mark.once(reason="numbers only")


def verdicts(what: Class, seed: int, bound: Bound) -> list[tuple[float, str, tuple[int, ...]]]:
    """(time, kind, key of the group) whenever the first verdict is another than before; each question gets this answer."""
    described: list[tuple[int, ...]] = []

    def describe(key: tuple[int, ...], _since: float, _until: float) -> Description:
        described.append(key)
        return Description(None, None, str(key), [])

    detector = Detector(LeakPolicy(), describe)
    said: list[tuple[float, str, tuple[int, ...]]] = []
    for now, aggregate in what.service(seed).looks(what.duration_s, what.step_s):
        found = detector.observe(aggregate, now)
        for question in list(detector.questions()):
            detector.answer(question.key, Evidence(bound, "the holder", container=str(question.key)))
        kind = found[0].kind if found else ""
        if kind != (said[-1][1] if said else ""):
            said.append((now, kind, described[-1] if kind else ()))
    return said


def missed(name: str, seeds: int) -> int:
    """Seeds in which the leak is not found, or another group is named than the leaking site and its root."""
    hits = [[v for v in verdicts(LEAKS[name], seed, Bound.NONE) if v[1] == "leak"] for seed in range(seeds)]
    return sum(not hit or (hit[0][2][0], hit[0][2][2]) != (SITE, ROOT) for hit in hits)


def wrong(name: str, seeds: int) -> int:
    """Seeds in which anything at all is said, of a holder that evicts and of one that is not known."""
    return sum(bool(verdicts(BOUNDED[name], seed, Bound.EVICTION if seed % 2 else Bound.UNKNOWN)) for seed in range(seeds))


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_found_and_its_group_named(name: str) -> None:
    """By the leaking site and its root."""
    assert missed(name, FEW_SEEDS) == 0


@pytest.mark.parametrize("name", BOUNDED)
def test_what_has_a_bound_is_neither_a_leak_nor_long_growing(name: str) -> None:
    """Nothing is said."""
    assert wrong(name, FEW_SEEDS) == 0


@pytest.mark.long
@pytest.mark.parametrize("name", [*LEAKS, *BOUNDED])
def test_over_many_seeds(name: str, detector_seeds: int) -> None:
    """At most one in fifty is missed or wrong."""
    errors = missed(name, detector_seeds) if name in LEAKS else wrong(name, detector_seeds)
    assert errors <= max(1, detector_seeds // 50)


def test_the_faster_a_leak_the_sooner_it_is_found() -> None:
    """3.4 MB a second before 100 MiB are lost, 30 MB an hour before 64 MiB."""
    for name, rate, limit in (("3.4 MB a second", 3.4e6, 100), ("30 MB an hour", 30 * 2**20 / 3600, 64)):
        for seed in range(FEW_SEEDS):
            found = [at for at, kind, _ in verdicts(LEAKS[name], seed, Bound.NONE) if kind == "leak"]
            assert found and found[0] * rate < limit * 2**20, (name, seed)


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_bound_that_is_not_reached_yet_is_growing(name: str) -> None:
    """A cache that may yet fill up is `growing` after 45 minutes, and never a leak."""
    for seed in range(FEW_SEEDS):
        said = verdicts(UNKNOWN[name], seed, Bound.EVICTION)
        assert [kind for _, kind, _ in said if kind == "leak"] == []
        assert any(kind == "growing" for _, kind, _ in said), seed
        assert min(at for at, kind, _ in said if kind == "growing") >= 2700


def test_a_leak_that_ends_is_withdrawn() -> None:
    """The verdict outlives the growth by some time, and then goes."""
    ending = Class(LEAKS["300 KB a second"].kinds[:1], 420, 6)
    steady = ending.kinds[0].bytes_per_s
    ending.kinds[0] = type(ending.kinds[0])(SITE, ROOT, lambda t: steady(t) if t < 420 else 0.0, ending.kinds[0].lifetime)
    said = verdicts(Class(ending.kinds, 1800, 6), 1, Bound.NONE)
    assert [kind for _, kind, _ in said] == ["leak", ""]
    assert 420 < said[1][0] < 900


def test_of_one_container_the_group_that_grows_most_is_told() -> None:
    """A tributary that was there first is told first; when another has left it behind, that one is the leak."""
    first, most = LEAKS["30 MB an hour"].kinds[0], LEAKS["300 KB a second"].kinds[0]
    late = type(most)(SITE + 1, ROOT, lambda t: 3e5 if t > 1200 else 0.0, most.lifetime)
    detector = Detector(LeakPolicy(), lambda key, *_: Description(None, None, str(key[0]), []))
    told: list[str | None] = []
    for now, aggregate in Class([first, late], 2400, 6).service(1).looks(2400, 6):
        found = detector.observe(aggregate, now)
        for question in list(detector.questions()):
            detector.answer(question.key, Evidence(Bound.NONE, "the holder", container="one for all"))
        assert len([v for v in found if v.kind == "leak"]) <= 1
        told += [v.root_name for v in found if v.kind == "leak" and v.root_name not in told]
    assert told == [str(SITE), str(SITE + 1)]


def found_with(
    evidence: Evidence, name: str = "300 KB a second", seconds: float | None = None, *, memory_left: float | None = None,
) -> set[str]:
    """What is said of a leak that is held like this."""
    detector, said = Detector(LeakPolicy(), lambda *_: Description(None, None, None, [])), set()
    for now, aggregate in LEAKS[name].service(2).looks(seconds or LEAKS[name].duration_s, 6):
        said |= {verdict.kind for verdict in detector.observe(aggregate, now, memory_left)}
        for question in list(detector.questions()):
            detector.answer(question.key, evidence)
    return said


def test_what_stays_longer_than_the_code_says_is_a_leak() -> None:
    """With an eviction that has had time enough, and not before."""
    assert found_with(Evidence(Bound.EVICTION, age=120.0)) == {"leak"}
    assert found_with(Evidence(Bound.EVICTION, age=1200.0)) == set()
    assert found_with(Evidence(Bound.EVICTION)) == set()


@pytest.mark.parametrize(("more_a_look", "said"), [(2, {"leak"}), (0, set())])
def test_ever_more_things_with_a_bound_each_are_a_leak(more_a_look: int, said: set[str]) -> None:
    """If they do become more."""
    things = [8]

    def count() -> int:
        things[0] += more_a_look
        return things[0]

    evidence = Evidence(Bound.EVICTION, container="inner", outside=Outside("outer", count))
    assert found_with(evidence, seconds=2400) == said


def test_what_nothing_in_python_holds_is_a_leak_in_time() -> None:
    """C code may keep it, with a bound that does not show: as long as for a holder that is not known, then it is lost."""
    assert found_with(Evidence(Bound.UNSEEN), "30 MB an hour", 2600) == set()
    assert found_with(Evidence(Bound.UNSEEN), "30 MB an hour", 3600) == {"leak"}


@pytest.mark.parametrize(("bound", "said"), [
    (Bound.RELEASE, {"leak"}), (Bound.UNSEEN, {"leak"}), (Bound.TRANSIENT, {"leak"}), (Bound.EVICTION, set())])
def test_what_has_lost_very_much_gets_less_time(bound: Bound, said: set[str]) -> None:
    """Four times what is urgent of other holders, or what is urgent, where the limit is near."""
    assert found_with(Evidence(bound), "3.4 MB a second", 42) == set()
    assert found_with(Evidence(bound), "3.4 MB a second", 72) == said
    assert found_with(Evidence(bound), "3.4 MB a second", 42, memory_left=1e9) == said


def test_what_running_code_has_gathered_outside_of_spans_is_a_suspicion() -> None:
    """A job that gives it back when it is done, or a loop that never ends."""
    def found(in_span: bool, seconds: float) -> set[str]:
        [kind, *_] = LEAKS["30 MB an hour"].kinds
        what = Class([Kind(SITE, ROOT, kind.bytes_per_s, kind.lifetime, in_span)], seconds, 30)
        return {kind for _, kind, _ in verdicts(what, 1, Bound.TRANSIENT) if kind}

    assert found(True, 2600) == {"leak"} and found(False, 2600) == set() and found(False, 3600) == {"growing"}


@pytest.mark.parametrize(("turnover", "said"), [(30.0, {"leak"}), (3.0, {"growing"})])
def test_few_entries_that_stay_where_most_are_taken_out(turnover: float, said: set[str]) -> None:
    """One upload in a thousand is forgotten; a pool, whose lines make nothing but what it keeps, has more time."""
    looks = [0]

    def count() -> int:
        looks[0] += 1
        return looks[0] // 20

    evidence = Evidence(Bound.RELEASE, container="uploads", entries=count, turnover=turnover)
    assert found_with(evidence, "30 MB an hour", 3600) == said


@pytest.mark.parametrize(("before", "is_estimate", "seconds", "said"), [
    (0, False, 900, {"leak"}), (10**6, False, 900, set()), (10**6, False, 1800, {"leak"}), (10**6, True, 900, {"leak"})])
def test_a_container_that_fills_more_slowly_than_before_has_more_time(
    before: int, is_estimate: bool, seconds: float, said: set[str],
) -> None:
    """It was filled when the counting began: a set of all there are, or what was loaded at the start. Exactly, that is."""
    entries = [before]

    def count() -> int:
        entries[0] += 100
        return entries[0]

    evidence = Evidence(Bound.NONE, container="agents", entries=count, is_estimate=is_estimate)
    assert found_with(evidence, "30 MB an hour", seconds) == said


@pytest.mark.parametrize(("began_at", "within"), [(0.0, 200.0), (900.0, 700.0)])
def test_a_slow_leak_at_the_pace_of_all_time_is_counted_for_less(began_at: float, within: float) -> None:
    """A tenth of the time that it took until its samples were enough, instead of a third."""
    detector, asked_at, now = Detector(LeakPolicy(), lambda *_: Description(None, None, None, [])), math.inf, 0.0

    def count() -> int:
        return round(50 * max(0.0, now - began_at))   # every other request leaves one

    evidence = Evidence(Bound.NONE, container="rows", entries=count)
    for now, aggregate in Class([Kind(SITE, ROOT, per_hour(10), forever)], 3600, 6).service(2).looks(3600, 6):
        if any(verdict.kind == "leak" for verdict in detector.observe(aggregate, now)):
            break
        for question in list(detector.questions()):
            asked_at = min(asked_at, now)
            detector.answer(question.key, evidence)
    assert asked_at > 900 and within / 2 < now - asked_at < within, (asked_at, now)


@pytest.mark.parametrize(("in_part", "said"), [(True, {"leak"}), (False, set())])
def test_a_table_that_stands_says_nothing_of_what_cannot_be_counted_in_it(in_part: bool, said: set[str]) -> None:
    """Of a fixed number of objects each may hold ever more; where all is counted, what is new takes another's place."""
    assert found_with(Evidence(Bound.NONE, container="table", entries=lambda: 100, in_part=in_part)) == said


def test_a_vaguer_case_does_not_speak_for_a_container() -> None:
    """However much it has: a pool for a group, or what no span made for what a span has made."""
    def case(size: int, *, root: int = ROOT, in_span: bool = True) -> Case:
        return Case(GroupKey(SITE, 1, root), Trend(600.0, 0.0, 100, 0.0, size, 1.0, 1.0, in_span), 600.0)

    assert case(200).outgrows(case(100)) and not case(199).outgrows(case(100))
    assert not case(900, root=0).outgrows(case(100)) and case(900, root=0).outgrows(case(100, root=0))
    assert not case(900, in_span=False).outgrows(case(100)) and case(900).outgrows(case(100, in_span=False))


def test_what_fills_a_container_up_is_no_urgent_leak() -> None:
    """However much it is, once its entries are seen to come more slowly."""
    for slowing, said in ((True, set()), (False, {"leak"})):
        looks = [0]

        def count(slowing: bool = slowing, looks: list[int] = looks) -> int:
            looks[0] += 1
            return round(10_000 * (1 - 0.98 ** looks[0])) if slowing else 100 * looks[0]

        evidence = Evidence(Bound.NONE, container="table", entries=count)
        policy = LeakPolicy(urgent_bytes=64 * 1024 * 1024)
        detector, kinds = Detector(policy, lambda *_: Description(None, None, None, [])), set()
        for now, aggregate in LEAKS["300 KB a second"].service(2).looks(420, 6):
            kinds |= {verdict.kind for verdict in detector.observe(aggregate, now)}
            for question in list(detector.questions()):
                detector.answer(question.key, evidence)
        assert kinds == said


def test_what_is_found_is_sized() -> None:
    """Growth and live bytes of a verdict are those of the leak, within their sampling error."""
    what = LEAKS["300 KB a second"]
    detector = Detector(LeakPolicy(), lambda *_: Description(None, None, None, []))
    for now, aggregate in what.service(3).looks(what.duration_s, what.step_s):
        found = detector.observe(aggregate, now, memory_left=1e9)
        for question in list(detector.questions()):
            detector.answer(question.key, Evidence(Bound.NONE))
    [verdict] = found
    assert verdict.growth_bytes_per_s == pytest.approx(3e5, rel=0.25)
    assert verdict.live_bytes == pytest.approx(3e5 * 420 * 7 / 8, rel=0.25)
    assert verdict.time_to_limit_s == pytest.approx(1e9 / verdict.growth_bytes_per_s)
    assert 0.8 < verdict.share_of_growth <= 1.0 and 0.8 < verdict.confidence < 1.0
    assert verdict.live_bytes % INTERVAL == 0
