"""A service that leaks 4 MiB a second and is scraped: python -m tests.receivers.leaking SPEED

prints the port; ends when its standard input does, or after two minutes. Its clock runs SPEED times as fast.
"""

from __future__ import annotations

import resource
import select
import sys
import time

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, start_http_server

import spanheap

A_SECOND = 4 << 20
STEP_S = 0.1


def main(speed: float) -> None:
    """Leak until told to stop."""
    registry = CollectorRegistry()
    meters, traces, kept = MeterProvider([PrometheusMetricReader(registry=registry)]), TracerProvider(), []
    tracer = traces.get_tracer("t")
    limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (2 << 30)   # eight minutes
    with spanheap.profile(tick=None, meter_provider=meters, tracer_provider=traces, dumps=None,
                          detect=spanheap.LeakPolicy(memory_limit=limit)) as session:
        server, _ = start_http_server(0, "127.0.0.1", registry)
        print(server.server_port, flush=True)
        began, steps = time.monotonic(), 0
        while time.monotonic() - began < 120 and not select.select([sys.stdin], [], [], STEP_S)[0]:
            steps += 1
            with tracer.start_as_current_span("GET /leak"):
                kept.append(bytearray(int(A_SECOND * STEP_S * speed)))
            session.tick(steps * STEP_S * speed)
        server.shutdown()


if __name__ == "__main__":
    main(float(sys.argv[1]))
