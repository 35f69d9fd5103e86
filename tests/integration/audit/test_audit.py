"""Session.audit: when it looks, what it keeps, what it takes back."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap.audit.audit import Audit
from spanheap.audit.ownership import is_reported
from spanheap.audit.sizes import Sight
from spanheap.retention.path import Step


@pytest.fixture
def session() -> Iterator[spanheap.Session]:
    """Return a session that a test ticks."""
    with spanheap.profile(tick=None, seed=1) as running:
        yield running


@pytest.fixture
def cache() -> Iterator[dict[int, Any]]:
    """Return a dict of an application: shop:cache."""
    module = ModuleType("shop")
    sys.modules["shop"] = module
    module.cache = {}  # type: ignore[attr-defined]
    yield module.cache  # type: ignore[attr-defined]
    del sys.modules["shop"]


class Work:
    """Requests that each leave an entry and end a span: how long they take does not matter."""

    def __init__(self) -> None:
        self.spans = 0
        self.audit = Audit(lambda: self.spans, interval=None, budget_ms=60_000, min_growth=64)

    def do(self, cache: dict[int, Any], looks: int = 7, entries: int = 100) -> None:
        """Put entries into a cache between looks."""
        for _ in range(looks):
            for _ in range(entries):
                cache[len(cache)] = object()
            self.spans += entries
            self.audit.look()


def holders(audit: Audit) -> list[str]:
    """Return what is found, by name."""
    return [f.holder for f in audit.findings()]


def test_nothing_is_said_before_there_are_looks_enough(cache: dict[int, Any]) -> None:
    """A cache that has grown at three looks may be filling."""
    work = Work()
    audit = work.audit
    work.do(cache, looks=3)
    assert holders(audit) == [] and not audit.is_conclusive()
    work.do(cache, looks=4)
    assert holders(audit) == ["shop:cache (dict)"] and audit.is_conclusive()


def test_cache_that_is_emptied_is_no_finding_any_more(cache: dict[int, Any]) -> None:
    """It was found while it grew; what evicts may come late."""
    work = Work()
    audit = work.audit
    work.do(cache)
    assert holders(audit) == ["shop:cache (dict)"]
    cache.clear()
    audit.look()
    assert holders(audit) == []


def test_what_goes_with_the_service_is_still_found(cache: dict[int, Any]) -> None:
    """At the end of the run a service takes its caches along: that is no eviction."""
    work = Work()
    with work.audit as audit:
        work.do(cache)
        del sys.modules["shop"].cache  # type: ignore[attr-defined]
        cache.clear()
    assert [(f.holder, f.entries) for f in audit.findings()] == [("shop:cache (dict)", 700)]


def test_incomplete_look_is_no_eviction(cache: dict[int, Any]) -> None:
    """A look without time enough to see the cache leaves the finding as it is."""
    work = Work()
    audit = work.audit
    work.do(cache)
    audit._sizes.look = lambda budget_s: Sight(complete=False, pause_s=0)  # type: ignore[method-assign]
    audit.look()
    assert holders(audit) == ["shop:cache (dict)"]


def test_looks_are_bounded_and_the_rates_stay(
    cache: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many looks some are forgotten, never the first and the last; the growth is told all the same."""
    monkeypatch.setattr("spanheap.audit.audit._MAX_LOOKS", 8)
    work = Work()
    audit = work.audit
    work.do(cache, looks=17, entries=50)
    assert len(audit._looks) <= 8 and audit.looks == 17
    assert [(f.holder, f.gained, f.entries) for f in audit.findings()] == [("shop:cache (dict)", 800, 850)]


def test_audit_keeps_nothing_alive() -> None:
    """A container that is found dies when the service lets it go."""
    Cache = type("Cache", (dict,), {"__module__": "shop"})
    sys.modules["shop"] = module = ModuleType("shop")
    module.cache = Cache()  # type: ignore[attr-defined]
    work = Work()
    audit = work.audit
    work.do(module.cache)  # type: ignore[attr-defined]
    assert holders(audit) == ["shop:cache (Cache)"]
    gone = weakref.ref(module.cache)  # type: ignore[attr-defined]
    del module.cache, sys.modules["shop"], module  # type: ignore[attr-defined]
    gc.collect()
    assert gone() is None


def test_thread_looks_at_intervals_and_ends(session: spanheap.Session, cache: dict[int, Any]) -> None:
    """In a `with` block looks are taken without a call, and none after it."""
    tracer = TracerProvider().get_tracer("tests")
    with session.audit(interval=0.05, budget_ms=60_000) as audit:
        deadline = time.monotonic() + 100
        while audit.looks < 8 and time.monotonic() < deadline:
            tracer.start_span("GET /items").end()
            cache[len(cache)] = object()
            time.sleep(0.001)
    assert not [t for t in threading.enumerate() if t.name == "spanheap-audit"]
    assert holders(audit) == ["shop:cache (dict)"]


def test_child_of_a_fork_ends_without_the_audit() -> None:
    """The thread is its parent's, as is the lock that it may hold."""
    audit = Work().audit
    audit.start()
    with audit._lock:
        child = os.fork()
        if child == 0:
            audit.look()
            audit.stop()
            os._exit(7 if audit.findings() == [] and not audit.is_conclusive() else 8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.parametrize(("options", "message"), [
    ({"interval": 0}, "interval = 0: must be seconds from 0.05 to 3,600 or None"),
    ({"budget_ms": 0.5}, "budget_ms = 0.5: must be milliseconds from 1 to 60,000"),
    ({"min_growth": 0}, "min_growth = 0: must be a number of entries from 1 to 1,000,000,000"),
    ({"interval": "1"}, "interval must be seconds or None, not '1'"),
])
def test_wrong_options_are_named(session: spanheap.Session, options: dict[str, Any], message: str) -> None:
    """The value and what it may be are told."""
    with pytest.raises((TypeError, ValueError)) as error:
        session.audit(**options)
    assert str(error.value) == message


def step(owner: str, kind: str = "global") -> Step:
    """Return a step of a way."""
    return Step(owner, kind, "name", "dict", None)


@pytest.mark.parametrize(("owners", "in_service", "in_test_run"), [
    (["shop"], True, True),
    (["__main__"], True, True),
    (["linecache"], False, False),
    (["re"], False, False),
    (["asyncio.tasks.Task", "shop.worker"], True, True),
    (["shop", "queue.Queue"], True, True),
    (["test_shop"], True, False),
    (["tests.helpers"], True, False),
    (["_pytest.config.Config", "_pytest.fixtures.FixtureDef"], True, False),
    (["_pytest.fixtures.FixtureDef", "shop.App"], True, True),
    (["opentelemetry.sdk.trace.export.in_memory_span_exporter.InMemorySpanExporter"], True, False),
    (["shop", "spanheap.audit.audit.Audit"], False, False),
    (["BaseException"], False, False),
])
def test_owners_decide_who_is_reported(owners: list[str], in_service: bool, in_test_run: bool) -> None:
    """Python's own containers are not, nor, in a test run, those of tests and their tools; a service in a fixture is."""
    path = [step(owner) for owner in owners]
    assert (is_reported(path, False), is_reported(path, True)) == (in_service, in_test_run)
