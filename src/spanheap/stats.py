"""What the profiler did, dropped and cost. Everything that is bounded is counted here when the bound is met."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from spanheap import _core
from spanheap.spans import providers

if TYPE_CHECKING:
    from spanheap.profiler import Profiler


@dataclass(frozen=True)
class Stats:
    """`Session.stats()`; counts since the session started."""

    hook: str
    """"escape" (small samples escape to the RAW domain), "classic" (every function is hooked) or "off"."""
    attribution: bool
    """Whether the current span can be read."""
    sample_interval: float
    """Mean bytes between samples, now: the configured value, doubled each time max_samples was reached."""
    sampling: bool
    """Whether samples are taken: not after `Session.configure(enabled=False)`, or the toggle signal."""
    reconfigured: int
    """Changes of the interval, and times that sampling was switched off or on, by `configure()` or the signal."""
    samples: int
    samples_live: int
    samples_thinned: int
    """Given up when the interval was doubled; the others stand for them."""
    samples_dropped: int
    """Lost because max_samples was reached with adaptive=False: estimates are too low."""
    samples_replaced: int
    """A new block stood where a sampled one was believed to be: its release was not seen."""
    samples_muted: int
    """Allocations of the profiler itself that came up for sampling."""
    samples_without_thread_state: int
    """Came up on threads that Python does not know: not taken."""
    samples_pending_overflow: int
    """Made inside start_span beyond what is remembered for it: they stay "<unsampled>"."""
    rate_raised: int
    rate_lowered: int
    stacks: int
    stacks_overflowed: int
    stacks_evicted: int
    totals_overflowed: int
    names_overflowed: int
    """Times that a name became "<other>": no room, of which a quarter is for names of code alone, or no UTF-8 form."""
    locations_overflowed: int
    threads_overflowed: int
    spans_started: int
    spans_ended: int
    spans_active: int
    spans_untracked: int
    spans_replaced: int
    spans_settled: int
    """Met by the hook without having been announced, and asked for their names afterwards: sampled out, of another
    provider, or ended but still current."""
    spans_unmet: int
    """Of those, not asked for want of room: "<unsampled>" or "<untracked>"."""
    spans_ended_twice: int
    """Ended again after their end: not published again."""
    spans_unannounced: int
    """Ended without their start having been seen: before the session, or beyond span_capacity."""
    span_names_overflowed: int
    """Spans that `by_name()` has under "<other>" for want of room."""
    spans_watched: int
    """Of the sample that `Session.spans.retained()` and `unended()` are estimated from: started, and not yet gone."""
    spans_unwatched: int
    """Of those to be in it, the ones that could not be: their type allows no weak references."""
    labels: int
    """Sets of labels in use."""
    labels_overflowed: int
    """Pairs that found no room: the value became "<other>", or the key was left out."""
    groups: int
    """Application frames by endpoint that the leak detector follows."""
    groups_overflowed: int
    """Samples that found no group at one of its looks: they are followed as "<other>"."""
    hook_lost: int
    """Times another tool took the hook out of the allocators; samples of before were forgotten."""
    array_entries: int
    """Places, since the process began, in which a library (numpy has two and more) now tells spanheap of its memory, too."""
    array_entries_refused: int
    """Places that hold another tool's function, or cannot be written: memory of that library may be missing."""
    arena_bytes: int
    """Of pymalloc, taken since the session started and not given back: far above the live small blocks is fragmentation."""
    recorder: str
    """The file of the flight recorder; "": nothing is recorded."""
    recorder_errors: int
    """Times the flight recorder could not be opened: the log says why."""
    memory_bytes: int
    """The native tables, as far as they are in use."""
    cpu_s: float
    """Of taking samples and of the threads that tick and export; the countdown in the allocators cannot be measured so."""
    ticks: int
    longest_tick_s: float
    processor_errors: int
    tick_errors: int
    detector_errors: int
    pauses: int
    """Walks over the heap that the leak detector has made on its own."""
    paused_s: float
    """What they took together."""
    dumps_written: int
    """Automatic dumps."""
    dumps_refused: int
    """Wanted, but not written: cooldown, budget, disk_space, or busy with another dump."""
    dumps_saved: int
    """Wanted, but they would have shown what the last one did."""
    dump_errors: int
    """What went wrong in between; the log has the first."""
    dumps_by_reason: dict[str, int]
    """Of all these: `written.` and `saved.` with the trigger, `refused.` with the reason, `failed.` with where."""
    profiles_exported: int
    """Snapshots that a receiver of OTLP profiles has taken."""
    profiles_lost: int
    """Those that none has: `ProfilesExporter.counts()` says why."""

    @classmethod
    def of(cls, counters: dict[str, Any], **rest: Any) -> Stats:
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in counters.items() if k in known}, **rest)


def gather(profiler: Profiler) -> Stats:
    """Of a profiler, from each of its parts."""
    ticker, leaks, profiles = profiler.ticker, profiler.leaks, profiler.profiles
    outcomes = profiler.dumps.outcomes if profiler.dumps is not None else None
    return Stats.of(
        _core.counters(),
        hook=_core.hook_mode(),
        attribution=_core.attribution() != _core.ATTRIBUTION_OFF,
        sample_interval=_core.sample_interval(),
        cpu_s=profiler.cpu_s(),
        sampling=_core.sampling(),
        reconfigured=profiler.switch.changes,
        ticks=profiler.ticks,
        longest_tick_s=profiler.longest_tick_s,
        processor_errors=providers.processor_errors(),
        tick_errors=ticker.errors if ticker else 0,
        detector_errors=leaks.errors if leaks else 0,
        pauses=leaks.pauses.pauses if leaks else 0,
        paused_s=leaks.pauses.spent_ms / 1e3 if leaks else 0.0,
        recorder=profiler.recorder.path if profiler.recorder else "",
        recorder_errors=profiler.recorder_errors,
        dumps_written=outcomes.total("written") if outcomes else 0,
        dumps_refused=outcomes.total("refused") if outcomes else 0,
        dumps_saved=outcomes.total("saved") if outcomes else 0,
        dump_errors=outcomes.errors if outcomes else 0,
        dumps_by_reason=outcomes.by_reason() if outcomes else {},
        profiles_exported=profiles.counts().exported if profiles else 0,
        profiles_lost=profiles.counts().lost if profiles else 0,
        **profiler.spans._counters(),
    )
