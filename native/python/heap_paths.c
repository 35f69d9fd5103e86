#include "heap_paths.h"

#include <stdlib.h>

typedef struct { uint32_t *nodes, *places; uint32_t mask; } place_index;   /* node + 1 -> place in the paths */

static uint32_t *slot_of_node(const place_index *index, uint32_t node) {
    uint32_t slot = (uint32_t)(sh_hash_u64(node) >> 32) & index->mask;
    while (index->nodes[slot] && index->nodes[slot] != node + 1) slot = (slot + 1) & index->mask;
    return &index->nodes[slot];
}

static uint32_t take_root(sh_heap_paths *p, const sh_heap_walk *w, uint32_t number, PyObject *first) {
    const sh_heap_root *from = &w->roots[number];
    sh_path_root *root = &p->roots[p->root_count];
    *root = (sh_path_root){ .kind = from->kind, .what = from->what, .thread = from->thread, .name = from->name };
    if (from->frame) {
        root->code = (PyObject *)sh_frame_code(from->frame);
        PyObject *globals = sh_frame_globals(from->frame);
        root->module = globals && PyDict_Check(globals) ? sh_value_of(globals, "__name__") : NULL;
        root->name = sh_frame_local_name(from->frame, first);
    }
    Py_XINCREF(root->name);
    Py_XINCREF(root->code);
    Py_XINCREF(root->module);
    return SH_PARENT_ROOT | p->root_count++;
}

/* The path of one node. Going up, the first SH_PATH_END objects are kept, and the last ones in a ring. */
static bool take_path(sh_heap_paths *p, const sh_heap_walk *w, place_index *index, uint32_t hit) {
    uint32_t low[SH_PATH_END], high[SH_PATH_END];
    uint32_t n = 0, node = hit;
    while (!(node & SH_PARENT_ROOT) && !*slot_of_node(index, node)) {
        if (n < SH_PATH_END) low[n] = node;
        else high[n % SH_PATH_END] = node;
        n++;
        node = w->parents[node];
    }
    if (node >= SH_PARENT_EXCLUDED) return false;
    uint32_t kept = n < 2 * SH_PATH_END ? n : 2 * SH_PATH_END;
    if (p->count + kept > SH_MAX_PATH_OBJECTS || p->root_count == p->root_capacity) return false;
    uint32_t parent;
    if (node & SH_PARENT_ROOT) {
        uint32_t first = n <= SH_PATH_END ? low[n - 1] : high[(n - 1) % SH_PATH_END];
        parent = take_root(p, w, node & ~SH_PARENT_ROOT, w->objects[first]);
    } else {
        parent = index->places[slot_of_node(index, node) - index->nodes];
    }
    for (uint32_t i = n, skipped = 0; i-- > 0;) {   /* from the root down */
        if (i >= SH_PATH_END && i < n - (kept - SH_PATH_END)) {
            skipped++;
            continue;
        }
        uint32_t at = i < SH_PATH_END ? low[i] : high[i % SH_PATH_END];
        p->objects[p->count] = (sh_path_object){ w->objects[at], parent, skipped };
        Py_INCREF(w->objects[at]);
        uint32_t *slot = slot_of_node(index, at);
        *slot = at + 1;
        index->places[slot - index->nodes] = p->count;
        parent = p->count++;
        skipped = 0;
    }
    p->hits[p->hit_count++] = index->places[slot_of_node(index, hit) - index->nodes];
    return true;
}

bool sh_heap_paths_take_with_gil(sh_heap_paths *p, const sh_heap_walk *w) {
    memset(p, 0, sizeof *p);
    place_index index = { .mask = 2 * SH_MAX_PATH_OBJECTS - 1 };
    size_t index_bytes = ((size_t)index.mask + 1) * sizeof(uint32_t);
    index.nodes = sh_pages_map(index_bytes);
    index.places = sh_pages_map(index_bytes);
    p->root_capacity = w->hit_count;
    p->objects = sh_pages_map(SH_MAX_PATH_OBJECTS * sizeof *p->objects);
    p->roots = calloc(w->hit_count + 1, sizeof *p->roots);
    p->hits = calloc(w->hit_count + 1, sizeof *p->hits);
    bool ok = index.nodes && index.places && p->objects && p->roots && p->hits;
    for (uint32_t i = 0; ok && i < w->hit_count; i++)
        if (!take_path(p, w, &index, w->hits[i])) p->without_path++;
    sh_pages_unmap(index.nodes, index_bytes);
    sh_pages_unmap(index.places, index_bytes);
    if (!ok) sh_heap_paths_fini_with_gil(p);
    return ok;
}

void sh_heap_paths_fini_with_gil(sh_heap_paths *p) {
    sh_heap_paths gone = *p;
    memset(p, 0, sizeof *p);
    for (uint32_t i = 0; i < gone.count; i++) Py_DECREF(gone.objects[i].object);
    for (uint32_t i = 0; i < gone.root_count; i++) {
        Py_XDECREF(gone.roots[i].name);
        Py_XDECREF(gone.roots[i].code);
        Py_XDECREF(gone.roots[i].module);
    }
    sh_pages_unmap(gone.objects, SH_MAX_PATH_OBJECTS * sizeof *gone.objects);
    free(gone.roots);
    free(gone.hits);
}
