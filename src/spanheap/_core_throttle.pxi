# Part of _core: the way that nearly all spans take through MemoryThrottledSpanProcessor.


cdef class SpanGate:
    """Passes spans on while there is no pressure, and asks `_passes(span)` when there is.

    In C for the time (see docs/throttling.md), and because `passed` is then counted exactly without a lock.
    """

    cdef public int level
    """0: no pressure from memory."""
    cdef readonly long long passed
    cdef object starting, ending, waiting
    cdef Py_ssize_t soft_length

    def _bind(self, on_start, on_end, waiting, Py_ssize_t soft_length):
        """Where spans go; from which length of `waiting` on there is pressure."""
        self.starting, self.ending, self.waiting, self.soft_length = on_start, on_end, waiting, soft_length

    def on_start(self, span, parent_context=None):
        """See `SpanProcessor.on_start`."""
        self.starting(span, parent_context)

    def on_end(self, span):
        """Pass it on, or not."""
        if self.level == 0 and len(self.waiting) < self.soft_length or self._passes(span):
            self._pass_on(span)

    cpdef _pass_on(self, span):
        self.passed += 1
        self.ending(span)
