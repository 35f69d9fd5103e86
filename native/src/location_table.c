#include "spanheap/location_table.h"

#include <string.h>

#include "spanheap/string_table.h"

bool sh_location_table_init(sh_location_table *t, uint32_t capacity) {
    memset(t, 0, sizeof *t);
    t->capacity = capacity;
    t->index_bits = sh_log2_ceil((size_t)capacity * 2);
    t->locations = sh_pages_map(capacity * sizeof *t->locations);
    t->index = sh_pages_map(sizeof *t->index << t->index_bits);
    if (!t->locations || !t->index) {
        sh_location_table_fini(t);
        return false;
    }
    t->locations[SH_LOCATION_OTHER] = (sh_location){ SH_STRING_OTHER, SH_STRING_EMPTY, 0, 0 };
    t->count = SH_LOCATION_OTHER + 1;
    return true;
}

void sh_location_table_fini(sh_location_table *t) {
    sh_pages_unmap(t->locations, t->capacity * sizeof *t->locations);
    sh_pages_unmap(t->index, sizeof *t->index << t->index_bits);
    memset(t, 0, sizeof *t);
}

uint32_t sh_location_table_intern(sh_location_table *t, sh_location l) {
    uint64_t hash = sh_hash_mix((uint64_t)l.function << 32 | l.filename, (uint64_t)l.line << 32 | l.first_line);
    size_t mask = ((size_t)1 << t->index_bits) - 1;
    size_t i = sh_hash_u64(hash) >> (64 - t->index_bits);
    for (; t->index[i]; i = (i + 1) & mask)
        if (memcmp(&t->locations[t->index[i]], &l, sizeof l) == 0) return t->index[i];
    if (t->count == t->capacity) {
        t->overflowed++;
        return SH_LOCATION_OTHER;
    }
    t->locations[t->count] = l;
    return t->index[i] = t->count++;
}

size_t sh_location_table_memory(const sh_location_table *t) {
    return t->count * sizeof *t->locations + (sizeof *t->index << t->index_bits);
}
