# Part of _core: the flight recorder, and pprof files of what one has recorded.

from libc.string cimport memcpy

cdef object linked_recorder = None   # whose names and active slots the profile's tables write


@cython.final
cdef class Recorder:
    """The memory that a recorder file is made of. Its ring's memory is a SpanLog's; it lives as long as that does."""

    cdef sh_recorder recorder

    def __cinit__(self, uint32_t span_capacity, double ttl, double sample_interval, double tick_s):
        cdef sh_recorder_options options
        memset(&options, 0, sizeof(options))
        options.ring.capacity = span_capacity
        options.ring.stripes = 1
        options.ring.policy = SH_RING_OVERWRITE
        options.ring.ttl_ns = <int64_t>(ttl * 1e9)
        options.active_capacity = span_capacity
        options.name_capacity = SH_PROFILE_STRINGS
        options.name_bytes = SH_PROFILE_STRING_BYTES
        options.stack_capacity = SH_PROFILE_MAX_STACKS
        options.sample_interval = sample_interval
        options.tick_ns = <int64_t>(tick_s * 1e9)
        if not sh_recorder_init(&self.recorder, &options):
            raise MemoryError("no memory for the flight recorder")

    def __dealloc__(self):
        sh_recorder_fini(&self.recorder)   # not while it is linked: then it is referred to

    @property
    def ring_memory(self):
        """Where the ring of ended spans is to be."""
        return <size_t>sh_recorder_ring_memory(&self.recorder)

    @property
    def nbytes(self):
        """The size of the file."""
        return self.recorder.bytes

    @property
    def attached(self):
        return bool(self.recorder.attached)

    def attach(self, int fd, SpanLog log, bytes boot_id, uint64_t pid, uint64_t pid_namespace, uint64_t process_start,
               bytes program, bytes service, bytes python, bytes spanheap):
        """Record into this file, from now on; `log` has the ring. Texts: at most 64 bytes. Returns 0 or an errno."""
        global linked_recorder
        require_tables()
        cdef sh_recorder_identity identity
        cdef int error
        memset(&identity, 0, sizeof(identity))
        memcpy(identity.boot_id, <const char *>boot_id, min(len(boot_id), 16))
        identity.pid, identity.pid_namespace, identity.process_start = pid, pid_namespace, process_start
        identity.realtime_ns, identity.monotonic_ns = sh_clock_ns(CLOCK_REALTIME), sh_clock_ns(CLOCK_MONOTONIC)
        memcpy(identity.program, <const char *>program, min(len(program), SH_RECORDER_TEXT))
        memcpy(identity.service, <const char *>service, min(len(service), SH_RECORDER_TEXT))
        memcpy(identity.python, <const char *>python, min(len(python), SH_RECORDER_TEXT))
        memcpy(identity.spanheap, <const char *>spanheap, min(len(spanheap), SH_RECORDER_TEXT))
        self.recorder.options.ring = log.log.ring.options
        # Linked first: the file that appears has the names and the spans of before.
        sh_active_slots_clear(&self.recorder.active)
        sh_string_table_set_log(&the_profile.strings, &self.recorder.names)
        sh_span_table_set_slots(&the_profile.spans, &self.recorder.active)
        linked_recorder = self
        error = sh_recorder_attach(&self.recorder, fd, &identity)
        if error:
            self.unlink()
        else:
            sh_fatal_signals_install(&self.recorder)
        return error

    cdef unlink(self):
        global linked_recorder
        if linked_recorder is self:
            sh_fatal_signals_remove()
            sh_string_table_set_log(&the_profile.strings, NULL)
            sh_span_table_set_slots(&the_profile.spans, NULL)
            linked_recorder = None

    def detach(self):
        """Leave the file as it is; what goes on, goes on in memory. False: no memory for that, and it is still recorded."""
        self.unlink()
        return bool(sh_recorder_detach(&self.recorder))

    def write(self, uint64_t resident_bytes, uint64_t used_bytes, uint64_t limit_bytes):
        """The largest sites and spans, and one point of the curve, as of now."""
        require_tables()
        cdef sh_recorder_point point
        cdef const sh_top_buffer *top
        memset(&point, 0, sizeof(point))
        point.realtime_ns = sh_clock_ns(CLOCK_REALTIME)
        point.resident_bytes, point.used_bytes, point.limit_bytes = resident_bytes, used_bytes, limit_bytes
        sh_top_sites_write(&self.recorder.top, the_profile, point.realtime_ns)
        # A stack that is new and large at once is what is looked for: it does not wait for its turn to get names.
        if sh_symbols_resolve_stacks_with_gil(the_profile, self.recorder.top.largest, self.recorder.top.largest_count):
            sh_top_sites_write(&self.recorder.top, the_profile, point.realtime_ns)
        top = sh_top_sites_last(self.recorder.top.buffers)
        if top != NULL:
            point.live_bytes, point.samples = top.live_bytes, <uint32_t>top.live_samples
        point.active_spans = sh_span_table_listed(&the_profile.spans)
        sh_recorder_add_point(&self.recorder, &point)

    def end(self, bytes exception=None):
        """How it ends: by an uncaught exception of this type, or cleanly. What is said first, holds."""
        if exception is None:
            sh_recorder_end(&self.recorder, SH_END_CLEAN, 0, b"", 0)
        else:
            sh_recorder_end(&self.recorder, SH_END_EXCEPTION, 0, <const char *>exception, len(exception))

    def valid(self):
        """The invariants hold (slow: for tests)."""
        return bool(sh_recorder_valid(&self.recorder))


# ---------------------------------------------------------------- pprof

cdef class PprofWriter:
    """Sums with their stacks, as a pprof heap profile. Nothing raises but for want of memory; finish() has the error.

    allocated: viewers show what was allocated first, instead of what is in use."""

    cdef sh_pprof_writer writer
    cdef void *workspace
    cdef dict strings, functions, locations

    def __cinit__(self, int fd, list comments, int64_t time_ns, int64_t duration_ns, int64_t period, bint allocated=False):
        self.workspace = sh_pages_map(sh_pprof_workspace_bytes())
        if self.workspace == NULL:
            raise MemoryError("no memory for the pprof writer")
        sh_pprof_init(&self.writer, self.workspace, fd, 6)
        self.strings, self.functions, self.locations = {"": 0}, {}, {}
        count, size, space = self.string("count"), self.string("bytes"), self.string("space")
        for name in ("alloc", "inuse"):
            sh_pprof_sample_type(&self.writer, self.string(name + "_objects"), count)
            sh_pprof_sample_type(&self.writer, self.string(name + "_space"), size)
        sh_pprof_default_sample_type(&self.writer, self.string("alloc_space" if allocated else "inuse_space"))
        sh_pprof_period(&self.writer, space, size, max(period, 1))
        sh_pprof_time(&self.writer, time_ns, duration_ns)
        for comment in comments:
            sh_pprof_comment(&self.writer, self.string(comment))

    def __dealloc__(self):
        sh_pages_unmap(self.workspace, sh_pprof_workspace_bytes())

    cdef uint32_t string(self, str text) except? <uint32_t>-1:
        number = self.strings.get(text)
        if number is None:
            encoded = text.encode("utf-8", "replace")
            number = self.strings[text] = sh_pprof_string(&self.writer, encoded, len(encoded))
        return number

    cdef uint32_t location(self, frame) except? <uint32_t>-1:
        number = self.locations.get(frame)
        if number is None:
            key = (frame.function, frame.filename)
            function = self.functions.get(key)
            if function is None:
                function = self.functions[key] = len(self.functions) + 1
                sh_pprof_function(&self.writer, function, self.string(frame.function), self.string(frame.filename), 0)
            number = self.locations[frame] = len(self.locations) + 1
            sh_pprof_location(&self.writer, number, 0, function, frame.line)
        return number

    def add(self, stack, int64_t size, int64_t objects, dict labels, tuple allocated=None, int64_t samples=0):
        """One sum of live memory; stack: Frames, leaf first; labels: {key: text}; allocated: (bytes, objects), if not the same;
        samples: behind it, as a label of that name; 0: not told. Values may be negative, as in the difference of two heaps."""
        cdef uint32_t frames[SH_PPROF_MAX_FRAMES]
        cdef int64_t values[4]
        cdef size_t depth = 0
        for frame in stack[:SH_PPROF_MAX_FRAMES]:
            frames[depth] = self.location(frame)
            depth += 1
        values[0] = values[2] = objects
        values[1] = values[3] = size
        if allocated is not None:
            values[1], values[0] = allocated
        cdef uint32_t samples_key = self.string("samples") if samples else 0, samples_unit = self.string("count")
        pairs = [(self.string(key), self.string(text)) for key, text in labels.items()]
        sh_pprof_sample_begin(&self.writer, frames, depth, values, 4)
        for key, text in pairs:
            sh_pprof_label_string(&self.writer, key, text)
        if samples:
            sh_pprof_label_number(&self.writer, samples_key, samples, samples_unit)
        sh_pprof_sample_end(&self.writer)

    def finish(self):
        """Returns 0 or an errno."""
        return sh_pprof_finish(&self.writer)
