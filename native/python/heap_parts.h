/* Which blocks an object is made of, and a set of blocks that are looked for.
 *
 * A sampled block is known by its address. Most are objects: then the block begins at the object, or at what stands in
 * front of it (the collector's header, the pointers to instance dict and weak references). The others are owned by exactly one object,
 * which keeps the pointer in a field that is read here: a list's items, a dict's table or values, a set's table, an instance's values,
 * a deque's blocks, a bytearray's bytes, a str's UTF-8, and the buffer of those types that sh_heap_set_buffer_type_with_gil was told of.
 *
 * Invariant of a set (sh_block_set_valid): found <= count, and each address is found by sh_block_set_find.
 * Thread rules: the GIL. Nothing here allocates, except sh_block_set_init (pages, never Python's domains). */
#ifndef SPANHEAP_HEAP_PARTS_H
#define SPANHEAP_HEAP_PARTS_H

#include "python_compat.h"
#include "internal/pycore_gc.h"
#include "heap_search.h"
#include "spanheap/platform.h"

enum {
    SH_BLOCK_FILTER_BITS = 16,     /* 8 KiB: stays in the first-level cache, and is an eighth full at the most */
};

typedef struct {
    const void **addresses;        /* open addressing, NULL = empty */
    bool *seen;                    /* beside each address: it has been found */
    uint32_t count, found;
    unsigned bits;
    size_t bytes;
    uint64_t filter[(1u << SH_BLOCK_FILTER_BITS) / 64];
} sh_block_set;

/* False: no memory. More than SH_MAX_BLOCKS are not taken: the caller chooses. */
bool sh_block_set_init(sh_block_set *s, const void *const *addresses, uint32_t n);
void sh_block_set_fini(sh_block_set *s);
bool sh_block_set_valid(const sh_block_set *s);

static inline bool sh_block_set_maybe(const sh_block_set *s, const void *p) {
    uint64_t bit = sh_hash_address(p) >> (64 - SH_BLOCK_FILTER_BITS);
    return (s->filter[bit / 64] >> (bit % 64)) & 1;
}
/* The slot of this address, or -1. */
int64_t sh_block_set_find(const sh_block_set *s, const void *p);
/* Marks it found; true if it had not been before. */
bool sh_block_set_take(sh_block_set *s, const void *p);

/* Where the block of this object begins. */
static inline const void *sh_block_of(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    size_t before = PyType_IS_GC(type) ? sizeof(PyGC_Head) : 0;
#if PY_VERSION_HEX >= 0x030C0000
    if (type->tp_flags & Py_TPFLAGS_PREHEADER) before += 2 * sizeof(PyObject *);
#elif PY_VERSION_HEX >= 0x030B0000
    if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) before += 2 * sizeof(PyObject *);
#endif
    return (const char *)o - before;
}

/* Calls take for each further block that belongs to this object alone. */
typedef void (*sh_take_block)(const void *block, void *arg);
void sh_parts_visit(PyObject *o, sh_take_block take, void *arg);

/* It may own such a block, though the collector does not know it. */
bool sh_has_parts_as_leaf(PyObject *o);

/* collections.deque, or a class derived from it directly. */
bool sh_is_deque(PyObject *o);

#endif
