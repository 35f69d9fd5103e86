#include "context.h"

#include "internal/pycore_context.h"

/* The nodes of a HAMT as every CPython from 3.10 to 3.13 lays them out (they are private to hamt.c). */
typedef struct { PyObject_VAR_HEAD uint32_t bitmap; PyObject *items[1]; } bitmap_node;      /* key, value pairs; a NULL key: value is a node */
typedef struct { PyObject_HEAD PyObject *children[32]; Py_ssize_t count; } array_node;
typedef struct { PyObject_VAR_HEAD int32_t hash; PyObject *items[1]; } collision_node;

enum {
    MAX_DEPTH = 9,          /* 32 bits of hash, 5 a level, and one collision node below */
    MAX_CONTEXT_KEYS = 1024,  /* a Context holds a span, baggage and a few flags; a walk through so many costs 2 µs */
};

static struct {
    sh_context_mode mode;
    PyTypeObject *hamt, *bitmap, *array, *collision;
    PyObject *var, *key, *invalid_span;
    PyTypeObject *non_recording;
    uint32_t var_hash;
    int (*when_met)(void *);
    struct { PyObject *var; PyTypeObject *type; size_t offset; uint32_t var_hash; } labels;
} config;

static void replace(PyObject **slot, PyObject *value) {
    PyObject *old = *slot;
    Py_XINCREF(value);
    *slot = value;
    Py_XDECREF(old);
}

void sh_context_set_types_with_gil(PyObject *hamt, PyObject *bitmap, PyObject *array, PyObject *collision) {
    replace((PyObject **)&config.hamt, hamt);
    replace((PyObject **)&config.bitmap, bitmap);
    replace((PyObject **)&config.array, array);
    replace((PyObject **)&config.collision, collision);
}

/* As hamt.c folds a hash to 32 bits. */
static uint32_t fold_hash(Py_hash_t hash) {
    int32_t folded = (int32_t)(hash & 0xffffffffl) ^ (int32_t)(hash >> 32);
    return (uint32_t)(folded == -1 ? -2 : folded);
}

int sh_context_bind_with_gil(PyObject *var, PyObject *key, PyObject *non_recording_type, PyObject *invalid_span) {
    if (!PyContextVar_CheckExact(var) || !PyType_Check(non_recording_type)) {
        PyErr_SetString(PyExc_TypeError, "expected OpenTelemetry's ContextVar and the type of its non-recording spans");
        return -1;
    }
    replace(&config.var, NULL);   /* nothing half-bound is ever used */
    replace(&config.key, key);
    replace((PyObject **)&config.non_recording, non_recording_type);
    replace(&config.invalid_span, invalid_span);
    config.var_hash = fold_hash(((PyContextVar *)var)->var_hash);
    replace(&config.var, var);
    return 0;
}

int sh_context_bind_labels_with_gil(PyObject *var, PyObject *type, size_t offset) {
    if (!PyContextVar_CheckExact(var) || !PyType_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "expected the ContextVar of the labels and the type of its values");
        return -1;
    }
    config.labels.var_hash = fold_hash(((PyContextVar *)var)->var_hash);
    config.labels.offset = offset;
    replace((PyObject **)&config.labels.type, type);
    replace(&config.labels.var, var);
    return 0;
}

void sh_context_set_mode_with_gil(sh_context_mode mode) { config.mode = mode; }
sh_context_mode sh_context_get_mode(void) { return config.var ? config.mode : SH_CONTEXT_OFF; }

/* ------------------------------------------------------------------ the two walks; both return a borrowed value or NULL */

static PyObject *find_by_nodes_in_hook(PyObject *node, PyObject *key, uint32_t hash) {
    for (unsigned depth = 0, shift = 0; depth < MAX_DEPTH && node; depth++, shift += 5) {
        uint32_t place = (hash >> (shift < 32 ? shift : 31)) & 31;
        if (Py_TYPE(node) == config.bitmap) {
            bitmap_node *b = (bitmap_node *)node;
            uint32_t bit = 1u << place;
            if (!(b->bitmap & bit)) return NULL;
            unsigned i = 2u * (unsigned)__builtin_popcount(b->bitmap & (bit - 1));
            if (b->items[i]) return b->items[i] == key ? b->items[i + 1] : NULL;
            node = b->items[i + 1];
        } else if (Py_TYPE(node) == config.array) {
            node = ((array_node *)node)->children[place];
        } else if (Py_TYPE(node) == config.collision) {
            collision_node *c = (collision_node *)node;
            for (Py_ssize_t i = 0; i + 1 < Py_SIZE(c); i += 2)
                if (c->items[i] == key) return c->items[i + 1];
            return NULL;
        } else {
            return NULL;
        }
    }
    return NULL;
}

typedef struct { PyObject *key, *previous, *found; } traversal;

/* Bitmap and collision nodes visit from the end: a value comes just before its key. */
static int visit_in_hook(PyObject *o, void *arg) {
    traversal *t = arg;
    if (o == t->key) {
        t->found = t->previous;
        return 1;
    }
    PyTypeObject *type = Py_TYPE(o);
    if (type == config.bitmap || type == config.array || type == config.collision) {
        t->previous = NULL;
        return type->tp_traverse(o, visit_in_hook, arg);
    }
    t->previous = o;
    return 0;
}

static PyObject *find_in_hook(PyThreadState *tstate, PyObject *var, uint32_t hash, sh_context_mode mode) {
    PyContext *context = (PyContext *)tstate->context;
    PyHamtObject *hamt = context ? context->ctx_vars : NULL;
    if (!hamt) return NULL;   /* a thread that is being torn down, or one that never had a context */
    if (mode == SH_CONTEXT_NODES) return find_by_nodes_in_hook((PyObject *)hamt->h_root, var, hash);
    traversal t = { var, NULL, NULL };
    Py_TYPE(hamt)->tp_traverse((PyObject *)hamt, visit_in_hook, &t);
    return t.found;
}

/* ------------------------------------------------------------------ the span */

static PyObject *current_span_in_hook(PyThreadState *tstate) {
    if (config.mode == SH_CONTEXT_OFF || !config.var) return NULL;
    PyObject *context = find_in_hook(tstate, config.var, config.var_hash, config.mode);
    if (!context || !PyDict_Check(context)) return NULL;
    /* Never a look-up by key: with equal hashes it would run __eq__, Python code, inside an allocation. */
    PyObject *key, *value, *span = NULL;
    Py_ssize_t position = 0;
    for (int i = 0; i < MAX_CONTEXT_KEYS && !span && PyDict_Next(context, &position, &key, &value); i++)
        if (key == config.key) span = value;
    return span == config.invalid_span ? NULL : span;
}

uint32_t sh_context_span_in_hook(PyThreadState *tstate, sh_span_table *spans) {
    PyObject *span = current_span_in_hook(tstate);
    if (!span) return SH_SPAN_NONE;
    uint32_t slot = sh_span_table_find_in_hook(spans, span, Py_TYPE(span));
    if (SH_LIKELY(slot)) return slot;
    slot = sh_span_table_meet_in_hook(spans, span, Py_TYPE(span),
                                      Py_TYPE(span) == config.non_recording ? SH_SPAN_UNSAMPLED : SH_SPAN_UNTRACKED);
    if (slot < SH_SPAN_FIRST) return slot;
    Py_INCREF(span);
    /* Enters a fixed queue under a leaf lock. When it is full, the next span tries again. */
    if (SH_UNLIKELY(config.when_met != NULL) && Py_AddPendingCall(config.when_met, NULL) == 0) config.when_met = NULL;
    return slot;
}

void sh_context_when_met_with_gil(int (*call)(void *)) { config.when_met = call; }

PyObject *sh_context_current_span_with_gil(void) {
    PyObject *span = current_span_in_hook(PyThreadState_Get());
    Py_XINCREF(span);
    return span;
}

/* ------------------------------------------------------------------ the labels */

uint32_t sh_context_labels_in_hook(PyThreadState *tstate) {
    if (!config.labels.var || config.mode == SH_CONTEXT_OFF) return SH_LABELS_NONE;
    PyObject *set = find_in_hook(tstate, config.labels.var, config.labels.var_hash, config.mode);
    if (!set || Py_TYPE(set) != config.labels.type) return SH_LABELS_NONE;
    return *(const uint32_t *)((const char *)set + config.labels.offset);
}

/* ------------------------------------------------------------------ self-test */

PyObject *sh_context_walk_with_gil(PyObject *var, sh_context_mode mode) {
    if (!PyContextVar_CheckExact(var)) return NULL;
    PyObject *found = find_in_hook(PyThreadState_Get(), var, fold_hash(((PyContextVar *)var)->var_hash), mode);
    Py_XINCREF(found);
    return found;
}

int sh_context_force_hash_with_gil(PyObject *var, Py_hash_t hash) {
    if (!PyContextVar_CheckExact(var)) {
        PyErr_SetString(PyExc_TypeError, "expected a ContextVar");
        return -1;
    }
    ((PyContextVar *)var)->var_hash = hash;
    return 0;
}
