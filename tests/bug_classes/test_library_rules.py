"""Bug classes 12 and 13, and what else goes wrong where other libraries' tables are changed and files are mapped.

Class 12: pages of other libraries are left writable; RUNPATH is broken by a hook on dlopen. Class 13: a mapped file on a
full disk is a SIGBUS."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Script = Callable[..., str]

pytestmark = pytest.mark.needs("cc", "gcc")

# The protections of a library's mappings, in order: equal before and after when every page is as it was.
PROTECTIONS = """
def protections(part):
    with open("/proc/self/maps") as maps:
        return [(line.split()[0], line.split()[1]) for line in maps if part in line]
def merged(rows):
    spans = []
    for where, flags in rows:
        begin, end = (int(x, 16) for x in where.split("-"))
        if spans and spans[-1][1] == begin and spans[-1][2] == flags:
            spans[-1][1] = end
        else:
            spans.append([begin, end, flags])
    return spans
"""


@pytest.mark.parametrize("libraries", ["now", "lazy"])
def test_class_12_pages_have_the_protection_they_had(script: Script, libraries: str) -> None:
    """The victim's table is read-only, or still to be resolved: changed it is in both, and protected as before."""
    out = script(PROTECTIONS + f"import array_library_{libraries} as array_library" + """
name = array_library.__name__
before = merged(protections(name)), merged(protections("_multiarray_umath"))
session = start()
assert session.stats().array_entries >= 2, session.stats()
assert session.stats().array_entries_refused == 0
assert (merged(protections(name)), merged(protections("_multiarray_umath"))) == before
assert before[0] and not any("w" in flags and "x" in flags for _, _, flags in before[0])
block = array_library.make(123_457, "malloc")
assert len(rows(123_457)) == 1
array_library.drop(block, "malloc")
assert not [row for row in rows(123_457) if row.is_live] and spanheap._core.valid()
print(sum(flags.startswith("r--") for _, _, flags in before[0]))
""")
    assert int(out) >= 2


@pytest.mark.no_sanitizer(reason="its own dlopen stands in between")
def test_class_12_a_library_finds_its_neighbours_by_its_own_runpath(script: Script) -> None:
    """dlopen looks in the RUNPATH of the library that calls it: nothing of ours stands in between."""
    script("""
        import array_library_now, os, sysconfig
        name = "fragile" + sysconfig.get_config_var("EXT_SUFFIX")
        session = start()
        session.tick(1.0)
        assert array_library_now.finds(name) is None, array_library_now.finds(name)
    """)


def test_class_12_a_library_that_is_unloaded_is_not_written_to(script: Script, tmp_path: object) -> None:
    """Copies come and go, at the same address or another: each is seen while it is there, and no tick or stop crashes."""
    script(f"folder = {str(tmp_path)!r}" + """
import _ctypes, array_library_now, ctypes, shutil
for round in range(12):
    if round % 4 == 0:
        session = start()
    copy = shutil.copy(array_library_now.__file__, f"{folder}/copy{round}.so")
    library = ctypes.PyDLL(copy)
    library.plain_make.restype, library.plain_make.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.plain_drop.argtypes = [ctypes.c_void_p]
    before = session.stats().array_entries
    session.tick(float(round))
    assert session.stats().array_entries == before + 2, round
    size = 200_001 + round
    block = library.plain_make(size)
    assert [row.is_live for row in rows(size)] == [True], round
    library.plain_drop(block)
    assert [row.is_live for row in rows(size)] in ([], [False]), round
    handle = library._handle
    del library
    _ctypes.dlclose(handle)
    session.tick(round + 0.5)
    if round % 4 == 3:
        session.shutdown()
assert start() and spanheap._core.valid()
""")


@pytest.mark.parametrize("allocator", ["default", "malloc"])
@pytest.mark.parametrize("by", ["malloc", "raw", "mem", "moved", "renewed"])
def test_a_block_that_python_allocated_is_counted_once(script: Script, by: str, allocator: str) -> None:
    """The hook of RAW has counted it: being told of it as well must not make the estimate twice the truth."""
    script(f"by = {by!r}" + """
import array_library_now as library
session = start(sample_interval=50_000, max_samples=100_000)
def make():
    return [library.make(25_000, by) for _ in range(4_000)]
kept = make()
def live():
    return sum(r.live_bytes for r in session.snapshot().sites() if any(f.function == "make" for f in r.stack))
assert 0.9 < live() / 100e6 < 1.1, live()
allocated = sum(r.allocated_bytes for r in session.snapshot().sites() if any(f.function == "make" for f in r.stack))
assert 0.9 < allocated / (200e6 if by == "renewed" else 100e6) < 1.1, allocated
for block in kept:
    library.drop(block, by)
assert live() < 1e6, live()
assert spanheap._core.valid()
# Python's block is given back, and malloc gives its address out again: that is another one.
session.shutdown()
session = start()
for _ in range(20):
    library.drop(library.make(25_000, by), by)
    block = library.make(25_000, "malloc")
    assert sum(row.is_live for row in rows(25_000)) == 1
    library.drop(block, "malloc")
    assert sum(row.is_live for row in rows(25_000)) == 0
""", PYTHONMALLOC=allocator)


def test_a_block_told_of_twice_is_one(script: Script) -> None:
    """The second word replaces the first, as tracemalloc has it."""
    script("""
        import array_library_now as library
        session = start()
        block = library.make(50_001, "malloc")
        library.tell_again(block, 40_001)
        assert [sum(r.is_live for r in rows(size)) for size in (50_001, 40_001)] == [0, 1]
        library.drop(block, "malloc")
        assert sum(r.is_live for r in rows(40_001)) == 0 and spanheap._core.valid()
        session.shutdown()
        start(sample_interval=10_000)
        block = library.make(500_001, "malloc")
        assert sum(r.is_live for r in rows(500_001)) == 1
        library.tell_again(block, 8)   # which is hardly ever sampled: the first word is gone all the same
        assert sum(r.is_live for r in rows(500_001)) == 0 and spanheap._core.valid()
    """)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_class_04_blocks_are_told_of_without_the_gil(script: Script, keep: bool, traced: bool) -> None:
    """Threads that Python does not know, while the GIL is free or held: counted, not sampled, and nothing breaks."""
    script(f"keep, traced = {keep}, {traced}" + """
import array_library_now as library, tracemalloc
session = start(sample_interval=4_000)
if traced and not keep:   # else tracemalloc itself waits for the GIL that is kept
    tracemalloc.start()
assert library.threads(4, keep) == 4
assert session.stats().samples_without_thread_state > 1_000
assert spanheap._core.valid()
assert sum(row.is_live for size in range(600, 856, 16) for row in rows(size)) < 100
""")


def test_class_13_a_full_disk_is_no_bus_error(script: Script, tmp_path: object) -> None:
    """The recorder has all its bytes before it maps them: where the disk has not, the service goes on without."""
    script(f"path = {str(tmp_path)!r}" + """
import logging, resource
logging.disable(logging.CRITICAL)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
session = start(recorder=path + "/recording")
for now in range(3):
    session.tick(float(now))
assert session.stats().recorder_errors >= 1
kept = [bytes(12_345) for _ in range(10)]
assert len(rows(12_378)) == 10
assert not os.path.exists(path + "/recording")
""")
