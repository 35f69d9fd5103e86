"""rotel, a collector, between a service and a sink of ours that decodes what it passes on."""

from __future__ import annotations

import gzip
import importlib.util
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

WAIT_S = 30.0


def agent() -> Path | None:
    """The collector's program, inside of its wheel; None: it is not installed."""
    spec = importlib.util.find_spec("rotel")
    found = [Path(folder, "rotel-agent") for folder in (spec.submodule_search_locations or ())] if spec is not None else []
    return next((path for path in found if path.exists()), None)


def free_port() -> int:
    """One of the loopback interface that nobody had a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Sink:
    """What arrives, decoded."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
            ExportLogsServiceRequest,
            ExportLogsServiceResponse,
        )
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
            ExportMetricsServiceResponse,
        )
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
            ExportTraceServiceResponse,
        )

        self._types: dict[str, tuple[Any, Any]] = {
            "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
            "/v1/logs": (ExportLogsServiceRequest, ExportLogsServiceResponse),
            "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse),
        }
        self._arrived: dict[str, queue.Queue[Any]] = {path: queue.Queue() for path in self._types}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Sink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def next(self, signal: str) -> Any:
        """The next request for this signal. Raises queue.Empty if none comes."""
        return self._arrived[f"/v1/{signal}"].get(timeout=WAIT_S)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        types, arrived = self._types, self._arrived

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                request_type, response_type = types[self.path]
                arrived[self.path].put(request_type.FromString(body))
                answer = response_type().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class Endpoints(NamedTuple):
    """Where the collector listens."""

    grpc: str
    http: str


@contextmanager
def running(sink: str, folder: Path) -> Iterator[Endpoints]:
    """The collector, for as long as the block lasts."""
    program = agent()
    assert program is not None
    grpc, http = free_port(), free_port()
    log = (folder / "rotel.log").open("wb")
    process = subprocess.Popen(
        [str(program), "start", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--otlp-http-endpoint", f"127.0.0.1:{http}",
         "--exporter", "otlp", "--otlp-exporter-endpoint", sink, "--otlp-exporter-protocol", "http",
         "--batch-timeout", "100ms", "--pid-file", str(folder / "rotel.pid"), "--log-file", str(folder / "agent.log")],
        stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        for port in (grpc, http):
            _wait_for(port, process)
        yield Endpoints(f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"rotel ended with {process.returncode}"
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"rotel does not listen on port {port}")
