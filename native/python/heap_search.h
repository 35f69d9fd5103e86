/* Who keeps blocks alive: what a search takes and gives, for those who know nothing of the interpreter's insides.
 *
 * heap_walk.h has how it is done. Thread rules: the GIL. */
#ifndef SPANHEAP_HEAP_SEARCH_H
#define SPANHEAP_HEAP_SEARCH_H

#include "python_compat.h"
#include <stdbool.h>

#define SH_PARENT_ROOT UINT32_C(0x80000000)       /* | number of the root */

enum {
    SH_MAX_NODES = 1 << 21,        /* objects visited by a walk: 40 MiB */
    SH_MAX_BLOCKS = 8192,          /* looked for at once: as many as a session has live samples by default */
};

typedef enum {
    SH_ROOT_MODULE,
    SH_ROOT_INTERPRETER,      /* codecs, fork handlers, the interpreter's dict */
    SH_ROOT_TASK,             /* an asyncio task that is not done */
    SH_ROOT_CONTEXT,          /* the current context of a thread */
    SH_ROOT_EXCEPTION,        /* an exception that a thread is handling */
    SH_ROOT_THREAD,           /* a thread's dict, and the rest of its state */
    SH_ROOT_FRAME,            /* a variable of a running function */
    SH_ROOT_CALLER,           /* likewise, of the one that asked */
    SH_ROOT_C,                /* more references than objects were found to have */
    SH_ROOT_GARBAGE,          /* no references but from each other: waits for the collector */
} sh_root_kind;

typedef struct {
    const void *const *blocks; uint32_t block_count;   /* looked for */
    bool everything;                   /* the walk does not end when all blocks are found */
    bool parts;                        /* blocks that are no objects are looked for as well, and str that are keys */
    PyObject *const *excluded; uint32_t excluded_count;   /* tuples that hold what is looked for, of the search */
    PyObject *const *borrowed; uint32_t borrowed_count;   /* lists, tuples, sets: likewise, of the caller;
                                        * not named, if nobody else holds them */
    PyObject *own_folder;              /* str: frames of code below it are the profiler's own */
    int64_t budget_ns;
    uint64_t max_nodes;                /* fewer than SH_MAX_NODES, for tests; 0: that */
} sh_heap_search_options;

typedef struct { PyObject *object; uint32_t parent, skipped; } sh_path_object;   /* parent: place, or SH_PARENT_ROOT | place in roots */

typedef struct {
    sh_root_kind kind;
    const char *what;
    uint64_t thread;
    PyObject *name, *code, *module;   /* references; of a frame: the variable's name, its code and its module's name. May be NULL */
} sh_path_root;

typedef struct {
    sh_path_object *objects; uint32_t count;
    sh_path_root *roots; uint32_t root_count, root_capacity;
    uint32_t *hits; uint32_t hit_count;      /* places */
    uint32_t without_path;
} sh_heap_paths;

typedef struct {
    int64_t pause_ns;              /* the GIL was held for the walk */
    uint32_t visited, wanted, found;
    size_t peak_bytes;
    bool complete;                 /* everything was walked, or everything found */
    bool valid;                    /* the invariants hold; looked at when max_nodes is given, for tests */
} sh_heap_search_figures;

/* Walks, and takes the paths to what was found. False: no memory. */
bool sh_heap_search_with_gil(const sh_heap_search_options *options, sh_heap_paths *paths, sh_heap_search_figures *figures);
/* Gives the references back, which may run Python code. */
void sh_heap_paths_fini_with_gil(sh_heap_paths *p);

/* Where the block of an object begins. */
const void *sh_heap_block_with_gil(PyObject *o);
/* collections.deque, whose blocks are to be known: the type is not exported. */
void sh_heap_set_deque_with_gil(PyObject *type);

/* Objects of this type, or of one derived from it directly, have one more block: its address lies `block` bytes into the object. base: where
 * a pointer to an object of such a type lies, whose block this one uses (an array's view); 0: nowhere. Told twice counts once. */
void sh_heap_set_buffer_type_with_gil(PyObject *type, Py_ssize_t block, Py_ssize_t base);

/* Of the frame of a generator, coroutine, asynchronous generator or frame object; borrowed, may be NULL. */
typedef struct { PyObject *code, *module, *name; } sh_heap_frame_facts;
/* `name` is the variable that is this value. False: it has no frame, or it has ended. */
bool sh_heap_frame_facts_with_gil(PyObject *o, PyObject *value, sh_heap_frame_facts *facts);

#endif
