/* What a span processor is told, entered where it belongs: the table of active spans, the log of ended ones, the watched ones.
 *
 * Once a span, between 20 microseconds of the service's own code that has driven this code out of the first cache: what it
 * costs is the lines it touches. So all of it is in C, in one place (SH_HOT), and what is rare is not in its way.
 *
 * Nothing raises: what cannot be entered is told by false, and nothing has been entered then. */
#ifndef SPANHEAP_SPAN_EVENTS_H
#define SPANHEAP_SPAN_EVENTS_H

#include <stdbool.h>

#include "python_compat.h"

/* The attributes of a span: its context, its parent's context, its name, when it started and ended, and its status. */
enum { SH_SPAN_CONTEXT, SH_SPAN_PARENT, SH_SPAN_NAME, SH_SPAN_START, SH_SPAN_FIELDS_AT_START, SH_SPAN_END = SH_SPAN_FIELDS_AT_START,
       SH_SPAN_STATUS, SH_SPAN_FIELDS };

/* The names of these, and of a status's code; interned strs, kept. */
void sh_span_events_bind_with_gil(PyObject *const names[SH_SPAN_FIELDS], PyObject *status_code);
/* The code of spans that have failed; kept. */
void sh_span_events_bind_error_code_with_gil(PyObject *code);

/* A span starts; a span ends, as this other object. False: its attributes lie elsewhere, or are not what was expected, or the
 * caller has asked for the long way. */
bool sh_span_started_with_gil(PyObject *span);
bool sh_span_ended_with_gil(PyObject *readable);
/* Gives the type of a span processor its methods on_start(span, parent_context=None), _on_ending(span) and on_end(span), which
 * call the two above, and `long_way` for what these turn down. -1 with an exception. */
typedef void (*sh_long_way)(PyObject *processor, PyObject *span, bool ended);
int sh_span_events_add_methods_with_gil(PyTypeObject *processor, sh_long_way long_way);
/* The long way: every span is to be told by the functions below. */
void sh_span_events_go_the_long_way_with_gil(bool wanted);
/* The same of spans whose attributes the caller has asked for, and keeps alive. False: the ids are no ids. */
bool sh_span_started_as_with_gil(PyObject *span, PyObject *context, PyObject *parent, PyObject *name, PyObject *start_time);
bool sh_span_ended_as_with_gil(PyObject *readable, PyObject *context, PyObject *parent, PyObject *name, PyObject *start_time,
                               PyObject *end_time, bool failed);

/* Lets go of the names of spans that it kept. */
void sh_span_events_forget_names_with_gil(void);

/* The time as far as the time to live of ended spans goes; for tests: another than the clock's, 0: the clock's. */
int64_t sh_span_events_now(void);
void sh_span_events_set_time(int64_t now_ns);

#endif
