# cython: language_level=3, binding=False, embedsignature=False
"""The native core, one thin class or function a C object. No policy here: that is the Python layer's."""

from sys import intern as _intern

from cpython.object cimport Py_TYPE, PyObject
from cpython.ref cimport Py_DECREF
from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME

from spanheap._native cimport *

from spanheap.detection.series import Aggregate, Group, GroupKey
from spanheap.snapshot.row import Frame, Row

MODES = {SH_HOOK_NONE: "off", SH_HOOK_ESCAPE: "escape", SH_HOOK_CLASSIC: "classic"}
ATTRIBUTION_OFF = SH_CONTEXT_OFF
ATTRIBUTION_NODES = SH_CONTEXT_NODES
ATTRIBUTION_TRAVERSE = SH_CONTEXT_TRAVERSE
MAX_DEPTH = SH_MAX_DEPTH

cdef sh_profile *the_profile = &sh_the_hook.profile
cdef void *dump_workspace = NULL
cdef bint dump_workspace_used = False   # until then it is address space only
cdef object wake_up = None


cdef int require_tables() except -1:
    if the_profile.spans.spans == NULL:
        raise RuntimeError("spanheap was not started in this process")
    return 0


# ---------------------------------------------------------------- sampling

def start(double interval, uint32_t max_samples, uint32_t max_depth, uint32_t span_capacity, bint adaptive, uint64_t seed,
          double window_share):
    """Start sampling; returns None, or in words why it cannot be."""
    cdef sh_hook_options options
    options.profile.interval = interval
    options.profile.max_samples = max_samples
    options.profile.span_capacity = span_capacity
    options.profile.adaptive = adaptive
    options.profile.seed = seed
    options.profile.labels = &sh_the_hook.labels
    options.max_depth = max_depth
    options.window_share = window_share
    begin_watch(seed)   # before: spans are told of as soon as the hook is on
    cdef const char *problem = sh_hook_start_with_gil(&options)
    if problem != NULL:
        return problem.decode()
    global dump_workspace
    if dump_workspace == NULL:   # a dump under memory pressure then needs no more address space
        dump_workspace = sh_pages_map(workspace_bytes())
    return None


cdef size_t workspace_bytes():
    return sh_heap_dump_workspace_bytes(&the_profile.strings, &the_profile.locations)


def stop():
    settle_all_spans()   # what the hook kept alive is given back
    sh_hook_stop_with_gil()
    sh_span_events_forget_names_with_gil()
    end_watch()


def set_rate(double interval, bint sampling):
    """Go on at this interval, or without taking samples."""
    require_tables()
    sh_hook_set_rate_with_gil(interval, not sampling)


def sampling():
    return bool(sh_the_hook.enabled and not sh_the_hook.paused)


def set_wake_up(callback):
    """Call this once, when the next span starts or a hook meets one: how a forked child gets its tick thread when it has work."""
    global wake_up
    wake_up = callback
    sh_span_events_go_the_long_way_with_gil(callback is not None)
    if callback is None:
        sh_context_when_met_with_gil(NULL)
    else:
        sh_context_when_met_with_gil(wake)


cdef int wake(void *unused) noexcept:
    global wake_up
    callback, wake_up = wake_up, None
    sh_span_events_go_the_long_way_with_gil(False)
    sh_context_when_met_with_gil(NULL)
    if callback is not None:
        try:
            callback()
        except Exception:
            pass   # results are brought up to date when asked for
    return 0


def running():
    return bool(sh_the_hook.enabled)


def tick(uint32_t max_frames):
    """Fold what was released, name spans and some stacks, look whether the hook is still in place. Returns the hook mode."""
    require_tables()
    settle_spans()   # first: what is folded is counted under the name it has then
    sh_hook_tick_with_gil()
    sh_type_cache_release_with_gil(&the_profile.live)
    sh_symbols_resolve_with_gil(the_profile, max_frames)
    return MODES[sh_hook_check_with_gil()]


def release_references():
    """Give back what is kept of the application's to know it again when it comes: code objects, names of spans."""
    require_tables()
    sh_symbols_release_codes_with_gil(the_profile)
    sh_span_events_forget_names_with_gil()


def hook_mode():
    return MODES[sh_hook_get_mode()]


def open_window(double seconds):
    sh_hook_open_window_with_gil(<int64_t>(seconds * 1e9))


cdef class Muted:
    """Within the block nothing that this thread allocates is sampled: what the profiler costs is not the service's."""

    def __enter__(self):
        sh_hook_mute()

    def __exit__(self, *exception):
        sh_hook_unmute()


def unnamed_threads():
    return the_profile.threads.unnamed, the_profile.threads.high


def name_threads(list threads):
    """Enter [(ident, name)] of the living threads; slots of threads that are gone and have no samples are freed."""
    require_tables()
    cdef uint64_t alive[SH_THREAD_CAPACITY]
    cdef uint32_t n = 0
    for ident, name in threads[:SH_THREAD_CAPACITY]:
        alive[n] = ident
        sh_thread_table_name(&the_profile.threads, alive[n], sh_symbols_intern_with_gil(&the_profile.strings, name))
        n += 1
    sh_thread_table_reap(&the_profile.threads, alive, n)


# ---------------------------------------------------------------- names

UNKNOWN_STACK = (Frame("<unknown stack>", "", 0),)   # as in a dump
cdef dict frame_cache = {}   # location id -> Frame; bounded as the location table is, and its ids never change

cdef str text(uint32_t string_id):
    cdef sh_string s = sh_string_table_get(&the_profile.strings, string_id)
    return s.data[:s.length].decode("utf-8", "replace")


cdef str hex_trace_id(uint64_t high, uint64_t low):
    return "%016x%016x" % (high, low)


cdef object frame_of(uint32_t location_id):
    cdef sh_location *location
    frame = frame_cache.get(location_id)
    if frame is None:
        location = &the_profile.locations.locations[location_id]
        frame = Frame(text(location.function), text(location.filename), location.line)
        frame_cache[location_id] = frame
    return frame


include "_core_ring.pxi"
include "_core_store.pxi"
include "_core_recorder.pxi"
include "_core_spans.pxi"
include "_core_labels.pxi"
include "_core_capture.pxi"
include "_core_emergency.pxi"
include "_core_cohorts.pxi"
include "_core_throttle.pxi"
include "_core_watched.pxi"
include "_core_holders.pxi"
include "_core_containers.pxi"


# ---------------------------------------------------------------- figures

def sums():
    """(live_bytes, live_objects, allocated_bytes, allocated_objects, live samples), as estimated now."""
    require_tables()
    cdef sh_profile_sums s = sh_profile_sum(the_profile)
    return s.live_bytes, s.live_objects, s.allocated_bytes, s.allocated_objects, s.live_samples


def live_by_root(uint32_t n):
    """[(local root name, live bytes)], largest first, at most n; the rest is summed as "<other>"."""
    require_tables()
    cdef sh_name_sum rows[64]
    cdef uint32_t count = sh_profile_live_by_root(the_profile, rows, min(max(n, 1), 64)), i
    return [(text(rows[i].name), rows[i].bytes) for i in range(count)]


def live_by_labels():
    """[(labels as {key: value}, live bytes)] of live samples that have labels, one for each set."""
    cdef Capture capture = Capture()
    cdef sh_heap_snapshot *s = &capture.snapshot
    sums = [0.0] * s.label_count
    for i in range(s.sample_count):
        sums[s.samples[i].labels] += s.samples[i].bytes
    return [(dict(labels_of(s, i)), sums[i]) for i in range(1, s.label_count) if sums[i]]


def counters():
    """All counts of the core by name. What was dropped, and why, is among them."""
    require_tables()
    cdef sh_profile *p = the_profile
    cdef sh_got_counts got = sh_got_patch_counts()
    return {
        "samples": p.counters.recorded,
        "samples_live": p.live.live,
        "samples_thinned": p.counters.thinned,
        "samples_dropped": p.counters.dropped,
        "samples_replaced": p.live.replaced,
        "samples_muted": sh_the_hook.muted,
        "samples_without_thread_state": sh_the_hook.without_thread_state,
        "samples_pending_overflow": sh_the_hook.pending_overflow,
        "rate_raised": p.counters.rate_raised,
        "rate_lowered": p.counters.rate_lowered,
        "stacks": sh_stack_table_count(&p.stacks),
        "stacks_overflowed": p.stacks.overflowed,
        "stacks_evicted": p.stacks.evicted,
        "totals_overflowed": p.totals.overflowed,
        "names_overflowed": p.strings.overflowed,
        "locations_overflowed": p.locations.overflowed,
        "threads_overflowed": p.threads.overflowed,
        "spans_started": p.spans.started,
        "spans_ended": p.spans.ended,
        "spans_active": sh_span_table_listed(&p.spans),
        "spans_untracked": p.spans.untracked,
        "spans_replaced": p.spans.replaced,
        "spans_settled": p.spans.settled,
        "spans_unmet": p.spans.unmet,
        "groups": the_cohorts.group_count,
        "groups_overflowed": the_cohorts.overflowed,
        "spans_watched": the_watch.count,
        "spans_unwatched": the_watch.dropped,
        "labels": the_labels.in_use,
        "labels_overflowed": the_labels.overflowed,
        "hook_lost": sh_hook_lost_count(),
        "array_entries": got.patched,
        "array_entries_refused": got.foreign + got.failed,
        "array_looks": got.looks,
        "arena_bytes": sh_arenas_bytes(),
        "memory_bytes": sh_profile_memory(p) + sh_label_table_memory(the_labels) + watch_bytes()
        + sh_cohorts_memory(&the_cohorts) + (current_log.nbytes if current_log is not None else 0)
        + (workspace_bytes() if dump_workspace_used else 0),
        "sampling_ns": sh_the_hook.sampling_ns,
    }


def sample_interval():
    return the_profile.interval


def valid():
    """The invariants of all tables hold (slow: for tests)."""
    require_tables()
    return bool(sh_profile_valid(the_profile))
