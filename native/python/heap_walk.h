/* Who refers to what: a breadth-first walk over the objects of this interpreter, from named roots to the blocks looked for.
 *
 *      roots ──arrive──► node (object, parent) ──traverse──► edges ──arrive──► …
 *
 * Every object met becomes a node once, with the node it was first met from: so parents lead back to a root, by a shortest path from the
 * roots of the group that was walked first (heap_roots.h has their order). Objects that cannot refer to others become nodes only when
 * they are looked for: most of a heap is those.
 *
 * The walk never runs Python code, allocates from a Python domain, or changes a reference count: it calls tp_traverse, which the
 * collector calls at any allocation, and only for objects that the collector tracks (and tuples and dicts, which it stops tracking
 * when there is nothing to find in them). It holds the GIL throughout and ends early when its deadline has come, when its memory
 * is used up, or when all that it looks for is found; `complete` says which.
 *
 * Invariant (sh_heap_walk_valid): every parent is a root, "excluded", "unreached", or a node met before (of the objects reached from
 * roots: only those found without a root are in another order); the index finds every node; hits <= blocks looked for.
 * Memory: 12 bytes a node and 8 to 16 for the index, from pages of its own; at most SH_MAX_NODES nodes, 40 MiB. */
#ifndef SPANHEAP_HEAP_WALK_H
#define SPANHEAP_HEAP_WALK_H

#include "heap_frames.h"
#include "heap_names.h"
#include "heap_parts.h"
#include "heap_search.h"

#define SH_PARENT_UNREACHED UINT32_C(0xffffffff)
#define SH_PARENT_EXCLUDED UINT32_C(0xfffffffe)   /* not walked into, not named: the profiler's own */

enum {
    SH_MAX_ROOTS = 1 << 16,
    SH_EDGE_DELAY = 32,       /* edges under way, so that their cache lines are there when they arrive */
};

typedef struct {
    sh_root_kind kind;
    const char *what;          /* of SH_ROOT_INTERPRETER and SH_ROOT_THREAD */
    uint64_t thread;           /* threading.get_ident() of SH_ROOT_CONTEXT to SH_ROOT_CALLER */
    sh_python_frame *frame;    /* of SH_ROOT_FRAME and SH_ROOT_CALLER; valid while the GIL is held */
    PyObject *name;            /* of SH_ROOT_MODULE: its key in sys.modules, borrowed */
} sh_heap_root;

typedef struct { PyObject *object; uint32_t parent; } sh_heap_edge;

typedef struct {
    sh_heap_search_options options;
    sh_block_set blocks;
    PyObject **objects;
    uint32_t *parents;
    uint32_t count, next;              /* nodes; the first that has not been traversed */
    uint32_t *index;                   /* node + 1, 0 = empty */
    unsigned index_bits;
    uint32_t first_walked;             /* nodes before it are excluded */
    sh_heap_root *roots;
    uint32_t root_count;
    uint32_t *hits;                    /* nodes that are, or own, a block looked for; one for each block */
    uint32_t hit_count;
    uint32_t current;                  /* the node that is being traversed */
    sh_heap_edge delayed[SH_EDGE_DELAY];
    uint32_t delayed_in, delayed_out;
    uint32_t leaves;                   /* nodes that cannot refer to others */
    uint64_t edges, traversed;
    int64_t deadline_ns, pause_ns;
    size_t peak_bytes;
    bool stopped;                      /* budget or memory used up */
    bool complete;                     /* everything was walked, or everything found */
    sh_python_frame *own_frames[64];   /* of this thread: the profiler's and its caller's */
    uint32_t own_frame_count;
} sh_heap_walk;

/* False: no memory. */
bool sh_heap_walk_init(sh_heap_walk *w, const sh_heap_search_options *options);
void sh_heap_walk_fini(sh_heap_walk *w);
/* Roots in their order, then what none of them leads to. Nothing of the walk may be looked at once the GIL was given up, except
 * what sh_heap_paths_take_with_gil took. */
void sh_heap_walk_run_with_gil(sh_heap_walk *w);
bool sh_heap_walk_valid(const sh_heap_walk *w);

/* For the files that make up the walk. */
static inline void sh_heap_prefetch(PyObject *o) {
    __builtin_prefetch(o);
    __builtin_prefetch((char *)o - sizeof(PyGC_Head));   /* often in the line before */
}
void sh_heap_walk_prefetch_slot(const sh_heap_walk *w, PyObject *o);
bool sh_heap_walk_is_over(const sh_heap_walk *w);
/* The root's number | SH_PARENT_ROOT, to be used as parent; the walk stops when there are too many. */
uint32_t sh_heap_walk_add_root(sh_heap_walk *w, const sh_heap_root *root);
/* An object is met from this parent. NULL is passed over. */
void sh_heap_walk_arrive(sh_heap_walk *w, PyObject *o, uint32_t parent);
/* Walks from what has arrived until nothing is left. */
void sh_heap_walk_drain(sh_heap_walk *w);
/* The node of an object, or UINT32_MAX. */
uint32_t sh_heap_walk_find(const sh_heap_walk *w, PyObject *o);
/* A new node for an object that has none; false: memory is used up, the walk stops. */
bool sh_heap_walk_add(sh_heap_walk *w, PyObject *o, uint32_t parent);
/* Enters the hits of this node: its own block, and its parts. */
void sh_heap_walk_check(sh_heap_walk *w, uint32_t node);
/* An object that cannot refer to others is met from the node `parent`: it becomes a node if it is looked for. */
void sh_heap_walk_arrive_leaf(sh_heap_walk *w, PyObject *o, uint32_t parent);
/* The keys of a dict that tp_traverse does not show. Other objects are passed over. */
void sh_heap_walk_look_at_keys(sh_heap_walk *w, PyObject *dict);
/* Takes the memory in use, and this much more, into account. */
void sh_heap_walk_note_memory(sh_heap_walk *w, size_t more);
/* Whether tp_traverse of this object may be called and can find something. */
bool sh_heap_can_refer(PyObject *o);
bool sh_heap_walk_budget_is_used(sh_heap_walk *w);

#endif
