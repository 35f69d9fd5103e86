"""Views of a snapshot: they add up, they compose, and they name the user's own line."""

from __future__ import annotations

import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import sysconfig
import threading
import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spanheap.snapshot
from spanheap.snapshot import NO_SPAN, Frame, HeapSnapshot, Row, Totals, application_frame

A = (Frame("remember", "/srv/shop/orders.py", 41), Frame("main", "/srv/shop/app.py", 7))
B = (Frame("load", "/srv/shop/products.py", 12), *A[1:])
TRACES = [f"{number:032x}" for number in range(1, 31)]


def live(
    stack: tuple[Frame, ...] = A, span: str = "GET /orders", root: str = "GET /", trace: str = TRACES[0],
    thread: str = "worker", size: int = 1000, live_bytes: float = 4000.0,
) -> Row:
    """A live sample."""
    objects = live_bytes / size
    return Row(
        stack, span, root, trace, "b7ad6b7169203331", thread, size,
        live_bytes, objects, live_bytes, objects, 1,
    )


def released(
    stack: tuple[Frame, ...] = A, span: str = "GET /orders", root: str = "GET /", size: float = 4000.0
) -> Row:
    """A total of what was freed, in objects of 1000 bytes as live() has them."""
    return Row(stack, span, root, "", "", "", 0, 0.0, 0.0, size, size / 1000, 0)


def snapshot(*rows: Row, at: float = 0.0, rss_bytes: int = 0) -> HeapSnapshot:
    """A snapshot of these rows."""
    return HeapSnapshot(rows, time=at, rss_bytes=rss_bytes, sample_interval=524_288.0)


# Whole thousands: floating point adds these, and the objects of 1000 bytes in them, exactly and in any order.
thousands = st.integers(1, 1 << 20).map(lambda value: value * 1000.0)
span_names = st.sampled_from(["GET /orders", "GET /products", NO_SPAN])
rows = st.lists(
    st.builds(
        live, st.sampled_from([A, B, ()]), span_names, st.sampled_from(["GET /", NO_SPAN]),
        st.sampled_from(["", *TRACES]), st.sampled_from(["worker", "MainThread"]), st.just(1000), thousands,
    )
    | st.builds(
        released, st.sampled_from([A, B, ()]), span_names, st.sampled_from(["GET /", NO_SPAN]), thousands
    ),
    max_size=30,
)
snapshots = rows.map(lambda rows: snapshot(*rows))


def by_stack(view: HeapSnapshot) -> dict[tuple[Frame, ...], tuple[float, float, int]]:
    """What the sites of a snapshot say, without those that say nothing: a difference may list them."""
    sums = {tuple(site.stack): (site.live_bytes, site.allocated_bytes, site.samples) for site in view.sites()}
    return {stack: values for stack, values in sums.items() if any(values)}


# What the views add up


@given(snapshots)
def test_every_view_adds_up_to_the_totals(whole: HeapSnapshot) -> None:
    """Nothing is lost or counted twice by stack, span or root name; by trace and thread nothing live is."""
    for view in (whole.sites(), whole.by_span_name(), whole.by_root_name()):
        assert sum(row.live_bytes for row in view) == whole.live_bytes
        assert sum(row.allocated_bytes for row in view) == whole.allocated_bytes
        assert sum(row.samples for row in view) == whole.samples
    assert sum(usage.live_bytes for usage in whole.by_thread()) == whole.live_bytes
    untraced = sum(row.live_bytes for row in whole.rows if not row.trace_id)
    assert sum(usage.live_bytes for usage in whole.by_trace()) + untraced == whole.live_bytes


@given(snapshots)
def test_largest_first(whole: HeapSnapshot) -> None:
    """Each view begins with what holds most."""
    usages = (whole.by_span_name(), whole.by_root_name(), whole.by_trace(), whole.by_thread())
    for view in (whole.sites(), *usages):
        sizes = [row.live_bytes for row in view]
        assert sizes == sorted(sizes, reverse=True)


def test_equal_stacks_are_one_site() -> None:
    """A site is a stack by value: tuples that are equal but not the same object are not told apart."""
    copy = tuple(Frame(*frame) for frame in A)
    assert copy is not A
    [site] = snapshot(live(A), live(copy)).sites()
    assert (site.stack, site.samples, site.live_objects) == (list(A), 2, 8.0)


def test_sites_of_a_number() -> None:
    """sites(n) is the head of sites(); a negative number is refused by value."""
    whole = snapshot(live(A), live(B, live_bytes=9000.0))
    assert whole.sites(1) == whole.sites()[:1]
    assert whole.sites(1)[0].stack == list(B)
    assert whole.sites(0) == []
    with pytest.raises(ValueError, match=r"n = -1: .* 0 or more"):
        whole.sites(-1)


def test_names_by_live_bytes() -> None:
    """A site names its spans, and a usage its spans, roots and traces, those that hold most first."""
    whole = snapshot(
        live(span="small", live_bytes=2000.0, trace=TRACES[2]),
        live(span="large", live_bytes=5000.0, root="POST /"),
        live(span="small", live_bytes=2000.0, trace=TRACES[2]),
        released(span="gone", size=1e9),
    )
    [site] = whole.sites()
    assert site.span_names == ["large", "small", "gone"]
    [trace, other] = whole.by_trace()
    assert (trace.name, trace.span_names, trace.root_names) == (TRACES[0], ["large"], ["POST /"])
    assert (other.name, other.live_bytes, other.trace_ids) == (TRACES[2], 4000.0, [TRACES[2]])
    assert [usage.name for usage in whole.by_root_name()] == ["POST /", "GET /"]
    assert whole.by_root_name()[1].span_names == ["small", "gone"]


def test_stacks_that_differ_in_a_library_are_one_line():
    """by_line() adds up what lies below one line of the user's own, whatever the library did there."""
    libraries = [Frame(f"step_{i}", "/usr/lib/python3.11/collections/__init__.py", i) for i in range(3)]
    stacks = [(library, *A) for library in libraries]
    found = snapshot(*(live(stack, live_bytes=1000.0) for stack in stacks), live(B, live_bytes=500.0)).by_line()
    assert [(line.name, line.live_bytes, line.samples) for line in found] == [
        ("remember (/srv/shop/orders.py:41)", 3000.0, 3), ("load (/srv/shop/products.py:12)", 500.0, 1),
    ]


def test_trace_ids_are_bounded() -> None:
    """A usage gives ten traces, those with most live bytes; by_trace gives all."""
    whole = snapshot(*(live(trace=trace, live_bytes=1000.0 + i) for i, trace in enumerate(TRACES)))
    [usage] = whole.by_span_name()
    assert usage.trace_ids == TRACES[:-11:-1]
    assert len(whole.by_trace()) == len(TRACES)


def test_threads_outside_spans() -> None:
    """What was made outside spans is told apart by thread; released totals, of no thread, are left out."""
    whole = snapshot(
        live(span=NO_SPAN, thread="flusher"), live(span=NO_SPAN, thread="flusher"), live(thread="worker"),
        live(span=NO_SPAN, thread="MainThread"), released(span=NO_SPAN),
    )
    outside = [(usage.name, usage.samples) for usage in whole.by_thread(NO_SPAN)]
    assert outside == [("flusher", 2), ("MainThread", 1)]
    assert {usage.name for usage in whole.by_thread()} == {"flusher", "MainThread", "worker"}


def test_rows_on_demand() -> None:
    """Rows given as a function are made once, by however many threads, and not at all for totals given."""
    made: list[int] = []

    def make() -> list[Row]:
        made.append(1)
        time.sleep(0.02)   # so that the others come meanwhile
        return [live()]

    totals = Totals(4000.0, 4.0, 4000.0, 4.0, 1)
    lazy = HeapSnapshot(make, time=1.0, rss_bytes=2, sample_interval=3.0, totals=totals)
    assert (lazy.live_bytes, lazy.live_objects, lazy.samples) == (4000.0, 4.0, 1)
    assert (lazy.allocated_bytes, lazy.allocated_objects) == (4000.0, 4.0)
    assert not made
    threads = [threading.Thread(target=lazy.sites) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert Totals.of(lazy.rows) == totals


def test_rows_let_go_of_their_source() -> None:
    """Once the rows are made, what they were made from is freed with its native memory."""
    class Capture:
        def rows(self) -> list[Row]:
            return [live()]

    capture = Capture()
    gone = weakref.ref(capture)
    lazy = HeapSnapshot(capture.rows, time=1.0, rss_bytes=2, sample_interval=3.0)
    del capture
    assert gone() is not None
    lazy.sites()
    assert gone() is None


def test_a_block_of_no_bytes_is_live() -> None:
    """A sample of size 0 holds no bytes, but is a live object in the views of live memory."""
    whole = snapshot(live()._replace(size=0, live_bytes=0.0, allocated_bytes=0.0))
    assert [usage.live_objects for usage in whole.by_thread()] == [4.0]
    assert len(whole.to_numpy()) == 1


# Differences


@given(snapshots)
def test_a_snapshot_minus_itself_is_empty(whole: HeapSnapshot) -> None:
    """s - s = 0, without a row left that could be taken for growth."""
    nothing = whole.diff(whole)
    assert nothing.rows == []
    assert nothing.totals == Totals(0.0, 0.0, 0.0, 0.0, 0)


@given(snapshots, snapshots, snapshots)
def test_differences_compose(a: HeapSnapshot, b: HeapSnapshot, c: HeapSnapshot) -> None:
    """(c - a) - (b - a) = c - b, in totals and at each site."""
    left, right = c.diff(a).diff(b.diff(a)), c.diff(b)
    assert left.totals == right.totals
    assert Totals.of(left.rows) == left.totals
    assert by_stack(left) == by_stack(right)


@given(snapshots, snapshots)
def test_a_difference_is_signed(a: HeapSnapshot, b: HeapSnapshot) -> None:
    """a - b = -(b - a)."""
    negative = {stack: tuple(-value for value in values) for stack, values in by_stack(b.diff(a)).items()}
    assert by_stack(a.diff(b)) == negative


def test_growth_comes_first() -> None:
    """Sites of a difference stand in the order of growth; those that only stayed are left out."""
    before = snapshot(live(A), live(B, live_bytes=9000.0), live(()), at=10.0, rss_bytes=50)
    after = snapshot(live(A), live(A, trace=TRACES[1]), live(()), at=20.0, rss_bytes=80)
    growth = after.diff(before)
    assert [(site.stack, site.live_bytes, site.samples) for site in growth.sites()] == [
        (list(A), 4000.0, 1), (list(B), -9000.0, -1),
    ]
    assert (growth.time, growth.rss_bytes) == (20.0, 30)


def test_a_released_sample_stays_allocated() -> None:
    """A block freed between two snapshots becomes part of the totals: live shrinks, allocated does not."""
    [site] = snapshot(released(size=4000.0)).diff(snapshot(live(live_bytes=4000.0))).sites()
    assert (site.live_bytes, site.allocated_bytes, site.samples) == (-4000.0, 0.0, -1)


# Errors of the estimates


def test_relative_error_is_the_spread() -> None:
    """Over many runs of Poisson sampling the stated error is the observed one, for all sizes of blocks."""
    seeded, interval, sizes = random.Random(7), 1000.0, [10] * 4000 + [900] * 40 + [5000] * 8

    def probability(size: int) -> float:
        return -math.expm1(-size / interval)

    estimates, stated = [], []
    for _ in range(400):
        taken = [size for size in sizes if seeded.random() < probability(size)]
        [site] = snapshot(*(live(size=size, live_bytes=size / probability(size)) for size in taken)).sites()
        estimates.append(site.live_bytes)
        stated.append(site.relative_error * site.live_bytes)
        assert site.relative_error <= 1 / math.sqrt(site.samples)
    # The observed spread of 400 runs is itself uncertain by 1/sqrt(800) = 3.5 %; four of those.
    assert statistics.fmean(stated) == pytest.approx(statistics.stdev(estimates), rel=0.14)


def test_relative_error_at_the_ends() -> None:
    """No error when each block was sampled, 100 % of one rare sample, unknown without samples."""
    def error(*rows: Row) -> float:
        [site] = snapshot(*rows).sites()
        return site.relative_error

    assert error(live(size=4000), live(size=4000)) == 0.0
    assert error(live(size=1, live_bytes=1e9)) == pytest.approx(1.0)
    assert error(released()) == math.inf
    assert error(live(size=1)._replace(samples=0, size=0)) == math.inf


def test_common_samples_do_not_blur_a_difference() -> None:
    """The error of growth is that of what came and went: here of one sample, beside thirty that stayed."""
    stayed = [live(trace=trace) for trace in TRACES]
    [growth] = snapshot(*stayed, live(size=1000)).diff(snapshot(*stayed)).sites()
    assert growth.relative_error == pytest.approx(math.sqrt(1 - 1000 / 4000))


# numpy


def test_to_numpy() -> None:
    """One record for each live sample, with its ids and its site's number; totals are left out."""
    big = "f" * 16 + "0" * 15 + "2"
    unknown = live(B, trace="", live_bytes=9000.0)._replace(span_id="")
    whole = snapshot(live(A, trace=big), unknown, released())
    array = whole.to_numpy()
    first, second = array
    assert (first["trace_hi"], first["trace_lo"], first["span_id"]) == (2**64 - 1, 2, 0xB7AD6B7169203331)
    assert (second["trace_hi"], second["trace_lo"], second["span_id"]) == (0, 0, 0)
    assert array["live_bytes"].sum() == whole.live_bytes
    assert array["size"].tolist() == [1000, 1000]
    assert [whole.sites()[number].stack for number in array["site"]] == [list(A), list(B)]
    assert array["span_name"].tolist() == ["GET /orders"] * 2
    assert len(snapshot().to_numpy()) == 0


def test_views_need_no_numpy() -> None:
    """A process that looks at sites does not import numpy."""
    code = (
        "import sys; from spanheap.snapshot import HeapSnapshot\n"
        "HeapSnapshot([], time=0.0, rss_bytes=0, sample_interval=1.0).sites()\n"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# The user's own line

HERE = sysconfig.get_paths()
LIBRARIES = "/srv/shop/.venv/lib/python3.11/site-packages"

APPLICATION = [
    "/srv/shop/orders.py",
    "orders.py",
    "shop/orders.py",
    "./orders.py",
    "/opt/shop.pyz/orders.py",                       # a zipapp
    "/home/dev/src/ourlib/ourlib/cache.py",          # an editable install: its sources are where they were
    "/srv/opentelemetry/orders.py",                  # only a name
    "/srv/spanheap/orders.py",
    "/srv/lib/python/orders.py",
    "/srv/shop/lib/orders.py",
    "<stdin>",
    "<python-input-0>",
    "<ipython-input-3-abcdef>",
    "/tmp/ipykernel_41/1234.py",
]
PACKAGES = [
    f"{LIBRARIES}/flask/app.py",
    "/usr/lib/python3/dist-packages/requests/api.py",
    "/home/dev/.local/lib/python3.12/site-packages/flask/app.py",
    os.path.join(HERE["purelib"], "flask", "app.py"),
    "/home/dev/.pex/installed_wheels/0/flask-3.0-py3-none-any.whl/flask/app.py",
    "site-packages/flask/app.py",
]
INTERPRETER = [
    os.path.join(HERE["stdlib"], "json", "decoder.py"),
    threading.__file__,
    "/usr/lib/python3.10/json/decoder.py",
    "/opt/conda/lib/python3.13t/json/decoder.py",
    "/usr/lib64/python3.12/json/decoder.py",
    "/usr/lib/python311.zip/json/decoder.py",
    "<frozen importlib._bootstrap>",
    "<string>",
    "<attrs generated init shop.Order>",
    "",
]
INSTRUMENT = [
    f"{LIBRARIES}/opentelemetry/sdk/trace/__init__.py",
    f"{LIBRARIES}/spanheap/session.py",
    os.path.join(os.path.dirname(spanheap.snapshot.__file__), "row.py"),
]


def of(*filenames: str) -> str:
    """The file of the application frame of a stack of these files, leaf first."""
    frame = application_frame([Frame("function", filename, 1) for filename in filenames])
    assert frame is not None
    return frame.filename


@pytest.mark.parametrize("library", [*PACKAGES, *INTERPRETER, *INSTRUMENT])
@pytest.mark.parametrize("own", APPLICATION)
def test_the_users_own_file(own: str, library: str) -> None:
    """A file of the user's is shown wherever libraries stand around it."""
    assert of(library, own, library) == own


@pytest.mark.parametrize("better", PACKAGES)
@pytest.mark.parametrize("worse", [*INTERPRETER, *INSTRUMENT])
def test_a_package_before_the_rest(better: str, worse: str) -> None:
    """An application installed like a library is a package: shown before the standard library and the SDK."""
    assert of(worse, better, worse) == better


@pytest.mark.parametrize("better", INTERPRETER)
@pytest.mark.parametrize("worse", INSTRUMENT)
def test_anything_before_the_instrument(better: str, worse: str) -> None:
    """The SDK's and spanheap's own code is shown only when there is nothing else."""
    assert of(worse, better) == better


def test_the_innermost_of_equals() -> None:
    """Among frames of equal standing the innermost is shown; the leaf when all are the instrument's."""
    assert of("/srv/a.py", "/srv/b.py") == "/srv/a.py"
    assert of(*PACKAGES) == PACKAGES[0]
    assert of(*INSTRUMENT) == INSTRUMENT[0]


def test_no_stack_no_frame() -> None:
    """An unknown stack has no application frame."""
    assert application_frame([]) is None
    assert snapshot(live(())).sites()[0].application_frame is None


def test_a_launcher_is_not_the_application() -> None:
    """A console command's script only calls into its package; a function in a script is the user's."""
    launcher = Frame("<module>", "/srv/shop/.venv/bin/gunicorn", 8)
    decoder = Frame("decode", INTERPRETER[0], 3)
    served = Frame("handle", PACKAGES[0], 5)
    assert application_frame([decoder, served, launcher]) == served
    script = Frame("collect", "/srv/shop/bin/report", 9)
    assert application_frame([decoder, script, launcher]) == script
    assert application_frame([decoder, Frame("<module>", "/srv/shop/bin/report.py", 1)]) == (
        "<module>", "/srv/shop/bin/report.py", 1
    )


def test_linked_folders(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the interpreter is known by its own name and by the one its symbolic link gives it."""
    from spanheap.snapshot import application

    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setattr(sysconfig, "get_path", lambda name, scheme: str(tmp_path / "link"))
    for cached in (application._folders, application.file_origin):
        cached.cache_clear()
    try:
        for name in ("link", "real"):
            assert application.file_origin(str(tmp_path / name / "module.py")) is application.Origin.PACKAGE
        assert application.file_origin(str(tmp_path / "linked.py")) is application.Origin.APPLICATION
    finally:
        for cached in (application._folders, application.file_origin):
            cached.cache_clear()


def test_frames_print_as_places() -> None:
    """A frame reads as function (file:line), and without the line where it is not known."""
    assert str(A[0]) == "remember (/srv/shop/orders.py:41)"
    assert str(Frame("malloc", "libc.c", 0)) == "malloc (libc.c)"


def test_sites_and_usages_are_hashed_as_they_are_compared() -> None:
    """In sets: equal ones once."""
    first, second = snapshot(live(), live(B, span="GET /products")), snapshot(live(), live(B, span="GET /products"))
    assert len({*first.sites(), *second.sites()}) == len({*first.by_span_name(), *second.by_span_name()}) == 2
