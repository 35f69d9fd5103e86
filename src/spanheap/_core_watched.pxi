# Part of _core: spans that are watched from their start until nothing refers to them, by weak references.

from libc.stdlib cimport calloc
from libc.stdint cimport uint16_t

cdef enum:
    WATCHED = 2048            # 0.5 MiB with the weak references; an estimate over all has then 2 to 4 % of chance in it
    WATCHED_PER_TICK = 128    # spans taken at each level: 0.3 us a span taken, 40 us a second

cdef sh_watch_list *the_watch = &sh_the_watch

KINDS = ("", "Span", "ReadableSpan", "both")   # by the bits that say which objects are alive


cdef int begin_watch(uint64_t seed) except -1:
    cdef sh_watch_references references
    if the_watch.entries == NULL:
        references.alive = sh_weak_reference_alive_with_gil
        references.release = sh_weak_reference_release_with_gil
        if not sh_watch_list_init(the_watch, WATCHED, WATCHED_PER_TICK, references):
            raise MemoryError("no memory for the list of watched spans")
    sh_watch_list_clear(the_watch, seed)
    return 0


cdef void end_watch() noexcept:
    if the_watch.entries != NULL:
        sh_watch_list_clear(the_watch, 0)


def _end_watch_in_child():
    end_watch()


_os.register_at_fork(after_in_child=_end_watch_in_child)


cdef size_t watch_bytes() noexcept:
    """Of the list, and of two weak references an entry with their headers for the collector."""
    return sh_watch_list_memory(the_watch) + the_watch.count * 2 * SH_WEAK_REFERENCE_BYTES


# ---------------------------------------------------------------- the tick

def watch_tick(double now, uint64_t collections):
    """Date what has happened since the last tick, forget the spans that are gone. `collections`: full ones so far."""
    if the_watch.entries != NULL:
        sh_watch_list_advance(the_watch, now, collections)
        sh_watch_list_sweep(the_watch)


def watch_sweep():
    """Forget the spans that are gone."""
    if the_watch.entries != NULL:
        sh_watch_list_sweep(the_watch)


def exempt_candidates(double grace):
    """How many sampled ReadableSpans would be retained if no export queue held them."""
    cdef uint32_t k, n = 0
    for k in range(the_watch.count):
        n += is_candidate(&the_watch.entries[k], grace)
    return n


cdef bint is_candidate(const sh_watched *e, double grace) noexcept:
    return (e.alive & SH_WATCH_READABLE) and (e.exempt or sh_watched_retained(the_watch, e, grace))


def exempt_queued(list queues, double in_flight, double grace):
    """Of the spans ended longer ago than `grace`: those in `queues`, lists of what export queues hold, are held rightly; so
    are the last `in_flight` of them, which exporters are sending."""
    cdef size_t mask = 2 * WATCHED * 2 - 1, i
    cdef uint16_t *places
    cdef void **objects
    cdef uint32_t k
    cdef list queue
    cdef object span
    cdef void *held
    if the_watch.count == 0:
        return
    places = <uint16_t *>calloc(mask + 1, sizeof(uint16_t))
    objects = <void **>calloc(the_watch.count, sizeof(void *))
    try:
        if places == NULL or objects == NULL:
            raise MemoryError
        for k in range(the_watch.count):
            objects[k] = NULL
            if not is_candidate(&the_watch.entries[k], grace):
                continue
            objects[k] = sh_weak_reference_object_with_gil(the_watch.entries[k].readable)
            if objects[k] == NULL:
                continue
            i = (<size_t>objects[k] >> 4) * <size_t>0x9E3779B97F4A7C15 >> 51   # 13 bits: the mask
            while places[i]:
                i = (i + 1) & mask
            places[i] = <uint16_t>(k + 1)
        # Nothing below allocates or frees, so no other code runs, and places and objects stay true.
        for queue in queues:
            for span in queue:
                held = <void *>span
                i = (<size_t>held >> 4) * <size_t>0x9E3779B97F4A7C15 >> 51
                while places[i] and objects[places[i] - 1] != held:
                    i = (i + 1) & mask
                if places[i]:
                    sh_watch_list_queued(the_watch, &the_watch.entries[places[i] - 1])
        sh_watch_list_exempt_last(the_watch, grace, in_flight)
    finally:
        free(places)
        free(objects)


def measure_watched(double grace, double age, uint32_t most, bint again):
    """Measure up to `most` retained or unended spans that have not been, with what only they refer to; `again`: unended ones anew."""
    cdef sh_watched *entry
    cdef void *span
    cdef void *readable
    cdef uint32_t k
    for k in range(the_watch.count):
        entry = &the_watch.entries[k]
        if most == 0:
            break
        if entry.measured == entry.alive and not (again and not entry.ended):
            continue
        if not sh_watched_retained(the_watch, entry, grace) and not sh_watched_unended(the_watch, entry, age):
            continue
        span = sh_weak_reference_object_with_gil(entry.span) if entry.span != NULL else NULL
        readable = sh_weak_reference_object_with_gil(entry.readable) if entry.readable != NULL else NULL
        if span == NULL and readable == NULL:
            continue
        entry.bytes = <uint32_t>min(sh_owned_size_with_gil(span, readable), <size_t>0xFFFFFFFF)
        entry.measured = entry.alive
        most -= 1


# ---------------------------------------------------------------- what is reported

def watched_sums(double grace, double age):
    """((spans, bytes) retained, (spans, bytes) unended), estimated."""
    cdef sh_watch_sum retained, unended
    sh_watch_list_sum(the_watch, grace, age, &retained, &unended)
    return (retained.spans, retained.bytes), (unended.spans, unended.bytes)


cdef tuple watched_row(const sh_watched *e):
    return (KINDS[e.alive & 3], text(e.name), text(e.root_name), sh_watched_weight(e), e.bytes if e.measured else None,
            the_watch.clock - e.since, bool(sh_watched_confirmed(the_watch, e)), hex_trace_id(e.trace_high, e.trace_low))


def retained_spans(double grace):
    """[(kind, name, root name, spans it stands for, bytes or None, seconds since the end, confirmed, trace id)] of the sample."""
    cdef uint32_t k, n = 0
    cdef sh_watched *copies = <sh_watched *>malloc((the_watch.count + 1) * sizeof(sh_watched))
    if copies == NULL:
        raise MemoryError
    try:   # copied out whole: what makes a row may run other threads
        for k in range(the_watch.count):
            if sh_watched_retained(the_watch, &the_watch.entries[k], grace):
                copies[n] = the_watch.entries[k]
                n += 1
        return [watched_row(&copies[k]) for k in range(n)]
    finally:
        free(copies)


def unended_spans(double age):
    """The same of spans that have not ended; seconds since the start."""
    cdef uint32_t k, n = 0
    cdef sh_watched *copies = <sh_watched *>malloc((the_watch.count + 1) * sizeof(sh_watched))
    if copies == NULL:
        raise MemoryError
    try:
        for k in range(the_watch.count):
            if sh_watched_unended(the_watch, &the_watch.entries[k], age):
                copies[n] = the_watch.entries[k]
                n += 1
        return [watched_row(&copies[k]) for k in range(n)]
    finally:
        free(copies)


def watch_counts():
    """What became of the spans since the start of the session, and how the sample is now."""
    return {"seen": the_watch.seen, "watched": the_watch.count, "capacity": the_watch.capacity, "level": the_watch.level,
            "thinned": the_watch.thinned, "dropped": the_watch.dropped, "clock": the_watch.clock, "bytes": watch_bytes()}


def watch_valid():
    """The invariants hold (slow: for tests)."""
    return bool(sh_watch_list_valid(the_watch))


def owned_size(first, second=None):
    """Bytes that would be freed with one or two objects (for tests)."""
    return sh_owned_size_with_gil(<void *>first, NULL if second is None else <void *>second)
