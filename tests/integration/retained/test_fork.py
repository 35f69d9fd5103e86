"""The child of a fork starts with nothing watched, and watches its own spans."""

from __future__ import annotations

from collections.abc import Callable

BODY = """
import os
import spanheap
from spanheap import _core
from opentelemetry.sdk.trace import TracerProvider

provider = TracerProvider()
tracer = provider.get_tracer("t")
session = spanheap.start(tick=None, tracer_provider=provider)

def request(name):
    span = tracer.start_span(name)
    span.end()
    return span

def names(now):
    for i in range(8):
        session.tick(now + i)
    return {row.name: row.spans for row in session.spans.retained()}

kept = [request("before") for _ in range(20)]
open_span = tracer.start_span("open over the fork")
assert names(0) == {"before": 20}
pid = os.fork()
if pid == 0:
    try:
        assert names(10) == {} and session.spans.unended(age=0) == []
        kept.append(request("child"))
        open_span.end()
        assert names(20) == {"child": 1} and _core.watch_valid()
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
assert os.waitpid(pid, 0)[1] == 0
kept.append(request("after"))
assert names(20) == {"before": 20, "after": 1}
assert [row.name for row in session.spans.unended(age=1)] == ["open over the fork"]
assert _core.watch_valid()
print("fine")
"""


def test_a_child_starts_empty_and_the_parent_loses_nothing(script: Callable[..., str]) -> None:
    """Spans that were kept over the fork are the parent's."""
    assert script(BODY) == "fine\n"
