/* The two indexes of a span table: the slot of the span at an address, and that of the span with an id. Private to the table.
 *
 * Open addressing without tombstones: what is removed lets the entries behind it move up. The keys are in the spans, hence the
 * table as an argument.
 *
 * Invariant: at most half full; an entry's hash is that of its slot's key; from an entry's home to its place nothing is empty.
 * Memory: mapped whole at init, used from one page on. Nothing is allocated later: sh_span_table_meet_in_hook enters, too.
 * Thread rules: those of the table, the GIL. */
#ifndef SPANHEAP_SPAN_INDEX_H
#define SPANHEAP_SPAN_INDEX_H

#include "spanheap/span_table.h"

typedef enum { SH_BY_ADDRESS, SH_BY_ID } sh_span_key;

/* Called directly, not by way of the PLT: every start and every end of a span runs through these. */
#pragma GCC visibility push(hidden)

bool sh_span_index_init(sh_span_index *index, uint32_t capacity);
void sh_span_index_fini(sh_span_index *index);
void sh_span_index_clear(sh_span_index *index);

/* Enters the slot under its key. The span that had the key keeps its slot, which is returned, but is no longer found by it. */
uint32_t sh_span_index_enter(sh_span_table *t, sh_span_key kind, uint32_t slot);
/* Nothing if the key was taken over by a later span. */
void sh_span_index_remove(sh_span_table *t, sh_span_key kind, uint32_t slot);

#pragma GCC visibility pop

static inline size_t sh_span_index_size(const sh_span_index *index) { return (size_t)1 << index->bits; }

static inline uint64_t sh_span_address_key(const void *object) { return (uint64_t)(uintptr_t)object >> 4; }

static inline uint64_t sh_span_key_of(const sh_span *s, sh_span_key kind) {
    return kind == SH_BY_ADDRESS ? sh_span_address_key(s->object) : s->span_id;
}

static inline uint32_t sh_span_index_hash(uint64_t key) { return (uint32_t)(sh_hash_u64(key) >> 32); }

static inline size_t sh_span_index_home(const sh_span_index *index, uint32_t hash) { return hash >> (32 - index->bits); }

static inline void sh_span_index_prefetch(const sh_span_index *index, uint64_t key) {
    SH_PREFETCH(&index->entries[sh_span_index_home(index, sh_span_index_hash(key))]);
}

/* Where the key is, or else goes. */
static inline size_t sh_span_index_find(const sh_span_table *t, sh_span_key kind, uint64_t key) {
    const sh_span_index *index = kind == SH_BY_ADDRESS ? &t->by_address : &t->by_id;
    uint32_t hash = sh_span_index_hash(key);
    size_t mask = sh_span_index_size(index) - 1, i = sh_span_index_home(index, hash);
    for (; index->entries[i].slot; i = (i + 1) & mask)
        if (index->entries[i].hash == hash && sh_span_key_of(&t->spans[index->entries[i].slot], kind) == key) break;
    return i;
}

/* SH_SPAN_NONE: there is none. */
static inline uint32_t sh_span_index_get(const sh_span_table *t, sh_span_key kind, uint64_t key) {
    return (kind == SH_BY_ADDRESS ? &t->by_address : &t->by_id)->entries[sh_span_index_find(t, kind, key)].slot;
}

#endif
