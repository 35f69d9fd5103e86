"""Dumps for the tests of reports: a small service whose figures are known, one with everything hostile, a large one."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

from spanheap.report.subject import Subject
from spanheap.snapshot import Frame, HeapSnapshot, Row
from tests.unit._pprof_encoder import Encoder

MIB = 1 << 20
HOLDER = "app:_cache (dict, 48,213 entries) → Order"
VERDICT = {
    "kind": "leak", "root_name": "GET /orders", "span_name": "SELECT orders", "frame": ["remember", "/srv/app/store.py", 88],
    "live_bytes": 120 * MIB, "growth_bytes_per_s": 41 * MIB / 60, "share_of_growth": 0.93, "confidence": 0.97,
    "time_to_limit_s": 1260.0, "holder": HOLDER, "since": 1.7e9, "reason": "nothing takes from it",
    "trace_ids": ["ab" * 16],
}
EVIL = "</script><img src=x onerror=\"document.title='owned'\"><!--{data}-->'&amp;"

MAIN = Frame("main", "/srv/app/main.py", 3)
REMEMBER = (Frame("remember", "/srv/app/store.py", 88), Frame("get_orders", "/srv/app/orders.py", 12), MAIN)
DUMPS = (Frame("dumps", "/usr/lib/python3.11/json/__init__.py", 238), *REMEMBER)
ROUTE = Frame("app", "/srv/venv/lib/python3.11/site-packages/web/route.py", 9)
SEARCH = (Frame("search", "/srv/app/search.py", 30), ROUTE, MAIN)
START = (Frame("<module>", "/srv/app/settings.py", 5),)


def labels(span: str, root: str, **more: str) -> dict[str, str]:
    """Of a sample."""
    return {"span_name": span, "root_span_name": root, "thread": "worker-1", **more}


def write(path: Path, samples: Sequence[tuple[Sequence[Frame], float, dict[str, str]]], *, time: float = 1.8e9,
          comments: Sequence[str] = (), allocated: Sequence[tuple[Sequence[Frame], float, dict[str, str]]] = ()) -> Path:
    """A dump with these live samples of so many MiB (each sampled for certain), and what was released."""
    encoder = Encoder()
    for stack, mib, labelled in samples:
        size = round(mib * MIB)
        encoder.sample(stack, [1, size, 1, size], labelled, {"bytes": size})
    for stack, mib, labelled in allocated:
        encoder.sample(stack, [3, round(mib * MIB), 0, 0], labelled, {})
    path.write_bytes(gzip.compress(encoder.encode(comments=comments, time_nanos=round(time * 1e9), period=512 << 10)))
    return path


def service(folder: Path, *, time: float = 1.8e9, orders: int = 24, comments: Sequence[str] = ()) -> Path:
    """24 times 5 MiB for GET /orders, of which a third in a library; 30 MiB for GET /search; 2 MiB outside of all spans."""
    one = labels("SELECT orders", "GET /orders", trace_id="ab" * 16, span_id="cd" * 8, tenant="acme")
    samples = [(DUMPS if i % 3 == 0 else REMEMBER, 5, one) for i in range(orders)]
    samples.append((SEARCH, 15, labels("GET /search", "GET /search", tenant="umbrella")))
    samples.append((SEARCH, 15, labels("rank", "GET /search")))
    samples.append((START, 2, {"thread": "MainThread"}))
    released = [(SEARCH, 400, {"span_name": "GET /search", "root_span_name": "GET /search"})]
    facts = ("service.name=orders", "process.pid=7", f"rss_bytes={200 * MIB}", f"limit_bytes={512 * MIB}",
             f"ended_spans={orders * 100}", "samples=27")
    return write(folder / f"heap-{orders}.pb.gz", samples, time=time, comments=[*facts, *comments], allocated=released)


def with_verdict(folder: Path) -> Path:
    """As the service, and the detector has spoken."""
    return service(folder, comments=[f"verdict.1={json.dumps(VERDICT)}",
                                     f"holder.1={HOLDER} share=0.981 site={REMEMBER[0]}"])


def pair(folder: Path) -> tuple[Path, Path]:
    """A minute apart; GET /orders has 80 MiB more."""
    return service(folder, time=1.8e9 - 60, orders=8), service(folder)


def hostile(folder: Path) -> Path:
    """Every text that a file can bring is markup."""
    stack = (Frame(EVIL, f"/srv/{EVIL}.py", 1), MAIN)
    verdict = VERDICT | {"root_name": EVIL, "holder": EVIL, "frame": [EVIL, EVIL, 1], "reason": EVIL}
    return write(folder / "hostile.pb.gz", [(stack, 5, labels(EVIL, EVIL, **{EVIL: EVIL})), (SEARCH, 9, labels("a", EVIL))],
                 comments=[f"service.name={EVIL}", f"verdict.1={json.dumps(verdict)}", f"holder.1={EVIL} site={EVIL}"])


def large(sites: int = 5000) -> Subject:
    """As of a large service: stacks of 21 to 45 frames that share little, 40 endpoints, sizes from 1 KiB to 10 MiB."""
    choose = random.Random(5)
    modules = [f"/usr/lib/python3.11/site-packages/package_{i % 40}/part_{i}/module_{i}.py" for i in range(400)]
    frames = [Frame(f"function_{i}", choose.choice(modules), choose.randrange(900)) for i in range(8000)]
    endpoints = [f"GET /v1/resource-{i}/{{id}}" for i in range(40)]
    trunk = [Frame(f"serve_{i}", modules[i], i) for i in range(12)]
    rows = []
    for site in range(sites):
        root = choose.choice(endpoints)
        leaf = Frame(f"leaf_{site}", f"/srv/app/handlers/{site % 90}.py", site)
        stack = (leaf, *choose.choices(frames, k=choose.randrange(8, 33)), *trunk)
        size = round(10 ** choose.uniform(-3, 1) * MIB)
        rows.append(Row(stack, f"{root} step {site % 7}", root, f"{site:032x}", "", "worker", size, size, 1, size, 1, 1))
    heap = HeapSnapshot(rows, time=1.8e9, rss_bytes=8 << 30, sample_interval=512 << 10)
    return Subject(path=Path("large.pb.gz"), heap=heap, is_recording=False, program="large", facts=[])
