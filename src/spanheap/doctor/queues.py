"""The queues in front of exporters: how much they may come to hold, and what a fork does to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spanheap.doctor.exporters import to_expect
from spanheap.doctor.finding import CannotTell, Finding, size
from spanheap.doctor.setup import Setup
from spanheap.spans import sdk

_SHARE = 0.1         # of the memory limit, that one queue may come to hold
_BATCHES = 32        # that a queue may hold; the SDK's default is 4
_BATCH_BYTES = 32 << 20   # in one request: exporters encode and compress it as a whole, and need it twice
_KINDS = {"BatchSpanProcessor": "BSP", "BatchLogRecordProcessor": "BLRP"}


def _batching(setup: Setup) -> Iterator[tuple[Any, sdk.BatchQueue]]:
    for processor in (*setup.span_processors(), *setup.log_processors()):
        queue = sdk.batch_queue(processor)
        if queue is not None:
            yield processor, queue
        elif type(processor).__name__ in _KINDS:
            raise CannotTell(f"where a {type(processor).__name__} keeps its queue")


def batch_queue(setup: Setup) -> Iterator[Finding]:
    """A stalled receiver fills it."""
    for processor, queue in _batching(setup):
        name = type(processor).__name__
        each = to_expect(list(queue.spans))
        full = queue.capacity * each
        reasons = []
        if setup.limit is not None and full > _SHARE * setup.limit:
            reasons.append(f"{full / setup.limit:.0%} of the memory limit of {size(setup.limit)}")
        if queue.capacity > _BATCHES * queue.batch:
            reasons.append(f"{queue.capacity / queue.batch:,.0f} times its batch of {queue.batch:,}")
        if queue.batch * each > _BATCH_BYTES:
            reasons.append(f"in batches of {queue.batch:,}, {size(queue.batch * each)} each")
        if reasons:
            variable = f"OTEL_{_KINDS.get(name, 'BSP')}_MAX_QUEUE_SIZE"
            fits = 4 * queue.batch
            if setup.limit is not None:
                fits = min(fits, max(int(_SHARE * setup.limit / each), 1))
            yield Finding(
                "batch-queue",
                f"The queue of {name} takes {queue.capacity:,} items: {', '.join(reasons)}.",
                setup.where(processor),
                f"While the receiver is slow or away it fills: {size(full)} at {size(each)} an item, on top of what the "
                f"service needs.",
                full,
                f"{variable}={min(fits, 2048)} or max_queue_size={min(fits, 2048)} (the default is 2048, batches of 512); "
                f"spanheap.MemoryThrottledSpanProcessor keeps errors when memory gets short.",
            )


def before_fork(setup: Setup) -> Iterator[Finding]:
    """Made in a process that is forked: each child has one more of all that it has."""
    if setup.births is None:
        return
    for processor, queue in _batching(setup):
        forks = setup.births.forks(processor)
        if forks:
            each = to_expect(list(queue.spans))
            full = queue.capacity * each
            yield Finding(
                "before-fork",
                f"{type(processor).__name__} was made before the process was forked ({forks} time{'s' * (forks > 1)}).",
                setup.where(processor),
                f"Every child, one that only computes as well, gets a thread and a queue of its own, which may come to hold "
                f"{size(full)}; and an exporter's connection that was open then (gRPC above all) does not work in the "
                f"child: the queue fills and stays full.",
                forks * full,
                "Set the SDK up in the child: gunicorn's post_fork hook, Celery's worker_process_init signal, the "
                "initializer of a pool; or start children with the method spawn.",
            )


CHECKS = (("batch-queue", batch_queue), ("before-fork", before_fork))
