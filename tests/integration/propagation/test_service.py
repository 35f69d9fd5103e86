"""The service does not notice."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context

from spanheap.spans import propagation
from spanheap.spans.propagation import CARRIERS, Carrier

from .._blocks import Blocks
from ._threads import in_thread

Script = Callable[..., str]


def test_misuse_of_threads_and_pools_fails_as_it_did(blocks: Blocks) -> None:
    """Errors are those of the standard library, and leave nothing behind."""
    again, failing = threading.Thread(target=blocks.make, args=("once",)), threading.Thread()
    with blocks.tracer.start_as_current_span("request"):
        in_thread(again)
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            again.start()
        failing._started.set()   # type: ignore[attr-defined]
        with pytest.raises(RuntimeError):
            failing.start()
        pool = ThreadPoolExecutor(1)
        with pytest.raises(TypeError, match="submit"):
            pool.submit()   # type: ignore[call-arg]
        pool.shutdown()
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(print)
    assert "run" not in vars(again) and "run" not in vars(failing)
    assert blocks.spans() == {"once": "request"}


def test_a_target_that_refuses_to_be_looked_at(blocks: Blocks) -> None:
    """A proxy for something that is not there in this thread is a target like another."""

    class Proxy:
        def __call__(self) -> None:
            blocks.make("proxied")

        def __getattribute__(self, name: str) -> Any:
            raise LookupError(name)

    with blocks.tracer.start_as_current_span("request"):
        in_thread(threading.Thread(target=Proxy(), name="named"))
    assert blocks.spans() == {"proxied": "request"}


def test_results_exceptions_and_arguments_pass(blocks: Blocks) -> None:
    """Also those whose names are ours; the traceback shows the function that failed."""

    def fails(self: int, function: int, *, state: int) -> None:
        raise KeyError(self + function + state)

    with blocks.tracer.start_as_current_span("request"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(dict, self=1, fn=2, function=3).result() == {"self": 1, "fn": 2, "function": 3}
        error = pool.submit(fails, 1, 2, state=3).exception()
    assert isinstance(error, KeyError) and error.args == (6,)
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fails"


@pytest.mark.parametrize("broken", ["current", "attach", "detach"])
def test_a_carrier_that_fails_costs_the_work_nothing(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, once; the other carriers still carry."""

    def fail(*_: object) -> None:
        raise OSError("broken")

    failing = Carrier(lambda: 1, lambda _: 2, lambda _: None)._replace(**{broken: fail})
    propagation._log_once.cache_clear()
    propagation.install((failing, *CARRIERS))
    token = context.attach(context.set_value("carried", 5))
    try:
        with ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                assert pool.submit(context.get_value, "carried").result() == 5
            seen: list[object] = []
            in_thread(threading.Thread(target=lambda: seen.append(context.get_value("carried"))))
            assert seen == [5]
    finally:
        context.detach(token)
    assert [record.name for record in caplog.records] == ["spanheap"]
    assert "the work itself goes on" in caplog.text


def test_the_functions_look_as_they_did() -> None:
    """Names, documentation and signature are the standard library's."""
    import inspect

    before = [(f.__name__, f.__doc__, inspect.signature(f)) for f in (ThreadPoolExecutor.submit, threading.Thread.start)]
    propagation.install()
    after = [(f.__name__, f.__doc__, inspect.signature(f)) for f in (ThreadPoolExecutor.submit, threading.Thread.start)]
    assert before == after


def test_it_imports_nothing_that_the_application_has_not(script: Script) -> None:
    """The API is a dependency; the SDK is not loaded for this, nor is an instrumentation."""
    assert script("""
        import sys
        from spanheap.spans import propagation
        propagation.install()
        propagation.uninstall()
        assert not [m for m in sys.modules if m.startswith(("opentelemetry.sdk", "opentelemetry.instrumentation", "numpy"))]
        print("fine")
    """) == "fine\n"


@pytest.mark.no_sanitizer(reason="greenlet throws C++ exceptions, and ASan is loaded before libstdc++")
def test_gevents_patched_threads_and_executors(script: Script) -> None:
    """There threads are greenlets, each with a context of its own."""
    pytest.importorskip("gevent")
    assert script("""
        from gevent import monkey
        monkey.patch_all()
        import threading
        from concurrent.futures import ThreadPoolExecutor
        from opentelemetry import context
        from spanheap.spans import propagation
        propagation.install()
        seen = []
        see = lambda: seen.append(context.get_value("carried"))
        token = context.attach(context.set_value("carried", 5))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(see).result()
            for thread in (threading.Thread(target=see), threading.Timer(0.001, see)):
                thread.start()
                thread.join()
            context.detach(token)
            pool.submit(see).result()
        assert seen == [5, 5, 5, None], seen
        print("fine")
    """) == "fine\n"
