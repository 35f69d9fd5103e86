# cython: language_level=3, binding=False, embedsignature=False
"""The native core, one thin class or function a C object. No policy here: that is the Python layer's."""

from cpython.object cimport Py_TYPE
from cpython.ref cimport Py_DECREF
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from posix.time cimport CLOCK_REALTIME

from spanheap._native cimport *

from spanheap.snapshot.row import Frame, Row

MODES = {SH_HOOK_NONE: "off", SH_HOOK_ESCAPE: "escape", SH_HOOK_CLASSIC: "classic"}
ATTRIBUTION_OFF = SH_CONTEXT_OFF
ATTRIBUTION_NODES = SH_CONTEXT_NODES
ATTRIBUTION_TRAVERSE = SH_CONTEXT_TRAVERSE
MAX_DEPTH = SH_MAX_DEPTH

cdef sh_profile *the_profile = &sh_the_hook.profile
cdef void *dump_workspace = NULL
cdef object wake_up = None


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
    options.max_depth = max_depth
    options.window_share = window_share
    cdef const char *problem = sh_hook_start_with_gil(&options)
    if problem != NULL:
        return problem.decode()
    global dump_workspace
    if dump_workspace == NULL:   # address space only; a dump under memory pressure then needs no more of it
        dump_workspace = sh_pages_map(sh_heap_dump_workspace_bytes(&the_profile.strings, &the_profile.locations))
    return None


def stop():
    sh_hook_stop_with_gil()


def set_wake_up(callback):
    """Call this once, from the next span that starts: how a forked child gets its tick thread when it has work to do."""
    global wake_up
    wake_up = callback


def running():
    return bool(sh_the_hook.enabled)


def tick(uint32_t max_frames):
    """Fold what was released, name some stacks, look whether the hook is still in place. Returns the hook mode."""
    sh_hook_tick_with_gil()
    sh_type_cache_release_with_gil(&the_profile.live)
    sh_symbols_resolve_with_gil(the_profile, max_frames)
    return MODES[sh_hook_check_with_gil()]


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
    cdef uint64_t alive[SH_THREAD_CAPACITY]
    cdef uint32_t n = 0
    for ident, name in threads[:SH_THREAD_CAPACITY]:
        alive[n] = ident
        sh_thread_table_name(&the_profile.threads, alive[n], sh_symbols_intern_with_gil(&the_profile.strings, name))
        n += 1
    sh_thread_table_reap(&the_profile.threads, alive, n)


# ---------------------------------------------------------------- attribution

def set_context_types(hamt, bitmap, array, collision):
    sh_context_set_types_with_gil(hamt, bitmap, array, collision)


def bind_context(var, key, non_recording_type, invalid_span):
    sh_context_bind_with_gil(var, key, non_recording_type, invalid_span)


def set_attribution(int mode):
    sh_context_set_mode_with_gil(<sh_context_mode>mode)


def attribution():
    return <int>sh_context_get_mode()


def walk_context(var, int mode, default):
    """What the hook's walk finds for this variable in the current context."""
    cdef void *found = sh_context_walk_with_gil(var, <sh_context_mode>mode)
    if found == NULL:
        return default
    value = <object>found
    Py_DECREF(value)
    return value


def force_hash(var, Py_hash_t hash):
    sh_context_force_hash_with_gil(var, hash)


def mark_start_span(code):
    """The code object whose callees' samples belong to the span that is about to start; None: no such."""
    sh_frames_mark_with_gil(NULL if code is None else <void *>code)


cdef int start_span(span, context, parent, name) except -1:
    global wake_up
    cdef sh_span_start start
    if wake_up is not None:
        callback, wake_up = wake_up, None
        callback()
    if not isinstance(context, tuple) or not (parent is None or isinstance(parent, tuple)):
        raise TypeError("a SpanContext is a tuple")
    start.span_id = (<tuple>context)[1]
    sh_trace_id_halves((<tuple>context)[0], &start.trace_high, &start.trace_low)
    start.parent_span_id = 0 if parent is None or (<tuple>parent)[2] else <uint64_t>(<tuple>parent)[1]
    start.start_ns = sh_clock_ns(CLOCK_REALTIME)
    start.object = <void *>span
    start.type = Py_TYPE(span)
    start.name = sh_symbols_intern_with_gil(&the_profile.strings, name)
    sh_hook_settle_with_gil(sh_span_table_start(&the_profile.spans, &start))
    return 0


cdef int end_span(context, name) except -1:
    if not isinstance(context, tuple):
        raise TypeError("a SpanContext is a tuple")
    cdef uint64_t span_id = (<tuple>context)[1]
    sh_span_table_end(&the_profile.spans, span_id, sh_symbols_intern_with_gil(&the_profile.strings, name))
    return 0


cdef class SpanProcessor:
    """Keeps the native table of active spans. An OpenTelemetry SpanProcessor by shape; one a provider, for the process's life.

    Never raises into the service: what goes wrong is counted in `errors`."""

    cdef readonly uint64_t errors

    def on_start(self, span, parent_context=None):
        if not sh_the_hook.enabled:
            return
        try:   # as the SDK keeps them: its properties cost as much as all the rest
            start_span(span, span._context, span._parent, span._name)
        except AttributeError:
            self.on_start_of_another_sdk(span)
        except Exception:
            self.errors += 1

    def _on_ending(self, span):
        pass

    def on_end(self, span):
        if not sh_the_hook.enabled:
            return
        try:
            end_span(span._context, span._name)
        except AttributeError:
            self.on_end_of_another_sdk(span)
        except Exception:
            self.errors += 1

    cdef on_start_of_another_sdk(self, span):
        try:
            start_span(span, span.context, span.parent, span.name)
        except Exception:
            self.errors += 1

    cdef on_end_of_another_sdk(self, span):
        try:
            end_span(span.context, span.name)
        except Exception:
            self.errors += 1

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=30000):
        return True


cdef struct active_span:
    sh_span span
    uint32_t root_name


def active_spans(uint32_t n):
    """The n oldest active spans: [(trace_id, span_id, name, root_name, start_ns)], ids in hex, oldest first."""
    n = min(n, the_profile.spans.active)
    cdef uint32_t *slots = <uint32_t *>malloc((n + 1) * sizeof(uint32_t))
    cdef active_span *copies = <active_span *>malloc((n + 1) * sizeof(active_span))
    cdef uint32_t count, i
    try:
        if slots == NULL or copies == NULL:
            raise MemoryError
        # Copied out whole before the first Python object is made: a collection in between may start and end spans.
        count = sh_span_table_oldest(&the_profile.spans, slots, n)
        for i in range(count):
            copies[i].span = the_profile.spans.spans[slots[i]]
            copies[i].root_name = the_profile.spans.spans[copies[i].span.root].name
        return [(hex_trace_id(copies[i].span.trace_high, copies[i].span.trace_low), "%016x" % copies[i].span.span_id,
                 text(copies[i].span.name), text(copies[i].root_name), copies[i].span.start_ns) for i in range(count)]
    finally:
        free(slots)
        free(copies)


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


# ---------------------------------------------------------------- snapshots

cdef class Capture:
    """A heap snapshot in C: totals at hand, rows decoded on demand, written to a file without the GIL."""

    cdef sh_heap_snapshot snapshot

    def __cinit__(self):
        sh_type_cache_release_with_gil(&the_profile.live)
        sh_symbols_resolve_with_gil(the_profile, <uint32_t>-1)
        if not sh_heap_snapshot_capture(&self.snapshot, the_profile):
            raise MemoryError("no memory for a heap snapshot")

    def __dealloc__(self):
        sh_heap_snapshot_fini(&self.snapshot)

    @property
    def sums(self):
        """(live_bytes, live_objects, allocated_bytes, allocated_objects, live samples)"""
        cdef sh_profile_sums *s = &self.snapshot.sums
        return s.live_bytes, s.live_objects, s.allocated_bytes, s.allocated_objects, s.live_samples

    @property
    def time(self):
        return self.snapshot.realtime_ns / 1e9

    @property
    def interval(self):
        return self.snapshot.interval

    @property
    def active_spans(self):
        return self.snapshot.active_spans

    def rows(self):
        """[Row]: one a live sample, then one a sum of released ones."""
        cdef sh_heap_snapshot *s = &self.snapshot
        cdef sh_snapshot_sample *sample
        cdef sh_snapshot_span *span
        cdef sh_total *total
        cdef uint32_t i, k
        with Muted():
            stacks = [tuple([frame_of(s.frames[s.stacks[i].first + k]) for k in range(s.stacks[i].depth)])
                      or UNKNOWN_STACK for i in range(s.stack_count)]
            threads = [text(s.thread_names[i]) or "<unnamed thread>" for i in range(s.thread_count)]
            spans = []
            for i in range(s.span_count):
                span = &s.spans[i]
                has_id = span.span_id != 0
                spans.append((text(span.name), text(span.root_name),
                              hex_trace_id(span.trace_high, span.trace_low) if has_id else "",
                              "%016x" % span.span_id if has_id else ""))
            rows = []
            for i in range(s.sample_count):
                sample = &s.samples[i]
                name, root_name, trace_id, span_id = spans[sample.span]
                rows.append(Row(stacks[sample.stack], name, root_name, trace_id, span_id, threads[sample.thread], sample.size,
                                sample.bytes, sample.objects, sample.bytes, sample.objects, 1))
            for i in range(s.total_count):
                total = &s.totals[i]
                rows.append(Row(stacks[total.stack], text(total.name), text(total.root_name), "", "", "", 0,
                                0.0, 0.0, total.bytes, total.objects, 0))
            return rows

    def top_traces(self, uint32_t n):
        """The n traces with most live bytes: [(trace_id, live bytes, samples, span name, root name, start_ns)].

        The names are those of the trace's span with most bytes; the start is that of its first span that has any."""
        cdef sh_heap_snapshot *s = &self.snapshot
        cdef double *span_bytes = <double *>malloc((s.span_count + 1) * sizeof(double))
        cdef uint32_t *span_samples = <uint32_t *>malloc((s.span_count + 1) * sizeof(uint32_t))
        cdef uint32_t i
        cdef sh_snapshot_span *span
        try:
            if span_bytes == NULL or span_samples == NULL:
                raise MemoryError
            for i in range(s.span_count):
                span_bytes[i] = 0
                span_samples[i] = 0
            for i in range(s.sample_count):
                span_bytes[s.samples[i].span] += s.samples[i].bytes
                span_samples[s.samples[i].span] += 1
            traces = {}
            for i in range(s.span_count):
                span = &s.spans[i]
                if span.span_id == 0 or span_samples[i] == 0:
                    continue
                key = (span.trace_high, span.trace_low)
                live, samples, most, name, root, start = traces.get(key, (0.0, 0, -1.0, 0, 0, span.start_ns))
                if span_bytes[i] > most:
                    most, name, root = span_bytes[i], span.name, span.root_name
                traces[key] = (live + span_bytes[i], samples + span_samples[i], most, name, root, min(start, span.start_ns))
            largest = sorted(traces.items(), key=lambda item: -item[1][0])[:n]
            return [(hex_trace_id(high, low), live, samples, text(name), text(root), start)
                    for (high, low), (live, samples, _, name, root, start) in largest]
        finally:
            free(span_bytes)
            free(span_samples)

    def write(self, int fd, bytes program, list comments, int64_t duration_ns):
        """Write the dump to a file descriptor, without the GIL; one at a time. Returns 0 or an errno."""
        cdef size_t n = len(comments), i
        cdef const char **array = <const char **>malloc((n + 1) * sizeof(char *))
        cdef sh_heap_dump_info info
        cdef int error
        if array == NULL:
            raise MemoryError
        try:
            if dump_workspace == NULL:
                raise MemoryError("no memory for the dump writer")
            for i in range(n):
                array[i] = <bytes>comments[i]
            info.program = program
            info.comments = array
            info.comment_count = n
            info.duration_ns = duration_ns
            with nogil:
                error = sh_heap_dump_write(&self.snapshot, &info, fd, dump_workspace)
            return error
        finally:
            free(array)


# ---------------------------------------------------------------- figures

def sums():
    """(live_bytes, live_objects, allocated_bytes, allocated_objects, live samples), as estimated now."""
    cdef sh_profile_sums s = sh_profile_sum(the_profile)
    return s.live_bytes, s.live_objects, s.allocated_bytes, s.allocated_objects, s.live_samples


def live_by_root(uint32_t n):
    """[(local root name, live bytes)], largest first, at most n; the rest is summed as "<other>"."""
    cdef sh_name_sum rows[64]
    cdef uint32_t count = sh_profile_live_by_root(the_profile, rows, min(max(n, 1), 64)), i
    return [(text(rows[i].name), rows[i].bytes) for i in range(count)]


def counters():
    """All counts of the core by name. What was dropped, and why, is among them."""
    cdef sh_profile *p = the_profile
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
        "spans_active": p.spans.active,
        "spans_untracked": p.spans.untracked,
        "spans_replaced": p.spans.replaced,
        "hook_lost": sh_hook_lost_count(),
        "memory_bytes": sh_profile_memory(p),
        "sampling_ns": sh_the_hook.sampling_ns,
    }


def sample_interval():
    return the_profile.interval


def valid():
    """The invariants of all tables hold (slow: for tests)."""
    return bool(sh_profile_valid(the_profile))
