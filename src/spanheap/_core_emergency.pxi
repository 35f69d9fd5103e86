# Part of _core: dumps where there is no memory.

cdef void *emergency_memory = NULL
cdef size_t emergency_bytes = 0


cdef class EmergencyDump:
    """A dump that is prepared to the last byte, so that writing it allocates nothing: not from Python, not by malloc.

    folder: a descriptor of the directory, which stays the caller's. comments and reasons: UTF-8, without a zero byte; a
    reason is the first comment. Raises MemoryError where even preparing is too much.
    """

    cdef object kept   # what the pointers below point into
    cdef const char *temporary
    cdef const char *name
    cdef const char **comments
    cdef sh_heap_dump_info info
    cdef list reasons
    cdef int folder
    cdef int64_t started_ns

    def __cinit__(self, int folder, bytes temporary, bytes name, bytes program, list comments, list reasons, int64_t started_ns):
        global emergency_memory, emergency_bytes
        require_tables()
        cdef size_t need = sh_heap_snapshot_memory_bytes(the_profile, LABEL_CAPACITY), i
        if need > emergency_bytes:   # address space; sessions are few, so the smaller one is left to be
            emergency_memory = sh_pages_map(need)
            emergency_bytes = need if emergency_memory != NULL else 0
        self.comments = <const char **>malloc((len(comments) + 1) * sizeof(char *))
        if emergency_memory == NULL or dump_workspace == NULL or self.comments == NULL:
            raise MemoryError("no memory to prepare an emergency dump")
        self.kept = (temporary, name, program, comments, reasons)
        self.folder, self.temporary, self.name, self.reasons = folder, temporary, name, reasons
        for i in range(len(comments)):
            self.comments[i + 1] = <bytes>comments[i]
        self.info.program = program
        self.info.comments = self.comments
        self.info.comment_count = len(comments) + 1
        self.started_ns = started_ns

    def __dealloc__(self):
        free(self.comments)

    def write(self, Py_ssize_t reason):
        """Write it; one dump at a time. Returns 0 or an errno; ENOMEM: the tables have outgrown what was set aside."""
        cdef sh_heap_snapshot snapshot
        cdef int error
        self.comments[0] = <bytes>self.reasons[reason]
        sh_symbols_resolve_with_gil(the_profile, <uint32_t>-1)   # into tables of its own: what grew last is what matters
        if not sh_heap_snapshot_capture_into(&snapshot, the_profile, emergency_memory, emergency_bytes):
            return ENOMEM
        self.info.duration_ns = snapshot.monotonic_ns - self.started_ns
        global dump_workspace_used
        dump_workspace_used = True
        with nogil:
            error = sh_dump_file_write(&snapshot, &self.info, self.folder, self.temporary, self.name, dump_workspace)
            sh_heap_snapshot_fini(&snapshot)
        return error


def take_refused(size_t below):
    """Whether the system refused memory since the last call, for a request of less than so many bytes. Allocates nothing."""
    return sh_refused_take(below)
