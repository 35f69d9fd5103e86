#include "span_events.h"

#include "alloc_hook.h"
#include "pending_samples.h"
#include "name_cache.h"
#include "span_fields.h"
#include "span_watch.h"
#include "whole_numbers.h"

_Static_assert(SH_SPAN_FIELDS <= SH_MAX_FIELDS, "one map holds all of them");

static struct {
    sh_field_map started, ended, status;
    PyObject *names[SH_SPAN_FIELDS], *status_code, *error_code;
    bool long_way;
    int64_t test_time_ns;
    sh_name_cache cache;
} self;

void sh_span_events_bind_with_gil(PyObject *const names[SH_SPAN_FIELDS], PyObject *status_code) {
    for (int i = 0; i < SH_SPAN_FIELDS; i++) Py_XSETREF(self.names[i], Py_NewRef(names[i]));
    Py_XSETREF(self.status_code, Py_NewRef(status_code));
}

void sh_span_events_bind_error_code_with_gil(PyObject *code) { Py_XSETREF(self.error_code, Py_NewRef(code)); }
void sh_span_events_go_the_long_way_with_gil(bool wanted) { self.long_way = wanted; }
void sh_span_events_forget_names_with_gil(void) { sh_name_cache_clear_with_gil(&self.cache); }

/* ------------------------------------------------------------------ time */

void sh_span_events_set_time(int64_t now_ns) { self.test_time_ns = now_ns; }

SH_HOT int64_t sh_span_events_now(void) {
    /* To the millisecond or four, which is what a ring keeps of it: a quarter of the exact one's cost. */
    return SH_LIKELY(!self.test_time_ns) ? sh_clock_ns(CLOCK_REALTIME_COARSE) : self.test_time_ns;
}

/* Int nanoseconds since 1970; an application may give anything. 0: no time. */
static inline int64_t time_of(PyObject *value) {
    uint64_t ns;
    return sh_uint64_of_int(value, &ns) && ns <= INT64_MAX ? (int64_t)ns : 0;
}

/* ------------------------------------------------------------------ contexts */

/* A SpanContext is a tuple: trace id, span id, is it remote, trace flags, trace state. */
enum { TRACE_ID, SPAN_ID, IS_REMOTE, TRACE_FLAGS, READ_OF_CONTEXT };

static inline bool is_context(PyObject *context) {
    return PyTuple_Check(context) && PyTuple_GET_SIZE(context) >= READ_OF_CONTEXT;
}

static inline bool read_context(PyObject *context, uint64_t *high, uint64_t *low, uint64_t *span_id, bool *sampled) {
    uint64_t flags;
    if (SH_UNLIKELY(!is_context(context))) return false;
    PyObject *const *items = ((PyTupleObject *)context)->ob_item;
    if (SH_UNLIKELY(!sh_uint128_of_int(items[TRACE_ID], high, low) || !sh_uint64_of_int(items[SPAN_ID], span_id)
                    || !sh_uint64_of_int(items[TRACE_FLAGS], &flags)))
        return false;
    *sampled = flags & 1;
    return true;
}

/* 0: none. */
static inline bool read_parent(PyObject *parent, uint64_t *span_id, bool *remote) {
    *span_id = 0;
    *remote = false;
    if (parent == Py_None) return true;
    if (SH_UNLIKELY(!is_context(parent) || !sh_uint64_of_int(PyTuple_GET_ITEM(parent, SPAN_ID), span_id))) return false;
    *remote = PyTuple_GET_ITEM(parent, IS_REMOTE) == Py_True;
    return true;
}

static inline uint32_t number_of(PyObject *name) {
    return sh_name_cache_number_with_gil(&self.cache, &sh_the_hook.profile.strings, name);
}

/* ------------------------------------------------------------------ a span starts */

SH_HOT bool sh_span_started_as_with_gil(PyObject *span, PyObject *context, PyObject *parent, PyObject *name, PyObject *start_time) {
    sh_span_start start;
    if (SH_UNLIKELY(!read_context(context, &start.trace_high, &start.trace_low, &start.span_id, &start.sampled)
                    || !read_parent(parent, &start.parent_span_id, &start.parent_is_remote)))
        return false;
    start.start_ns = time_of(start_time);
    if (SH_UNLIKELY(!start.start_ns)) start.start_ns = sh_clock_ns(CLOCK_REALTIME);
    start.object = span;
    start.type = Py_TYPE(span);
    start.name = number_of(name);   /* last: nothing borrowed is used after it */
    uint32_t slot = sh_span_table_start(&sh_the_hook.profile.spans, &start);
    sh_pending_settle_with_gil(slot);
    if (SH_UNLIKELY(sh_watch_list_wants(&sh_the_watch, start.span_id))) {
        sh_the_hook.profile.spans.spans[slot].watched = slot >= SH_SPAN_FIRST;
        sh_span_watch_started_with_gil(span, &start, slot);
    }
    return true;
}

SH_HOT bool sh_span_started_with_gil(PyObject *span) {
    PyObject *fields[SH_SPAN_FIELDS];
    if (SH_UNLIKELY(self.long_way)
        || SH_UNLIKELY(!sh_fields_read_with_gil(&self.started, span, self.names, SH_SPAN_FIELDS_AT_START, fields)))
        return false;
    PyObject *name = Py_NewRef(fields[SH_SPAN_NAME]);
    bool entered = sh_span_started_as_with_gil(span, fields[SH_SPAN_CONTEXT], fields[SH_SPAN_PARENT], name, fields[SH_SPAN_START]);
    Py_DECREF(name);
    return entered;
}

/* ------------------------------------------------------------------ a span ends */

/* What is only in the objects, of a span whose start was not seen. */
static SH_COLD bool read_unannounced(sh_span_record *record, PyObject *context, PyObject *parent, PyObject *start_time) {
    bool sampled, remote;
    if (!read_context(context, &record->trace_high, &record->trace_low, &record->span_id, &sampled)
        || !read_parent(parent, &record->parent_id, &remote))
        return false;
    record->flags = (uint16_t)((sampled ? SH_SPAN_FLAG_SAMPLED : 0) | (!record->parent_id || remote ? SH_SPAN_FLAG_ROOT : 0));
    record->start_ns = time_of(start_time);
    return true;
}

static inline void read_slot(sh_span_record *record, const sh_span *span, bool is_root) {
    record->trace_high = span->trace_high;
    record->trace_low = span->trace_low;
    record->parent_id = span->parent_id;
    record->start_ns = span->start_ns;
    record->flags = (uint16_t)(SH_SPAN_FLAG_TRACKED | (span->sampled ? SH_SPAN_FLAG_SAMPLED : 0) | (is_root ? SH_SPAN_FLAG_ROOT : 0));
}

SH_HOT bool sh_span_ended_as_with_gil(PyObject *readable, PyObject *context, PyObject *parent, PyObject *name, PyObject *start_time,
                                      PyObject *end_time, bool failed) {
    sh_span_record record;
    sh_span_table *spans = &sh_the_hook.profile.spans;
    if (SH_UNLIKELY(!is_context(context) || !sh_uint64_of_int(PyTuple_GET_ITEM(context, SPAN_ID), &record.span_id))) return false;
    uint32_t slot = sh_span_table_known(spans, record.span_id);
    if (SH_UNLIKELY(slot == SH_SPAN_NONE) && !read_unannounced(&record, context, parent, start_time)) return false;
    int64_t end_ns = time_of(end_time);
    record.thread = (uint16_t)(SH_CURRENT_THREAD_STATE()->id & SH_RING_MAX_THREAD);
    uint64_t id = record.span_id;
    record.name = number_of(name);   /* from here on nothing borrowed is used, and the table may be another */
    sh_span_log *log = sh_the_hook.log;
    bool watched = true;
    if (SH_LIKELY(slot != SH_SPAN_NONE)) {
        const sh_span *span = &spans->spans[slot];
        if (SH_UNLIKELY(!span->active || span->span_id != id)) {
            if (log) log->counts->ended_twice++;
            return true;
        }
        watched = span->watched;
        read_slot(&record, span, span->root == slot);
        sh_span_table_end_slot(spans, slot, record.name);
    } else if (log) {
        log->counts->unannounced++;
    }
    if (failed) record.flags |= SH_SPAN_FLAG_ERROR;
    if (SH_LIKELY(log != NULL)) {
        if (SH_UNLIKELY(!end_ns)) end_ns = sh_clock_ns(CLOCK_REALTIME);
        if (SH_UNLIKELY(!record.start_ns)) record.start_ns = end_ns;
        record.duration_ns = end_ns - record.start_ns;
        sh_span_log_publish(log, &record, sh_span_events_now());
    }
    if (SH_UNLIKELY(watched) && sh_watch_list_find(&sh_the_watch, id) != NULL)
        sh_span_watch_ended_with_gil(readable, id, record.name);
    return true;
}

SH_HOT bool sh_span_ended_with_gil(PyObject *readable) {
    PyObject *fields[SH_SPAN_FIELDS], *code;
    if (SH_UNLIKELY(self.long_way) || SH_UNLIKELY(!sh_fields_read_with_gil(&self.ended, readable, self.names, SH_SPAN_FIELDS, fields))
        || SH_UNLIKELY(!sh_fields_read_with_gil(&self.status, fields[SH_SPAN_STATUS], &self.status_code, 1, &code)))
        return false;
    PyObject *name = Py_NewRef(fields[SH_SPAN_NAME]);
    bool entered = sh_span_ended_as_with_gil(readable, fields[SH_SPAN_CONTEXT], fields[SH_SPAN_PARENT], name, fields[SH_SPAN_START],
                                             fields[SH_SPAN_END], code == self.error_code);
    Py_DECREF(name);
    return entered;
}

/* ------------------------------------------------------------------ the methods of a processor */

static sh_long_way go_the_long_way;

static SH_COLD PyObject *refuse(void) {
    PyErr_SetString(PyExc_TypeError, "on_start() takes a span and a parent_context");
    return NULL;
}

/* Of parent_context, which the SDK gives by name, nothing is read. */
static SH_HOT PyObject *on_start(PyObject *processor, PyObject *const *arguments, Py_ssize_t positional, PyObject *names) {
    if (SH_UNLIKELY(positional < 1 || positional + (names ? PyTuple_GET_SIZE(names) : 0) > 2)) return refuse();
    if (sh_the_hook.enabled && SH_UNLIKELY(!sh_span_started_with_gil(arguments[0]))) go_the_long_way(processor, arguments[0], false);
    Py_RETURN_NONE;
}

static SH_HOT PyObject *on_ending(PyObject *processor, PyObject *span) {
    (void)processor, (void)span;
    Py_RETURN_NONE;
}

static SH_HOT PyObject *on_end(PyObject *processor, PyObject *readable) {
    if (sh_the_hook.enabled && SH_UNLIKELY(!sh_span_ended_with_gil(readable))) go_the_long_way(processor, readable, true);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    { "on_start", (PyCFunction)(void (*)(void))on_start, METH_FASTCALL | METH_KEYWORDS, "on_start($self, span, parent_context=None)\n--\n\n" },
    { "_on_ending", on_ending, METH_O, "_on_ending($self, span, /)\n--\n\n" },
    { "on_end", on_end, METH_O, "on_end($self, span, /)\n--\n\n" },
};

int sh_span_events_add_methods_with_gil(PyTypeObject *processor, sh_long_way long_way) {
    go_the_long_way = long_way;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        PyObject *method = PyDescr_NewMethod(processor, &methods[i]);
        if (!method || PyDict_SetItemString(processor->tp_dict, methods[i].ml_name, method) < 0) {
            Py_XDECREF(method);
            return -1;
        }
        Py_DECREF(method);
    }
    PyType_Modified(processor);
    return 0;
}
