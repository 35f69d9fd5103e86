"""Whose the file is, and what becomes of the one that was there."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import spanheap
from spanheap.recorder import place, reader
from tests.recorder.service import ROOT, command, run_once


def start(path: Path | str, **options: object) -> spanheap.Session:
    """A session that records there."""
    return spanheap.start(recorder=path, tick=None, span_capacity=64, **options)   # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Of a recorder; the session that a test starts ends with it."""
    yield tmp_path / "recorder"
    if (session := spanheap.current()) is not None:
        session.shutdown()


def refused(caplog: pytest.LogCaptureFixture, session: spanheap.Session) -> str:
    """The one warning; the session runs without a recorder."""
    stats = session.stats()
    assert stats.recorder == "" and stats.recorder_errors == 1
    assert session.snapshot().live_bytes >= 0
    session.tick(0.0)
    session.shutdown()
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.message.startswith("spanheap: no flight recorder: ")
    return record.message


def test_a_name_that_no_file_can_have(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Is refused like any other path that cannot be used."""
    message = refused(caplog, start(tmp_path / "a\ud800"))
    assert f"{tmp_path}/a\\ud800' cannot be made" in message and "pass another path" in message


def test_the_death_of_the_predecessor_is_reported_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the log, in the session and as a metric; its file is kept; the start after that says nothing of it."""
    run_once(path, "kill")
    metrics = InMemoryMetricReader()
    session = start(path, meter_provider=MeterProvider([metrics]))
    [death] = session.predecessor_deaths
    assert death.kind == "killed" and death.path == f"{path}.1" and Path(death.path).exists()
    assert [r.message for r in caplog.records] == [m for m in caplog.messages if f"(pid {death.pid}) killed at" in m]
    data = metrics.get_metrics_data()
    assert data is not None
    [point] = [point for metric in data.resource_metrics[0].scope_metrics[0].metrics
               if metric.name == "spanheap.recorder.predecessor_deaths" for point in metric.data.data_points]
    assert point.value == 1 and point.attributes == {"spanheap.death.kind": "killed"}
    session.shutdown()
    caplog.clear()
    again = start(path)   # the predecessor is the one above, which ended cleanly
    assert again.predecessor_deaths == [] and caplog.messages == []


def test_three_predecessors_are_kept(path: Path) -> None:
    """The newest is PATH.1."""
    for _ in range(6):
        start(path).shutdown()
    assert sorted(file.name for file in path.parent.iterdir()) == ["recorder", *(f"recorder.{n}" for n in (1, 2, 3))]
    times = []
    for name in ("recorder", "recorder.1", "recorder.2", "recorder.3"):
        with (path.parent / name).open("rb") as file:
            times.append(reader.read_fd(file.fileno(), name).identity.started)
    assert times == sorted(times, reverse=True)


def test_what_is_not_ours_is_left_alone(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file of something else, at the path or where the predecessor's would be kept."""
    path.write_text("the service's own data")
    assert "exists and is not a recorder file" in refused(caplog, start(path))
    assert path.read_text() == "the service's own data"
    path.unlink()
    start(path).shutdown()
    (path.parent / "recorder.1").write_text("mine")
    caplog.clear()
    assert "is in the way" in refused(caplog, start(path))
    assert (path.parent / "recorder.1").read_text() == "mine" and path.stat().st_size > 4096


def test_symbolic_links_are_not_followed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor is what they point to."""
    (path.parent / "target").touch()
    path.symlink_to("target")
    assert "is a symbolic link" in refused(caplog, start(path))
    assert (path.parent / "target").stat().st_size == 0


@pytest.mark.parametrize("kind", ["folder", "fifo", "no folder"])
def test_what_is_no_file_is_refused(path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """With the path and the reason, and without waiting."""
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    target = path / "recorder" if kind == "no folder" else path
    assert str(target) in refused(caplog, start(target))


def test_two_processes_do_not_share_a_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The second one runs without, and says whose it is and what to do; the first one's file is whole."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command(path, "serve"), stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        child.stdout.readline()
        message = refused(caplog, start(path))
        assert f"another process ({child.pid}) records into {path}; put {{pid}} into the path" in message
        child.communicate("end\n", timeout=60)
    with path.open("rb") as file:
        assert reader.read_fd(file.fileno(), "").identity.pid == child.pid


def test_a_full_disk_is_said_with_the_bytes(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No space: no recorder, and no file that would pass for a dead process's."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))   # CPython ignores SIGXFSZ
    try:
        message = refused(caplog, start(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.strerror(errno.EFBIG) in message and "bytes" in message and not path.exists()


def test_a_file_that_was_never_finished_is_no_obstacle(path: Path) -> None:
    """Killed while it made the file: empty, or with the first bytes only."""
    path.touch()
    start(path).shutdown()
    path.write_bytes(b"SHAP_REC")
    session = start(path)
    [death] = session.predecessor_deaths
    assert death.kind == "unreadable" and session.stats().recorder == str(path)


def test_the_files_of_other_processes_are_bounded(tmp_path: Path) -> None:
    """With {pid} in the path: deaths of all are reported, the newest files are kept, those in use are left alone."""
    made = tmp_path / "made"
    run_once(made, "kill")
    for number in range(place.KEPT_SIBLINGS + 4):
        copy = shutil.copy(made, tmp_path / f"r-{900_000 + number}.rec")
        os.utime(copy, (number + 1, number + 1))
    (tmp_path / "r-1.rec").write_text("not a recorder file")
    (tmp_path / "r-12.rec.txt").touch()
    session = start(tmp_path / "r-{pid}.rec")
    try:
        assert Path(session.stats().recorder).name == f"r-{os.getpid()}.rec"
        kept = sorted(int(p.name[2:-4]) - 900_000 for p in tmp_path.glob("r-9*.rec") if p.name != f"r-{os.getpid()}.rec")
        assert kept == list(range(4, place.KEPT_SIBLINGS + 4))
        assert (tmp_path / "r-1.rec").exists() and (tmp_path / "r-12.rec.txt").exists()
        assert 1 <= len(session.predecessor_deaths) <= 10
    finally:
        session.shutdown()


@pytest.mark.parametrize(("value", "error"), [
    (7, TypeError), (b"x", TypeError), ("", ValueError), ("x/", ValueError), ("a\0", ValueError),
], ids=range(5))
def test_a_path_that_is_none_is_a_mistake(value: object, error: type[Exception]) -> None:
    """Which raises, with the value."""
    with pytest.raises(error, match="recorder must be None or the path of a file, not"):
        spanheap.start(recorder=value)   # type: ignore[arg-type]
