"""What the profiler itself does, uses, loses and costs."""

from __future__ import annotations

from spanheap import _core
from spanheap.telemetry.instrument import Instrument, Values, counter, gauge, one
from spanheap.telemetry.reading import Reading

TABLE = "spanheap.table.name"
LOSS = "spanheap.loss.reason"
COMPONENT = "spanheap.component"
HOOK = "spanheap.hook.mode"
ATTRIBUTION = "spanheap.attribution"
DEATH = "spanheap.death.kind"
OUTCOME = "spanheap.dump.outcome"
REASON = "spanheap.dump.reason"

# Counts of the core by the reason that users are told; the fields of Stats say what each means.
LOSSES = {
    "samples_dropped": "sample_table_full",
    "samples_replaced": "release_unseen",
    "samples_without_thread_state": "no_thread_state",
    "samples_pending_overflow": "pending_full",
    "stacks_overflowed": "stack_table_full",
    "totals_overflowed": "total_table_full",
    "names_overflowed": "name_table_full",
    "locations_overflowed": "location_table_full",
    "threads_overflowed": "thread_table_full",
    "labels_overflowed": "label_table_full",
    "groups_overflowed": "group_table_full",
    "spans_untracked": "span_table_full",
    "spans_unmet": "span_unmet",
    "spans_unwatched": "span_unwatchable",
    "array_entries_refused": "library_entry_refused",
    "hook_lost": "hook_lost",
}
# Rows in use by table.
TABLES = {
    "samples_live": "samples",
    "spans_active": "active_spans",
    "stacks": "stacks",
    "labels": "labels",
    "groups": "groups",
    "spans_watched": "watched_spans",
}


def _losses(reading: Reading) -> Values:
    counters = reading.counters()
    for field, reason in LOSSES.items():
        yield counters[field], {LOSS: reason}
    yield reading.session._profiler.telemetry.lost_pauses, {LOSS: "gc_pause_unrecorded"}


def _rows(reading: Reading) -> Values:
    counters = reading.counters()
    for field, table in TABLES.items():
        yield counters[field], {TABLE: table}
    yield reading.session.spans.counts().retained, {TABLE: "span_records"}


def _capacity(reading: Reading) -> Values:
    options = reading.session._profiler.options
    yield options.max_samples, {TABLE: "samples"}
    yield options.span_capacity, {TABLE: "active_spans"}
    yield options.span_capacity, {TABLE: "span_records"}


def _errors(reading: Reading) -> Values:
    stats = reading.session.stats()
    for component in ("processor", "tick", "detector", "recorder", "dump"):
        yield getattr(stats, f"{component}_errors"), {COMPONENT: component}
    yield reading.session._profiler.telemetry.errors, {COMPONENT: "telemetry"}


def _status(reading: Reading) -> Values:
    attributed = _core.attribution() != _core.ATTRIBUTION_OFF
    yield 1, {HOOK: _core.hook_mode(), ATTRIBUTION: "on" if attributed else "off"}


def _deaths(reading: Reading) -> Values:
    by_kind: dict[str, int] = {}
    for death in reading.session.predecessor_deaths:
        by_kind[death.kind] = by_kind.get(death.kind, 0) + 1
    return [(count, {DEATH: kind}) for kind, count in by_kind.items()] or [(0, {})]


def _dumps(reading: Reading) -> Values:
    dumps = reading.session._profiler.dumps
    counts = dumps.outcomes.counts.copy() if dumps is not None else {}
    return [(number, {OUTCOME: outcome, REASON: reason}) for (outcome, reason), number in counts.items()] or [(0, {})]


INSTRUMENTS: tuple[Instrument, ...] = (
    counter("spanheap.sample.count", "{sample}", "Allocations sampled.", lambda reading: one(reading.counters()["samples"])),
    gauge("spanheap.sample.interval", "By", "Mean bytes between samples, now.", lambda _: one(_core.sample_interval())),
    gauge("spanheap.table.usage", "{row}", "Rows in use of spanheap's tables.", _rows, TABLE),
    gauge("spanheap.table.limit", "{row}", "Rows that there are, of the tables that options size.", _capacity, TABLE),
    counter("spanheap.profiler.losses", "{loss}", "What was left out or summed up for want of room, by reason.", _losses,
            LOSS),
    counter("spanheap.profiler.errors", "{error}", "What failed inside spanheap and was kept from the service.", _errors,
            COMPONENT),
    gauge("spanheap.profiler.status", "{session}", "1 for the running session, with what it can do.", _status, HOOK,
          ATTRIBUTION),
    gauge("spanheap.profiler.memory", "By", "spanheap's own tables.",
          lambda reading: one(reading.counters()["memory_bytes"])),
    counter("spanheap.profiler.cpu.time", "s", "CPU time of taking samples and of the tick thread.",
            lambda reading: one(reading.session._profiler.cpu_s())),
    counter("spanheap.dump.count", "{dump}", "Automatic dumps that were wanted, by what became of them.", _dumps, OUTCOME,
            REASON),
    counter("spanheap.recorder.predecessor_deaths", "{death}",
            "Earlier processes of the same recorder path that did not end cleanly, found at start.", _deaths, DEATH),
)
