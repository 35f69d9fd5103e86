# Part of _core: the spans that have ended, as a session keeps them. _core_spans enters them.

cdef object current_log = None          # whose log sh_the_hook.log is
cdef object logs_to_clear = _weakref.WeakSet()


def set_span_time(int64_t now_ns):
    """Let spans end at this time, as far as their time to live is concerned; 0: the clock's. For tests."""
    sh_span_events_set_time(now_ns)


def _clear_logs_in_child():
    for log in list(logs_to_clear):
        sh_span_log_forked(&(<SpanLog>log).log)


_os.register_at_fork(after_in_child=_clear_logs_in_child)


@cython.final
cdef class SpanLog:
    """The ring of the spans that have ended, and counts by name; outlives the session that fills it.

    `memory`: address of sh_span_ring_bytes() that live as long as `owner`; 0: pages of its own."""

    cdef sh_span_log log
    cdef object owner
    cdef object __weakref__

    def __cinit__(self, uint32_t capacity, double ttl, size_t memory=0, owner=None):
        self.owner = owner
        if not sh_span_log_init(&self.log, capacity, <int64_t>(ttl * 1e9), sh_span_events_now(), <void *>memory):
            raise MemoryError(f"no memory for {capacity:,} spans")
        if not sh_span_log_wiped_on_fork(&self.log):
            logs_to_clear.add(self)

    def __dealloc__(self):
        sh_span_log_fini(&self.log)   # not the current one: that is referred to

    def open(self):
        """Enter from now on the spans that end here, and nowhere else."""
        global current_log
        current_log = self
        sh_the_hook.log = &self.log

    def close(self):
        """No further spans are entered."""
        global current_log
        if current_log is self:
            sh_the_hook.log = NULL
            current_log = None

    # ------------------------------------------------------------ reading

    cdef uint32_t copy(self, uint32_t newest, const uint64_t *trace, sh_span_record *out, uint64_t *tickets) noexcept:
        """Room for so many is needed (for all, of a trace). Spans may end while many are copied."""
        cdef int64_t now_ns = sh_span_events_now()
        cdef uint32_t room = min(newest, self.log.ring.options.capacity)
        if room <= PAUSING_RECORDS:
            if trace != NULL:
                return sh_span_ring_copy_trace(&self.log.ring, now_ns, trace[0], trace[1], out, tickets, room)
            return sh_span_ring_copy_newest(&self.log.ring, now_ns, room, out, tickets, room)
        with nogil:
            if trace != NULL:
                room = sh_span_ring_copy_trace(&self.log.ring, now_ns, trace[0], trace[1], out, tickets, room)
            else:
                room = sh_span_ring_copy_newest(&self.log.ring, now_ns, room, out, tickets, room)
        return room

    def records(self, uint32_t newest, trace_id=None):
        """The records of this trace, or the newest of all: a list of SpanRecord, oldest first."""
        cdef size_t room = min(newest, self.log.ring.options.capacity)
        cdef uint64_t words[2]
        if trace_id is not None:
            trace_id_words(trace_id, &words[0], &words[1])
        cdef sh_span_record *records = <sh_span_record *>malloc((room + 1) * sizeof(sh_span_record))
        cdef uint64_t *tickets = <uint64_t *>malloc((room + 1) * sizeof(uint64_t))
        cdef sh_span_record *r
        cdef uint32_t count, i
        cdef dict names = {}
        cdef list found = []
        cdef object new = tuple.__new__
        try:
            if records == NULL or tickets == NULL:
                raise MemoryError
            count = self.copy(newest, NULL if trace_id is None else words, records, tickets)
            for i in range(count):
                r = &records[i]
                name = names.get(r.name)
                if name is None:
                    name = names[r.name] = text(r.name)
                found.append(new(SpanRecord, (
                    (<object>r.trace_high << 64) | r.trace_low, r.span_id, r.parent_id, name, r.start_ns, r.duration_ns,
                    r.thread, r.flags)))
            return found
        finally:
            free(records)
            free(tickets)

    def to_numpy(self):
        """All records as a structured array; names as numbers in names()."""
        from spanheap.spans.arrays import as_array
        cdef size_t room = self.log.ring.options.capacity
        cdef object buffer = PyByteArray_FromStringAndSize(NULL, room * sizeof(sh_span_record))
        cdef uint64_t *tickets = <uint64_t *>malloc((room + 1) * sizeof(uint64_t))
        cdef uint32_t count
        try:
            if tickets == NULL:
                raise MemoryError
            count = self.copy(<uint32_t>-1, NULL, <sh_span_record *>PyByteArray_AS_STRING(buffer), tickets)
        finally:
            free(tickets)
        PyByteArray_Resize(buffer, count * sizeof(sh_span_record))
        return as_array(buffer)

    def names(self):
        """All names of the process by their numbers: of spans, and of functions and files, too."""
        cdef uint32_t number
        return [text(number) for number in range(the_profile.strings.count)]

    def counts(self):
        """What became of all records so far."""
        cdef int64_t now_ns = sh_span_events_now()
        cdef sh_ring_counts c
        if self.log.ring.options.capacity <= PAUSING_RECORDS:
            c = sh_span_ring_count(&self.log.ring, now_ns)
        else:
            with nogil:
                c = sh_span_ring_count(&self.log.ring, now_ns)
        return tuple.__new__(SpanCounts, (c.produced, c.retained, c.overwritten, c.expired, c.dropped, c.in_flight))

    def by_name(self):
        """[(name, local root?, ended, failed, duration_ns)] in no order."""
        cdef uint32_t i
        cdef sh_span_name_row *rows = self.log.counts.rows
        cdef list found = []
        for i in range(SH_SPAN_LOG_ROWS):   # a row that is added meanwhile is seen or not: rows stay where they are
            if rows[i].ended:
                found.append((text(rows[i].name), bool(rows[i].root), rows[i].ended, rows[i].failed, rows[i].duration_ns))
        return found

    def counters(self):
        """What the counts by name and the publishing of spans have seen that is out of the ordinary."""
        return {
            "spans_ended_twice": self.log.counts.ended_twice,
            "spans_unannounced": self.log.counts.unannounced,
            "span_names_overflowed": self.log.counts.names_overflowed,
        }

    @property
    def nbytes(self):
        """As far as it is in use."""
        return sh_span_log_memory(&self.log)

    def valid(self):
        """The invariants hold (slow: for tests)."""
        return bool(sh_span_log_valid(&self.log, sh_span_events_now()))
