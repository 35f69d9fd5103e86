#include "heap_parts.h"

#include "heap_names.h"

bool sh_block_set_init(sh_block_set *s, const void *const *addresses, uint32_t n) {
    memset(s, 0, sizeof *s);
    if (n > SH_MAX_BLOCKS) n = SH_MAX_BLOCKS;
    s->bits = sh_log2_ceil((size_t)n * 2 + 2);
    size_t slots = (size_t)1 << s->bits;
    s->bytes = slots * (sizeof *s->addresses + sizeof *s->seen);
    s->addresses = sh_pages_map(s->bytes);
    if (!s->addresses) return false;
    s->seen = (bool *)(s->addresses + slots);
    for (uint32_t i = 0; i < n; i++) {
        const void *p = addresses[i];
        if (!p || sh_block_set_find(s, p) >= 0) continue;
        uint64_t hash = sh_hash_address(p);
        size_t slot = hash >> (64 - s->bits);
        while (s->addresses[slot]) slot = (slot + 1) & (slots - 1);
        s->addresses[slot] = p;
        uint64_t bit = hash >> (64 - SH_BLOCK_FILTER_BITS);
        s->filter[bit / 64] |= UINT64_C(1) << (bit % 64);
        s->count++;
    }
    return true;
}

void sh_block_set_fini(sh_block_set *s) {
    sh_pages_unmap(s->addresses, s->bytes);
    memset(s, 0, sizeof *s);
}

int64_t sh_block_set_find(const sh_block_set *s, const void *p) {
    size_t mask = ((size_t)1 << s->bits) - 1;
    for (size_t slot = sh_hash_address(p) >> (64 - s->bits); s->addresses[slot]; slot = (slot + 1) & mask)
        if (s->addresses[slot] == p) return (int64_t)slot;
    return -1;
}

bool sh_block_set_take(sh_block_set *s, const void *p) {
    int64_t slot = sh_block_set_find(s, p);
    if (slot < 0 || s->seen[slot]) return false;
    s->seen[slot] = true;
    s->found++;
    return true;
}

bool sh_block_set_valid(const sh_block_set *s) {
    uint32_t count = 0, found = 0;
    for (size_t slot = 0; slot < (size_t)1 << s->bits; slot++) {
        if (!s->addresses[slot]) continue;
        if (!sh_block_set_maybe(s, s->addresses[slot]) || sh_block_set_find(s, s->addresses[slot]) < 0) return false;
        count++;
        found += s->seen[slot];
    }
    return count == s->count && found == s->found && found <= count;
}

/* ------------------------------------------------------------------ parts */

/* The blocks of a deque are a chain from the left to the right; the struct is private to _collectionsmodule.c and has been the same
 * since 3.4. */
enum { DEQUE_BLOCK_ITEMS = 64, MAX_DEQUE_BLOCKS = 1 << 16 };
typedef struct deque_block {
    struct deque_block *left;
    PyObject *items[DEQUE_BLOCK_ITEMS];
    struct deque_block *right;
} deque_block;
typedef struct { PyObject_VAR_HEAD deque_block *leftmost, *rightmost; } deque_object;

static PyTypeObject *deque_type;

void sh_heap_set_deque_with_gil(PyObject *type) {
    Py_INCREF(type);   /* for good: there is one */
    deque_type = (PyTypeObject *)type;
}

bool sh_is_deque(PyObject *o) { return deque_type && (Py_TYPE(o) == deque_type || Py_TYPE(o)->tp_base == deque_type); }

/* ------------------------------------------------------------------ buffers */

enum { MAX_BUFFER_TYPES = 8, MAX_BASES = 8 };
typedef struct { PyTypeObject *type; Py_ssize_t block, base; } buffer_type;
static buffer_type buffer_types[MAX_BUFFER_TYPES];
static unsigned buffer_type_count;

void sh_heap_set_buffer_type_with_gil(PyObject *type, Py_ssize_t block, Py_ssize_t base) {
    for (unsigned i = 0; i < buffer_type_count; i++)
        if ((PyObject *)buffer_types[i].type == type) return;
    if (buffer_type_count == MAX_BUFFER_TYPES || ((PyTypeObject *)type)->tp_basicsize < block + (Py_ssize_t)sizeof(void *)) return;
    Py_INCREF(type);   /* for good: there are few */
    buffer_types[buffer_type_count++] = (buffer_type){ (PyTypeObject *)type, block, base };
}

static const buffer_type *buffer_type_of(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    for (unsigned i = 0; i < buffer_type_count; i++)
        if (type == buffer_types[i].type || type->tp_base == buffer_types[i].type) return &buffer_types[i];
    return NULL;
}

bool sh_has_parts_as_leaf(PyObject *o) { return PyUnicode_Check(o) || PyByteArray_Check(o) || buffer_type_of(o); }

/* A view keeps alive what it is a view of, and the collector does not know. */
static void visit_buffers(PyObject *o, const buffer_type *type, sh_take_block take, void *arg) {
    for (int depth = 0; depth < MAX_BASES && o && buffer_type_of(o) == type; depth++) {
        const void *block = *(void *const *)((char *)o + type->block);
        if (block) take(block, arg);
        o = type->base ? *(PyObject **)((char *)o + type->base) : NULL;
    }
}

void sh_parts_visit(PyObject *o, sh_take_block take, void *arg) {
    PyTypeObject *type = Py_TYPE(o);
    unsigned long flags = type->tp_flags;
    if (flags & Py_TPFLAGS_LIST_SUBCLASS) {
        take(((PyListObject *)o)->ob_item, arg);
    } else if (flags & Py_TPFLAGS_DICT_SUBCLASS) {
        PyDictObject *d = (PyDictObject *)o;
        if (d->ma_values) take(sh_values_block(d->ma_values), arg);
        else take(d->ma_keys, arg);   /* a shared table belongs to the class */
    } else if (PyAnySet_Check(o)) {
        PySetObject *s = (PySetObject *)o;
        if (s->table != s->smalltable) take(s->table, arg);
    } else if (PyByteArray_Check(o)) {
        take(((PyByteArrayObject *)o)->ob_bytes, arg);
    } else if (flags & Py_TPFLAGS_UNICODE_SUBCLASS) {
        if (PyUnicode_IS_READY(o) && !PyUnicode_IS_COMPACT_ASCII(o)) take(((PyCompactUnicodeObject *)o)->utf8, arg);
    } else if (sh_is_deque(o)) {
        deque_block *last = ((deque_object *)o)->rightmost;
        uint32_t n = 0;
        for (deque_block *b = ((deque_object *)o)->leftmost; b; b = b == last || ++n > MAX_DEQUE_BLOCKS ? NULL : b->right)
            take(b, arg);
    } else {
        const buffer_type *buffer = buffer_type_of(o);
        if (buffer) visit_buffers(o, buffer, take, arg);
    }
    const void *values = sh_separate_values(o);
    if (values) take(values, arg);
}

const void *sh_heap_block_with_gil(PyObject *o) { return sh_block_of(o); }
