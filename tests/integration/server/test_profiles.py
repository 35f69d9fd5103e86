"""/debug/pprof/: what `go tool pprof` fetches, and that it says what a snapshot says."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap import _core

from ._http import ask
from .conftest import BLOCK


def pprof(tmp_path: Path, *arguments: str) -> str:
    """Run `go tool pprof` in a folder of its own; returns what it printed."""
    with _core.Muted():
        done = subprocess.run(["go", "tool", "pprof", *arguments], capture_output=True, text=True, check=False, timeout=60,
                              env=os.environ | {"PPROF_TMPDIR": str(tmp_path), "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def total(output: str) -> int:
    """The bytes of a -top listing with -unit=bytes."""
    found = re.search(r"of (-?\d+)B total", output)
    assert found, output
    return int(found[1])


def dump_of(body: bytes, tmp_path: Path) -> spanheap.Dump:
    """Read it as a file."""
    path = tmp_path / "fetched.pb.gz"
    with _core.Muted():
        path.write_bytes(body)
        return spanheap.open_dump(path)


@pytest.mark.needs("go", "golang-go")
def test_go_tool_pprof_fetches_the_heap(session: spanheap.Session, url: str, leak: list[bytes], tmp_path: Path) -> None:
    """By its URL; the totals are the snapshot's, the frames and spans those of the service."""
    shown = pprof(tmp_path, "-top", "-sample_index=inuse_space", "-unit=bytes", f"{url}/debug/pprof/heap")
    snapshot = session.snapshot()   # before the test itself allocates
    assert total(shown) == pytest.approx(snapshot.live_bytes, rel=0.001)
    assert re.search(r"\d+B\s+[\d.]+%.*\bleak\b", shown) and "Type: inuse_space" in shown
    focused = pprof(tmp_path, "-top", "-unit=bytes", "-tagfocus=span_name=GET /leak", f"{url}/debug/pprof/heap")
    kept = next(u for u in snapshot.by_span_name() if u.name == "GET /leak")
    accounted = re.search(r"accounting for (\d+)B", focused)
    assert accounted and int(accounted[1]) == pytest.approx(kept.live_bytes, rel=0.001)
    raw = pprof(tmp_path, "-raw", f"{url}/debug/pprof/allocs")
    assert "alloc_space/bytes[dflt]" in raw


@pytest.mark.needs("go", "golang-go")
def test_go_tool_pprof_sends_the_token_of_the_url(provider: TracerProvider, tmp_path: Path) -> None:
    """As the password; without it, it is told what is missing."""
    token = "secret-secret-secret"
    with spanheap.profile(tick=None, debug_server=spanheap.DebugServer("127.0.0.1:0", token=token)) as session:
        assert session.debug_url is not None
        netloc = session.debug_url.removeprefix("http://")
        assert "Type: inuse_space" in pprof(tmp_path, "-top", f"http://:{token}@{netloc}/debug/pprof/heap")
        with pytest.raises(AssertionError, match="401"):
            pprof(tmp_path, "-top", f"http://{netloc}/debug/pprof/heap")


def test_the_profile_says_what_the_snapshot_says(
    session: spanheap.Session, url: str, leak: list[bytes], tmp_path: Path
) -> None:
    """Live and allocated, of heap and of allocs; nothing that the server does is in it."""
    for name in ("heap", "allocs"):
        gc.collect()          # garbage that is sampled must not go between the two
        with _core.Muted():   # to ask allocates, which may be a sample
            reply = ask(url, f"/debug/pprof/{name}")
            dump, snapshot = dump_of(reply.body, tmp_path), session.snapshot()
        assert reply.status == 200 and int(reply.headers["Content-Length"]) == len(reply.body)
        assert dump.live_bytes == pytest.approx(snapshot.live_bytes, rel=0.001)
        assert dump.allocated_bytes == pytest.approx(snapshot.allocated_bytes, rel=0.001)
        assert dump.metadata["process.pid"] == str(os.getpid())
    assert snapshot.live_bytes == pytest.approx(len(leak) * BLOCK, rel=0.15)
    assert not [s for s in snapshot.sites() if any(f.filename.endswith("spanheap/server/handler.py") for f in s.stack)]


@pytest.mark.parametrize("name", ["heap", "allocs"])
def test_seconds_gives_what_changed_within_them(
    session: spanheap.Session, provider: TracerProvider, url: str, leak: list[bytes], tmp_path: Path, name: str
) -> None:
    """What came is positive, what went is negative, what stayed is not there."""
    new: list[bytes] = []
    before = session.snapshot()

    def work() -> None:
        time.sleep(0.3)
        del leak[:10]
        with provider.get_tracer("tests").start_as_current_span("GET /new"):
            new.extend(bytes(BLOCK) for _ in range(30))

    worker = threading.Thread(target=work)
    worker.start()
    reply = ask(url, f"/debug/pprof/{name}?seconds=1")
    worker.join()
    assert reply.status == 200 and f"{name}-delta" in reply.headers["Content-Disposition"]
    dump, grown = dump_of(reply.body, tmp_path), session.snapshot().diff(before)
    assert dump.live_bytes == pytest.approx(grown.live_bytes, abs=2) and abs(grown.live_bytes) > 1_000_000
    # Reading the reply allocates, and one block in 50,000 bytes of that is sampled.
    assert dump.allocated_bytes == pytest.approx(grown.allocated_bytes, abs=250_000)
    by_span = {usage.name: usage.live_bytes for usage in dump.by_span_name()}
    assert by_span["GET /new"] == pytest.approx(30 * BLOCK, rel=0.2)
    assert by_span["GET /leak"] == pytest.approx(-10 * BLOCK, rel=0.2)
    assert 1.0 <= float(dump.metadata["delta_s"]) < 10


@pytest.mark.once(reason="a matter of the server, not of the CPython")
def test_the_text_has_totals_stacks_and_spans(session: spanheap.Session, url: str, leak: list[bytes]) -> None:
    """debug=1, as Go's."""
    text, snapshot = ask(url, "/debug/pprof/heap?debug=1").text, session.snapshot()   # before the test itself allocates
    first = re.match(r"heap profile: (\d+): (\d+) \[(\d+): (\d+)\] @ heap/50000\n", text)
    assert first and int(first[2]) == pytest.approx(snapshot.live_bytes, rel=0.001)
    assert re.search(r"\n#\tleak \(.*conftest\.py:\d+\)", text) and "spans: GET /leak" in text


@pytest.mark.once(reason="a matter of the server, not of the CPython")
def test_gc_collects_garbage_first(session: spanheap.Session, url: str, tmp_path: Path) -> None:
    """What only a cycle keeps is gone from the profile."""
    cycle: list[object] = [bytes(5_000_000)]
    cycle.append(cycle)
    del cycle
    assert dump_of(ask(url, "/debug/pprof/heap").body, tmp_path).live_bytes > 4_000_000
    assert dump_of(ask(url, "/debug/pprof/heap?gc=1").body, tmp_path).live_bytes < 2_000_000


@pytest.mark.once(reason="pure Python")
def test_a_difference_keeps_its_sums_when_it_is_rounded(tmp_path: Path) -> None:
    """10,000 thirds of a byte are 3,333, not 0."""
    from spanheap.server.profiles import write_delta
    from spanheap.snapshot import Frame, HeapSnapshot, Row

    def snapshot(value: float, n: int) -> HeapSnapshot:
        rows = [Row((Frame("f", "a.py", i + 1),), "s", "r", "", "", "t", 1, value, value, value, value, 1) for i in range(n)]
        return HeapSnapshot(rows, time=1.0 + n, rss_bytes=0, sample_interval=1.0)

    with open(tmp_path / "delta.pb.gz", "wb") as file:
        assert write_delta(file.fileno(), snapshot(1 / 3, 1), snapshot(1 / 3, 10_000), allocated=False) == 0
    dump = spanheap.open_dump(tmp_path / "delta.pb.gz")
    assert dump.live_bytes == pytest.approx(9_999 / 3, abs=1) and dump.allocated_bytes == pytest.approx(9_999 / 3, abs=1)


@pytest.mark.once(reason="pure Python")
@pytest.mark.parametrize(("query", "says"), [
    ("seconds=-1", "seconds must be a number from 0 to 300, not '-1'"), ("seconds=301", "not '301'"),
    ("seconds=nan", "not 'nan'"),
    ("seconds=1e999", "not '1e999'"), ("gc=x", "gc must be a whole number"), ("debug=1&seconds=1", "do not go together"),
    ("token=abc", "Authorization: Bearer"), ("&".join(f"a{i}=1" for i in range(17)), "more than 16 parameters"),
])
def test_a_parameter_that_cannot_be_is_named(url: str, query: str, says: str) -> None:
    """With its value and its range."""
    reply = ask(url, f"/debug/pprof/heap?{query}")
    assert reply.status == 400 and says in reply.text
