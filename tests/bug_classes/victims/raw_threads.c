/* Threads of a C library that use PyMem_Raw*: without the GIL, without a thread state, and while they are going away. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

enum { MAX_BLOCKS = 4096 };
static void *blocks[2][MAX_BLOCKS];

/* ------------------------------------------------------------------ requests that come without the GIL */

typedef struct { long count; size_t size; void **made; } request;

static void *make_blocks(void *arg) {
    request *r = arg;
    for (long i = 0; i < r->count; i++) r->made[i] = PyMem_RawMalloc(r->size);
    return NULL;
}

static int parse_request(PyObject *args, request *r) {
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "ln", &r->count, &size)) return -1;
    if (r->count < 0 || r->count > MAX_BLOCKS) {
        PyErr_Format(PyExc_ValueError, "0 to %d blocks, not %ld", MAX_BLOCKS, r->count);
        return -1;
    }
    r->size = (size_t)size;
    r->made = blocks[0];
    return 0;
}

/* On a thread that Python knows nothing of, while its caller sits on the GIL. */
static PyObject *make_on_a_foreign_thread(PyObject *module, PyObject *args) {
    request r;
    pthread_t thread;
    if (parse_request(args, &r) < 0) return NULL;
    if (pthread_create(&thread, NULL, make_blocks, &r) != 0) return PyErr_NoMemory();
    pthread_join(thread, NULL);
    Py_RETURN_NONE;
}

/* On a thread of Python's that has given the GIL up. */
static PyObject *make_without_the_gil(PyObject *module, PyObject *args) {
    request r;
    if (parse_request(args, &r) < 0) return NULL;
    Py_BEGIN_ALLOW_THREADS
    make_blocks(&r);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* With the GIL: these are sampled. */
static PyObject *make_with_the_gil(PyObject *module, PyObject *args) {
    request r;
    if (parse_request(args, &r) < 0) return NULL;
    make_blocks(&r);
    Py_RETURN_NONE;
}

static PyObject *free_made(PyObject *module, PyObject *ignored) {
    for (int i = 0; i < MAX_BLOCKS; i++) {
        PyMem_RawFree(blocks[0][i]);
        blocks[0][i] = NULL;
    }
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ makers and freers at the same time */

static atomic_long next_to_free;
static void **being_freed;

static void *free_blocks(void *arg) {
    for (long i; (i = atomic_fetch_add(&next_to_free, 1)) < MAX_BLOCKS;) PyMem_RawFree(being_freed[i]);
    return NULL;
}

/* Two threads free what was made in the round before, while the caller, who has the GIL, makes that of the next one. */
static PyObject *exchange(PyObject *module, PyObject *args) {
    long rounds;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "ln", &rounds, &size)) return NULL;
    for (long round = 0; round <= rounds; round++) {
        pthread_t threads[2];
        int started = 0;
        being_freed = blocks[(round + 1) % 2];
        atomic_store(&next_to_free, 0);
        while (round && started < 2 && pthread_create(&threads[started], NULL, free_blocks, NULL) == 0) started++;
        for (int i = 0; round < rounds && i < MAX_BLOCKS; i++) blocks[round % 2][i] = PyMem_RawMalloc((size_t)size);
        while (started) pthread_join(threads[--started], NULL);
        memset(being_freed, 0, sizeof blocks[0]);
    }
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ a thread that hardly rests */

static atomic_bool rest;
static pthread_t restless;

/* A realloc that fails takes the block out of the tables and puts it back: they are changed without end, and nothing is used up.
 * SIZE_MAX fails at once, where less would first ask the kernel; PyMem_RawRealloc would not let it pass. */
static void *fail_to_realloc(void *arg) {
    PyMemAllocatorEx raw;
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &raw);
    while (!atomic_load(&rest)) {
        for (int i = 0; i < MAX_BLOCKS && blocks[0][i]; i++)
            if (raw.realloc(raw.ctx, blocks[0][i], SIZE_MAX)) abort();
        usleep(50);   /* others would hardly get the lock */
    }
    return NULL;
}

static PyObject *start_failing_reallocs(PyObject *module, PyObject *ignored) {
    atomic_store(&rest, false);
    if (pthread_create(&restless, NULL, fail_to_realloc, NULL) != 0) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *stop_failing_reallocs(PyObject *module, PyObject *ignored) {
    atomic_store(&rest, true);
    pthread_join(restless, NULL);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ a thread that goes away */

static pthread_key_t key;
static atomic_int destructor_runs;

/* Comes back for as often as the C library lets it, so that it surely runs after the destructors of everyone else. */
static void at_thread_exit(void *arg) {
    request *r = arg;
    int run = atomic_fetch_add(&destructor_runs, 1);
    for (long i = 0; i < r->count; i++) {
        PyMem_RawFree(r->made[i]);
        r->made[i] = PyMem_RawRealloc(PyMem_RawMalloc(r->size), r->size * 2);
        if (run == 2) {
            PyMem_RawFree(r->made[i]);
            r->made[i] = NULL;
        }
    }
    if (run < 2) pthread_setspecific(key, r);
}

static void *live_and_die(void *arg) {
    PyGILState_STATE state = PyGILState_Ensure();
    make_blocks(arg);
    PyGILState_Release(state);   /* the last release: the thread state is gone */
    pthread_setspecific(key, arg);
    return NULL;
}

/* A thread makes blocks with a thread state of its own, loses it, and frees them in the destructor of a thread-local variable,
 * which allocates, too. Returns how often the destructor ran. */
static PyObject *free_in_a_destructor(PyObject *module, PyObject *args) {
    static bool has_key;
    request r;
    pthread_t thread;
    if (parse_request(args, &r) < 0) return NULL;
    if (!has_key && pthread_key_create(&key, at_thread_exit) != 0) return PyErr_NoMemory();
    has_key = true;
    atomic_store(&destructor_runs, 0);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = pthread_create(&thread, NULL, live_and_die, &r);
    if (!failed) pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    return failed ? PyErr_NoMemory() : PyLong_FromLong(atomic_load(&destructor_runs));
}

static PyMethodDef functions[] = {
    { "make_on_a_foreign_thread", make_on_a_foreign_thread, METH_VARARGS, NULL },
    { "make_without_the_gil", make_without_the_gil, METH_VARARGS, NULL },
    { "make_with_the_gil", make_with_the_gil, METH_VARARGS, NULL },
    { "free_made", free_made, METH_NOARGS, NULL },
    { "exchange", exchange, METH_VARARGS, NULL },
    { "start_failing_reallocs", start_failing_reallocs, METH_NOARGS, NULL },
    { "stop_failing_reallocs", stop_failing_reallocs, METH_NOARGS, NULL },
    { "free_in_a_destructor", free_in_a_destructor, METH_VARARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT, .m_name = "raw_threads", .m_size = -1, .m_methods = functions };

PyMODINIT_FUNC PyInit_raw_threads(void) { return PyModule_Create(&definition); }
