"""Fork: the child's store is empty and works, the parent's loses nothing."""

from __future__ import annotations

from collections.abc import Callable

from .._sandbox import NO_WIPEONFORK

Script = Callable[..., str]

BODY = """
import os, sys, threading, spanheap
from opentelemetry.sdk.trace import TracerProvider

provider = TracerProvider(shutdown_on_exit=False)
tracer = provider.get_tracer("t")
with spanheap.profile(tick=None, tracer_provider=provider) as earlier:
    tracer.start_span("of a session that is over").end()

def child(current):
    assert spans.counts() == (0,) * 6, spans.counts()
    assert spans.recent() == spans.by_name() == spans.active() == []
    assert earlier.spans.recent() == earlier.spans.by_name() == [] and earlier.spans.counts() == (0,) * 6
    assert spans.get(current.get_span_context().trace_id) == ([], [])
    assert session.stats().spans_active == 0
    kept = [bytes(600_000) for _ in range(50)]
    assert any(u.name == "current" for u in session.snapshot().by_span_name())
    own = tracer.start_span("child's")
    assert [s.name for s in spans.active()] == ["child's"]
    own.end()
    current.end()
    assert [(r.name, r.flags) for r in spans.recent()] == [("child's", 9), ("current", 13)]
    assert [(r.name, r.active, r.ended) for r in spans.by_name()] == [("child's", 0, 1), ("current", 0, 1)]
    assert spanheap._core.valid() and spans._log.valid()
    grandchild = os.fork()
    if grandchild == 0:
        os._exit(len(spans.recent()) + len(spans.active()))
    assert os.waitpid(grandchild, 0)[1] == 0

with spanheap.profile(tick=None, tracer_provider=provider, span_capacity=50) as session:
    spans = session.spans
    elsewhere = tracer.start_span("elsewhere")
    sys.setswitchinterval(1e-4)
    over = threading.Event()
    ended = [0, 0]
    def work(number):
        while not over.is_set():
            tracer.start_span("busy").end()
            ended[number] += 1
    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    with tracer.start_as_current_span("current") as current:
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                try:
                    child(current)
                    os._exit(0)
                except BaseException:
                    import traceback
                    traceback.print_exc()
                finally:
                    os._exit(1)
            assert os.waitpid(pid, 0)[1] == 0
        assert [s.name for s in spans.active() if s.name != "busy"] == ["elsewhere", "current"]
    over.set()
    for thread in threads:
        thread.join()
    assert spans.counts() == (sum(ended) + 1, 50, sum(ended) - 49, 0, 0, 0), (spans.counts(), ended)
    assert {row.name: row.ended for row in spans.by_name()} == {"busy": sum(ended), "current": 1, "elsewhere": 0}
    assert [r.name for r in earlier.spans.recent()] == ["of a session that is over"]
    assert spanheap._core.valid() and spans._log.valid()
print("done")
"""


def test_the_child_starts_empty_and_the_parent_loses_nothing(script: Script) -> None:
    """While other threads end spans. A span that is current at the fork goes on in both, and ends in both."""
    assert script(BODY) == "done\n"


def test_the_child_starts_empty_where_the_kernel_does_not_wipe(script: Script) -> None:
    """The log is cleared by hand then."""
    assert script(NO_WIPEONFORK + BODY) in ("done\n", "no filters here\n")
