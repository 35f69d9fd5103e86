#include "heap_instances.h"

#include "heap_names.h"
#include "internal/pycore_interp.h"
#include "spanheap/platform.h"

static bool is_instance(PyObject *o, PyObject *const *types, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++)
        if (PyType_Check(types[i]) && PyType_IsSubtype(Py_TYPE(o), (PyTypeObject *)types[i])) return true;
    return false;
}

static bool same_text(PyObject *a, PyObject *b) {
    return a && PyUnicode_Check(a) && PyUnicode_IS_READY(a) && PyUnicode_IS_READY(b)
        && PyUnicode_GET_LENGTH(a) == PyUnicode_GET_LENGTH(b) && PyUnicode_KIND(a) == PyUnicode_KIND(b)
        && memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), (size_t)PyUnicode_GET_LENGTH(a) * PyUnicode_KIND(a)) == 0;
}

static void add(sh_instances *to, PyObject *o) {
    to->seen++;
    if (to->count == to->room) return;
    Py_INCREF(o);
    to->objects[to->count++] = o;
}

int sh_heap_instances_with_gil(PyObject *const *types, Py_ssize_t type_count, const char *field, PyObject *text,
                               const char *end_field, int64_t deadline_ns, sh_instances *ended, sh_instances *open) {
    struct _gc_runtime_state *gc = &PyThreadState_Get()->interp->gc;
    if (gc->collecting) return -1;
    uint32_t steps = 0;
    for (int i = 0; i <= NUM_GENERATIONS; i++) {
        PyGC_Head *head = i < NUM_GENERATIONS ? &gc->generations[i].head : &gc->permanent_generation.head;
        for (PyGC_Head *g = (PyGC_Head *)head->_gc_next; g && g != head; g = (PyGC_Head *)g->_gc_next) {
            __builtin_prefetch((void *)g->_gc_next);
            if (++steps % 4096 == 0 && sh_clock_ns(CLOCK_MONOTONIC) >= deadline_ns) return -1;
            PyObject *o = (PyObject *)(g + 1);
            if (!is_instance(o, types, type_count) || !same_text(sh_attribute(o, field), text)) continue;
            PyObject *end = sh_attribute(o, end_field);
            add(end && end != Py_None ? ended : open, o);
        }
    }
    return 0;
}
