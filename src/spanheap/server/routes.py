"""The paths of the debug server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spanheap.dumps import folder
from spanheap.server import pages, profiles, prometheus, views
from spanheap.server.answer import PPROF, TEXT, Answer, Problem, as_json

if TYPE_CHECKING:
    from spanheap.server.server import Server
    from spanheap.session import Session

LONGEST_S = 300.0                     # of ?seconds=
MOST_ROWS = 1000                      # of ?n=
DUMPS, DUMPS_WITHIN_S = 10, 60.0      # that clients may ask for
DUMP_ROOM = 64 * 1024 * 1024          # that the disk must have for one


@dataclass(frozen=True)
class Request:
    session: Session
    server: Server
    query: dict[str, str]
    body: bytes
    accept: str
    wait: Callable[[float], bool]
    """Returns False when the client has gone before so many seconds were over."""

    @property
    def wants_html(self) -> bool:
        return "text/html" in self.accept

    def number(self, name: str, default: float, low: float, high: float, *, whole: bool = True) -> float:
        """Raises Problem."""
        text = self.query.get(name, "")
        if not text:
            return default
        try:
            value = float(int(text) if whole else float(text))
        except (ValueError, OverflowError):
            value = low - 1
        if not low <= value <= high:   # also not a number
            kind = "whole number" if whole else "number"
            raise Problem(400, f"{name} must be a {kind} from {low:g} to {high:g}, not {text[:40]!r}")
        return value

    def flag(self, name: str) -> bool:
        return self.number(name, 0, 0, 1e9) != 0   # Go's: any number but 0


def _index(request: Request) -> Answer:
    document = views.top(request.session, 10)
    return as_json(document) if request.accept.startswith("application/json") else pages.index(document)


def _pprof_index(request: Request) -> Answer:
    return pages.pprof_index(request.session.stats().samples_live)


def _redirect(request: Request) -> Answer:
    return Answer(b"see /debug/pprof/\n", TEXT, 301, {"Location": "/debug/pprof/"})


def _heap(request: Request) -> Answer:
    return _profile(request, "heap")


def _allocs(request: Request) -> Answer:
    return _profile(request, "allocs")


def _profile(request: Request, name: str) -> Answer:
    allocated, collect = name == "allocs", request.flag("gc")
    seconds = request.number("seconds", 0.0, 0.0, LONGEST_S, whole=False)
    if request.flag("debug"):
        if seconds:
            raise Problem(400, "seconds and debug do not go together: a difference is for pprof")
        text = profiles.text(request.session.snapshot(collect=collect), allocated=allocated)
        return Answer(text.encode("utf-8", "replace"))
    if not seconds:
        file = profiles.heap(request.session, allocated=allocated, collect=collect)
    else:
        changed = profiles.delta(request.session, seconds, request.wait, allocated=allocated, collect=collect)
        if changed is None:
            raise Problem(503, "the client did not wait, or the server was closed")
        file = changed
    suffix = "-delta" if seconds else ""
    return Answer(file, PPROF, headers={"Content-Disposition": f'attachment; filename="{name}{suffix}.pb.gz"'})


def _spans(request: Request) -> Answer:
    trace_id = request.query.get("trace_id")
    if trace_id:
        try:
            document = views.trace(request.session, trace_id)
        except ValueError as error:
            raise Problem(400, str(error)) from None
    else:
        document = views.spans(request.session, int(request.number("n", 50, 0, MOST_ROWS)))
    return pages.spans(document) if request.wants_html else as_json(document)


def _leaks(request: Request) -> Answer:
    document = views.leaks(request.session)
    return pages.leaks(document) if request.wants_html else as_json(document)


def _stats(request: Request) -> Answer:
    server = request.server
    return as_json(views.stats(request.session) | {"server": {
        "url": server.url, "requests": server.requests, "turned_away": server.refused, "errors": server.errors,
        "cpu_s": server.cpu_s}})


def _top(request: Request) -> Answer:
    return as_json(views.top(request.session, int(request.number("n", 20, 0, MOST_ROWS))))


def _metrics(request: Request) -> Answer:
    return prometheus.metrics(request.accept)


def _dump(request: Request) -> Answer:
    """To the place where the dumps of this process go: not to one that a client chooses."""
    if request.query or request.body.strip() not in (b"", b"{}"):
        raise Problem(400, "/debug/dump takes no arguments: the dump goes where those of the process go, see docs/dumps.md")
    now, recent = time.monotonic(), request.server.dumps
    while recent and recent[0] < now - DUMPS_WITHIN_S:
        recent.popleft()
    if len(recent) >= DUMPS:
        raise Problem(429, f"{DUMPS} dumps were asked for within {DUMPS_WITHIN_S:.0f} s", Retry_After="60")
    recent.append(now)
    directory = request.session._profiler.dump_folder()
    if folder.free_bytes(directory) < DUMP_ROOM:
        raise Problem(507, f"no dump written: the disk of {directory} has less than {DUMP_ROOM >> 20} MiB left")
    path = request.session.dump(directory, reason="debug server")
    return as_json({"path": str(path), "bytes": path.stat().st_size})


def _configure(request: Request) -> Answer:
    try:
        wanted = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        wanted = None
    if not isinstance(wanted, dict) or not wanted or not wanted.keys() <= {"sample_interval", "enabled"}:
        raise Problem(400, "the body must be a JSON object with sample_interval or enabled, not "
                           f"{request.body[:80].decode('utf-8', 'replace')!r}")
    try:
        request.session.configure(**wanted)
    except (TypeError, ValueError) as error:
        raise Problem(400, str(error)) from None
    return as_json({"configured": wanted, "sample_interval": request.session.stats().sample_interval})


ROUTES: dict[tuple[str, str], Callable[[Request], Answer]] = {
    ("GET", "/"): _index,
    ("GET", "/debug/pprof"): _redirect,
    ("GET", "/debug/pprof/"): _pprof_index,
    ("GET", "/debug/pprof/heap"): _heap,
    ("GET", "/debug/pprof/allocs"): _allocs,
    ("GET", "/debug/spans"): _spans,
    ("GET", "/debug/leaks"): _leaks,
    ("GET", "/debug/stats"): _stats,
    ("GET", "/debug/top"): _top,
    ("GET", "/metrics"): _metrics,
    ("POST", "/debug/dump"): _dump,
    ("POST", "/debug/configure"): _configure,
}
