#include "owned_size.h"

#include "spanheap/platform.h"

enum { INDEX_BITS = 11 };   /* twice SH_OWNED_MOST */

typedef struct {
    PyObject *object;
    Py_ssize_t found;       /* references to it from what is owned */
    bool owned;
} met_object;

typedef struct {
    met_object met[SH_OWNED_MOST];
    uint16_t index[1 << INDEX_BITS];   /* place in `met` + 1, 0 = empty */
    uint16_t to_visit[SH_OWNED_MOST];
    unsigned count, waiting, referents;
} walk;

/* The GIL is held from first to last, and nothing that is called gives it away: one is enough. */
static walk the_walk;

static int found_reference(PyObject *object, void *context) {
    walk *w = context;
    w->referents++;
    size_t mask = ((size_t)1 << INDEX_BITS) - 1, i = sh_hash_address(object) >> (64 - INDEX_BITS);
    while (w->index[i] && w->met[w->index[i] - 1].object != object) i = (i + 1) & mask;
    if (!w->index[i]) {
        if (w->count == SH_OWNED_MOST) return 0;
        w->met[w->count] = (met_object){ .object = object };
        w->index[i] = (uint16_t)++w->count;
    }
    met_object *m = &w->met[w->index[i] - 1];
    if (++m->found >= Py_REFCNT(object) && !m->owned) {
        m->owned = true;
        w->to_visit[w->waiting++] = (uint16_t)(w->index[i] - 1);
    }
    return 0;
}

/* A dict does not show its str keys to a traversal, for they cannot be in a cycle. */
static void list_references(PyObject *object, walk *w) {
    PyObject *key, *value;
    if (PyDict_CheckExact(object)) {
        for (Py_ssize_t position = 0; PyDict_Next(object, &position, &key, &value);) {
            found_reference(key, w);
            found_reference(value, w);
        }
    } else if (PyObject_IS_GC(object) && Py_TYPE(object)->tp_traverse) {
        Py_TYPE(object)->tp_traverse(object, found_reference, w);
    }
}

/* What __sizeof__ of a type that is not written in Python says; -1: it is, or fails. */
static Py_ssize_t told_size(PyObject *object) {
    static PyObject *name;
    if (!name && !(name = PyUnicode_InternFromString("__sizeof__"))) return -1;
    PyObject *method = _PyType_Lookup(Py_TYPE(object), name);   /* borrowed; runs nothing */
    if (!method || !Py_IS_TYPE(method, &PyMethodDescr_Type)) return -1;
    PyObject *size = PyObject_CallOneArg(method, object);
    if (!size) return -1;
    Py_ssize_t bytes = PyLong_AsSsize_t(size);
    Py_DECREF(size);
    return bytes;
}

static size_t own_size(PyObject *object, unsigned referents) {
    PyTypeObject *type = Py_TYPE(object);
    Py_ssize_t bytes = told_size(object);
    if (bytes < 0) {
        PyErr_Clear();
        bytes = type->tp_basicsize + (type->tp_itemsize ? type->tp_itemsize * Py_ABS(Py_SIZE(object)) : 0);
    }
    if (PyObject_IS_GC(object)) bytes += 2 * sizeof(void *);
#if PY_VERSION_HEX >= 0x030B0000
    if (PyType_HasFeature(type, Py_TPFLAGS_MANAGED_DICT)) {
        bytes += 2 * sizeof(void *);
        /* Values that have no dict, of which __sizeof__ does not tell (3.11 to 3.13): a word and a byte each, some spare. The
         * type is among the referents; with a dict there are it and the dict. */
        if (referents > 2) bytes += (Py_ssize_t)(referents * sizeof(void *) + ((referents + 2 + 7) & ~7u));
    }
#endif
    return (size_t)bytes;
}

size_t sh_owned_size_with_gil(PyObject *first, PyObject *second) {
    walk *w = &the_walk;
    w->count = w->waiting = 0;
    memset(w->index, 0, sizeof w->index);
    PyObject *roots[] = { first, second };
    for (int i = 0; i < 2; i++) {
        if (!roots[i] || (i && roots[1] == first)) continue;
        found_reference(roots[i], w);
        met_object *m = &w->met[w->count - 1];
        if (!m->owned) w->to_visit[w->waiting++] = (uint16_t)(w->count - 1);   /* owned whoever else refers to it */
        m->owned = true;
    }
    size_t bytes = 0;
    while (w->waiting) {
        PyObject *object = w->met[w->to_visit[--w->waiting]].object;
        w->referents = 0;
        list_references(object, w);
        bytes += own_size(object, w->referents);
    }
    return bytes;
}
