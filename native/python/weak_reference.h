/* Weak references without callbacks, held by tables of C: making one may run a collection, the rest runs no code. */
#ifndef SPANHEAP_WEAK_REFERENCE_H
#define SPANHEAP_WEAK_REFERENCE_H

#include "python_compat.h"

#include <stdbool.h>

enum { SH_WEAK_REFERENCE_BYTES = sizeof(PyWeakReference) + 2 * sizeof(void *) };   /* with the collector's header */

/* NULL, without an exception: objects of its type cannot be referred to weakly, or there is no memory. */
static inline void *sh_weak_reference_new_with_gil(PyObject *object) {
    PyObject *reference = PyWeakref_NewRef(object, NULL);
    if (!reference) PyErr_Clear();
    return reference;
}

/* Borrowed: good for as long as the GIL is not given away. NULL: it is gone, or about to be. */
static inline PyObject *sh_weak_reference_object_with_gil(void *reference) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *object;
    if (PyWeakref_GetRef(reference, &object) <= 0) return NULL;
    Py_DECREF(object);   /* others refer to it, and they need the GIL to let go */
    return object;
#else
    PyObject *object = PyWeakref_GET_OBJECT((PyObject *)reference);
    return object == Py_None ? NULL : object;
#endif
}

static inline bool sh_weak_reference_alive_with_gil(void *reference) { return sh_weak_reference_object_with_gil(reference) != NULL; }

/* A reference has no callback, so nothing happens but that it is freed. */
static inline void sh_weak_reference_release_with_gil(void *reference) { Py_DECREF((PyObject *)reference); }

#endif
