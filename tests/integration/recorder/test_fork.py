"""A forked child leaves its parent's file alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from spanheap.recorder import reader
from spanheap.recorder.recording import Recording

Script = Callable[..., str]

SERVICE = """
    import json, os, sys, time
    from opentelemetry.sdk.trace import TracerProvider
    import spanheap

    provider = TracerProvider()
    session = spanheap.start(recorder=os.environ["RECORDER"], tick=None, span_capacity=64, tracer_provider=provider)
    tracer = provider.get_tracer("t")
    outer = tracer.start_span("outer")
    for i in range(3):
        tracer.start_span("before").end()
    child = os.fork()
    if child == 0:
        outer.end()
        for i in range(2):
            tracer.start_span("in child").end()
        inner = tracer.start_span("inner of child")
        session.tick(time.time())
        seen = [span.name for span in session.spans.recent()]
        print(json.dumps({"pid": os.getpid(), "recorder": session.stats().recorder, "recent": seen}), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    tracer.start_span("after").end()
    session.tick(time.time())
    print(json.dumps({"pid": os.getpid(), "recorder": session.stats().recorder}), flush=True)
    os._exit(0)
"""


def read(path: str) -> Recording:
    """The file of a process that has ended."""
    with Path(path).open("rb") as file:
        recording = reader.read_fd(file.fileno(), path)
    assert recording.damaged == {}
    return recording


def run(script: Script, path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What the child and the parent said."""
    child, parent = map(json.loads, script(SERVICE, RECORDER=str(path)).splitlines())
    return child, parent


def test_the_child_records_nothing_into_its_parents_file(tmp_path: Path, script: Script) -> None:
    """One path for all: the parent alone has it, and all that is in it is the parent's."""
    child, parent = run(script, tmp_path / "recorder")
    assert child["recorder"] == "" and parent["recorder"] == str(tmp_path / "recorder")
    assert child["recent"] == ["outer", "in child", "in child"]
    recording = read(parent["recorder"])
    assert [span.name for span in recording.ended] == ["before"] * 3 + ["after"]
    assert [span.name for span in recording.active] == ["outer"]
    assert len(recording.points) == 2 and recording.counts.in_flight == 0 and recording.identity.pid == int(parent["pid"])
    assert [p.name for p in tmp_path.iterdir()] == ["recorder"]


def test_with_pid_in_the_path_the_child_has_its_own(tmp_path: Path, script: Script) -> None:
    """From its first tick on, with what it did before that; the parent's is as without it."""
    child, parent = run(script, tmp_path / "recorder-{pid}")
    assert child["recorder"] == str(tmp_path / f"recorder-{child['pid']}")
    recording = read(child["recorder"])
    assert [span.name for span in recording.ended] == ["outer", "in child", "in child"]
    assert [span.name for span in recording.active] == ["inner of child"]
    assert recording.identity.pid == int(child["pid"]) and recording.points
    assert [span.name for span in read(parent["recorder"]).ended] == ["before"] * 3 + ["after"]
