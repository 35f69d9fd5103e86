/* By what name an object refers to another one: read from the structures, without running Python code and without allocating.
 *
 * Names are attribute names and names of local variables: what programmers wrote. Keys of dicts are data, and are told only where
 * the dict is a namespace, which is for the caller to know.
 * Thread rules: the GIL. Everything returned is borrowed. */
#ifndef SPANHEAP_HEAP_NAMES_H
#define SPANHEAP_HEAP_NAMES_H

#include "python_compat.h"
#include <stdbool.h>

/* The key of this value in a dict, compared by identity; NULL when it is not there. */
PyObject *sh_key_of(PyObject *dict, PyObject *value);
/* The value under a key that is this very text, compared by characters. */
PyObject *sh_value_of(PyObject *dict, const char *key);
/* The instance dict if there is one as an object; NULL otherwise. */
PyObject *sh_instance_dict(PyObject *o);
/* The instance attribute that is this value, from dict or inline values; NULL. Slots are not looked at. */
PyObject *sh_attribute_of(PyObject *o, PyObject *value);
/* The value of an instance attribute; NULL. */
PyObject *sh_attribute(PyObject *o, const char *name);

/* Where the block of a dict's split values begins, and that of the values which an instance keeps outside itself, or NULL. */
const void *sh_values_block(const void *values);
const void *sh_separate_values(PyObject *o);

/* The ident of the thread whose values these are: `by_thread` is the dict of a threading.local, `values` one of its dicts. 0:
 * the thread is gone. */
uint64_t sh_thread_of_local(PyObject *by_thread, PyObject *values);

#endif
