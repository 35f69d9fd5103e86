# Part of _core: which span is current, and which spans there are.

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


cdef tuple field_names = ()
cdef str code_field = ""
cdef object error_code = None


def bind_span_fields(context, parent, name, start, end, status, code):
    """Where a span keeps its context, its parent's context, its name, when it started and ended, and its status, and a status
    its code. Their properties take five times as long."""
    global field_names, code_field
    cdef PyObject *fields[SH_SPAN_FIELDS]
    cdef int i
    field_names = tuple(_intern(field) for field in (context, parent, name, start, end, status))
    code_field = _intern(code)
    for i in range(SH_SPAN_FIELDS):
        fields[i] = <PyObject *>field_names[i]
    sh_span_events_bind_with_gil(fields, code_field)


def bind_error_code(code):
    """The status code of spans that failed."""
    global error_code
    error_code = code
    sh_span_events_bind_error_code_with_gil(code)


cdef class SpanProcessor:
    """Keeps the native table of active spans. An OpenTelemetry SpanProcessor by shape; one a provider, for the process's life.

    Never raises into the service: what goes wrong is counted in `errors`."""

    cdef readonly uint64_t errors
    cdef object __weakref__

    # on_start, _on_ending and on_end are C's own: the arguments of a method of Cython's cost as much as what it does here.
    # What follows is for what they turn down. It may run any code of the span's, so it keeps what it was given.

    cdef void started_the_long_way(self, span) noexcept:
        if wake_up is not None:
            wake(NULL)
        try:
            try:
                context, parent, name, start = [getattr(span, field) for field in field_names[:SH_SPAN_FIELDS_AT_START]]
            except AttributeError:   # another SDK's
                context, parent, name, start = span.context, span.parent, span.name, getattr(span, "start_time", None)
            self.errors += not sh_span_started_as_with_gil(span, context, parent, name, start)
        except Exception:
            self.errors += 1

    cdef void ended_the_long_way(self, span) noexcept:
        try:
            try:
                context, parent, name, start, end, status = [getattr(span, field) for field in field_names]
                code = getattr(status, code_field)
            except AttributeError:
                context, parent, name = span.context, span.parent, span.name
                start, end = getattr(span, "start_time", None), getattr(span, "end_time", None)
                code = getattr(getattr(span, "status", None), "status_code", None)
            self.errors += not sh_span_ended_as_with_gil(
                span, context, parent, name, start, end, error_code is not None and code is error_code)
        except Exception:
            self.errors += 1

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=30000):
        return True


cdef void go_the_long_way(PyObject *processor, PyObject *span, bint ended) noexcept:
    if ended:
        (<SpanProcessor>processor).ended_the_long_way(<object>span)
    else:
        (<SpanProcessor>processor).started_the_long_way(<object>span)


sh_span_events_add_methods_with_gil(SpanProcessor, go_the_long_way)


# ---------------------------------------------------------------- spans that no processor told of

cdef object adopt = None


def set_adopt(callback):
    """Called with each recording span that a hook met: its provider may be one that has no processor of ours yet."""
    global adopt
    adopt = callback


cdef uint32_t intern(name):
    return sh_symbols_intern_with_gil(&the_profile.strings, name)


cdef int ask(span, sh_span_facts *facts) except -1:
    """What a span can tell of itself. Not a recording one: its names are those that NamingSampler left in its trace state."""
    context = span.get_span_context()
    trace_id, span_id, _, flags, state = context[:5]
    sh_trace_id_halves(trace_id, &facts.trace_high, &facts.trace_low)
    facts.span_id = span_id
    facts.sampled = <int>flags & 1
    if trace_id == 0:   # a span that stands for none
        facts.name = facts.root_name = the_profile.spans.spans[SH_SPAN_NONE].name
        facts.sampled = True
    elif span.is_recording() or hasattr(span, "name"):   # an ended span is not recording, but has its name
        parent = span.parent
        facts.name = intern(span.name)
        facts.root_name = 0
        facts.parent_span_id = parent[1] if parent is not None and not parent[2] else 0
        facts.start_ns = span.start_time or 0
        if adopt is not None:
            adopt(span)
    else:
        names = getattr(state, "spanheap_names", None)
        if names is not None:
            facts.name, facts.root_name = intern(names[0]), intern(names[1])
    return 0


cdef void settle_spans():
    """Ask the spans that hooks have met since the last time for their names, and let go of them. Raises nothing.

    What a span is asked may run any code, and other threads: one that settles too may be first, and both go on."""
    cdef sh_span_facts facts
    cdef uint32_t slot, pseudo, limit = the_profile.spans.met_count
    sh_hook_mute()
    while limit:   # bounded: letting go of a span may run code that is sampled
        limit -= 1
        slot = sh_span_table_last_met(&the_profile.spans)
        if slot == SH_SPAN_NONE:
            break
        span = <object>the_profile.spans.spans[slot].object
        memset(&facts, 0, sizeof(facts))
        pseudo = facts.name = facts.root_name = the_profile.spans.spans[slot].name
        try:
            ask(span, &facts)
        except Exception:
            facts.name = facts.root_name = pseudo
        if sh_span_table_settle(&the_profile.spans, slot, <void *>span, &facts):
            Py_DECREF(span)   # the hook's reference; `span` has one of its own
    span = None
    sh_hook_unmute()


cdef void settle_all_spans():
    """Other threads run while spans are asked, and their hooks meet further ones."""
    cdef int attempt
    for attempt in range(100):
        if the_profile.spans.met_count == 0:
            break
        settle_spans()


cdef object root_name_of(span_id):
    """The name of the local root of the span of this id; None when it is neither active nor ended lately."""
    cdef uint32_t slot = sh_span_table_known(&the_profile.spans, span_id)
    if slot == SH_SPAN_NONE:
        return None
    return text(the_profile.spans.spans[the_profile.spans.spans[slot].root].name)


# ---------------------------------------------------------------- spans that a sampler drops

cdef object drop_decision = None, named_state = None, new_result = None, span_key = None
cdef str entries_field = None
cdef dict no_entries = {}
cdef Py_ssize_t refs_of_a_temporary = 0


def bind_sampler(temporary, decision, state_type, entries, result_type, key):
    """The decision to drop a span, the type of trace state to give it and where that keeps its entries, the type of a sampler's
    result, the key of the parent.

    `temporary`: an object that only this call knows, to see how many references such an argument has."""
    global drop_decision, named_state, entries_field, new_result, span_key, refs_of_a_temporary
    refs_of_a_temporary = (<PyObject *>temporary).ob_refcnt
    drop_decision, named_state, entries_field, new_result, span_key = decision, state_type, entries, result_type, key


cdef int note_dropped(trace_id, name, root_name) except -1:
    """A sampler has dropped the span of this thread's start_span call: what that call has made so far belongs to it."""
    cdef sh_span_facts facts
    memset(&facts, 0, sizeof(facts))
    sh_trace_id_halves(trace_id, &facts.trace_high, &facts.trace_low)
    facts.name, facts.root_name = intern(name), intern(root_name)
    cdef uint32_t slot = sh_span_table_note(&the_profile.spans, &facts)
    sh_pending_settle_with_gil(slot)
    sh_span_table_release(&the_profile.spans, slot)
    return 0


cdef object root_name_below(parent_context, name):
    """The name of the local root of a span of this name that starts in this context."""
    cdef void *current
    if parent_context is not None:
        parent = parent_context.get(span_key)
    else:
        current = sh_context_current_span_with_gil()
        if current == NULL:
            return name
        parent = <object>current
        Py_DECREF(parent)
    if parent is None:
        return name
    context = parent.get_span_context()
    if not (context[0] and context[1]) or context[2]:   # no span, or a remote one
        return name
    state = context[4]
    if type(state) is named_state:
        return state.spanheap_names[1]
    return root_name_of(context[1]) or getattr(parent, "name", name)


def name_dropped(result, parent_context, trace_id, name):
    """The result of a sampler; that of a dropped span with the names that it would have had. Raises nothing."""
    if result.decision is not drop_decision or not sh_the_hook.enabled:
        return result
    try:
        root_name = root_name_below(parent_context, name)
        if sh_pending_exist():
            note_dropped(trace_id, name, root_name)
        given = result.trace_state
        state = named_state.__new__(named_state)
        # Shared with the one given: trace states do not change, `add` makes another.
        setattr(state, entries_field, no_entries if given is None else getattr(given, entries_field))
        state.spanheap_names = (name, root_name)
        # Nobody else's, so it may be changed; a result that its sampler keeps must not be.
        if (<PyObject *>result).ob_refcnt == refs_of_a_temporary:
            result.trace_state = state
            return result
        return new_result(result.decision, result.attributes, state)
    except Exception:
        return result   # a name is not worth a span


# ---------------------------------------------------------------- active spans

cdef struct active_span:
    sh_span span
    uint32_t root_name


def active_spans(uint32_t n, trace_id=None):
    """The n oldest active spans, or those of this trace: [(trace_id, span_id, name, root_name, start_ns)], ids in hex,
    oldest first. Those that the child of a fork inherited are not among them."""
    require_tables()
    cdef uint64_t high = 0, low = 0
    if trace_id is not None:
        trace_id_words(trace_id, &high, &low)
    n = min(n, sh_span_table_listed(&the_profile.spans))
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
                 text(copies[i].span.name), text(copies[i].root_name), copies[i].span.start_ns)
                for i in range(count)
                if trace_id is None or (copies[i].span.trace_high == high and copies[i].span.trace_low == low)]
    finally:
        free(slots)
        free(copies)


def active_by_name():
    """{(name, local root?): active spans}."""
    require_tables()
    cdef sh_span_table *t = &the_profile.spans
    cdef uint32_t slot, high = t.high
    cdef dict counts = {}
    cdef bint root
    for slot in range(SH_SPAN_FIRST, high):
        if sh_span_table_is_listed(t, &t.spans[slot]):
            root = t.spans[slot].root == slot
            key = (<object>t.spans[slot].name << 1) | root
            counts[key] = counts.get(key, 0) + 1
    cdef dict found = {}
    for key, count in counts.items():
        found[text(key >> 1), bool(key & 1)] = count
    return found
