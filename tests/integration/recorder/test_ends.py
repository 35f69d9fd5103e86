"""How a service ended is in its file, and everything else as well."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

import spanheap
from spanheap import cli
from tests.recorder.service import ROOT, command, name_of, run_once, trace_of


def recovered(path: Path) -> dict[str, Any]:
    """What the command says as JSON."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert cli.main(["recover", "--json", str(path)]) == 0
    return dict(json.loads(output.getvalue()))


@pytest.mark.parametrize(("how", "status", "kind", "text"), [
    ("clean", 0, "clean", "ended cleanly"),
    ("exit", 3, "clean", "ended cleanly"),
    ("raise", 1, "exception", "ended with an uncaught exception: LookupError"),
    ("kill", -signal.SIGKILL, "killed", "SIGKILL, the OOM killer"),
    ("term", -signal.SIGTERM, "killed", "SIGTERM"),
])
def test_the_end(tmp_path: Path, how: str, status: int, kind: str, text: str) -> None:
    """By itself, by an exception (of which only the type is written), from outside."""
    path = tmp_path / "recorder"
    assert run_once(path, how)[0] == status
    document = recovered(path)
    assert document["death"]["kind"] == kind and text in document["death"]["text"]
    assert b"a text that is the service's own" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600 and path.stat().st_size <= 8 << 20


@pytest.mark.no_sanitizer(reason="the sanitizer has handlers of its own for these signals")
@pytest.mark.parametrize("options", [(), ("-X", "faulthandler")], ids=["alone", "faulthandler"])
@pytest.mark.parametrize(("how", "number"), [("segv", signal.SIGSEGV), ("abort", signal.SIGABRT)], ids=["segv", "abort"])
def test_a_fatal_signal(tmp_path: Path, how: str, number: signal.Signals, options: tuple[str, ...]) -> None:
    """It kills as before, and faulthandler still prints what it does; the file has its name."""
    path = tmp_path / "recorder"
    python, *rest = command(path, how)
    done = subprocess.run([python, *options, *rest], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == -number
    assert ("Fatal Python error" in done.stderr) == bool(options)
    document = recovered(path)
    assert document["death"]["kind"] == "signal" and number.name in document["death"]["text"]


def test_what_a_killed_service_was_doing(tmp_path: Path) -> None:
    """Spans, memory, sites, counts, whole and consistent; in text and as a pprof profile, too."""
    path = tmp_path / "recorder"
    run_once(path, "kill", seconds=0.5)
    document = recovered(path)
    spans = document["active_spans"] + document["ended_spans"]
    assert document["damaged"] == {} and document["active_spans"] and document["ended_spans"]
    assert all(int(s["trace_id"], 16) == trace_of(int(s["span_id"], 16)) and s["name"] == name_of(int(s["span_id"], 16))
               for s in spans)
    counts = document["ended_counts"]
    assert counts["produced"] == counts["retained"] + counts["overwritten"] + counts["in_flight"]
    assert counts["in_flight"] <= 4
    assert len(document["curve"]) >= 3 and document["curve"][-1]["resident_bytes"] > 5 << 20
    assert any(site["application_frame"]["filename"].endswith("service.py") for site in document["sites"])
    assert any(span["name"].startswith("operation-") for site in document["sites"] for span in site["spans"])
    assert document["identity"]["service"] == "orders" and document["identity"]["program"] == "service.py"
    assert cli.main(["recover", str(path), "--pprof", str(tmp_path / "out.pb.gz")]) == 0
    dump = spanheap.open_dump(tmp_path / "out.pb.gz")
    assert dump.live_bytes == pytest.approx(document["live"]["bytes"], rel=0.001)


def test_a_running_service_can_be_read(tmp_path: Path) -> None:
    """Again and again while it writes: no span is torn, and it is said to be running."""
    path = tmp_path / "recorder"
    pipe = subprocess.PIPE
    with subprocess.Popen(command(path, "serve"), stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        child.stdout.readline()
        for _ in range(10):
            document = recovered(path)
            assert document["death"]["kind"] == "running" and document["damaged"] == {}
            for span in document["active_spans"] + document["ended_spans"]:
                assert int(span["trace_id"], 16) == trace_of(int(span["span_id"], 16))
        child.communicate("end\n", timeout=60)
    assert child.returncode == 0 and recovered(path)["death"]["kind"] == "clean"


@pytest.mark.needs("go", "golang-go")
def test_go_reads_the_pprof(tmp_path: Path) -> None:
    """`go tool pprof -top`, and by span."""
    path, out = tmp_path / "recorder", tmp_path / "out.pb.gz"
    run_once(path, "kill", seconds=0.5)
    assert cli.main(["recover", str(path), "--pprof", str(out)]) == 0
    for options, expected in ((("-top",), "work"), (("-tags",), "operation-"), (("-comments",), "service.name=orders")):
        done = subprocess.run(["go", "tool", "pprof", *options, "-sample_index=inuse_space", str(out)], capture_output=True,
                              text=True, check=False, timeout=60, env=os.environ | {"PPROF_TMPDIR": str(tmp_path)})
        assert done.returncode == 0 and expected in done.stdout, done.stderr
