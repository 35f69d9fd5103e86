"""The data of numpy's arrays is sampled as Python memory is: with line, span and thread, and gone when it is freed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

import spanheap

from .._blocks import Blocks

Script = Callable[..., str]

# What the scripts need: a session that samples everything, and the sizes of live blocks made below `make`.
PRELUDE = """
import os, sys, tracemalloc, spanheap
def start(**options):
    return spanheap.start(**dict(sample_interval=1, max_samples=500_000, adaptive=False, tick=None, seed=1) | options)
def live():
    return sorted(r.size for r in spanheap.current().snapshot().rows
                  if r.is_live and r.size >= 50_000 and any(f.function.endswith("make") for f in r.stack))
"""


def sizes(session: spanheap.Session, function: str) -> list[int]:
    """Return the sizes of live blocks of 50,000 bytes and more that were made below this function."""
    return sorted(
        row.size for row in session.snapshot().rows
        if row.is_live and row.size >= 50_000 and any(frame.function.endswith(function) for frame in row.stack)
    )


def test_array_has_the_line_and_the_span_it_was_made_for(blocks: Blocks) -> None:
    """An array kept by a request is found under the request's span, and its data at the line that called numpy."""
    with blocks.tracer.start_as_current_span("GET /report"):
        kept = np.zeros(123_457, np.uint8)
    row, = (row for row in blocks.session.snapshot().rows if row.is_live and row.size == kept.nbytes)
    assert (row.span_name, row.root_span_name) == ("GET /report", "GET /report")
    line = test_array_has_the_line_and_the_span_it_was_made_for.__code__.co_firstlineno + 3
    assert [frame.line for frame in row.stack if frame.function.endswith("span_it_was_made_for")] == [line]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: np.empty(70_001, np.uint8), [70_001]),
        (lambda: np.zeros(70_001, np.uint8), [70_001]),
        (lambda: np.arange(70_001), [560_008]),
        (lambda: np.empty(70_001, np.uint8)[::2], [70_001]),
        (lambda: np.empty((77, 1_001), np.uint8).reshape(1_001, 77).T, [77_077]),
        (lambda: np.concatenate([np.empty(60_001, np.uint8), np.empty(60_002, np.uint8)]), [120_003]),
        (lambda: np.array([object()] * 10_000), [80_000]),
        (lambda: np.empty(90_001, np.uint8).astype(np.int64) + 1, [720_008]),
    ],
)
def test_each_array_is_counted_once_with_its_size(
    every_byte: spanheap.Session, make: Callable[[], object], expected: list[int]
) -> None:
    """Views and transposes own nothing, copies and results do; temporaries are gone."""
    def made_here() -> object:
        return make()

    kept = made_here()
    assert sizes(every_byte, "made_here") == expected
    del kept
    assert sizes(every_byte, "made_here") == []
    assert spanheap._core.valid()


def test_resized_array_has_its_new_size_alone(every_byte: spanheap.Session) -> None:
    """A realloc releases the old block and enters the new one, at the line that resized."""
    def made_here() -> np.ndarray:
        array = np.empty(60_000, np.uint8)
        array.resize(900_000, refcheck=False)
        return array

    kept = made_here()
    assert sizes(every_byte, "made_here") == [900_000]
    kept.resize(55_000, refcheck=False)
    assert sizes(every_byte, "made_here") == []
    assert sizes(every_byte, "test_resized_array_has_its_new_size_alone") == [55_000]


def test_arrays_of_threads_have_their_thread(every_byte: spanheap.Session) -> None:
    """Each thread counts down for itself; what one made another may free."""
    kept: list[list[np.ndarray]] = []

    def make_on_thread() -> None:
        kept.append([np.empty(50_000 + i, np.uint8) for i in range(100)])

    threads = [threading.Thread(target=make_on_thread, name=f"maker-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    spanheap.current().snapshot()   # names them, while they live
    for thread in threads:
        thread.join()
    assert sizes(every_byte, "make_on_thread") == sorted(list(range(50_000, 50_100)) * 4)
    kept.clear()
    assert sizes(every_byte, "make_on_thread") == []
    assert spanheap._core.valid()


def test_estimate_is_right_over_seeds() -> None:
    """Mean of 40 sessions within 4 standard errors of the truth, for sizes below, about and above the interval."""
    def made_here() -> list[np.ndarray]:
        return [np.empty(size, np.uint8) for size in (3_000, 30_000, 300_000) for _ in range(60)]

    truth = 60 * 333_000
    estimates = []
    for seed in range(40):
        with spanheap.profile(sample_interval=32_768, max_samples=100_000, tick=None, detect=None, seed=seed) as session:
            kept = made_here()
            estimates.append(sum(
                site.live_bytes for site in session.snapshot().sites()
                if any(frame.function.endswith("made_here") for frame in site.stack)
            ))
            del kept
    error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert 0 < error < 0.01 * truth
    assert abs(np.mean(estimates) - truth) < 4 * error


def test_child_of_a_fork_has_the_arrays_it_inherited(script: Script) -> None:
    """They are live in the child until it frees them, and the parent's stay."""
    script(PRELUDE + """
import numpy as np
session = start()
def make():
    return [np.empty(60_000 + i, np.uint8) for i in range(50)]
kept = make()
child = os.fork()
if child == 0:
    status = 1
    try:
        assert live() == list(range(60_000, 60_050))
        kept.clear()
        assert live() == []
        kept = make()
        assert live() == list(range(60_000, 60_050)) and spanheap._core.valid()
        status = 0
    finally:
        os._exit(status)
assert os.waitpid(child, 0)[1] == 0
assert live() == list(range(60_000, 60_050))
""")


@pytest.mark.parametrize("first", ["tracemalloc", "spanheap"])
def test_tracemalloc_goes_on_seeing_arrays(script: Script, first: str) -> None:
    """Whichever is started first, both see every array, and see it go; either may stop first."""
    script(PRELUDE + f"first = {first!r}" + """
import numpy as np
def make():
    return [np.empty(60_000 + i, np.uint8) for i in range(20)]
def traced():
    traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)]).traces
    return sorted(trace.size for trace in traces if trace.size >= 60_000)
expected = list(range(60_000, 60_020))
if first == "tracemalloc":
    tracemalloc.start()
session = start()
early = make()
assert live() == expected
if first == "spanheap":
    tracemalloc.start()
    early = None
kept = make()
early = None
assert traced() == live() == expected
del kept
assert traced() == live() == []
kept = make()
if first == "tracemalloc":
    session.shutdown()
    assert traced() == expected
    del kept
    assert traced() == []
else:
    tracemalloc.stop()
    assert live() == expected
    del kept
    assert live() == []
assert spanheap._core.valid()
""")


def test_numpy_imported_after_the_start_is_seen_from_the_next_tick(script: Script) -> None:
    """Starting imports no numpy; the tick after its import finds its entries, further ticks have nothing to look for."""
    script(PRELUDE + """
session = start(sample_interval=1, detect=None)
assert "numpy" not in sys.modules
before = session.stats().array_entries
import numpy as np
session.tick(1.0)
assert session.stats().array_entries >= before + 2 and session.stats().array_entries_refused == 0
looks = spanheap._core.counters()["array_looks"]
session.tick(2.0)
assert spanheap._core.counters()["array_looks"] == looks
def make():
    return np.empty(60_001, np.uint8)
kept = make()
assert live() == [60_001]
""")


def test_sessions_may_end_with_arrays_live_and_begin_again(script: Script) -> None:
    """After a stop numpy's calls pass through, and frees of what was sampled; the next session changes no entry anew."""
    script(PRELUDE + """
import numpy as np
def make():
    return [np.empty(60_000 + i, np.uint8) for i in range(20)]
session = start()
entries = session.stats().array_entries
kept = make()
session.shutdown()
del kept
unseen = make()
for _ in range(5):
    session = start()
    assert live() == []
    kept = make()
    assert live() == list(range(60_000, 60_020))
    assert session.stats().array_entries == entries
    session.shutdown()
tracemalloc.start()
kept = make()
assert sum(t.size for t in tracemalloc.take_snapshot().traces if t.domain == np.lib.tracemalloc_domain) >= 60_000 * 20
""")


@pytest.mark.no_sanitizer(reason="it ends the process at a request that large")
def test_array_that_cannot_be_made_is_not_counted(every_byte: spanheap.Session) -> None:
    """numpy tells tracemalloc of the null pointer that malloc gave it, too."""
    def made_here() -> None:
        with pytest.raises(MemoryError):
            np.empty(1 << 62, np.uint8)

    made_here()
    assert sizes(every_byte, "made_here") == []
    assert spanheap._core.valid()


PROTECTIONS = """
def protections():
    with open("/proc/self/maps") as maps:
        return [line.split()[1] for line in maps if "_multiarray_umath" in line]
"""


@pytest.mark.parametrize("session_first", [False, True])
def test_the_pages_of_numpy_are_read_only_again(script: Script, session_first: bool) -> None:
    """Its table of addresses is changed where it stands, and protected as without a session, whichever came first."""
    untouched = script(PROTECTIONS + "import numpy; print(protections())")
    assert "'r--p'" in untouched and "'rwxp'" not in untouched
    first, second = ("session = start(sample_interval=4096)", "import numpy as np")[::1 if session_first else -1]
    found = script(PRELUDE + PROTECTIONS + f"{first}\n{second}" + """
session.tick(1.0)
def make():
    return np.empty(60_001, np.uint8)
kept = make()
assert session.stats().array_entries >= 2 and live() == [60_001]
during = protections()
session.shutdown()
assert protections() == during
print(during)
""")
    assert found == untouched
