/* Moments at which an allocation must change nothing: an object is half built, an exception is on its way. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

enum { SMALLEST = 16, LARGEST = 1 << 14 };   /* from pymalloc's smallest blocks to well beyond its largest */

/* Allocates in every way that a C extension may; none of them runs Python code or collects garbage. Returns a block of LARGEST
 * bytes that has grown step by step, or NULL when its contents did not survive. */
static char *grow_a_buffer(void) {
    char *buffer = PyMem_Calloc(1, SMALLEST);
    bool intact = buffer && buffer[SMALLEST - 1] == 0;
    for (int size = SMALLEST; intact && size < LARGEST; size *= 2) {
        memset(buffer, size / SMALLEST, (size_t)size);
        char *grown = PyMem_Realloc(buffer, (size_t)size * 2);
        if (grown) buffer = grown;
        for (int i = 0; i < size; i++) intact &= buffer[i] == (char)(size / SMALLEST);
        void *object = PyObject_Malloc((size_t)size), *raw = PyMem_RawMalloc((size_t)size);
        intact &= grown && object && raw;
        PyObject_Free(object);
        PyMem_RawFree(raw);
    }
    if (intact) return buffer;
    PyMem_Free(buffer);
    return NULL;
}

/* ------------------------------------------------------------------ a half-built object */

/* Known to the garbage collector before its buffer is there, as lists, dicts and most extensions' objects are. */
typedef struct { PyObject_HEAD char *buffer; } HalfBuilt;

static int unfinished_count;

static PyObject *half_built_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    HalfBuilt *self = (HalfBuilt *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    unfinished_count++;
    self->buffer = grow_a_buffer();
    unfinished_count--;
    if (self->buffer) return (PyObject *)self;
    Py_DECREF(self);
    PyErr_SetString(PyExc_RuntimeError, "a growing buffer lost its contents");
    return NULL;
}

static int half_built_traverse(PyObject *self, visitproc visit, void *arg) { return 0; }

static void half_built_dealloc(PyObject *self) {
    PyObject_GC_UnTrack(self);
    PyMem_Free(((HalfBuilt *)self)->buffer);
    Py_TYPE(self)->tp_free(self);
}

static PyTypeObject half_built_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fragile.HalfBuilt", .tp_basicsize = sizeof(HalfBuilt), .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = half_built_new, .tp_traverse = half_built_traverse, .tp_dealloc = half_built_dealloc,
};

/* Whoever runs Python code can ask this; the answer must always be 0. */
static PyObject *unfinished(PyObject *module, PyObject *ignored) { return PyLong_FromLong(unfinished_count); }

/* ------------------------------------------------------------------ a pending exception */

/* Allocates while this exception is pending. True: it is still the one that is pending, and it alone. */
static PyObject *survives_allocations(PyObject *module, PyObject *exception) {
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    char *buffer = grow_a_buffer();
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    bool same = type == (PyObject *)Py_TYPE(exception) && value == exception && !traceback;
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    PyMem_Free(buffer);
    return PyBool_FromLong(same);
}

/* The same with no exception pending: the allocations must not leave one. */
static PyObject *raises_nothing(PyObject *module, PyObject *ignored) {
    PyMem_Free(grow_a_buffer());
    bool none = !PyErr_Occurred();
    PyErr_Clear();
    return PyBool_FromLong(none);
}

static PyMethodDef functions[] = {
    { "unfinished", unfinished, METH_NOARGS, NULL },
    { "survives_allocations", survives_allocations, METH_O, NULL },
    { "raises_nothing", raises_nothing, METH_NOARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT, .m_name = "fragile", .m_size = -1, .m_methods = functions };

PyMODINIT_FUNC PyInit_fragile(void) {
    PyObject *module = PyType_Ready(&half_built_type) < 0 ? NULL : PyModule_Create(&definition);
    if (module && PyModule_AddObjectRef(module, "HalfBuilt", (PyObject *)&half_built_type) < 0) Py_CLEAR(module);
    return module;
}
