/* Another tool in the allocators, as tracemalloc is: beneath spanheap when installed before it, above it when after.
 *
 * It counts what arrives, and can make the allocator beneath misbehave in the ways that real ones may: wait for another thread,
 * or give an address away while a realloc is under way. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DOMAINS = 3 };
static const char *const names[DOMAINS] = { "raw", "mem", "obj" };   /* by PyMemAllocatorDomain */

typedef enum { MALLOC, CALLOC, REALLOC, FREE, NOTHING } function_kind;
static const char *const kinds[] = { "malloc", "calloc", "realloc", "free" };

typedef struct { PyMemAllocatorEx beneath, before; } layer;
static layer layers[DOMAINS];

static unsigned long requests, frees;

/* What the next call of this kind does first. */
static struct { function_kind during; void *block; } other_thread_frees = { NOTHING, NULL };
/* The realloc of this block is held up until its old address has been given to another request. */
static struct { void *old, *given; size_t copied; sem_t is_free, is_reused; } reuse;
static bool swallow_frees;

static void *free_raw(void *block) {
    PyMem_RawFree(block);
    return NULL;
}

static void arrived(function_kind kind) {
    if (kind == FREE) frees++;
    else requests++;
    if (other_thread_frees.during != kind) return;
    other_thread_frees.during = NOTHING;
    pthread_t thread;
    if (pthread_create(&thread, NULL, free_raw, other_thread_frees.block) == 0) pthread_join(thread, NULL);
}

static void *layer_malloc(void *ctx, size_t size) {
    layer *l = ctx;
    arrived(MALLOC);
    void *given = reuse.given;
    reuse.given = NULL;
    return given ? given : l->beneath.malloc(l->beneath.ctx, size);
}

static void *layer_calloc(void *ctx, size_t count, size_t size) {
    layer *l = ctx;
    arrived(CALLOC);
    return l->beneath.calloc(l->beneath.ctx, count, size);
}

static void *layer_realloc(void *ctx, void *old, size_t size) {
    layer *l = ctx;
    arrived(REALLOC);
    if (!old || old != reuse.old) return l->beneath.realloc(l->beneath.ctx, old, size);
    reuse.old = NULL;
    void *moved = l->beneath.malloc(l->beneath.ctx, size);
    if (moved) memcpy(moved, old, reuse.copied);
    sem_post(&reuse.is_free);   /* for an allocator, the old address is free once the contents have moved */
    sem_wait(&reuse.is_reused);
    return moved;
}

static void layer_free(void *ctx, void *p) {
    layer *l = ctx;
    arrived(FREE);
    if (!swallow_frees) l->beneath.free(l->beneath.ctx, p);
}

/* ------------------------------------------------------------------ in and out */

static int domain_of(PyObject *name) {
    for (int d = 0; d < DOMAINS; d++)
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, names[d]) == 0) return d;
    PyErr_Format(PyExc_ValueError, "%R is none of 'raw', 'mem', 'obj'", name);
    return -1;
}

static PyObject *install(PyObject *module, PyObject *name) {
    int d = domain_of(name);
    if (d < 0) return NULL;
    PyMem_GetAllocator((PyMemAllocatorDomain)d, &layers[d].beneath);
    PyMemAllocatorEx ours = { &layers[d], layer_malloc, layer_calloc, layer_realloc, layer_free };
    PyMem_SetAllocator((PyMemAllocatorDomain)d, &ours);
    Py_RETURN_NONE;
}

static PyObject *withdraw(PyObject *module, PyObject *name) {
    int d = domain_of(name);
    if (d < 0) return NULL;
    PyMem_SetAllocator((PyMemAllocatorDomain)d, &layers[d].beneath);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ what arrives */

static const struct {
    void *(*malloc)(size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
} api[DOMAINS] = {
    { PyMem_RawMalloc, PyMem_RawRealloc, PyMem_RawFree },
    { PyMem_Malloc, PyMem_Realloc, PyMem_Free },
    { PyObject_Malloc, PyObject_Realloc, PyObject_Free },
};

/* Makes, resizes and frees n small blocks of a domain. Returns (requests, frees) that arrived here: 2 n and n, and nothing else,
 * when who stands above allocates nothing and frees nothing of its own. */
static PyObject *arrivals(PyObject *module, PyObject *args) {
    PyObject *name;
    Py_ssize_t n;
    if (!PyArg_ParseTuple(args, "Un", &name, &n)) return NULL;
    int d = domain_of(name);
    if (d < 0) return NULL;
    void **blocks = n > 0 ? malloc((size_t)n * sizeof *blocks) : NULL;
    if (!blocks) return PyErr_NoMemory();
    requests = frees = 0;
    for (Py_ssize_t i = 0; i < n; i++) blocks[i] = api[d].malloc(40);
    for (Py_ssize_t i = 0; i < n; i++) blocks[i] = api[d].realloc(blocks[i], 80);
    for (Py_ssize_t i = 0; i < n; i++) api[d].free(blocks[i]);
    unsigned long seen_requests = requests, seen_frees = frees;
    free(blocks);
    return Py_BuildValue("kk", seen_requests, seen_frees);
}

/* ------------------------------------------------------------------ blocks, by address */

static PyObject *make(PyObject *module, PyObject *args) {
    Py_ssize_t count, size;
    if (!PyArg_ParseTuple(args, "nn", &count, &size)) return NULL;
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *address = PyLong_FromVoidPtr(PyMem_RawMalloc((size_t)size));
        if (!address) Py_CLEAR(list);
        else PyList_SET_ITEM(list, i, address);
    }
    return list;
}

/* The request of this kind waits, beneath, for a thread that frees a (sampled) block: it never returns if a lock that the free
 * needs is held meanwhile. */
static PyObject *let_another_thread_free_during(PyObject *module, PyObject *args) {
    const char *name;
    unsigned long long block;
    if (!PyArg_ParseTuple(args, "sK", &name, &block)) return NULL;
    function_kind kind = MALLOC;
    while (kind != NOTHING && strcmp(kinds[kind], name) != 0) kind++;
    void *own = PyMem_RawMalloc(1000);
    other_thread_frees.block = (void *)(uintptr_t)block;
    other_thread_frees.during = kind;
    void *p = NULL;
    switch (kind) {
    case MALLOC: p = PyMem_RawMalloc(1000); break;
    case CALLOC: p = PyMem_RawCalloc(1, 1000); break;
    case REALLOC: own = PyMem_RawRealloc(own, 2000); break;
    case FREE: p = own; own = NULL; break;
    default: return PyErr_Format(PyExc_ValueError, "%s is no function of an allocator", name);
    }
    PyMem_RawFree(p);
    PyMem_RawFree(own);
    Py_RETURN_NONE;
}

static void *realloc_on_a_thread(void *block) { return PyMem_RawRealloc(block, reuse.copied * 2); }

/* A thread without the GIL reallocs `block`, of `size` bytes; before its realloc returns, the caller is given the old address.
 * Returns both addresses: where the block is now, and the old one, which is the caller's new block. */
static PyObject *reuse_during_realloc(PyObject *module, PyObject *args) {
    unsigned long long block;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "Kn", &block, &size)) return NULL;
    reuse.copied = (size_t)size;
    reuse.old = (void *)(uintptr_t)block;
    sem_init(&reuse.is_free, 0, 0);
    sem_init(&reuse.is_reused, 0, 0);
    void *moved = NULL;
    pthread_t thread;
    if (pthread_create(&thread, NULL, realloc_on_a_thread, reuse.old) != 0) return PyErr_NoMemory();
    void *given = (void *)(uintptr_t)block;
    sem_wait(&reuse.is_free);
    reuse.given = given;
    void *reused = PyMem_RawMalloc((size_t)size);
    sem_post(&reuse.is_reused);
    pthread_join(thread, &moved);
    return Py_BuildValue("KK", (unsigned long long)(uintptr_t)moved, (unsigned long long)(uintptr_t)reused);
}

/* ------------------------------------------------------------------ the work of a free */

/* Machine instructions that freeing these blocks takes, counted by single steps in a forked child. What the allocator at the
 * bottom does is left out: it is the same with and without us, but depends on what lies beside the block. */
static PyObject *instructions_to_free(PyObject *module, PyObject *list) {
    Py_ssize_t n = PyList_Check(list) ? PyList_GET_SIZE(list) : 0;
    void **blocks = malloc((size_t)(n + 1) * sizeof *blocks);
    if (!blocks) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) blocks[i] = PyLong_AsVoidPtr(PyList_GET_ITEM(list, i));
    pid_t pid = PyErr_Occurred() ? -1 : fork();
    if (pid == 0) {
        swallow_frees = true;
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(1);
        raise(SIGSTOP);
        for (Py_ssize_t i = 0; i < n; i++) PyMem_RawFree(blocks[i]);
        _exit(0);
    }
    free(blocks);
    if (pid < 0) return PyErr_Occurred() ? NULL : PyErr_SetFromErrno(PyExc_OSError);
    long steps = 0;
    int status;
    waitpid(pid, &status, 0);
    for (; WIFSTOPPED(status); steps++) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0) kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        if (steps == 1000 * n) kill(pid, SIGKILL);   /* ten times what a free takes: it has been shown */
    }
    if (steps == 0) return PyErr_Format(PyExc_OSError, "a child process cannot be traced here");
    return PyLong_FromLong(steps);
}

/* ------------------------------------------------------------------ torn views of an allocator */

static PyObject *remember(PyObject *module, PyObject *ignored) {
    for (int d = 0; d < DOMAINS; d++) PyMem_GetAllocator((PyMemAllocatorDomain)d, &layers[d].before);
    Py_RETURN_NONE;
}

static bool works(const PyMemAllocatorEx *a, PyMemAllocatorEx view) {
    for (size_t size = 24; size < 5000; size *= 5) {
        char *p = view.malloc(view.ctx, size), *q = view.calloc(view.ctx, 1, size);
        if (!p || !q) return false;
        memset(p, 7, size);
        p = view.realloc(view.ctx, p, size * 3);
        bool intact = p && p[size - 1] == 7 && q[size - 1] == 0;
        a->free(a->ctx, p);   /* as seen by a thread that looks later */
        view.free(view.ctx, q);
        if (!intact) return false;
    }
    return true;
}

/* A thread without the GIL reads the five fields of RAW's allocator one by one, while another one stores them: it may see any
 * mixture of those remembered and those in force. The fields of OBJ and MEM change under the GIL, which their callers hold. */
static PyObject *mixtures_work(PyObject *module, PyObject *ignored) {
    PyMemAllocatorEx now, before = layers[PYMEM_DOMAIN_RAW].before;
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &now);
    bool fine = true;
    for (unsigned fields = 0; fields < 32; fields++) {
        PyMemAllocatorEx mixed = {
            fields & 1 ? now.ctx : before.ctx, fields & 2 ? now.malloc : before.malloc, fields & 4 ? now.calloc : before.calloc,
            fields & 8 ? now.realloc : before.realloc, fields & 16 ? now.free : before.free,
        };
        fine &= works(&now, mixed);
    }
    return PyBool_FromLong(fine);
}

static PyMethodDef functions[] = {
    { "install", install, METH_O, NULL },
    { "withdraw", withdraw, METH_O, NULL },
    { "arrivals", arrivals, METH_VARARGS, NULL },
    { "make", make, METH_VARARGS, NULL },
    { "let_another_thread_free_during", let_another_thread_free_during, METH_VARARGS, NULL },
    { "reuse_during_realloc", reuse_during_realloc, METH_VARARGS, NULL },
    { "instructions_to_free", instructions_to_free, METH_O, NULL },
    { "remember", remember, METH_NOARGS, NULL },
    { "mixtures_work", mixtures_work, METH_NOARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT, .m_name = "interposer", .m_size = -1, .m_methods = functions };

PyMODINIT_FUNC PyInit_interposer(void) { return PyModule_Create(&definition); }
