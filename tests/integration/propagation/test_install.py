"""In and out, beside others who wrap the same functions."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context

import spanheap
from spanheap.spans import propagation
from spanheap.spans.propagation import Carrier

from .._blocks import Blocks
from ._threads import in_thread, patched

Script = Callable[..., str]


def carries() -> tuple[int, int]:
    """How many times a value that counts its attachments is attached in a pool, and in a thread."""
    counts = []

    def attach(_: object) -> None:
        counts[-1] += 1

    assert propagation._carriers, "not installed"
    propagation.install((Carrier(lambda: 1, attach, lambda _: None),))
    with ThreadPoolExecutor(1) as pool:
        counts.append(0)
        pool.submit(int).result()
    counts.append(0)
    in_thread(threading.Thread())
    return counts[0], counts[1]


def test_installing_twice_carries_once() -> None:
    """And one uninstall is enough, a second one harmless; then it can be installed again."""
    for _ in range(3):
        propagation.install()
        propagation.install()
        assert carries() == (1, 1)
        propagation.uninstall()
        propagation.uninstall()
        token = context.attach(context.set_value("carried", 5))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(context.get_value, "carried").result() is None
        context.detach(token)


@pytest.mark.parametrize("polite", [True, False], ids=["with __wrapped__", "without"])
def test_what_somebody_has_wrapped_since_stays(polite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """His wrapper goes on working, with ours passing calls on; installed again, it is still carried once."""
    calls = []

    def wrap(owner: type, name: str) -> None:
        inner = getattr(owner, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return inner(*args, **kwargs)

        monkeypatch.setattr(owner, name, functools.wraps(inner)(wrapper) if polite else wrapper)

    propagation.install()
    wrap(ThreadPoolExecutor, "submit")
    wrap(threading.Thread, "start")
    wrapped = patched()
    for _ in range(3):
        propagation.install()
        if polite:
            assert patched() == wrapped
        calls.clear()
        assert carries() == (1, 1)
        assert calls == ["submit", "start", "start"]   # the pool's worker is started too
        propagation.install()
        propagation.uninstall()
        assert patched() == wrapped
        token = context.attach(context.set_value("carried", 5))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(context.get_value, "carried").result() is None
        context.detach(token)
    monkeypatch.undo()
    propagation.uninstall()


def test_a_patch_that_somebody_has_taken_out_is_put_in_again() -> None:
    """Who restores what he found before us takes ours out; the next install notices."""
    submit, start = ThreadPoolExecutor.submit, threading.Thread.start
    propagation.install()
    ThreadPoolExecutor.submit, threading.Thread.start = submit, start   # type: ignore[method-assign]
    propagation.install()
    assert carries() == (1, 1)


def test_threads_that_install_and_uninstall_at_once() -> None:
    """While others hand work over: everything runs, and in the end nothing is left."""
    before = patched()

    def toggle() -> None:
        for _ in range(200):
            propagation.install()
            propagation.uninstall()

    token = context.attach(context.set_value("carried", 5))
    with ThreadPoolExecutor(2) as pool:
        threads = [threading.Thread(target=toggle) for _ in range(3)]
        for thread in threads:
            thread.start()
        results = [pool.submit(context.get_value, "carried").result() for _ in range(500)]
        for thread in threads:
            thread.join()
    context.detach(token)
    assert set(results) <= {None, 5}
    assert patched() == before


@pytest.mark.parametrize("ours_first", [True, False])
def test_opentelemetrys_own_instrumentation_of_threads(blocks: Blocks, ours_first: bool) -> None:
    """Where it carries the context we do not: once is enough. Labels, which it does not know, are ours."""
    instrumentor = pytest.importorskip("opentelemetry.instrumentation.threading").ThreadingInstrumentor()
    attached: list[object] = []
    attach = context._RUNTIME_CONTEXT.attach

    def counting(value: context.Context) -> Any:
        attached.append(value)
        return attach(value)

    def hand_over() -> None:
        with blocks.tracer.start_as_current_span("request"), spanheap.labels(tenant="acme"), ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: None).result()   # starts the worker
            attached.clear()
            pool.submit(blocks.make, f"pool {len(blocks.spans())}").result()
            assert len(attached) == 1
            attached.clear()
            in_thread(threading.Thread(target=blocks.make, args=(f"thread {len(blocks.spans())}",)))
            assert len(attached) == 1

    propagation.uninstall()
    if ours_first:
        propagation.install()
    instrumentor.instrument()
    theirs = patched()
    propagation.install()
    context._RUNTIME_CONTEXT.attach = counting   # type: ignore[method-assign]
    try:
        hand_over()
        if not ours_first:
            propagation.uninstall()
        assert patched() == theirs
        instrumentor.uninstrument()   # its own must lie on top: there it is
        propagation.install()
        hand_over()
    finally:
        del context._RUNTIME_CONTEXT.attach
    assert set(blocks.spans().values()) == {"request"} and len(blocks.spans()) == 4
    assert {row.labels for row in blocks.rows().values()} == {(("tenant", "acme"),)}


def test_it_goes_on_in_the_child_of_a_fork(script: Script) -> None:
    """Also when another thread was inside install() at that moment."""
    assert script("""
        import os, threading
        from concurrent.futures import ThreadPoolExecutor
        from opentelemetry import context
        from spanheap.spans import propagation
        propagation.install()
        propagation._lock.acquire()   # as that thread would have
        context.attach(context.set_value("carried", 5))
        if (child := os.fork()) == 0:
            propagation.install()
            with ThreadPoolExecutor(1) as pool:
                status = 0 if pool.submit(context.get_value, "carried").result() == 5 else 1
            propagation.uninstall()
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        print("fine")
    """) == "fine\n"
