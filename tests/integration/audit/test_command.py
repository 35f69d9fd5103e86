"""`spanheap audit`: runs a program as python would, and says what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spanheap import cli
from spanheap.audit.command import split

pytestmark = pytest.mark.once(reason="runs programs and prints; what a look sees is in the other files")

# Programs work until the audit has looked often enough: how fast a machine is must not matter.
PREAMBLE = """
import gc, sys, threading, time
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from spanheap.audit.audit import Audit

audit = next((o for o in gc.get_objects() if type(o) is Audit), None)
trace.set_tracer_provider(TracerProvider())
tracer = trace.get_tracer("shop")

def until_seen(handle, deadline=time.monotonic() + 100):
    enough = audit.looks + 6
    while audit.looks < enough and time.monotonic() < deadline:
        with tracer.start_as_current_span("GET /items") as span:
            pass
        handle(span)
        time.sleep(0.001)
"""


def audit(folder: Path, program: str, *arguments: str, before: tuple[str, ...] = ()) -> tuple[int, str, str, Any]:
    """Exit status, standard output, standard error and the JSON of an audit of the program."""
    (folder / "shop.py").write_text(PREAMBLE + program, encoding="utf-8")
    command = [sys.executable, "-m", "spanheap", "audit", "--interval", "0.05", "--min-growth", "16",
               "--json", "found.json", *before, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False,
                          env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})   # of pytest's start, most is plugins
    found = folder / "found.json"
    return done.returncode, done.stdout, done.stderr, json.loads(found.read_text()) if found.exists() else None


def test_cache_of_a_script_is_found(tmp_path: Path) -> None:
    """The script sees its own arguments and `__main__`; its output is untouched, its own exit status is told."""
    program = """
spans = {}
until_seen(lambda span: spans.__setitem__(len(spans), span))
print(sys.argv, __name__)
sys.exit(3)
"""
    status, out, error, found = audit(tmp_path, program, "shop.py", "--json", "-m", "x")
    assert (status, out) == (1, "['shop.py', '--json', '-m', 'x'] __main__\n")
    [finding] = found["findings"]
    assert (finding["kind"], finding["holder"]) == ("keeps_spans", "__main__:spans (dict)")
    assert finding["span_name"] == "GET /items"
    assert 900 < finding["per_1000_spans"] < 1100 and found["target"]["status"] == 3
    assert error.startswith("\nspanheap audit: 1 cache grows without bound\n") and "ended with: exit status 3" in error
    assert "KEEPS SPANS __main__:spans (dict)" in error and 'spans like "GET /items"' in error


def test_server_that_is_terminated_is_reported(tmp_path: Path) -> None:
    """A server works until somebody sends it SIGTERM; what its variables held is found although they are gone by then."""
    program = """
import os, signal
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import urlopen

def serve():
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with tracer.start_as_current_span("GET /"):
                seen.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        url = "http://127.0.0.1:%d/%%d" % server.server_port
        def load():
            until_seen(lambda span: urlopen(url % id(span)).read())
            os.kill(os.getpid(), signal.SIGTERM)
        threading.Thread(target=load, daemon=True).start()
        server.serve_forever()

serve()
"""
    status, _, error, found = audit(tmp_path, program, "shop.py")
    assert status == 1, error
    assert (found["target"]["status"], found["target"]["ended_with"]) == (143, "SIGTERM")
    [finding] = found["findings"]
    assert finding["kind"] == "grows" and "'seen'" in finding["holder"]


def test_tests_of_a_service_are_a_load(tmp_path: Path) -> None:
    """Under pytest the service's cache is found, and neither what the tests collect nor the exporter that they look at."""
    (tmp_path / "test_shop.py").write_text("""
import shop
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter, results = InMemorySpanExporter(), []
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))

def test_items():
    shop.until_seen(lambda span: (shop.cache.add(span), results.append(span)))
    assert results
""")
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    status, out, error, found = audit(tmp_path, "cache = set()\n", *arguments, before=("--",))
    assert (status, [f["holder"] for f in found["findings"]]) == (1, ["shop:cache (set)"]), error
    assert "1 passed" in out and found["target"] == {
        "name": "pytest", "module": True, "status": 0, "ended_with": "exit status 0"}


def test_healthy_program_passes(tmp_path: Path) -> None:
    """Nothing grows: status 0; threads that are not daemons belong to the run."""
    program = """
last = {}
threading.Thread(target=lambda: until_seen(lambda span: last.__setitem__("last", span))).start()
"""
    status, _, error, found = audit(tmp_path, program, "shop.py")
    assert (status, found["findings"], found["conclusive"]) == (0, [], True), error
    assert "spanheap audit: no cache grows without bound" in error


def test_exception_of_the_program_is_shown_as_python_shows_it(tmp_path: Path) -> None:
    """Its traceback has no frame of ours; a run that ends at once is too short to tell."""
    (tmp_path / "broken.py").write_text("def main():\n    raise LookupError('no such order')\n\nmain()\n")
    command = [sys.executable, "broken.py"]
    plain = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    status, _, error, found = audit(tmp_path, "", "broken.py")
    assert status == 3 and error.startswith(plain.stderr) and "Traceback" in plain.stderr
    assert "too short a run to tell" in error and found["target"]["ended_with"] == "LookupError"


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "give a script, or a module with -m (a test suite: spanheap audit -m pytest)"),
    (["--interval", "0", "a.py"], "'0' is not a number of seconds from 0.05 to 3600"),
    (["--min-growth", "x", "a.py"], "'x' is not a number of entries from 1 to 1,000,000,000"),
    (["--json", "/nowhere/at/all.json", "a.py"], "there is no folder /nowhere/at"),
    (["-m"], "expected one argument"),
])
def test_wrong_usage_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, with the value and the way out."""
    with pytest.raises(SystemExit) as error:
        cli.main(["audit", *arguments])
    assert error.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["no_such.py"], "cannot read no_such.py: No such file or directory; give a script, or a module with -m"),
    (["-m", "no_such_module"], "there is no module 'no_such_module'"),
    (["-m", "no_such.module"], "cannot find the module 'no_such.module': No module named 'no_such'"),
    (["-m", "json"], "there is no module 'json', or none that can be run (python -m json)"),
])
def test_program_that_cannot_run_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 2, before a session has begun."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert cli.main(["audit", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "ours", "theirs"), [
    (["a.py", "--json", "x"], ["a.py"], ("--json", "x")),
    (["--json", "x", "a.py", "-m"], ["--json", "x", "a.py"], ("-m",)),
    (["--json=x", "-m", "pytest", "-m", "slow"], ["--json=x", "-m", "pytest"], ("-m", "slow")),
    (["--", "-m", "pytest", "--", "x"], ["-m", "pytest"], ("--", "x")),
    (["--interval", "5", "--", "a.py"], ["--interval", "5", "a.py"], ()),
    (["-mpytest", "-q"], ["-mpytest"], ("-q",)),
    (["--help"], ["--help"], ()),
])
def test_what_follows_the_program_is_the_programs(arguments: list[str], ours: list[str], theirs: tuple[str, ...]) -> None:
    """Options that look like ours too."""
    assert split(arguments) == (ours, theirs)
