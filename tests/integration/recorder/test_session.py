"""A recorder in a session's life."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap.recorder import reader
from spanheap.recorder.recording import Recording


def read(path: Path) -> Recording:
    """The file as it is."""
    with path.open("rb") as file:
        return reader.read_fd(file.fileno(), str(path))


def test_spans_appear_and_disappear_as_they_start_and_end(tmp_path: Path) -> None:
    """At once, not with the next tick; with parent, root and final name."""
    path, provider = tmp_path / "recorder", TracerProvider()
    tracer = provider.get_tracer("t")
    with spanheap.profile(recorder=path, tick=None, tracer_provider=provider):
        with tracer.start_as_current_span("GET /") as outer:
            inner = tracer.start_span("db")
            root, db = read(path).active
            assert (root.name, db.name, db.root_name) == ("GET /", "db", "GET /") and db.parent_id == root.span_id
            assert int(db.span_id, 16) == inner.get_span_context().span_id and db.sampled
            inner.update_name("SELECT")
            inner.end()
            assert [span.name for span in read(path).active] == ["GET /"]
            [ended] = read(path).ended
            assert (ended.name, ended.parent_id) == ("SELECT", f"{outer.get_span_context().span_id:016x}")
        assert read(path).active == [] and read(path).counts.retained == 2
    assert len(read(path).ended) == 2


def test_what_was_there_before_the_recorder_is_in_the_file(tmp_path: Path) -> None:
    """A second session of one process: names that the first one interned, nothing else of it."""
    path, provider = tmp_path / "recorder", TracerProvider()
    tracer = provider.get_tracer("t")
    with spanheap.profile(tick=None, tracer_provider=provider):
        tracer.start_span("known").end()
    with spanheap.profile(recorder=path, tick=None, tracer_provider=provider) as session:
        assert read(path).ended == []
        tracer.start_span("known").end()
        assert [span.name for span in read(path).ended] == ["known"] == [span.name for span in session.spans.recent()]


def test_the_store_answers_after_the_end_and_the_file_stays(tmp_path: Path) -> None:
    """The ring goes on in memory; a later session without a recorder writes nothing into the file."""
    path, provider = tmp_path / "recorder", TracerProvider()
    tracer = provider.get_tracer("t")
    with spanheap.profile(recorder=path, tick=None, tracer_provider=provider) as session:
        tracer.start_span("one").end()
    content = path.read_bytes()
    assert [span.name for span in session.spans.recent()] == ["one"]
    with spanheap.profile(tick=None, tracer_provider=provider) as later:
        tracer.start_span("two").end()
        later.tick(0.0)
    assert path.read_bytes() == content and [span.name for span in session.spans.recent()] == ["one"]


def test_the_largest_sites_are_written_by_the_tick(tmp_path: Path) -> None:
    """As the snapshot has them."""
    path = tmp_path / "recorder"
    with spanheap.profile(recorder=path, tick=None, sample_interval=1, max_samples=100_000) as session:
        kept = [bytes(100_000) for _ in range(30)]
        session.snapshot()   # has imported what it needs
        gc.collect()
        session.tick(0.0)
        snapshot = session.snapshot()
        recording = read(path)
    assert recording.live_bytes == pytest.approx(snapshot.live_bytes, rel=0.05) and len(kept) == 30
    largest = recording.sites[0]
    assert largest.live_bytes >= 30 * 100_000 and largest.stack[0].filename == __file__
    assert largest.spans[0].name == "<no span>"
    assert recording.points[-1].live_bytes == recording.live_bytes and recording.points[-1].resident_bytes > 10 << 20


def test_an_exception_that_ends_the_session_is_named(tmp_path: Path) -> None:
    """Its type, not its text."""
    path = tmp_path / "recorder"
    with pytest.raises(ZeroDivisionError), spanheap.profile(recorder=path, tick=None):
        raise ZeroDivisionError("secret")
    assert read(path).ends[1].text == "ZeroDivisionError" and b"secret" not in path.read_bytes()


FILLING = """
    import os
    from opentelemetry.sdk.trace import TracerProvider
    import spanheap

    path, provider = os.environ["RECORDER"], TracerProvider()
    tracer = provider.get_tracer("t")
    with spanheap.profile(recorder=path, tick=None, tracer_provider=provider) as session:
        size = os.stat(path).st_size
        for number in range(17_000):
            tracer.start_span(f"name-{number}").end()
        session.tick(0.0)
        assert os.stat(path).st_size == size <= 8 << 20
        assert session.spans._log.valid() and session._profiler.recorder.memory.valid()
        assert session.stats().names_overflowed > 0
"""


def test_the_size_is_fixed(tmp_path: Path, script: Callable[..., str]) -> None:
    """8 MiB at most with the default options, however many spans and names there are."""
    path = tmp_path / "recorder"
    script(FILLING, RECORDER=str(path))   # names stay for the life of a process
    recording = read(path)
    assert recording.damaged == {} and len(recording.ended) == 16384 and recording.ended[-1].name == "<other>"
