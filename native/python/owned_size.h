/* The bytes that would be freed with an object: those of the objects that nothing else refers to.
 *
 * An object counts when as many references to it have been found inside as it has in all; only then is it looked into. So what is
 * shared (a resource, the processors, constants, interned names) neither counts nor is entered, and the walk stays as small as what
 * is owned. No code of others runs: references are listed by tp_traverse, and a __sizeof__ is called only if it is written in C; an
 * object of another type counts as its bare structure. Not seen: memory that no __sizeof__ tells of, and what a cycle holds together. */
#ifndef SPANHEAP_OWNED_SIZE_H
#define SPANHEAP_OWNED_SIZE_H

#include "python_compat.h"

enum { SH_OWNED_MOST = 1024 };   /* objects met: what is owned beyond these is not counted */

/* Of up to two objects (either may be NULL). */
size_t sh_owned_size_with_gil(PyObject *first, PyObject *second);

#endif
