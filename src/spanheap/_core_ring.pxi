# Part of _core: the ring of span records.

import os as _os
import weakref as _weakref
cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize, PyByteArray_Resize
from cpython.number cimport PyNumber_Index
from cpython.ref cimport Py_INCREF, Py_XDECREF

from spanheap.spans.counts import SpanCounts
from spanheap.spans.record import SpanRecord

cdef enum:
    RING_CAPACITY = 1 << 22      # 256 MiB
    RING_NAMES = 4096            # of a service's spans there are hundreds; more means ids in names
    RING_NAME_BYTES = 256 * 1024
    MAX_FLAGS = 0xFFFF
    PAUSING_RECORDS = 16384      # copying so many takes 100 us, less than giving the GIL away and asking for it back may


cdef uint64_t MAX_NS = 0x7FFFFFFFFFFFFFFF


cdef object in_range(value, object most, str name):
    try:
        number = PyNumber_Index(value)   # numpy's integers, too
    except TypeError:
        raise TypeError(f"{name} must be an int, not {value!r}") from None
    if not 0 <= number <= most:
        raise ValueError(f"{name} must be between 0 and {most:,}, not {value!r}")
    return number


cdef int trace_id_words(value, uint64_t *high, uint64_t *low) except -1:
    if not sh_uint128_of_int(value, high, low):
        sh_uint128_of_int(in_range(value, (1 << 128) - 1, "trace_id"), high, low)
    return 0


cdef object rings_to_clear = _weakref.WeakSet()   # those whose pages the kernel does not wipe


def _clear_rings_in_child():
    for ring in list(rings_to_clear):
        sh_span_ring_clear(&(<SpanRing>ring).ring)


_os.register_at_fork(after_in_child=_clear_rings_in_child)


@cython.final
cdef class SpanRing:
    """The metadata of the spans that ended last: a bounded cache with a time to live, 64 bytes a span. See docs/ring.md."""

    cdef sh_span_ring ring
    cdef sh_string_table name_table
    cdef sh_name_cache names_cached
    cdef readonly object clock
    cdef object __weakref__

    def __cinit__(self, capacity, *, ttl=None, policy="overwrite", stripes=None, path=None, clock=None):
        cdef sh_ring_options options
        options.capacity = checked_whole("capacity", capacity, 1, RING_CAPACITY)
        options.stripes = 1 if stripes is None else checked_whole("stripes", stripes, 1, min(SH_RING_MAX_STRIPES, capacity))
        if options.stripes & (options.stripes - 1):
            raise ValueError(f"stripes must be a power of two, not {stripes!r}")
        options.ttl_ns = 0 if ttl is None else checked_ttl(ttl)
        if policy not in ("overwrite", "drop"):
            raise ValueError(f"policy must be 'overwrite' or 'drop', not {policy!r}")
        options.policy = SH_RING_OVERWRITE if policy == "overwrite" else SH_RING_DROP
        if path is not None:
            raise ValueError(f"path must be None: this version keeps a SpanRing in memory only (got {path!r})")
        if clock is not None and not callable(clock):
            raise TypeError(f"clock must be None or a callable that returns the time, not {clock!r}")
        self.clock = clock
        options.epoch_ns = self.now()
        if not sh_span_ring_init(&self.ring, &options):
            raise MemoryError(f"no memory for {capacity:,} records")
        if not sh_string_table_init(&self.name_table, RING_NAMES, RING_NAME_BYTES):
            raise MemoryError("no memory for the names of a ring")
        if not self.ring.wiped_on_fork:
            rings_to_clear.add(self)

    def __dealloc__(self):
        sh_span_ring_fini(&self.ring)
        if self.name_table.capacity:
            sh_string_table_fini(&self.name_table)
        sh_name_cache_clear_with_gil(&self.names_cached)

    # ------------------------------------------------------------ writing

    cdef int64_t now(self) except? -1:
        if self.clock is None:
            return sh_clock_ns(CLOCK_REALTIME)
        time = self.clock()
        if isinstance(time, float):
            if not 0 <= time < 9.2e9:   # the year 2261, in which int64 nanoseconds end
                raise ValueError(f"clock must return float seconds between 0 and 9.2e9 or int nanoseconds, not {time!r}")
            return <int64_t>(<double>time * 1e9)
        return in_range(time, MAX_NS, "what clock returns (nanoseconds)")

    cdef uint32_t number_of(self, name) except? <uint32_t>-1:
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, not {name!r}")
        return sh_name_cache_number_with_gil(&self.names_cached, &self.name_table, name)

    def append(self, trace_id, span_id, parent_id=0, name="", start_ns=0, duration_ns=0, flags=0):
        """Add a record; start_ns=0 is now. False if it was dropped."""
        cdef sh_span_record record
        cdef int64_t now_ns = self.ring.options.epoch_ns
        cdef uint64_t start, duration, flag_bits
        if not (sh_uint128_of_int(trace_id, &record.trace_high, &record.trace_low)
                and sh_uint64_of_int(span_id, &record.span_id) and sh_uint64_of_int(parent_id, &record.parent_id)
                and sh_uint64_of_int(start_ns, &start) and start <= MAX_NS
                and sh_uint64_of_int(duration_ns, &duration) and duration <= MAX_NS
                and sh_uint64_of_int(flags, &flag_bits) and flag_bits <= MAX_FLAGS):
            trace_id_words(trace_id, &record.trace_high, &record.trace_low)
            record.span_id = in_range(span_id, <uint64_t>-1, "span_id")
            record.parent_id = in_range(parent_id, <uint64_t>-1, "parent_id")
            start = in_range(start_ns, MAX_NS, "start_ns")
            duration = in_range(duration_ns, MAX_NS, "duration_ns")
            flag_bits = in_range(flags, MAX_FLAGS, "flags")
        record.start_ns, record.duration_ns, record.flags = <int64_t>start, <int64_t>duration, <uint16_t>flag_bits
        record.name = self.number_of(name)
        record.thread = <uint16_t>(SH_CURRENT_THREAD_STATE().id & SH_RING_MAX_THREAD)
        if record.start_ns == 0 or self.ring.options.ttl_ns:   # the clock costs as much as all the rest
            now_ns = self.now()
            if record.start_ns == 0:
                record.start_ns = now_ns
        return sh_span_ring_publish(&self.ring, record.thread & (self.ring.options.stripes - 1), &record, now_ns)

    # ------------------------------------------------------------ reading

    cdef uint32_t copy(self, const uint64_t *trace, sh_span_record *out, uint64_t *tickets) except? <uint32_t>-1:
        """Room for all is needed. Producers go on while a large ring is copied."""
        cdef int64_t now_ns = self.now()
        cdef uint32_t room = self.ring.options.capacity
        if trace != NULL:
            return sh_span_ring_copy_trace(&self.ring, now_ns, trace[0], trace[1], out, tickets, room)
        if room <= PAUSING_RECORDS:
            return sh_span_ring_copy(&self.ring, now_ns, out, tickets, room)
        with nogil:
            room = sh_span_ring_copy(&self.ring, now_ns, out, tickets, room)
        return room

    cdef list records(self, const uint64_t *trace):
        cdef size_t room = self.ring.options.capacity
        cdef sh_span_record *records = <sh_span_record *>malloc(room * sizeof(sh_span_record))
        cdef uint64_t *tickets = <uint64_t *>malloc(room * sizeof(uint64_t))
        cdef sh_span_record *r
        cdef uint32_t count, i
        cdef dict names = {}
        cdef list found = []
        cdef object new = tuple.__new__
        try:
            if records == NULL or tickets == NULL:
                raise MemoryError
            count = self.copy(trace, records, tickets)
            for i in range(count):
                r = &records[i]
                name = names.get(r.name)
                if name is None:
                    name = names[r.name] = self.name_of(r.name)
                found.append(new(SpanRecord, (
                    (<object>r.trace_high << 64) | r.trace_low, r.span_id, r.parent_id, name, r.start_ns, r.duration_ns,
                    r.thread, r.flags)))
            return found
        finally:
            free(records)
            free(tickets)

    cdef str name_of(self, uint32_t number):
        cdef sh_string s = sh_string_table_get(&self.name_table, number)
        return s.data[:s.length].decode("utf-8", "replace")

    def snapshot(self):
        """The records that are retained, as a list of SpanRecord: oldest first (within a stripe)."""
        return self.records(NULL)

    def get(self, trace_id):
        """The records of this trace that are retained."""
        cdef uint64_t words[2]
        trace_id_words(trace_id, &words[0], &words[1])
        return self.records(words)

    def to_numpy(self):
        """A snapshot as a structured array; names as numbers in names()."""
        from spanheap.spans.arrays import as_array
        cdef size_t room = self.ring.options.capacity
        cdef object buffer = PyByteArray_FromStringAndSize(NULL, room * sizeof(sh_span_record))
        cdef uint64_t *tickets = <uint64_t *>malloc(room * sizeof(uint64_t))
        cdef uint32_t count
        try:
            if tickets == NULL:
                raise MemoryError
            count = self.copy(NULL, <sh_span_record *>PyByteArray_AS_STRING(buffer), tickets)
        finally:
            free(tickets)
        PyByteArray_Resize(buffer, count * sizeof(sh_span_record))
        return as_array(buffer)

    def names(self):
        """The names by their numbers in to_numpy(); they stay valid for the life of the ring."""
        cdef uint32_t number
        return [self.name_of(number) for number in range(self.name_table.count)]

    cdef sh_ring_counts count(self) except *:
        cdef int64_t now_ns = self.now()
        cdef sh_ring_counts counts
        if self.ring.options.capacity <= PAUSING_RECORDS:
            return sh_span_ring_count(&self.ring, now_ns)
        with nogil:
            counts = sh_span_ring_count(&self.ring, now_ns)
        return counts

    def counts(self):
        """What became of all records so far."""
        cdef sh_ring_counts c = self.count()
        return tuple.__new__(SpanCounts, (c.produced, c.retained, c.overwritten, c.expired, c.dropped, c.in_flight))

    def __len__(self):
        return self.count().retained

    def export_gauge(self, name="span_cache.size", meter_provider=None, attributes=None):
        """Report len(self) as an OpenTelemetry gauge for as long as this ring lives."""
        from spanheap.telemetry.ring_gauge import export
        export(self, name, meter_provider, attributes)

    # ------------------------------------------------------------ what it is

    @property
    def capacity(self):
        return self.ring.options.capacity

    @property
    def ttl(self):
        return self.ring.options.ttl_ns / 1e9 if self.ring.options.ttl_ns else None

    @property
    def policy(self):
        return "overwrite" if self.ring.options.policy == SH_RING_OVERWRITE else "drop"

    @property
    def stripes(self):
        return self.ring.options.stripes

    @property
    def names_overflowed(self):
        """Appends whose name is "<other>": it found no place in the table, or has no UTF-8 form (lone surrogates)."""
        return self.name_table.overflowed

    @property
    def nbytes(self):
        """Of the records, and of the names so far."""
        return sh_span_ring_bytes(&self.ring.options) + sh_string_table_memory(&self.name_table)

    def __sizeof__(self):
        return object.__sizeof__(self) + self.nbytes

    def valid(self):
        """The invariants hold, while nobody appends (slow: for tests)."""
        return bool(sh_span_ring_valid(&self.ring, self.now()))

    def __repr__(self):
        return f"<SpanRing capacity={self.capacity} ttl={self.ttl} policy={self.policy!r} stripes={self.stripes}>"


cdef uint32_t checked_whole(str name, value, uint32_t low, uint32_t high) except? <uint32_t>-1:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low:,} and {high:,}, not {value!r}")
    return value


cdef int64_t checked_ttl(value) except? -1:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"ttl must be None or seconds, not {value!r}")
    cdef int64_t most = SH_RING_MAX_TTL_NS // 1000000000
    if not 0.001 <= value <= most:
        raise ValueError(f"ttl must be None or between 0.001 and {most:,} seconds, not {value!r}")
    return <int64_t>(<double>value * 1e9)
