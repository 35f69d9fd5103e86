"""The process under test: the service, with spanheap around it.

It takes two snapshots when it is told to and answers with what grew between them. Every figure about memory
comes from here.
"""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import sys
import threading
import types

import spanheap
from spanheap.demo.child import Answer, Replies
from spanheap.demo.growth import describe_growth


def load_service(path: pathlib.Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("order_service", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def serve(options: argparse.Namespace, replies: Replies) -> None:
    service = load_service(options.service)
    provider, exporter = service.configure_tracing()
    with spanheap.profile(sample_interval=options.sample_interval) as session:
        server = service.OrderServer(options.variant)
        threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
        warm: spanheap.HeapSnapshot | None = None

        def status() -> Answer:
            now = session.snapshot()
            return {"spans": exporter.spans, "rss_bytes": now.rss_bytes, "live_bytes": now.live_bytes}

        def settled_snapshot() -> spanheap.HeapSnapshot:
            """Without what is only waiting: spans for their export, garbage for the collector."""
            provider.force_flush()
            return session.snapshot(collect=True)

        def warmed_up() -> Answer:
            nonlocal warm
            warm = settled_snapshot()
            return {"live_bytes": warm.live_bytes}

        def finish() -> Answer:
            assert warm is not None, "finish before warmed_up"
            latest = settled_snapshot()
            path = session.dump(options.dump, reason="demo")
            return {
                "spans": exporter.spans,
                "growth": describe_growth(warm, latest),
                "dump": {"path": str(path), "bytes": path.stat().st_size},
            }

        replies.send({"port": server.server_address[1]})
        replies.serve({"status": status, "warmed_up": warmed_up, "finish": finish})
        server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(prog="spanheap.demo.host")
    parser.add_argument("--service", type=pathlib.Path, required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--sample-interval", type=int, required=True)
    parser.add_argument("--dump", type=pathlib.Path, required=True)
    options = parser.parse_args()
    replies = Replies()
    try:
        serve(options, replies)
    except (spanheap.SpanheapError, OSError) as error:
        replies.send({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
