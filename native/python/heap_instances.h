/* The instances of some classes that have a given text in one attribute: found among what the collector tracks. */
#ifndef SPANHEAP_HEAP_INSTANCES_H
#define SPANHEAP_HEAP_INSTANCES_H

#include "python_compat.h"
#include <stdbool.h>

typedef struct {
    PyObject **objects;      /* room for `room`; references are added */
    uint32_t room, count;
    uint64_t seen;           /* all that there are, also past the room */
} sh_instances;

/* Instances of one of the types (or subclasses) whose attribute `field` is this str. Those whose attribute `end_field` is
 * missing or None go to `open`, the others to `ended`. Runs no Python code and allocates nothing. -1: inside a collection, or the
 * deadline (CLOCK_MONOTONIC) has passed; what was found until then is there. */
int sh_heap_instances_with_gil(PyObject *const *types, Py_ssize_t type_count, const char *field, PyObject *text,
                               const char *end_field, int64_t deadline_ns, sh_instances *ended, sh_instances *open);

#endif
