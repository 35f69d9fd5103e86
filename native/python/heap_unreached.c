#include "heap_unreached.h"

#include "internal/pycore_interp.h"

typedef struct {
    sh_heap_walk *walk;
    uint32_t first;        /* nodes from here on were not reached */
    uint32_t *references;  /* found, of each of them */
    uint32_t *queue, queued, taken;
} unreached;

/* ------------------------------------------------------------------ count */

static bool add_if_unreached(sh_heap_walk *w, PyObject *o) {
    return sh_heap_walk_find(w, o) != UINT32_MAX || sh_heap_walk_add(w, o, SH_PARENT_UNREACHED);
}

/* The slot of each object is fetched some objects before it is looked at. */
static bool add_tracked(sh_heap_walk *w, PyGC_Head *generation) {
    enum { AHEAD = 16 };
    PyObject *waiting[AHEAD];
    uint32_t n = 0;
    for (PyGC_Head *g = (PyGC_Head *)generation->_gc_next; g && g != generation; g = (PyGC_Head *)g->_gc_next) {
        PyObject *o = (PyObject *)(g + 1);
        __builtin_prefetch((void *)g->_gc_next);
        sh_heap_walk_prefetch_slot(w, o);
        if (n >= AHEAD && !add_if_unreached(w, waiting[n % AHEAD])) return false;
        waiting[n++ % AHEAD] = o;
        if (n % 4096 == 0 && sh_heap_walk_budget_is_used(w)) return false;
    }
    for (uint32_t i = n > AHEAD ? n - AHEAD : 0; i < n; i++)
        if (!add_if_unreached(w, waiting[i % AHEAD])) return false;
    return true;
}

static int count_reference(PyObject *o, void *arg) {
    unreached *u = arg;
    sh_heap_walk *w = u->walk;
    if (++w->edges % 4096 == 0 && sh_heap_walk_budget_is_used(w)) return 1;
    if (!sh_heap_can_refer(o)) return 0;
    uint32_t node = sh_heap_walk_find(w, o);
    if (node == UINT32_MAX) {   /* an untracked tuple or dict */
        node = w->count;
        if (!sh_heap_walk_add(w, o, SH_PARENT_UNREACHED)) return 1;
    }
    if (node >= u->first) u->references[node - u->first]++;
    return 0;
}

/* References that come with the question: from what was handed over, and from the variables of the profiler's functions and of their
 * caller. In 3.10 a caller also keeps the arguments of a call on its evaluation stack; a slot above its top may be stale, then a
 * reference too many is explained. */
static Py_ssize_t own_references(const sh_heap_walk *w, PyObject *o) {
    Py_ssize_t n = 0;
    for (uint32_t i = 0; i < w->options.excluded_count; i++) {
        PyObject *holder = w->options.excluded[i];
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(holder); k++) n += PyTuple_GET_ITEM(holder, k) == o;
    }
    for (uint32_t i = 0; i < w->options.borrowed_count; i++) {
        PyObject *holder = w->options.borrowed[i];
        if (PyAnySet_Check(holder)) {
            PySetObject *set = (PySetObject *)holder;
            for (Py_ssize_t k = 0; k <= set->mask; k++) n += set->table[k].key == o;
        } else {
            for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(holder); k++) n += PySequence_Fast_GET_ITEM(holder, k) == o;
        }
    }
    for (uint32_t i = 0; i < w->own_frame_count; i++) {
        int locals;
        PyObject **slots = sh_frame_locals(w->own_frames[i], &locals);
#if PY_VERSION_HEX < 0x030B0000
        locals += sh_frame_code(w->own_frames[i])->co_stacksize;
#endif
        for (int k = 0; k < locals; k++) n += slots[k] == o;
    }
    return n;
}

/* ------------------------------------------------------------------ walk */

static void reach(unreached *u, uint32_t node, uint32_t parent) {
    u->walk->parents[node] = parent;
    sh_heap_walk_check(u->walk, node);
    u->queue[u->queued++] = node;
}

static int reach_edge(PyObject *o, void *arg) {
    unreached *u = arg;
    sh_heap_walk *w = u->walk;
    if (++w->edges % 4096 == 0) sh_heap_walk_budget_is_used(w);
    if (sh_heap_walk_is_over(w)) return 1;
    if (!sh_heap_can_refer(o)) {
        sh_heap_walk_arrive_leaf(w, o, w->current);
        return 0;
    }
    uint32_t node = sh_heap_walk_find(w, o);
    if (node != UINT32_MAX && node >= u->first && w->parents[node] == SH_PARENT_UNREACHED) reach(u, node, w->current);
    return 0;
}

static void walk_queue(unreached *u) {
    sh_heap_walk *w = u->walk;
    while (u->taken < u->queued && !sh_heap_walk_is_over(w)) {
        w->current = u->queue[u->taken++];
        PyObject *o = w->objects[w->current];
        if (!sh_heap_can_refer(o)) continue;
        w->traversed++;
        Py_TYPE(o)->tp_traverse(o, reach_edge, u);
        if (w->options.parts) sh_heap_walk_look_at_keys(w, o);
    }
}

/* What holds the rest of the heap: something unseen. */
static void reach_from_c(unreached *u, uint32_t end) {
    sh_heap_walk *w = u->walk;
    uint32_t root = sh_heap_walk_add_root(w, &(sh_heap_root){ .kind = SH_ROOT_C });
    for (uint32_t i = u->first; i < end && !sh_heap_walk_is_over(w); i++) {
        PyObject *o = w->objects[i];
        Py_ssize_t explained = u->references[i - u->first];
        if (w->parents[i] != SH_PARENT_UNREACHED || Py_REFCNT(o) <= explained) continue;
        if (Py_REFCNT(o) > explained + own_references(w, o)) reach(u, i, root);
    }
    walk_queue(u);
}

/* The frame that asked: it usually has what it asks about in a variable, which is the least of the answers. */
static void reach_from_caller(unreached *u) {
    sh_heap_walk *w = u->walk;
    if (!w->own_frame_count || sh_heap_walk_is_over(w)) return;
    sh_python_frame *f = w->own_frames[w->own_frame_count - 1];
    int n;
    PyObject **locals = sh_frame_locals(f, &n);
    uint32_t root = sh_heap_walk_add_root(w, &(sh_heap_root){
        .kind = SH_ROOT_CALLER, .thread = PyThreadState_Get()->thread_id, .frame = f });
    w->current = root;
    for (int i = 0; i < n; i++)
        if (locals[i]) reach_edge(locals[i], u);
    walk_queue(u);
}

static bool is_target(const sh_heap_walk *w, uint32_t node) {
    return sh_block_set_find(&w->blocks, sh_block_of(w->objects[node])) >= 0;
}

static void reach_from_itself(unreached *u, uint32_t end) {
    sh_heap_walk *w = u->walk;
    uint32_t root = sh_heap_walk_add_root(w, &(sh_heap_root){ .kind = SH_ROOT_GARBAGE });
    for (uint32_t i = u->first; i < end && !sh_heap_walk_is_over(w); i++) {
        /* Not garbage: what the question alone holds. Has it a cycle, the search does not end before it was looked for there. */
        bool asked = Py_REFCNT(w->objects[i]) > (Py_ssize_t)u->references[i - u->first];
        if (w->parents[i] != SH_PARENT_UNREACHED || (asked && !(is_target(w, i) && u->references[i - u->first]))) continue;
        reach(u, i, root);
        walk_queue(u);
    }
}

/* Objects that no container shows and that are none themselves: somebody who does not show it holds them, or only who asked. */
static void reach_leaves(unreached *u) {
    sh_heap_walk *w = u->walk;
    uint32_t root = sh_heap_walk_add_root(w, &(sh_heap_root){ .kind = SH_ROOT_C });
    for (uint32_t i = 0; i < w->options.excluded_count && !w->options.parts; i++) {
        PyObject *asked = w->options.excluded[i];
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(asked) && !sh_heap_walk_is_over(w); k++) {
            PyObject *o = PyTuple_GET_ITEM(asked, k);
            if (sh_heap_walk_find(w, o) == UINT32_MAX && Py_REFCNT(o) > own_references(w, o)) sh_heap_walk_arrive_leaf(w, o, root);
        }
    }
}

void sh_heap_unreached_walk_with_gil(sh_heap_walk *w) {
    for (uint32_t i = 0; i < w->options.borrowed_count; i++)
        if (sh_heap_walk_find(w, w->options.borrowed[i]) == UINT32_MAX
            && !sh_heap_walk_add(w, w->options.borrowed[i], SH_PARENT_EXCLUDED)) return;
    unreached u = { .walk = w, .first = w->count };
    struct _gc_runtime_state *gc = &PyThreadState_Get()->interp->gc;
    if (gc->collecting) {   /* asked for by a finalizer: the collector has its lists in pieces */
        w->stopped = true;
        return;
    }
    for (int i = 0; i < NUM_GENERATIONS; i++)
        if (!add_tracked(w, &gc->generations[i].head)) return;
    if (!add_tracked(w, &gc->permanent_generation.head)) return;
    size_t bytes = ((size_t)SH_MAX_NODES - u.first) * sizeof(uint32_t);
    u.references = sh_pages_map(bytes);
    u.queue = sh_pages_map(bytes);
    if (!u.references || !u.queue) w->stopped = true;
    for (uint32_t i = u.first; i < w->count && !w->stopped; i++)   /* count grows meanwhile */
        if (sh_heap_can_refer(w->objects[i])) Py_TYPE(w->objects[i])->tp_traverse(w->objects[i], count_reference, &u);
    uint32_t end = w->count;
    if (!w->stopped) reach_from_c(&u, end);
    if (!w->stopped) reach_from_caller(&u);
    if (!w->stopped) reach_from_itself(&u, end);
    if (!w->stopped) reach_leaves(&u);
    sh_heap_walk_note_memory(w, 2 * (size_t)(w->count - u.first) * sizeof(uint32_t));
    sh_pages_unmap(u.references, bytes);
    sh_pages_unmap(u.queue, bytes);
}
