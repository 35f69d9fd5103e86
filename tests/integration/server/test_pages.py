"""The other paths: spans, leaks, figures, metrics, a dump on request; for people and for programs."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from tests.integration.detection import _service

from ._http import ask

pytestmark = pytest.mark.once(reason="a matter of the server, not of the CPython")


def test_the_index_says_what_there_is_and_links_to_it(session: spanheap.Session, url: str, leak: list[bytes]) -> None:
    """Every link answers, with the headers that keep a page from doing harm; HEAD has the head alone."""
    index = ask(url, "/", Accept="text/html")
    assert index.status == 200 and f"process {os.getpid()}" in index.text and "GET /leak" in index.text
    links = re.findall(r'href="([^"]+)"', index.text)
    assert "/debug/pprof/heap" in links and len(links) >= 8
    for link in links:
        reply = ask(url, link, Accept="text/html")
        # Another test may have left the exporter of metrics behind.
        assert reply.status == 200 or (link == "/metrics" and reply.status == 404), (link, reply.text)
        assert reply.headers["X-Content-Type-Options"] == "nosniff" and reply.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    head = ask(url, "/debug/pprof/heap", "HEAD")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 100
    assert ask(url, "/debug/pprof").headers["Location"] == "/debug/pprof/"


def test_spans_are_told(session: spanheap.Session, provider: TracerProvider, url: str) -> None:
    """Active and recent ones and a trace; names that are HTML are not taken for it."""
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("GET /<script>") as span, tracer.start_as_current_span("query"):
        pass
    active = tracer.start_span("job")
    document = ask(url, "/debug/spans?n=5").json
    assert [s["name"] for s in document["active"]] == ["job"]
    assert [s["name"] for s in document["recent"]][:1] == ["GET /<script>"]
    assert document["counts"]["produced"] == 2 and document["names"]
    trace_id = f"{span.get_span_context().trace_id:032x}"
    assert {s["name"] for s in ask(url, f"/debug/spans?trace_id={trace_id}").json["ended"]} == {"GET /<script>", "query"}
    page = ask(url, "/debug/spans", Accept="text/html,*/*").text
    assert "GET /&lt;script&gt;" in page and "<script>" not in page and f"trace_id={trace_id}" in page
    active.end()
    assert "32 hex digits" in ask(url, "/debug/spans?trace_id=xyz").text
    assert ask(url, "/debug/spans?n=1001").status == 400


def test_leaks_are_told(provider: TracerProvider) -> None:
    """A real one, in words and in figures, as `Session.leaks()` has it; names that are HTML are not taken for it."""
    # The heap is that of a whole test run: the walk to who holds it gets the time that it takes.
    with spanheap.profile(sample_interval=10_000, tick=None, seed=5, tracer_provider=provider, dumps=None,
                          pause_budget_ms=60_000, debug_server="127.0.0.1:0") as session:
        url = session.debug_url
        assert url is not None and ask(url, "/debug/leaks").json["leaks"] == []
        assert "Nothing grows" in ask(url, "/debug/leaks", Accept="text/html").text
        for second in range(700):
            for order in range(4):
                with provider.get_tracer("tests").start_as_current_span("GET /<order>"):
                    _service.leak(4 * second + order)
            session.tick(float(second))
            if session.leaks():
                break
        [found] = ask(url, "/debug/leaks").json["leaks"]
        [verdict] = session.leaks()
        assert found["kind"] == "leak" and found["text"] == str(verdict) and found["root_name"] == "GET /<order>"
        line = _service.leak.__code__.co_firstlineno + 1
        assert found["at"] == {"function": "leak", "filename": _service.__file__, "line": line} == found["stack"][0]
        assert found["growth_bytes_per_s"] == verdict.growth_bytes_per_s == pytest.approx(80_000, rel=0.5)
        assert "_service:unbounded_orders (dict" in found["holder"] and found["trace_ids"] == verdict.trace_ids != []
        page = ask(url, "/debug/leaks", Accept="text/html").text
        assert f"leak ({_service.__file__}:{line})" in page and "held by " in page
        assert "&#x27;GET /&lt;order&gt;&#x27;" in page and "<order>" not in page
    _service.forget()


def test_figures_are_told(session: spanheap.Session, url: str, leak: list[bytes]) -> None:
    """The profiler's, the process's, and what `spanheap top` shows; infinities are null."""
    stats = ask(url, "/debug/stats").json
    assert stats["profiler"]["samples"] > 0 and stats["process"]["pid"] == os.getpid() and stats["server"]["url"] == url
    assert stats["memory"]["rss_bytes"] > 1_000_000
    top = ask(url, "/debug/top?n=3").json
    assert top["format"] == "spanheap.top/1" and len(top["lines"]) <= 3
    assert "conftest.py:" in top["lines"][0]["line"] and top["lines"][0]["root_name"] == "GET /leak"
    assert top["heap"]["live_bytes"] == pytest.approx(session.snapshot().live_bytes, rel=0.01)


def test_labels_are_in_profiles_alone(session: spanheap.Session, provider: TracerProvider, url: str) -> None:
    """They are values of the service's: the JSON and HTML pages have names only."""
    tracer = provider.get_tracer("tests")
    with spanheap.labels(tenant="acme-secret"), tracer.start_as_current_span("s", attributes={"k": "acme-secret"}):
        kept = [bytes(300_000) for _ in range(10)]
    for path in ("/", "/debug/top", "/debug/spans", "/debug/stats", "/debug/leaks", "/debug/pprof/heap?debug=1"):
        assert "acme-secret" not in ask(url, path).text
    del kept


def test_metrics_are_those_of_the_application(session: spanheap.Session, url: str) -> None:
    """Where it has the exporter; else the answer says what is missing."""
    pytest.importorskip("prometheus_client")
    reader_class = pytest.importorskip("opentelemetry.exporter.prometheus").PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider

    provider = MeterProvider(metric_readers=[reader_class()])
    try:
        provider.get_meter("tests").create_counter("orders").add(3)
        reply = ask(url, "/metrics")
        assert reply.status == 200 and "orders_total" in reply.text
        assert reply.headers["Content-Type"].startswith("text/plain")
        preferred = ask(url, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert "openmetrics" in preferred.headers["Content-Type"]
    finally:
        provider.shutdown()


def test_a_dump_on_request(session: spanheap.Session, url: str, leak: list[bytes], tmp_path: Path) -> None:
    """Where the dumps of the process go, with mode 0600; only by POST with the header, and nowhere else."""
    reply = ask(url, "/debug/dump", "POST", X_Spanheap="1")
    path = Path(reply.json["path"])
    assert path.parent == tmp_path / "state" / "spanheap" and stat.S_IMODE(path.stat().st_mode) == 0o600
    dump = spanheap.open_dump(path)
    assert dump.live_bytes == pytest.approx(session.snapshot().live_bytes, rel=0.05)
    assert dump.metadata["reason"] == "debug server"
    before = sorted(path.parent.iterdir())
    assert ask(url, "/debug/dump", "POST").status == 403 and ask(url, "/debug/dump").status == 405
    for attempt in ("/debug/dump?path=/tmp/x", "/debug/dump?"):
        body = b'{"path": "/tmp/x"}' if attempt.endswith("?") else None
        refused = ask(url, attempt, "POST", body, X_Spanheap="1")
        assert refused.status == 400 and "takes no arguments" in refused.text
    assert sorted(path.parent.iterdir()) == before


def test_dumps_on_request_are_bounded(
    session: spanheap.Session, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten a minute, and not on a disk that is nearly full."""
    statuses = [ask(url, "/debug/dump", "POST", X_Spanheap="1").status for _ in range(11)]
    assert statuses == [200] * 10 + [429] and len(list((tmp_path / "state" / "spanheap").iterdir())) == 10
    assert session._profiler.server is not None
    session._profiler.server.dumps.clear()
    monkeypatch.setattr("spanheap.dumps.folder.free_bytes", lambda directory: 1000)
    full = ask(url, "/debug/dump", "POST", X_Spanheap="1")
    assert full.status == 507 and "MiB left" in full.text


def test_a_session_is_configured(session: spanheap.Session, url: str) -> None:
    """Another rate, off and on; the session's objections are passed on, and nothing else is taken."""
    def post(body: bytes) -> tuple[int, str]:
        reply = ask(url, "/debug/configure", "POST", body, X_Spanheap="1")
        return reply.status, reply.text

    def sampled() -> int:
        before = session.stats().samples
        kept = [bytes(20_000) for _ in range(40)]
        return session.stats().samples - before if kept else 0

    assert post(b'{"sample_interval": 1000}')[0] == 200 and session.stats().sample_interval == 1_000
    assert sampled() >= 40   # e^-20 is the chance that one has not come of a block
    assert post(b'{"enabled": false}')[0] == 200 and not session.stats().sampling and sampled() == 0
    assert post(b'{"enabled": true, "sample_interval": 500}')[0] == 200 and sampled() >= 40
    assert post(b'{"sample_interval": 0}') == (400, "sample_interval must be between 1 and 1,099,511,627,776, not 0\n")
    assert post(b'{"enabled": 1}') == (400, "enabled must be True, False or None, not 1\n")
    for body in (b"", b"[]", b"{}", b'{"seed": 1}', b"{", b"[" * 4000, b"\xff"):
        status, text = post(body)
        assert status == 400 and "sample_interval or enabled" in text
    assert session.stats().sample_interval == 500 and session.stats().sampling


def test_what_is_not_here_is_refused(url: str) -> None:
    """Unknown paths, other methods, other hosts."""
    assert "'/nowhere'" in ask(url, "/nowhere").text and ask(url, "/nowhere").status == 404
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        reply = ask(url, "/", method)
        assert reply.status == 405 and reply.headers["Allow"] == "GET, HEAD, POST"
    assert ask(url, "/", "POST", X_Spanheap="1").status == 405
    assert ask(url, "/", Host="evil.example").status == 403


def test_the_token_is_needed_for_every_path() -> None:
    """As Bearer; not in the URL."""
    token = "secret-secret-secret"
    with spanheap.profile(tick=None, debug_server=spanheap.DebugServer("127.0.0.1:0", token=token)) as session:
        assert session.debug_url is not None
        for path in ("/", "/debug/stats", "/nowhere", f"/?token={token}"):
            reply = ask(session.debug_url, path)
            assert reply.status == 401 and token not in reply.text and "Basic" in reply.headers["WWW-Authenticate"]
        assert ask(session.debug_url, "/", Authorization=f"Bearer {token}").status == 200
        reply = ask(session.debug_url, f"/?token={token}", Authorization=f"Bearer {token}")
        assert reply.status == 400 and token not in reply.text
