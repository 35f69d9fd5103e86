"""Metrics that nobody reads, and instruments that have nothing to say."""

from __future__ import annotations

from collections.abc import Iterator

from spanheap.doctor.exporters import wanted_off
from spanheap.doctor.finding import CannotTell, Finding, size
from spanheap.doctor.names import held_bytes
from spanheap.doctor.setup import Setup
from spanheap.spans import sdk

_OWN = "spanheap"


def no_reader(setup: Setup) -> Iterator[Finding]:
    """What is measured goes nowhere."""
    if wanted_off("OTEL_METRICS_EXPORTER"):
        return
    for provider in setup.meters:
        readers = sdk.metric_readers(provider)
        if readers is None:
            raise CannotTell("which readers a MeterProvider has")
        if readers:
            continue
        theirs = [meter for meter in sdk.meters(provider) or () if meter.name != _OWN]
        instruments = [instrument for meter in theirs for instrument in sdk.instruments(meter) or ()]
        held = held_bytes(instruments)
        yield Finding(
            "no-reader",
            f"The MeterProvider has no metric reader: its {len(instruments):,} instruments are never collected.",
            setup.where(provider),
            f"Instruments, and all that their callbacks refer to, are kept and measured into for nobody ({size(held)} "
            f"without what the callbacks hold), and what would show a leak, spanheap's own metrics too, is not seen.",
            held,
            "MeterProvider(metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())]), or no MeterProvider "
            "(OTEL_METRICS_EXPORTER=none).",
        )


def in_memory_reader(setup: Setup) -> Iterator[Finding]:
    """Made for tests: whoever forgets to ask it has metrics that nobody sees."""
    for provider in setup.meters:
        readers = sdk.metric_readers(provider)
        if readers is None:
            raise CannotTell("which readers a MeterProvider has")
        for reader in readers:
            if type(reader).__name__ == "InMemoryMetricReader":
                yield Finding(
                    "in-memory-reader",
                    "InMemoryMetricReader, which is for tests, is a reader of the MeterProvider.",
                    setup.where(reader),
                    "It keeps an aggregation for each instrument and set of attributes of its own, beside those of the "
                    "other readers, and exports nothing.",
                    None,
                    "PeriodicExportingMetricReader(OTLPMetricExporter()) instead.",
                )


def gauge_without_callback(setup: Setup) -> Iterator[Finding]:
    """An observable instrument is asked by nobody."""
    for provider in setup.meters:
        for meter in sdk.meters(provider) or ():
            if meter.name == _OWN:
                continue
            for instrument in sdk.instruments(meter) or ():
                kind = next((c.__name__ for c in type(instrument).__mro__ if c.__name__.startswith("Observable")), "")
                if not kind:
                    continue
                found = sdk.callbacks(instrument)
                if found is None:
                    raise CannotTell("the callbacks of an observable instrument")
                if not found:
                    yield Finding(
                        "no-callback",
                        f"{kind} {instrument.name!r} of the meter {meter.name!r} has no callback: it never reports.",
                        setup.where(instrument),
                        "It is kept for good and visited at each collection; the figure it was made for (of a pool, a "
                        "cache, a queue) is missing when memory grows.",
                        None,
                        f'meter.create_{_snake(kind)}("{instrument.name}", callbacks=[observe]), where observe(options) '
                        f"returns a list of Observations.",
                    )


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


CHECKS = (("no-reader", no_reader), ("in-memory-reader", in_memory_reader), ("no-callback", gauge_without_callback))

