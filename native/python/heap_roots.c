#include "heap_roots.h"

#include "internal/pycore_interp.h"

enum {
    MAX_FRAMES = 100000,   /* of a thread: a recursion that deep has a chain of frames that is cut */
};

static PyInterpreterState *interpreter(void) { return PyThreadState_Get()->interp; }

static void arrive_root(sh_heap_walk *w, PyObject *o, const sh_heap_root *root) {
    if (o) sh_heap_walk_arrive(w, o, sh_heap_walk_add_root(w, root));
}

/* ------------------------------------------------------------------ modules */

static void modules(sh_heap_walk *w, PyObject *dict) {
    PyObject *name, *module;
    Py_ssize_t position = 0, n = 0;
    enum { ROOM = 8192 };
    static struct { PyObject *name, *module; } found[ROOM];   /* under the GIL; PyDict_Next only goes forward */
    while (n < ROOM && PyDict_Next(dict, &position, &name, &module))
        if (PyUnicode_Check(name)) found[n].name = name, found[n++].module = module;
    Py_ssize_t more = position;
    while (n-- > 0) arrive_root(w, found[n].module, &(sh_heap_root){ .kind = SH_ROOT_MODULE, .name = found[n].name });
    while (PyDict_Next(dict, &more, &name, &module))
        arrive_root(w, module, &(sh_heap_root){ .kind = SH_ROOT_MODULE, .name = PyUnicode_Check(name) ? name : NULL });
}

/* ------------------------------------------------------------------ interpreter */

static void interpreter_state(sh_heap_walk *w, PyInterpreterState *interp) {
    struct { const char *what; PyObject *object; } parts[] = {
        { "interpreter dict", interp->dict },
        { "sys", interp->sysdict },
        { "builtins", interp->builtins },
#if PY_VERSION_HEX >= 0x030D0000
        { "codec search functions", interp->codecs.search_path },
        { "codec cache", interp->codecs.search_cache },
        { "codec error handlers", interp->codecs.error_registry },
#else
        { "codec search functions", interp->codec_search_path },
        { "codec cache", interp->codec_search_cache },
        { "codec error handlers", interp->codec_error_registry },
#endif
        { "fork handlers (before)", interp->before_forkers },
        { "fork handlers (parent)", interp->after_forkers_parent },
        { "fork handlers (child)", interp->after_forkers_child },
        { "garbage list", interp->gc.garbage },
        { "collector callbacks", interp->gc.callbacks },
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        arrive_root(w, parts[i].object, &(sh_heap_root){ .kind = SH_ROOT_INTERPRETER, .what = parts[i].what });
}

/* The atexit module does not show its callbacks to tp_traverse. */
static void exit_callbacks(sh_heap_walk *w, PyInterpreterState *interp) {
    uint32_t root = sh_heap_walk_add_root(w, &(sh_heap_root){ .kind = SH_ROOT_INTERPRETER, .what = "registered with atexit" });
    for (int i = 0; i < interp->atexit.ncallbacks; i++) {
        if (!interp->atexit.callbacks[i]) continue;   /* unregistered */
        sh_heap_walk_arrive(w, interp->atexit.callbacks[i]->func, root);
        sh_heap_walk_arrive(w, interp->atexit.callbacks[i]->args, root);
        sh_heap_walk_arrive(w, interp->atexit.callbacks[i]->kwargs, root);
    }
}

/* ------------------------------------------------------------------ tasks */

static void tasks_of_set(sh_heap_walk *w, PyObject *set, uint32_t root) {
    if (!set || !PyAnySet_Check(set)) return;
    PySetObject *s = (PySetObject *)set;
    for (Py_ssize_t i = 0; i <= s->mask; i++) {
        PyObject *task = s->table[i].key;
        if (task && PyWeakref_CheckRef(task)) task = ((PyWeakReference *)task)->wr_object;
        if (!task || task == Py_None || !sh_heap_can_refer(task)) continue;   /* a dummy of the set is neither */
        sh_heap_walk_arrive(w, task, root);
    }
}

static void tasks(sh_heap_walk *w, PyObject *modules) {
    PyObject *module = sh_value_of(modules, "asyncio.tasks");
    PyObject *dict = module && PyModule_Check(module) ? PyModule_GetDict(module) : NULL;
    if (!dict) return;
    const char *names[] = { "_all_tasks", "_scheduled_tasks", "_eager_tasks" };   /* to 3.11, the other two from 3.12 on */
    uint32_t root = sh_heap_walk_add_root(w, &(sh_heap_root){ .kind = SH_ROOT_TASK });
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        PyObject *set = sh_value_of(dict, names[i]);
        if (set) tasks_of_set(w, PyAnySet_Check(set) ? set : sh_attribute(set, "data"), root);
    }
}

/* ------------------------------------------------------------------ threads */

static bool is_own(const sh_heap_walk *w, PyCodeObject *code) {
    PyObject *folder = w->options.own_folder, *file = code->co_filename;
    if (!folder || !PyUnicode_Check(file) || PyUnicode_KIND(file) != PyUnicode_KIND(folder)) return false;
    Py_ssize_t n = PyUnicode_GET_LENGTH(folder);
    return n > 0 && PyUnicode_GET_LENGTH(file) >= n
        && memcmp(PyUnicode_DATA(file), PyUnicode_DATA(folder), (size_t)n * PyUnicode_KIND(folder)) == 0;
}

static void frame_variables(sh_heap_walk *w, sh_python_frame *f, sh_root_kind kind, uint64_t thread) {
    int n;
    PyObject **locals = sh_frame_locals(f, &n);
    uint32_t root = UINT32_MAX;
    for (int i = 0; i < n; i++) {
        if (!locals[i]) continue;
        if (root == UINT32_MAX) root = sh_heap_walk_add_root(w, &(sh_heap_root){ .kind = kind, .thread = thread, .frame = f });
        sh_heap_walk_arrive(w, locals[i], root);
    }
    if (f->f_locals) arrive_root(w, f->f_locals, &(sh_heap_root){ .kind = kind, .thread = thread, .frame = f });
}

/* The profiler's frames on top of this thread, and the one that called it, are noted instead of walked. */
static sh_python_frame *skip_own_frames(sh_heap_walk *w, sh_python_frame *f) {
    const uint32_t room = sizeof w->own_frames / sizeof *w->own_frames;
    for (bool more = true; f && more && w->own_frame_count < room; f = sh_frame_previous(f)) {
        PyCodeObject *code = sh_frame_code(f);
        if (!code) continue;
        more = is_own(w, code);
        w->own_frames[w->own_frame_count++] = f;
#if PY_VERSION_HEX < 0x030B0000
        /* Here a frame is an object; an exception's traceback may lead to it. */
        if (more && sh_heap_walk_find(w, (PyObject *)f) == UINT32_MAX) sh_heap_walk_add(w, (PyObject *)f, SH_PARENT_EXCLUDED);
#endif
    }
    return f;
}

static void thread_state(sh_heap_walk *w, PyThreadState *t) {
    uint64_t thread = t->thread_id;
    arrive_root(w, t->context, &(sh_heap_root){ .kind = SH_ROOT_CONTEXT, .thread = thread });
    for (_PyErr_StackItem *e = t->exc_info; e; e = e->previous_item) {
        arrive_root(w, e->exc_value, &(sh_heap_root){ .kind = SH_ROOT_EXCEPTION, .thread = thread });
#if PY_VERSION_HEX < 0x030B0000
        arrive_root(w, e->exc_traceback, &(sh_heap_root){ .kind = SH_ROOT_EXCEPTION, .thread = thread });
#endif
    }
    arrive_root(w, t->dict, &(sh_heap_root){ .kind = SH_ROOT_THREAD, .thread = thread, .what = "thread dict" });
    PyObject *rest[] = { t->async_gen_firstiter, t->async_gen_finalizer, t->c_profileobj, t->c_traceobj, t->async_exc };
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        arrive_root(w, rest[i], &(sh_heap_root){ .kind = SH_ROOT_THREAD, .thread = thread, .what = "thread state" });
}

static void threads(sh_heap_walk *w, PyInterpreterState *interp, PyThreadState *self) {
    for (PyThreadState *t = PyInterpreterState_ThreadHead(interp); t && !sh_heap_walk_is_over(w); t = PyThreadState_Next(t)) {
        sh_python_frame *f = sh_frame_innermost(t);
        if (t == self) f = skip_own_frames(w, f);
        for (int i = 0; f && i < MAX_FRAMES; i++, f = sh_frame_previous(f))
            if (sh_frame_code(f)) frame_variables(w, f, SH_ROOT_FRAME, t->thread_id);
        thread_state(w, t);
    }
}

void sh_heap_roots_walk_with_gil(sh_heap_walk *w) {
    PyInterpreterState *interp = interpreter();
    PyThreadState *self = PyThreadState_Get();
    PyObject *by_name = PyImport_GetModuleDict();
    if (by_name && PyDict_Check(by_name)) {
        modules(w, by_name);
        sh_heap_walk_drain(w);
    }
    interpreter_state(w, interp);
    exit_callbacks(w, interp);
    sh_heap_walk_drain(w);
    if (by_name && PyDict_Check(by_name)) {
        tasks(w, by_name);
        sh_heap_walk_drain(w);
    }
    threads(w, interp, self);
    sh_heap_walk_drain(w);
}
