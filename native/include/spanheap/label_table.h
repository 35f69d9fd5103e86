/* Sets of labels: what the application says of the work it does, such as tenant="acme".
 *
 * A set is a chain: a node holds one pair and points to the set without it; SH_LABELS_NONE is the empty set. Sets built from
 * the same pairs in the same order are the same node, so a sample carries a set as 32 bits.
 * Nodes are counted: one reference per holder (a scope of the application, a sample) and one per node built on it.
 *
 * Bounded by nodes, by keys and by the bytes of a value. Values come and go with the work (tenants, jobs), so nodes are used
 * again; keys are few and stay. What does not fit is counted in `overflowed`: a pair whose value finds no place gets the value
 * "<other>", for which some places are held free, and one whose key finds none is left out.
 *
 * Invariant: refs = holders + children; refs > 0 <=> the node is in its bucket.
 * Thread rules: everything needs the GIL. The table stands beside the profile, not in it: scopes outlive sessions. */
#ifndef SPANHEAP_LABEL_TABLE_H
#define SPANHEAP_LABEL_TABLE_H

#include "spanheap/platform.h"

enum {
    SH_LABELS_NONE = 0,
    SH_LABEL_KEYS = 64,         /* in a process */
    SH_LABEL_KEY_BYTES = 40,
    SH_LABEL_VALUE_BYTES = 64,  /* a UUID has 36, a host name rarely more */
};

typedef struct { uint8_t length; char data[SH_LABEL_VALUE_BYTES]; } sh_label_value;

typedef struct {
    uint32_t parent;            /* the set without this pair */
    uint32_t key;
    uint32_t refs;
    uint32_t next;              /* in its bucket, or in the free list */
    sh_label_value value;
} sh_label;

typedef struct { uint8_t length; char data[SH_LABEL_KEY_BYTES]; } sh_label_key;

typedef struct {
    sh_label *labels;           /* [0] is no node */
    uint32_t *buckets;
    sh_label_key keys[SH_LABEL_KEYS];
    uint32_t key_count, capacity, reserved, high, first_free, in_use;
    unsigned bucket_bits;
    uint64_t overflowed;
} sh_label_table;

/* Room for `capacity` sets, a sixteenth of them for "<other>". */
bool sh_label_table_init(sh_label_table *t, uint32_t capacity);
void sh_label_table_fini(sh_label_table *t);

/* The key's number, or -1 (counted) when it is longer than SH_LABEL_KEY_BYTES or all places are taken. */
int sh_label_table_key(sh_label_table *t, const char *data, size_t length);
/* The set `parent` with this pair; the caller gets a reference. At most SH_LABEL_VALUE_BYTES of the value are kept. */
uint32_t sh_label_table_add(sh_label_table *t, uint32_t parent, uint32_t key, const char *value, size_t length);

static inline void sh_label_table_retain(sh_label_table *t, uint32_t set) {
    if (set) t->labels[set].refs++;
}
void sh_label_table_release(sh_label_table *t, uint32_t set);

size_t sh_label_table_memory(const sh_label_table *t);
bool sh_label_table_valid(const sh_label_table *t);

#endif
