#include "span_index.h"

enum { FIRST_BITS = 8 };   /* one page */

static size_t mapped_bytes(const sh_span_index *index) {
    return (((size_t)1 << index->max_bits) * 3 / 2) * sizeof *index->entries;
}

static unsigned first_bits(const sh_span_index *index) { return index->max_bits < FIRST_BITS ? index->max_bits : FIRST_BITS; }

bool sh_span_index_init(sh_span_index *index, uint32_t capacity) {
    *index = (sh_span_index){ .max_bits = sh_log2_ceil((size_t)capacity * 2) };
    index->bits = first_bits(index);
    index->entries = sh_pages_map(mapped_bytes(index));
    return index->entries != NULL;
}

void sh_span_index_fini(sh_span_index *index) { sh_pages_unmap(index->entries, mapped_bytes(index)); }

void sh_span_index_clear(sh_span_index *index) {
    if (index->count) sh_pages_zero(index->entries, sh_span_index_size(index) * sizeof *index->entries);
    index->count = 0;
    index->bits = first_bits(index);
}

static sh_span_index *index_of(sh_span_table *t, sh_span_key kind) { return kind == SH_BY_ADDRESS ? &t->by_address : &t->by_id; }

/* Twice the size. Nothing is allocated: this may be inside a hook. */
static SH_COLD void grow(sh_span_index *index) {
    size_t old_size = sh_span_index_size(index);
    sh_span_entry *old = index->entries + 2 * old_size;
    memcpy(old, index->entries, old_size * sizeof *old);
    memset(index->entries, 0, old_size * sizeof *old);
    index->bits++;
    size_t mask = sh_span_index_size(index) - 1;
    for (size_t i = 0; i < old_size; i++) {
        if (!old[i].slot) continue;
        size_t place = sh_span_index_home(index, old[i].hash);
        while (index->entries[place].slot) place = (place + 1) & mask;
        index->entries[place] = old[i];
    }
    memset(old, 0, old_size * sizeof *old);
}

SH_HOT uint32_t sh_span_index_enter(sh_span_table *t, sh_span_key kind, uint32_t slot) {
    sh_span_index *index = index_of(t, kind);
    if (SH_UNLIKELY(index->count * (size_t)2 >= sh_span_index_size(index)) && index->bits < index->max_bits) grow(index);
    uint64_t key = sh_span_key_of(&t->spans[slot], kind);
    size_t position = sh_span_index_find(t, kind, key);
    uint32_t previous = index->entries[position].slot;
    index->entries[position] = (sh_span_entry){ sh_span_index_hash(key), slot };
    index->count += !previous;
    return previous;
}

SH_HOT void sh_span_index_remove(sh_span_table *t, sh_span_key kind, uint32_t slot) {
    sh_span_index *index = index_of(t, kind);
    uint32_t hash = sh_span_index_hash(sh_span_key_of(&t->spans[slot], kind));
    size_t mask = sh_span_index_size(index) - 1, hole = sh_span_index_home(index, hash);
    while (index->entries[hole].slot != slot) {
        if (!index->entries[hole].slot) return;   /* the key was taken over by a later span */
        hole = (hole + 1) & mask;
    }
    for (size_t i = (hole + 1) & mask; index->entries[i].slot; i = (i + 1) & mask) {
        size_t home = sh_span_index_home(index, index->entries[i].hash);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            index->entries[hole] = index->entries[i];
            hole = i;
        }
    }
    index->entries[hole].slot = 0;
    index->count--;
}
