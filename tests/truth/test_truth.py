"""The estimates are true: without bias, and spread as derived."""

from __future__ import annotations

import _thread
import math
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from tests.truth.measure import Figure, derived_deviation, measure, rows_of
from tests.truth.sites import SITES, Site, fill_1_kib, fill_64_bytes

INDEXES = list(range(8_000))

pytestmark = pytest.mark.once(reason="the mathematics of sampling")

each_site = pytest.mark.parametrize("site", SITES, ids=lambda site: site.name.replace(" ", "-"))


def check(figure: Figure, samples: float) -> None:
    """Mean within 4 standard errors; within 2 % (at fewer seeds: and the error that remains); spread as derived."""
    seeds = len(figure.estimates)
    remaining = 0.02 + (0 if seeds >= 200 else 4 / math.sqrt(samples * seeds))
    assert abs(figure.standard_errors) <= 4, (figure.bias, figure.standard_errors)
    assert abs(figure.bias) <= remaining, figure.bias
    assert figure.spread_is_as_derived(), figure.spread


def check_site(site: Site, seeds: int) -> None:
    """What is live, in bytes and objects, what was allocated in all, and the error that a view claims."""
    finding = measure(site, seeds)
    assert finding.samples >= 200
    for figure in (finding.live, finding.objects, finding.allocated):
        check(figure, finding.samples)
    assert abs(finding.claimed_error - 1) <= 0.05


@each_site
def test_a_few_seeds(site: Site) -> None:
    """Twelve seeds a site show a gross bias within seconds."""
    check_site(site, 12)


@pytest.mark.long
@each_site
def test_many_seeds(site: Site, truth_seeds: int) -> None:
    """The full marks."""
    check_site(site, truth_seeds)


def live(snapshot: spanheap.HeapSnapshot, function: str, **where: str) -> float:
    """Live bytes of this site whose rows have these values."""
    rows = rows_of(snapshot, function)
    return math.fsum(row.live_bytes for row in rows if all(getattr(row, key) == value for key, value in where.items()))


@pytest.mark.parametrize("max_samples", [64, 500])
def test_doubling_the_interval_leaves_no_bias(max_samples: int) -> None:
    """When the table is full, samples are thinned; live and allocated bytes stay unbiased, with releases in between."""
    quantities: dict[str, tuple[int, list[float]]] = {
        "small live": (6_000 * 64, []), "large live": (400 * 1024, []),
        "small allocated": (8_000 * 64, []), "large allocated": (500 * 1024, []),
    }
    doublings = 0
    for seed in range(40):
        few: list[object] = [None] * 400
        many: list[object] = [None] * 8_000
        with spanheap.profile(sample_interval=1024, max_samples=max_samples, seed=seed, tick=None) as session:
            fill_64_bytes(many, iter(INDEXES[:4_000]))
            many[:2_000] = [None] * 2_000
            fill_1_kib(few, iter(INDEXES[:400]))
            fill_64_bytes(many, iter(INDEXES[4_000:]))
            fill_1_kib(few, iter(INDEXES[:100]))
            snapshot = session.snapshot()
            doublings += session.stats().rate_raised
        assert snapshot.samples <= max_samples
        quantities["small live"][1].append(live(snapshot, "fill_64_bytes"))
        quantities["large live"][1].append(live(snapshot, "fill_1_kib"))
        for name, function in (("small allocated", "fill_64_bytes"), ("large allocated", "fill_1_kib")):
            rows = rows_of(snapshot, function)
            quantities[name][1].append(math.fsum(row.allocated_bytes for row in rows))
    assert doublings >= 40
    for name, (truth, estimates) in quantities.items():
        # How often the rate doubled differs, so no spread is derived: the observed one gives the error.
        deviation = math.sqrt(math.fsum((e - truth) ** 2 for e in estimates) / (len(estimates) - 1))
        figure = Figure(truth, deviation, estimates)
        assert abs(figure.standard_errors) <= 4, (name, figure.bias)


def test_span_names_and_roots_have_what_was_allocated_for_them() -> None:
    """One line allocates for several spans: each name, and each endpoint, gets its own amount, and nothing is left over."""
    provider = TracerProvider(shutdown_on_exit=False)
    tracer = provider.get_tracer("truth")
    small: dict[str, list[float]] = {"GET /few": [], "GET /many": []}
    large: list[float] = []
    counts = {"GET /few": 1_000, "GET /many": 3_000}
    for seed in range(20):
        keep: list[list[object]] = []
        with spanheap.profile(
            sample_interval=1024, max_samples=1 << 16, adaptive=False, seed=seed, tick=None, tracer_provider=provider
        ) as session:
            for endpoint, count in counts.items():
                with tracer.start_as_current_span(endpoint), tracer.start_as_current_span("query"):
                    keep.append([None] * count)
                    fill_64_bytes(keep[-1], iter(INDEXES[:count]))
                with tracer.start_as_current_span("report"):
                    keep.append([None] * 100)
                    fill_1_kib(keep[-1], iter(INDEXES[:100]))
            snapshot = session.snapshot()
        for endpoint, estimates in small.items():
            estimates.append(live(snapshot, "fill_64_bytes", span_name="query", root_span_name=endpoint))
        large.append(live(snapshot, "fill_1_kib", span_name="report", root_span_name="report"))
        assert live(snapshot, "fill_64_bytes") == pytest.approx(sum(estimates[-1] for estimates in small.values()))
        assert live(snapshot, "fill_1_kib") == pytest.approx(large[-1])
    for endpoint, estimates in small.items():
        sizes = [64] * counts[endpoint]
        check(Figure(sum(sizes), derived_deviation(sizes, 1024), estimates), samples=60)
    sizes = [1024] * 200
    check(Figure(sum(sizes), derived_deviation(sizes, 1024), large), samples=120)


@pytest.mark.parametrize(("fill", "size", "count"), [(fill_64_bytes, 64, 1_000), (fill_1_kib, 1024, 60)])
def test_short_lived_threads(fill: Callable[..., None], size: int, count: int) -> None:
    """A thread starts with a countdown of its own, of which it uses little: no block is favoured for that, nor the first."""
    threads, seeds, interval = 20, 20, 8192
    finished = _thread.allocate_lock()

    def work(keep: list[object], places: Iterator[int]) -> None:
        fill(keep, places)
        finished.release()

    estimates = []
    for seed in range(seeds):
        keep: list[list[object]] = [[None] * count for _ in range(threads)]
        with spanheap.profile(
            sample_interval=interval, max_samples=1 << 16, adaptive=False, seed=seed, tick=None
        ) as session:
            for kept in keep:
                finished.acquire()
                _thread.start_new_thread(work, (kept, iter(INDEXES[:count])))   # threading's own would allocate first
                finished.acquire()
                finished.release()
            estimates.append(live(session.snapshot(), fill.__name__))
    sizes = [size] * count * threads
    check(Figure(sum(sizes), derived_deviation(sizes, interval), estimates), samples=sum(sizes) / interval)


def test_every_allocation() -> None:
    """At an interval of 1 nothing is estimated: bytes and objects are exact."""
    keep: list[object] = [None] * 3_000
    with spanheap.profile(sample_interval=1, max_samples=100_000, adaptive=False, tick=None) as session:
        fill_1_kib(keep, iter(INDEXES[:3_000]))
        rows = [row for row in rows_of(session.snapshot(), "fill_1_kib") if row.is_live]
    assert sum(row.live_bytes for row in rows) == 3_000 * 1024
    assert sum(row.live_objects for row in rows) == 3_000
