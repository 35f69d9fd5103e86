"""What the services share: tracing as a service sets it up, spanheap, and a line on which the test asks questions."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Client, Connection
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased

import spanheap
from tests.frameworks.ledger import Endpoint, Ledger, fill

SETTINGS = "SPANHEAP_TEST_SERVICE"   # an environment variable: a server passes its application no arguments
# Counts of what makes a sample go astray.
LOSSES = (
    "samples_dropped", "samples_replaced", "stacks_overflowed", "names_overflowed",
    "spans_untracked", "spans_unmet", "processor_errors", "tick_errors",
)


class Discard(SpanExporter):
    """Exports to nowhere. What it would keep would be memory of the requests."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class Service:
    """One process of a service: made when the application is imported, before its first request."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._settings: dict[str, Any] = json.loads(os.environ[SETTINGS])
        self._endpoints = endpoints
        self._by_segment = {endpoint.url.split("/")[1]: endpoint for endpoint in endpoints}
        self.ledger = Ledger(self._settings["capacity"], self._settings["portion"])
        ratio = self._settings["ratio"]
        sampler = ALWAYS_ON if ratio == 1 else spanheap.NamingSampler(ParentBased(TraceIdRatioBased(ratio)))
        self._provider = TracerProvider(sampler=sampler)
        self._provider.add_span_processor(BatchSpanProcessor(Discard()))
        trace.set_tracer_provider(self._provider)
        self._session = spanheap.start(**self._settings["options"])
        if self._settings["preloaded"]:   # this is the parent of the workers
            os.register_at_fork(after_in_child=self._connect)
        else:
            self._connect()

    def endpoint_of(self, path: str) -> Endpoint:
        """No two have the same first segment."""
        return self._by_segment[path.split("/")[1]]

    def _connect(self) -> None:
        connection = Client(tuple(self._settings["address"]), authkey=bytes.fromhex(self._settings["key"]))
        threading.Thread(target=self._answer, args=(connection,), name="answers", daemon=True).start()

    def _answer(self, connection: Connection) -> None:
        questions = {
            "endpoints": self._describe, "kept": self.ledger.kept, "warmed up": self._warmed_up,
            "balance": self.ledger.balance, "report": self._report,
        }
        try:
            while True:
                connection.send(questions[connection.recv()]())
        except (EOFError, OSError):   # however the test ended, so does the server, with all its processes
            os.killpg(0, signal.SIGTERM)

    def _describe(self) -> list[dict[str, Any]]:
        return [
            {
                "name": e.name, "final_name": e.renamed or e.name, "method": e.method, "url": e.url,
                "blocks": sum(self.ledger.blocks(size) for size in e.sizes),
            }
            for e in self._endpoints
        ]

    def _settled(self) -> spanheap.HeapSnapshot:
        """Without what only waits: spans for their export, garbage for the collector."""
        self._provider.force_flush()
        return self._session.snapshot(collect=True)

    def _warmed_up(self) -> None:
        """What the first requests make (caches, threads, connections) is nobody's: from here on it counts."""
        self.ledger.open()
        self._warm = self._settled()

    def _report(self) -> dict[str, Any]:
        growth = self._settled().diff(self._warm)
        blocks: dict[tuple[str, bool], float] = {}   # whom spanheap takes the blocks of the ledger to belong to
        for row in growth.rows:
            if row.is_live and row.stack[0].function == fill.__name__:
                owner = (row.root_span_name, row.sampled)
                blocks[owner] = blocks.get(owner, 0.0) + row.live_bytes
        stats = self._session.stats()
        return {
            "balance": self.ledger.balance(),
            "blocks": blocks,
            "by_root_name": growth.by_root_name(),
            "losses": {name: getattr(stats, name) for name in LOSSES},
        }
