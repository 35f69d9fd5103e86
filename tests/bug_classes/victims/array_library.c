/* A library that tells tracemalloc of its memory, as numpy does: blocks of malloc's, of Python's, and made without the GIL.
 *
 * make and drop are for Python; the functions without a module below are for ctypes, so that a copy can be loaded and unloaded. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DOMAIN = 77 };

__attribute__((visibility("default"))) void *plain_make(size_t size) {
    void *block = malloc(size);
    PyTraceMalloc_Track(DOMAIN, (uintptr_t)block, size);
    return block;
}

__attribute__((visibility("default"))) void plain_drop(void *block) {
    PyTraceMalloc_Untrack(DOMAIN, (uintptr_t)block);
    free(block);
}

/* As numpy 2.5 does: takes the block off the list of Python's own, domain 0, and after a realloc off its own. */
static void *make_moved(size_t size, bool renew) {
    void *block = PyMem_RawMalloc(renew ? size - 8 : size);
    PyTraceMalloc_Untrack(0, (uintptr_t)block);
    PyTraceMalloc_Track(DOMAIN, (uintptr_t)block, renew ? size - 8 : size);
    if (!renew) return block;
    uintptr_t old = (uintptr_t)block;
    block = PyMem_RawRealloc(block, size);   /* nearly always in place */
    PyTraceMalloc_Untrack(DOMAIN, old);
    PyTraceMalloc_Untrack(0, (uintptr_t)block);
    PyTraceMalloc_Track(DOMAIN, (uintptr_t)block, size);
    return block;
}

/* make(size, by): by is "malloc", "raw", "mem", "moved" or "renewed"; returns the address. */
static PyObject *make(PyObject *module, PyObject *args) {
    Py_ssize_t size;
    const char *by;
    if (!PyArg_ParseTuple(args, "ns", &size, &by)) return NULL;
    if (!strcmp(by, "moved") || !strcmp(by, "renewed")) return PyLong_FromVoidPtr(make_moved((size_t)size, by[0] == 'r'));
    void *block = !strcmp(by, "raw") ? PyMem_RawMalloc((size_t)size)
                : !strcmp(by, "mem") ? PyMem_Malloc((size_t)size) : malloc((size_t)size);
    PyTraceMalloc_Track(DOMAIN, (uintptr_t)block, (size_t)size);
    return PyLong_FromVoidPtr(block);
}

static PyObject *drop(PyObject *module, PyObject *args) {
    PyObject *address;
    const char *by;
    if (!PyArg_ParseTuple(args, "Os", &address, &by)) return NULL;
    void *block = PyLong_AsVoidPtr(address);
    PyTraceMalloc_Untrack(DOMAIN, (uintptr_t)block);
    if (strcmp(by, "malloc") && strcmp(by, "mem")) PyMem_RawFree(block);
    else if (!strcmp(by, "mem")) PyMem_Free(block);
    else free(block);
    Py_RETURN_NONE;
}

/* Tells of one block again, with another size: make_again(address, size). */
static PyObject *tell_again(PyObject *module, PyObject *args) {
    PyObject *address;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "On", &address, &size)) return NULL;
    PyTraceMalloc_Track(DOMAIN, (uintptr_t)PyLong_AsVoidPtr(address), (size_t)size);
    Py_RETURN_NONE;
}

enum { ROUNDS = 20000, KEPT = 16 };

static void *work(void *unused) {
    void *kept[KEPT] = { 0 };
    for (int i = 0; i < ROUNDS; i++) {
        int k = i % KEPT;
        if (kept[k]) plain_drop(kept[k]);
        kept[k] = plain_make(600 + (size_t)k * 16);
    }
    for (int k = 0; k < KEPT; k++) plain_drop(kept[k]);
    return NULL;
}

/* Makes and drops blocks on `n` threads that Python does not know, while this one has given up the GIL, or keeps it. */
static PyObject *threads(PyObject *module, PyObject *args) {
    int n, keep;
    if (!PyArg_ParseTuple(args, "ip", &n, &keep)) return NULL;
    pthread_t made[64];
    PyThreadState *state = keep ? NULL : PyEval_SaveThread();
    int started = 0;
    while (started < n && started < 64 && pthread_create(&made[started], NULL, work, NULL) == 0) started++;
    if (!keep) work(NULL);   /* one that Python knows, without the GIL */
    for (int i = 0; i < started; i++) pthread_join(made[i], NULL);
    if (!keep) PyEval_RestoreThread(state);
    return PyLong_FromLong(started);
}

/* Whether a library of this bare name is found, which only this library's RUNPATH can do. */
static PyObject *finds(PyObject *module, PyObject *name) {
    void *library = dlopen(PyUnicode_AsUTF8(name), RTLD_NOW | RTLD_LOCAL);
    if (!library) return PyUnicode_FromString(dlerror());
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    { "make", make, METH_VARARGS, NULL },
    { "drop", drop, METH_VARARGS, NULL },
    { "tell_again", tell_again, METH_VARARGS, NULL },
    { "threads", threads, METH_VARARGS, NULL },
    { "finds", finds, METH_O, NULL },
    { NULL },
};

/* Built twice, under two names. */
#define JOIN(a, b) a##b
#define INIT(name) JOIN(PyInit_, name)
#define TEXT(name) #name
#define STRING(name) TEXT(name)

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, STRING(NAME), NULL, -1, methods };

PyMODINIT_FUNC INIT(NAME)(void) { return PyModule_Create(&module); }
