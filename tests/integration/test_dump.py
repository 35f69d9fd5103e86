"""Dumps of a live process: complete or absent, private, and saying the same as a snapshot."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import spanheap

Script = Callable[..., str]
BLOCK = 300_000


@pytest.fixture(scope="module")
def provider() -> TracerProvider:
    """A provider that says whose process it is."""
    return TracerProvider(resource=Resource({"service.name": "shop", "service.version": "1.2", "k8s.pod.name": "shop-7f"}))


@pytest.fixture
def session(provider: TracerProvider) -> Iterator[spanheap.Session]:
    """Samples as in a service with some hundred MiB: about two a block."""
    with spanheap.profile(sample_interval=100_000, tick=None, seed=11, tracer_provider=provider) as running:
        yield running


@pytest.fixture
def leak(session: spanheap.Session, provider: TracerProvider) -> Iterator[list[bytes]]:
    """Twelve requests of falling size keep what they made; twelve more are still active."""
    tracer = provider.get_tracer("tests")
    kept, active = [], []
    for i in range(12):
        with tracer.start_as_current_span("GET /leak"), tracer.start_as_current_span("query"):
            kept += [bytes(BLOCK) for _ in range(40 - 2 * i)]
    for i in range(12):
        active.append(tracer.start_span(f"active {i}"))
    yield kept
    for span in active:
        span.end()


def left_in(folder: Path) -> list[str]:
    """All files, hidden ones too."""
    return sorted(entry.name for entry in folder.iterdir())


def test_a_dump_says_what_the_snapshot_says(session: spanheap.Session, leak: list[bytes], tmp_path: Path) -> None:
    """Totals, span names, roots and traces agree; pprof's values are whole numbers, hence the tolerance."""
    snapshot, path = session.snapshot(), session.dump(tmp_path / "heap.pb.gz")   # nothing in between: not even an import
    dump = spanheap.open_dump(path)
    assert snapshot.live_bytes == pytest.approx(len(leak) * BLOCK, rel=0.15)
    assert dump.live_bytes == pytest.approx(snapshot.live_bytes, rel=0.01)
    assert dump.sites(1)[0].live_objects == pytest.approx(snapshot.sites(1)[0].live_objects, rel=0.01)
    assert dump.allocated_bytes == pytest.approx(snapshot.allocated_bytes, rel=0.02)
    for view in ("by_span_name", "by_root_name", "by_trace"):
        largest = [(u.name, u.live_bytes) for u in getattr(snapshot, view)()[:5]]
        written = {u.name: u.live_bytes for u in getattr(dump, view)()}
        for name, size in largest:
            if name and not name.startswith("<"):   # what has no span goes on meanwhile
                assert written[name] == pytest.approx(size, rel=0.01, abs=1_000)
    assert dump.sites(1)[0].application_frame == snapshot.sites(1)[0].application_frame
    assert dump.period == 100_000


def test_the_comments_join_the_dump_with_traces(session: spanheap.Session, leak: list[bytes], tmp_path: Path) -> None:
    """Resource, reason, process, and the two lists of ten traces with names and ages."""
    dump = spanheap.open_dump(session.dump(tmp_path / "heap.pb.gz", reason="a test\nof lines"))
    known = dump.metadata
    assert (known["service.name"], known["service.version"], known["k8s.pod.name"]) == ("shop", "1.2", "shop-7f")
    assert known["reason"] == "a test of lines" and known["process.pid"] == str(os.getpid())
    assert int(known["active_spans"]) == 12 and int(known["rss_bytes"]) > 1_000_000
    assert known["attribution"] == "on"
    oldest = [value for key, value in known.items() if key.startswith("oldest_active_trace.")]
    largest = [value for key, value in known.items() if key.startswith("top_live_trace.")]
    assert len(oldest) == len(largest) == 10
    assert re.fullmatch(r"[0-9a-f]{32} age_s=\d+\.\d{3} span_name='active 0' root_span_name='active 0'", oldest[0])
    # Traces with as many samples are as large: their order is open.
    traces = {usage.name: usage.live_bytes for usage in session.snapshot().by_trace()}
    named = [line.split()[0] for line in largest]
    assert len(set(named)) == 10
    assert min(traces[name] for name in named) >= 0.99 * max(size for name, size in traces.items() if name not in named)
    assert "span_name='query' root_span_name='GET /leak'" in largest[0]
    sizes = [int(line.split("live_bytes=")[1].split()[0]) for line in largest]
    assert sizes == sorted(sizes, reverse=True)


def test_the_file_is_private_complete_and_alone(session: spanheap.Session, tmp_path: Path) -> None:
    """Mode 0600 whatever the umask; an existing file is replaced whole; no temporary file stays."""
    target = tmp_path / "heap.pb.gz"
    target.write_text("an older dump")
    target.chmod(0o644)
    mask = os.umask(0)
    try:
        assert session.dump(target) == target
    finally:
        os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert left_in(tmp_path) == ["heap.pb.gz"]
    spanheap.open_dump(target)


def test_where_a_dump_goes(session: spanheap.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """{pid} is filled in; a directory gets a new file each time; the default is a private folder of this user's."""
    assert session.dump(tmp_path / "heap-{pid}.pb.gz").name == f"heap-{os.getpid()}.pb.gz"
    (tmp_path / "folder").mkdir()
    first, second = session.dump(tmp_path / "folder"), session.dump(str(tmp_path / "folder"))
    assert first != second and first.parent == second.parent == tmp_path / "folder"
    assert str(os.getpid()) in first.name and first.name.endswith(".pb.gz")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = session.dump()
    assert path.parent == tmp_path / "state" / "spanheap"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_symbolic_link_is_replaced_not_followed(session: spanheap.Session, tmp_path: Path) -> None:
    """What it points at stays as it is."""
    victim, link = tmp_path / "victim", tmp_path / "heap.pb.gz"
    victim.write_text("precious")
    link.symlink_to(victim)
    session.dump(link)
    assert victim.read_text() == "precious"
    assert not link.is_symlink()
    spanheap.open_dump(link)


def test_a_missing_directory_is_named(session: spanheap.Session, tmp_path: Path) -> None:
    """With the reason; nothing is created."""
    target = tmp_path / "absent" / "heap.pb.gz"
    with pytest.raises(spanheap.DumpError, match=f"{re.escape(str(target))}: No such file or directory"):
        session.dump(target)
    assert left_in(tmp_path) == []


def test_a_default_folder_of_somebody_else_is_refused(
    session: spanheap.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that others can write to could be made to lead anywhere."""
    (tmp_path / "spanheap").mkdir()
    (tmp_path / "spanheap").chmod(0o777)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(spanheap.DumpError, match="nobody else can write to; pass a path, or set XDG_STATE_HOME"):
        session.dump()
    assert left_in(tmp_path / "spanheap") == []


def test_a_directory_without_permission_is_named(script: Script, tmp_path: Path) -> None:
    """Run as another user where this one may do everything."""
    tmp_path.chmod(0o555)
    try:
        out = script(f"""
            import os, spanheap
            with spanheap.profile(tick=None) as session:
                os.unlink(session.dump())   # everything is imported
                if os.geteuid() == 0: os.seteuid(65534)
                try: session.dump({str(tmp_path / 'heap.pb.gz')!r})
                except spanheap.DumpError as error: print(error)
        """)
    finally:
        tmp_path.chmod(0o755)
    assert out.startswith(f"no dump written to {tmp_path}/heap.pb.gz: Permission denied")
    assert left_in(tmp_path) == []


def test_a_full_disk_leaves_the_old_dump_and_no_rubbish(script: Script, tmp_path: Path) -> None:
    """A limit of the file size stands for the disk: the write fails in the middle."""
    target = tmp_path / "heap.pb.gz"
    target.write_text("an older dump")
    out = script(f"""
        import resource, spanheap
        with spanheap.profile(sample_interval=1, max_samples=100_000, tick=None) as session:
            kept = [str(i) for i in range(20_000)]
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))   # SIGXFSZ is ignored by Python
            try: session.dump({str(target)!r})
            except spanheap.DumpError as error: print(error)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            session.dump({str(tmp_path / "next.pb.gz")!r})   # and then it works again
    """)
    assert out == f"no dump written to {target}: File too large\n"
    assert target.read_text() == "an older dump"
    assert left_in(tmp_path) == ["heap.pb.gz", "next.pb.gz"]
    spanheap.open_dump(tmp_path / "next.pb.gz")


def test_dumps_from_many_threads_at_once(session: spanheap.Session, leak: list[bytes], tmp_path: Path) -> None:
    """They wait for each other; each is whole."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda i: session.dump(tmp_path / f"{i}.pb.gz"), range(12)))
    for path in paths:
        assert spanheap.open_dump(path).live_bytes == pytest.approx(len(leak) * BLOCK, rel=0.15)
    assert len(left_in(tmp_path)) == 12


@pytest.mark.needs("go", "golang-go")
def test_go_tool_pprof_reads_a_dump(session: spanheap.Session, leak: list[bytes], tmp_path: Path) -> None:
    """-top, -tags, -comments and -tagfocus, as README says."""
    path = session.dump(tmp_path / "heap.pb.gz")

    def pprof(*options: str) -> str:
        done = subprocess.run(
            ["go", "tool", "pprof", *options, str(path)], capture_output=True, text=True, check=False, timeout=60,
            env=os.environ | {"PPROF_TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    live = session.snapshot().live_bytes
    top = pprof("-top", "-sample_index=inuse_space", "-unit=bytes")
    total = re.search(r"of (\d+)B total", top)
    assert total and int(total[1]) == pytest.approx(live, rel=0.01)
    assert re.search(r"\d+B\s+[\d.]+%.*\bleak\b", top)
    tags = pprof("-tags", "-sample_index=inuse_space")
    for label in ("trace_id:", "span_id:", "span_name:", "root_span_name:", "thread:", "bytes:", "GET /leak", "MainThread"):
        assert label in tags
    comments = pprof("-comments")
    assert "service.name=shop" in comments and "top_live_trace.10=" in comments
    focused = pprof("-top", "-sample_index=inuse_space", "-unit=bytes", "-tagfocus=span_name=query")
    found = re.search(r"accounting for (\d+)B", focused)
    assert found and int(found[1]) == pytest.approx(len(leak) * BLOCK, rel=0.15)


def test_one_dump_at_a_time_also_of_two_sessions(tmp_path: Path) -> None:
    """One of the last session may still be written when the next has begun, and the core has one writer."""
    with spanheap.profile(tick=None) as last:
        pass
    with spanheap.profile(tick=None) as session:
        thread = threading.Thread(target=session.dump, args=(tmp_path,))
        with last._profiler.dump_lock:
            thread.start()
            thread.join(0.2)
            assert thread.is_alive() and not list(tmp_path.iterdir())
        thread.join()
    assert len(list(tmp_path.iterdir())) == 1
