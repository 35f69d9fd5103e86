"""Fork: the child's rings are empty and work, the parent's lose nothing."""

from __future__ import annotations

from collections.abc import Callable

from .._sandbox import NO_WIPEONFORK

Script = Callable[..., str]

BODY = """
import os, sys, threading
import spanheap

ring = spanheap.SpanRing(1000, ttl=60)
striped = spanheap.SpanRing(10, stripes=2, policy="drop")
for i in range(1500):
    ring.append(i, i, name=f"n{i % 5}")
    striped.append(i, i)

sys.setswitchinterval(1e-4)
over = threading.Event()
def append_all_the_time():
    i = 0
    while not over.is_set():
        ring.append(1, i, name="busy")
        i += 1
threads = [threading.Thread(target=append_all_the_time) for _ in range(2)]
for thread in threads:
    thread.start()

def child():
    assert len(ring) == len(striped) == 0 and ring.snapshot() == [] and len(ring.to_numpy()) == 0
    assert ring.counts() == striped.counts() == spanheap.SpanCounts(0, 0, 0, 0, 0, 0)
    for i in range(1200):
        assert ring.append(7, i, name="n3" if i % 2 else "new")
    striped.append(7, 7)
    assert [r.span_id for r in ring.snapshot()] == list(range(200, 1200)) and {r.name for r in ring.get(7)} == {"n3", "new"}
    assert ring.counts() == spanheap.SpanCounts(1200, 1000, 200, 0, 0, 0) and ring.valid() and striped.valid()
    grandchild = os.fork()
    if grandchild == 0:
        os._exit(len(ring) != 0 or len(spanheap.SpanRing(5)) != 0)
    assert os.waitpid(grandchild, 0)[1] == 0 and len(ring) == 1000

for round in range(8):
    pid = os.fork()
    if pid == 0:
        try:
            child()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
over.set()
for thread in threads:
    thread.join()
counts = ring.counts()
assert counts.retained == 1000 and counts.in_flight == 0 and counts.produced >= 1500 and ring.valid()
assert [r.span_id for r in striped.snapshot()] == list(range(5)) and striped.counts().dropped == 1495
print("done")
"""

def test_the_child_starts_empty_and_the_parent_loses_nothing(script: Script) -> None:
    """While other threads append, in the child's child too."""
    assert script(BODY) == "done\n"


def test_the_child_starts_empty_where_the_kernel_does_not_wipe(script: Script) -> None:
    """The ring is cleared by hand then."""
    assert script(NO_WIPEONFORK + BODY) in ("done\n", "no filters here\n")
