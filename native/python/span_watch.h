/* The process's list of watched spans, with weak references to them. */
#ifndef SPANHEAP_SPAN_WATCH_H
#define SPANHEAP_SPAN_WATCH_H

#include "python_compat.h"
#include "spanheap/span_table.h"
#include "spanheap/watch_list.h"

extern sh_watch_list sh_the_watch;

/* A span that the list wants has started, in this slot. Making a weak reference may run a collection, hence any code. */
void sh_span_watch_started_with_gil(PyObject *span, const sh_span_start *start, uint32_t slot);
/* A span that is in the list has ended, as this object, under this name. */
void sh_span_watch_ended_with_gil(PyObject *readable, uint64_t span_id, uint32_t name);

#endif
