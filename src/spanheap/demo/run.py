"""One run of the service under load, and the whole demo: the leaky service, the fixed one, the comparison."""

from __future__ import annotations

import ast
import contextlib
import json
import pathlib
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any

from spanheap.demo import report
from spanheap.demo.child import Child, DemoError
from spanheap.demo.progress import Progress
from spanheap.demo.terminal import Terminal
from spanheap.options import Options

# A service leaks for hours before anybody asks, the demo's for seconds: it samples more to know as much.
SAMPLE_INTERVAL = 32 * 1024
WARM_UP_SHARE = 0.25    # of a run; covers imports, the product cache and the first arenas
STATUS_INTERVAL = 0.5   # a status takes a snapshot, a few milliseconds of the service's time

# What service.py does wrong. The analysis does not know; only the exit status depends on it.
PLANTED_FUNCTION = "get_order"
PLANTED_ENDPOINT = "GET /orders/{id}"


def run(seconds: float, fixed_seconds: float, output: pathlib.Path, json_file: pathlib.Path | None) -> bool:
    """Returns whether the analysis found what was planted."""
    service = output / "service.py"
    with _writable(f"--output {output}"):
        output.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pathlib.Path(__file__).with_name("service.py"), service)
    if json_file is not None:
        with _writable(f"--json {json_file}"):
            json_file.touch()   # whether it can be written is better known before the runs than after
    terminal = Terminal(sys.stdout)
    report.print_opening(terminal, service, seconds, SAMPLE_INTERVAL, Options().sample_interval)
    leaky = measure("leaky", service, seconds, output, terminal)
    report.print_findings(terminal, leaky)
    fixed = measure("fixed", service, fixed_seconds, output, terminal)
    report.print_comparison(terminal, leaky, fixed)
    verdict = judge(leaky, service)
    report.print_verdict(terminal, verdict)
    if json_file is not None:
        results = {
            "python": platform.python_version(),
            "sample_interval": SAMPLE_INTERVAL,
            "leaky": leaky,
            "fixed": fixed,
            "verdict": verdict,
        }
        json_file.write_text(json.dumps(results, indent=2) + "\n")
    return bool(verdict["matches"])


@contextlib.contextmanager
def _writable(place: str) -> Iterator[None]:
    """Raises DemoError, with the way out."""
    try:
        yield
    except OSError as error:
        raise DemoError(f"{place}: cannot be written: {error.strerror}: give another place") from error


def measure(
    variant: str, service: pathlib.Path, seconds: float, output: pathlib.Path, terminal: Terminal
) -> dict[str, Any]:
    """Runs one variant under load for so long, and returns what grew after its warm-up."""
    dump = output / f"{variant}.pb.gz"
    with contextlib.ExitStack() as children:
        host = children.enter_context(Child(
            f"{variant} service", "spanheap.demo.host",
            [f"--service={service}", f"--variant={variant}", f"--dump={dump}",
             f"--sample-interval={SAMPLE_INTERVAL}"],
            log=output / f"{variant}-service.log"))
        port = host.wait_until_ready()["port"]
        load = children.enter_context(Child(
            "load generator", "spanheap.demo.load", [str(port)], log=output / f"{variant}-load.log"))
        load.wait_until_ready()

        progress = children.enter_context(Progress(terminal, variant))
        started = time.monotonic()
        watch(host, load, progress, started + seconds * WARM_UP_SHARE)
        progress.warmed_up(host.ask("warmed_up"))
        window_started, before = time.monotonic(), served_requests(host, load)
        watch(host, load, progress, started + seconds)
        window, requests = time.monotonic() - window_started, served_requests(host, load) - before
        result = host.ask("finish")

    growth = result["growth"]
    requests_per_s = requests / window
    return {
        "variant": variant,
        "requests": requests,
        "requests_per_s": requests_per_s,
        "spans": result["spans"],
        "growth_per_hour": growth["growth"] / growth["seconds"] * 3600,
        "growth_per_1000_requests": growth["growth"] / (growth["seconds"] * requests_per_s) * 1000,
        "growth": growth,
        "dump": result["dump"],
    }


def served_requests(host: Child, load: Child) -> int:
    """Requests answered so far. A failed one ends the demo: its figures would mean nothing."""
    answer = load.ask("status")
    if answer["failures"]:
        host.ask("status")   # raises when the service's end is the cause
        raise DemoError(f"{answer['failures']} requests failed, one with {answer['last_failure']}")
    return int(answer["requests"])


def watch(host: Child, load: Child, progress: Progress, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, STATUS_INTERVAL))
        status = host.ask("status")
        progress.update(served_requests(host, load), status)


def judge(leaky: dict[str, Any], service: pathlib.Path) -> dict[str, Any]:
    """Compares the head of the rankings with what was planted in service.py."""
    growth = leaky["growth"]
    planted = {
        "function": PLANTED_FUNCTION, "line": planted_line(service.read_text()), "endpoint": PLANTED_ENDPOINT,
    }
    found = {
        "function": growth["lines"][0]["function"].rpartition(".")[2],   # qualified from Python 3.11 on
        "line": growth["lines"][0]["line"],
        "endpoint": growth["endpoints"][0]["name"],
    } if growth["lines"] and growth["endpoints"] else None
    return {"planted": planted, "found": found, "matches": found == planted}


def planted_line(source: str) -> int:
    """The line that starts the span which is kept: the outermost `with` of the planted function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == PLANTED_FUNCTION:
            return next(statement.lineno for statement in node.body if isinstance(statement, ast.With))
    raise DemoError(f"no function {PLANTED_FUNCTION} in the demo's service")
