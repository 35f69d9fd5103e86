#include "type_cache.h"

#include "internal/pycore_interp.h"

static struct type_cache_entry *entries_of(PyInterpreterState *interp) {
#if PY_VERSION_HEX >= 0x030C0000
    return interp->types.type_cache.hashtable;
#else
    return interp->type_cache.hashtable;
#endif
}

enum { ENTRIES = sizeof(((struct type_cache *)NULL)->hashtable) / sizeof(struct type_cache_entry) };

/* A look-up of a fresh name must leave it in the cache. */
static bool found_where_expected(struct type_cache_entry *entries) {
    PyObject *name = PyUnicode_FromString("spanheap: is this the method cache?");
    if (!name) {
        PyErr_Clear();
        return false;
    }
    _PyType_Lookup(&PyType_Type, name);
    bool found = false;
    for (int i = 0; i < ENTRIES && !found; i++)
        found = entries[i].name == name && entries[i].version == PyType_Type.tp_version_tag;
    Py_DECREF(name);
    return found;
}

int sh_type_cache_release_with_gil(sh_live_table *live) {
    static enum { UNKNOWN, FOUND, ABSENT } state;
    struct type_cache_entry *entries = entries_of(PyInterpreterState_Main());
    if (state == UNKNOWN) state = found_where_expected(entries) ? FOUND : ABSENT;
    if (state == ABSENT) return -1;
    int released = 0;
    for (int i = 0; i < ENTRIES; i++) {
        PyObject *name = (PyObject *)entries[i].name;
        /* A str has no header before it: its address is that of its block. */
        if (!name || name == Py_None || Py_REFCNT(name) != 1 || !sh_live_table_maybe(live, name)) continue;
        entries[i].version = 0;   /* no type has this version: the entry is empty, as at start-up */
        Py_INCREF(Py_None);
        entries[i].name = Py_None;
        Py_DECREF(name);
        released++;
    }
    return released;
}
