# Part of _core: heap snapshots.

cdef tuple labels_of(const sh_heap_snapshot *s, uint32_t set):
    """The labels of this set, ((key, value), …) in the order of the keys."""
    pairs = []
    while set:
        label = &s.labels[set]
        key = &s.label_keys[label.key]
        pairs.append((key.data[:key.length].decode(), label.value.data[:label.value.length].decode("utf-8", "replace")))
        set = label.parent
    return tuple(reversed(pairs))


cdef class Capture:
    """A heap snapshot in C: totals at hand, rows decoded on demand, written to a file without the GIL."""

    cdef sh_heap_snapshot snapshot

    def __cinit__(self):
        require_tables()
        sh_type_cache_release_with_gil(&the_profile.live)
        settle_all_spans()   # from here on no Python code runs: whose names are asked for cannot be overtaken by new ones
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

    def site_bytes(self):
        """{a hash of the stack: its live bytes}: enough to tell whether two dumps of this process show the same."""
        cdef sh_heap_snapshot *s = &self.snapshot
        cdef uint32_t i, k
        cdef uint64_t h
        cdef double *live = <double *>malloc((s.stack_count + 1) * sizeof(double))
        if live == NULL:
            raise MemoryError("no memory to compare dumps")
        try:
            memset(live, 0, (s.stack_count + 1) * sizeof(double))
            for i in range(s.sample_count):
                live[s.samples[i].stack] += s.samples[i].bytes
            sites = {}
            for i in range(s.stack_count):
                if live[i] <= 0:
                    continue
                h = 14695981039346656037U   # FNV-1a over the numbers of the locations, which stay the same
                for k in range(s.stacks[i].depth):
                    h = (h ^ s.frames[s.stacks[i].first + k]) * <uint64_t>1099511628211U
                sites[h] = sites.get(h, 0.0) + live[i]
            return sites
        finally:
            free(live)

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
                              "%016x" % span.span_id if has_id else "", bool(span.sampled)))
            label_sets = [labels_of(s, i) for i in range(s.label_count)]
            rows = []
            for i in range(s.sample_count):
                sample = &s.samples[i]
                name, root_name, trace_id, span_id, sampled = spans[sample.span]
                rows.append(Row(stacks[sample.stack], name, root_name, trace_id, span_id, threads[sample.thread], sample.size,
                                sample.bytes, sample.objects, sample.bytes, sample.objects, 1,
                                sampled, label_sets[sample.labels]))
            for i in range(s.total_count):
                total = &s.totals[i]
                rows.append(Row(stacks[total.stack], text(total.name), text(total.root_name), "", "", "", 0,
                                0.0, 0.0, total.bytes, total.objects, 0))
            return rows

    def top_traces(self, uint32_t n):
        """The n traces with most live bytes: [(trace_id, live bytes, samples, span name, root name, start_ns, sampled)].

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
                live, samples, most, name, root, start, _ = traces.get(key, (0.0, 0, -1.0, 0, 0, span.start_ns, True))
                if span_bytes[i] > most:
                    most, name, root = span_bytes[i], span.name, span.root_name
                traces[key] = (live + span_bytes[i], samples + span_samples[i], most, name, root, min(start, span.start_ns),
                               bool(span.sampled))
            largest = sorted(traces.items(), key=lambda item: -item[1][0])[:n]
            return [(hex_trace_id(high, low), live, samples, text(name), text(root), start, sampled)
                    for (high, low), (live, samples, _, name, root, start, sampled) in largest]
        finally:
            free(span_bytes)
            free(span_samples)

    def write(self, int fd, bytes program, list comments, int64_t duration_ns, bint allocated=False):
        """Write the dump to a file descriptor, without the GIL; one at a time. Returns 0 or an errno.

        allocated: viewers show all that was allocated first, instead of what is in use."""
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
            info.allocated = allocated
            global dump_workspace_used
            dump_workspace_used = True
            with nogil:
                error = sh_heap_dump_write(&self.snapshot, &info, fd, dump_workspace)
            return error
        finally:
            free(array)
