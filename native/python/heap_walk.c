#include "heap_walk.h"

#include "heap_paths.h"
#include "heap_roots.h"
#include "heap_unreached.h"

enum {
    CLOCK_EVERY = 4096,        /* edges: some 50 µs */
    FIRST_INDEX_BITS = 14,
    HUGE_FROM_BYTES = 4 << 20,
    LINES_AHEAD = 8,           /* nodes ahead of the one traversed, of which the first lines are fetched */
};

static inline size_t slot_of(const sh_heap_walk *w, const PyObject *o) { return sh_hash_address(o) >> (64 - w->index_bits); }
static inline size_t mask_of(const sh_heap_walk *w) { return ((size_t)1 << w->index_bits) - 1; }

void sh_heap_walk_note_memory(sh_heap_walk *w, size_t more) {
    size_t bytes = w->count * (sizeof *w->objects + sizeof *w->parents) + ((size_t)sizeof *w->index << w->index_bits) + more;
    if (bytes > w->peak_bytes) w->peak_bytes = bytes;
}

bool sh_heap_walk_init(sh_heap_walk *w, const sh_heap_search_options *options) {
    memset(w, 0, sizeof *w);
    w->options = *options;
    if (!w->options.max_nodes || w->options.max_nodes > SH_MAX_NODES) w->options.max_nodes = SH_MAX_NODES;
    w->index_bits = FIRST_INDEX_BITS;
    w->objects = sh_pages_map(SH_MAX_NODES * sizeof *w->objects);
    w->parents = sh_pages_map(SH_MAX_NODES * sizeof *w->parents);
    w->index = sh_pages_map(sizeof *w->index << w->index_bits);
    w->roots = sh_pages_map(SH_MAX_ROOTS * sizeof *w->roots);
    w->hits = sh_pages_map(SH_MAX_BLOCKS * sizeof *w->hits);
    if (w->objects && w->parents && w->index && w->roots && w->hits
        && sh_block_set_init(&w->blocks, options->blocks, options->block_count))
        return true;
    sh_heap_walk_fini(w);
    return false;
}

void sh_heap_walk_fini(sh_heap_walk *w) {
    sh_pages_unmap(w->objects, SH_MAX_NODES * sizeof *w->objects);
    sh_pages_unmap(w->parents, SH_MAX_NODES * sizeof *w->parents);
    sh_pages_unmap(w->index, sizeof *w->index << w->index_bits);
    sh_pages_unmap(w->roots, SH_MAX_ROOTS * sizeof *w->roots);
    sh_pages_unmap(w->hits, SH_MAX_BLOCKS * sizeof *w->hits);
    sh_block_set_fini(&w->blocks);
    memset(w, 0, sizeof *w);
}

/* ------------------------------------------------------------------ nodes */

uint32_t sh_heap_walk_find(const sh_heap_walk *w, PyObject *o) {
    for (size_t slot = slot_of(w, o); w->index[slot]; slot = (slot + 1) & mask_of(w))
        if (w->objects[w->index[slot] - 1] == o) return w->index[slot] - 1;
    return UINT32_MAX;
}

void sh_heap_walk_prefetch_slot(const sh_heap_walk *w, PyObject *o) { __builtin_prefetch(&w->index[slot_of(w, o)]); }

static void enter(sh_heap_walk *w, uint32_t node) {
    size_t slot = slot_of(w, w->objects[node]);
    while (w->index[slot]) slot = (slot + 1) & mask_of(w);
    w->index[slot] = node + 1;
}

static bool grow(sh_heap_walk *w) {
    size_t old_bytes = sizeof *w->index << w->index_bits;
    uint32_t *old = w->index, *index = sh_pages_map(old_bytes * 2);
    if (!index) return false;
    /* Read at random: with pages of 4 KiB most of the time would go into finding pages. The kernel may decline. */
    if (old_bytes * 2 >= HUGE_FROM_BYTES) madvise(index, old_bytes * 2, MADV_HUGEPAGE);
    w->index = index;
    w->index_bits++;
    for (uint32_t i = 0; i < w->count; i++) {
        if (i + 16 < w->count) __builtin_prefetch(&index[slot_of(w, w->objects[i + 16])], 1);
        enter(w, i);
    }
    sh_heap_walk_note_memory(w, old_bytes);
    sh_pages_unmap(old, old_bytes);
    return true;
}

bool sh_heap_walk_add(sh_heap_walk *w, PyObject *o, uint32_t parent) {
    if (w->count >= w->options.max_nodes) return !(w->stopped = true);
    if (w->count >= (mask_of(w) + 1) / 8 * 5 && !grow(w)) return !(w->stopped = true);
    w->objects[w->count] = o;
    w->parents[w->count] = parent;
    enter(w, w->count++);
    return true;
}

/* As PyObject_IS_GC, inlined: a type object is a container only if it was made at run time. */
static inline bool is_container(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    return PyType_IS_GC(type) && (!type->tp_is_gc || type->tp_is_gc(o));
}

bool sh_heap_can_refer(PyObject *o) {
    if (!is_container(o) || !Py_TYPE(o)->tp_traverse) return false;
    /* What is not tracked is being made or running (a frame): the collector does not call its tp_traverse either. */
    return _PyObject_GC_IS_TRACKED(o) || PyTuple_Check(o) || PyDict_Check(o);
}

/* ------------------------------------------------------------------ hits */

static void take_block(sh_heap_walk *w, const void *block, uint32_t node) {
    if (SH_LIKELY(!sh_block_set_maybe(&w->blocks, block)) || w->hit_count >= SH_MAX_BLOCKS) return;
    if (sh_block_set_take(&w->blocks, block)) w->hits[w->hit_count++] = node;
}

typedef struct { sh_heap_walk *walk; uint32_t node; } part_owner;

static void take_part(const void *block, void *arg) {
    part_owner *owner = arg;
    take_block(owner->walk, block, owner->node);
}

void sh_heap_walk_check(sh_heap_walk *w, uint32_t node) {
    take_block(w, sh_block_of(w->objects[node]), node);
    if (w->options.parts) sh_parts_visit(w->objects[node], take_part, &(part_owner){ w, node });
}

static bool is_looked_for(const sh_heap_walk *w, const void *block) {
    if (SH_LIKELY(!sh_block_set_maybe(&w->blocks, block))) return false;
    int64_t slot = sh_block_set_find(&w->blocks, block);
    return slot >= 0 && !w->blocks.seen[slot];
}

static void if_looked_for(const void *block, void *arg) {
    part_owner *owner = arg;
    if (is_looked_for(owner->walk, block)) owner->node = 1;
}

/* An object that cannot refer to others becomes a node only for a hit. */
void sh_heap_walk_arrive_leaf(sh_heap_walk *w, PyObject *o, uint32_t parent) {
    part_owner wanted = { w, is_looked_for(w, sh_block_of(o)) };
    if (w->options.parts && sh_has_parts_as_leaf(o)) sh_parts_visit(o, if_looked_for, &wanted);
    if (wanted.node && sh_heap_walk_find(w, o) == UINT32_MAX && sh_heap_walk_add(w, o, parent)) {
        w->leaves++;
        sh_heap_walk_check(w, w->count - 1);
    }
}

/* ------------------------------------------------------------------ edges */

bool sh_heap_walk_budget_is_used(sh_heap_walk *w) {
    if (!w->stopped && sh_clock_ns(CLOCK_MONOTONIC) >= w->deadline_ns) w->stopped = true;
    return w->stopped;
}

bool sh_heap_walk_is_over(const sh_heap_walk *w) {
    return w->stopped || (!w->options.everything && w->blocks.found >= w->blocks.count);
}

static void arrive(sh_heap_walk *w, PyObject *o, uint32_t parent) {
    if (!sh_heap_can_refer(o)) {
        sh_heap_walk_arrive_leaf(w, o, parent);
        return;
    }
    size_t slot = slot_of(w, o);
    for (; w->index[slot]; slot = (slot + 1) & mask_of(w))
        if (w->objects[w->index[slot] - 1] == o) return;
    if (sh_heap_walk_add(w, o, parent)) take_block(w, sh_block_of(o), w->count - 1);
}

/* An edge waits in a ring while first its object and its slot of the index are fetched, and half-way the node that the slot names:
 * otherwise the walk is nothing but cache misses, one after the other. Edges arrive in the order in which they were found. */
static int delay_edge(PyObject *o, void *arg) {
    sh_heap_walk *w = arg;
    sh_heap_prefetch(o);
    __builtin_prefetch(&w->index[slot_of(w, o)]);
    w->delayed[w->delayed_in++ % SH_EDGE_DELAY] = (sh_heap_edge){ o, w->current };
    if (w->delayed_in - w->delayed_out > SH_EDGE_DELAY / 2) {
        sh_heap_edge *half = &w->delayed[(w->delayed_in - SH_EDGE_DELAY / 2) % SH_EDGE_DELAY];
        uint32_t node = w->index[slot_of(w, half->object)];
        if (node) __builtin_prefetch(&w->objects[node - 1]);
    }
    if (w->delayed_in - w->delayed_out == SH_EDGE_DELAY) {
        sh_heap_edge e = w->delayed[w->delayed_out++ % SH_EDGE_DELAY];
        arrive(w, e.object, e.parent);
    }
    if (SH_UNLIKELY(++w->edges % CLOCK_EVERY == 0)) sh_heap_walk_budget_is_used(w);
    return sh_heap_walk_is_over(w);
}

void sh_heap_walk_arrive(sh_heap_walk *w, PyObject *o, uint32_t parent) {
    w->current = parent;
    if (o && !sh_heap_walk_is_over(w)) delay_edge(o, w);
}

/* A dict whose keys are all str does not show them to tp_traverse: they cannot be part of a cycle. They can be what leaks. */
void sh_heap_walk_look_at_keys(sh_heap_walk *w, PyObject *dict) {
    PyObject *key, *value;
    Py_ssize_t position = 0;
    if (!PyDict_Check(dict) || ((PyDictObject *)dict)->ma_values) return;   /* split: attribute names */
    while (!sh_heap_walk_is_over(w) && PyDict_Next(dict, &position, &key, &value)) {
        if (SH_UNLIKELY(++w->edges % CLOCK_EVERY == 0)) sh_heap_walk_budget_is_used(w);
        if (SH_UNLIKELY(sh_block_set_maybe(&w->blocks, key))) sh_heap_walk_arrive_leaf(w, key, w->current);
    }
}

void sh_heap_walk_drain(sh_heap_walk *w) {
    while (!sh_heap_walk_is_over(w)) {
        if (w->next < w->count) {
            w->current = w->next++;
            if (w->current + LINES_AHEAD < w->count) sh_heap_prefetch(w->objects[w->current + LINES_AHEAD]);
            PyObject *o = w->objects[w->current];
            if (w->parents[w->current] == SH_PARENT_EXCLUDED) continue;
            if (w->options.parts) sh_parts_visit(o, take_part, &(part_owner){ w, w->current });
            if (SH_UNLIKELY(w->leaves) && !sh_heap_can_refer(o)) continue;
            w->traversed++;
            Py_TYPE(o)->tp_traverse(o, delay_edge, w);
            if (w->options.parts) sh_heap_walk_look_at_keys(w, o);
        } else if (w->delayed_out != w->delayed_in) {
            sh_heap_edge e = w->delayed[w->delayed_out++ % SH_EDGE_DELAY];
            arrive(w, e.object, e.parent);
        } else {
            break;
        }
    }
    if (sh_heap_walk_is_over(w)) w->delayed_out = w->delayed_in;
}

uint32_t sh_heap_walk_add_root(sh_heap_walk *w, const sh_heap_root *root) {
    if (w->root_count == SH_MAX_ROOTS) {
        w->stopped = true;
        return SH_PARENT_UNREACHED;
    }
    w->roots[w->root_count] = *root;
    return SH_PARENT_ROOT | w->root_count++;
}

void sh_heap_walk_run_with_gil(sh_heap_walk *w) {
    int64_t start = sh_clock_ns(CLOCK_MONOTONIC);
    w->deadline_ns = start + w->options.budget_ns;
    for (uint32_t i = 0; i < w->options.excluded_count; i++)
        if (sh_heap_walk_find(w, w->options.excluded[i]) == UINT32_MAX)
            sh_heap_walk_add(w, w->options.excluded[i], SH_PARENT_EXCLUDED);
    w->first_walked = w->next = w->count;
    sh_heap_roots_walk_with_gil(w);
    if (!sh_heap_walk_is_over(w)) sh_heap_unreached_walk_with_gil(w);
    w->complete = !w->stopped;
    sh_heap_walk_note_memory(w, 0);
    w->pause_ns = sh_clock_ns(CLOCK_MONOTONIC) - start;
}

bool sh_heap_walk_valid(const sh_heap_walk *w) {
    if (w->first_walked > w->count || w->hit_count != w->blocks.found || !sh_block_set_valid(&w->blocks)) return false;
    for (uint32_t i = 0; i < w->count; i++) {
        uint32_t parent = w->parents[i];
        if (sh_heap_walk_find(w, w->objects[i]) != i || (i < w->first_walked && parent != SH_PARENT_EXCLUDED)) return false;
        if (parent >= SH_PARENT_EXCLUDED) continue;
        if (parent & SH_PARENT_ROOT ? (parent & ~SH_PARENT_ROOT) >= w->root_count : parent >= w->count) return false;
    }
    for (uint32_t i = 0; i < w->hit_count; i++)
        if (w->hits[i] >= w->count) return false;
    return true;
}

bool sh_heap_search_with_gil(const sh_heap_search_options *options, sh_heap_paths *paths, sh_heap_search_figures *figures) {
    sh_heap_walk w;
    if (!sh_heap_walk_init(&w, options)) return false;
    sh_heap_walk_run_with_gil(&w);
    *figures = (sh_heap_search_figures){
        .pause_ns = w.pause_ns, .visited = w.count, .wanted = w.blocks.count, .found = w.blocks.found,
        .peak_bytes = w.peak_bytes, .complete = w.complete, .valid = !options->max_nodes || sh_heap_walk_valid(&w),
    };
    bool taken = sh_heap_paths_take_with_gil(paths, &w);
    sh_heap_walk_fini(&w);
    return taken;
}
