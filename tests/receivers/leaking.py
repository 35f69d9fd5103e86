"""A service that leaks 4 MiB a second and is scraped: python -m tests.receivers.leaking SECONDS

prints its debug server's port; ends when its standard input does, or after so long. Its ticks are those of its thread.
"""

from __future__ import annotations

import resource
import select
import sys
import time
from urllib.parse import urlsplit

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

import spanheap

A_SECOND = 4 << 20
STEP_S = 0.1


def main() -> None:
    """Leak until told to stop."""
    meters, traces, kept = MeterProvider([PrometheusMetricReader()]), TracerProvider(), []
    tracer = traces.get_tracer("t")
    limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (2 << 30)   # within nine minutes
    with spanheap.profile(meter_provider=meters, tracer_provider=traces, dumps=None, debug_server="127.0.0.1:0",
                          detect=spanheap.LeakPolicy(memory_limit=limit)) as session:
        print(urlsplit(session.debug_url).port, flush=True)
        end = time.monotonic() + float(sys.argv[1])
        while time.monotonic() < end and not select.select([sys.stdin], [], [], STEP_S)[0]:
            with tracer.start_as_current_span("GET /leak"):
                kept.append(bytearray(int(A_SECOND * STEP_S)))


if __name__ == "__main__":
    main()
