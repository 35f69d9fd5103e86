#include "spanheap/string_table.h"

#include <string.h>

static uint64_t hash_bytes(const char *data, size_t length) {
    uint64_t h = length;
    for (; length >= 8; data += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        h = sh_hash_mix(h, word);
    }
    uint64_t tail = 0;
    memcpy(&tail, data, length);
    return sh_hash_u64(sh_hash_mix(h, tail));
}

bool sh_string_table_init(sh_string_table *t, uint32_t capacity, uint32_t max_bytes) {
    memset(t, 0, sizeof *t);
    t->capacity = t->open_capacity = capacity;
    t->max_bytes = t->open_bytes = max_bytes;
    t->index_bits = sh_log2_ceil((size_t)capacity * 2);
    t->bytes = sh_pages_map(max_bytes);
    t->offset = sh_pages_map((capacity + 1) * sizeof *t->offset);
    t->index = sh_pages_map(sizeof *t->index << t->index_bits);
    if (!t->bytes || !t->offset || !t->index) {
        sh_string_table_fini(t);
        return false;
    }
    sh_string_table_intern(t, "", 0);
    sh_string_table_intern(t, "<other>", 7);
    return true;
}

void sh_string_table_fini(sh_string_table *t) {
    sh_pages_unmap(t->bytes, t->max_bytes);
    sh_pages_unmap(t->offset, (t->capacity + 1) * sizeof *t->offset);
    sh_pages_unmap(t->index, sizeof *t->index << t->index_bits);
    memset(t, 0, sizeof *t);
}

void sh_string_table_reserve(sh_string_table *t) {
    t->open_capacity = t->capacity - t->capacity / 4;
    t->open_bytes = t->max_bytes - t->max_bytes / 4;
}

sh_string sh_string_table_get(const sh_string_table *t, uint32_t id) {
    if (id >= t->count) id = SH_STRING_OTHER;
    return (sh_string){ t->bytes + t->offset[id], t->offset[id + 1] - t->offset[id] };
}

static uint32_t intern_within(sh_string_table *t, const char *data, size_t length, uint32_t capacity, uint32_t max_bytes) {
    if (length > SH_STRING_MAX_BYTES) {
        length = SH_STRING_MAX_BYTES;
        while (length && ((unsigned char)data[length] & 0xC0) == 0x80) length--;
    }
    size_t mask = ((size_t)1 << t->index_bits) - 1;
    size_t i = hash_bytes(data, length) >> (64 - t->index_bits);
    for (; t->index[i]; i = (i + 1) & mask) {
        sh_string s = sh_string_table_get(t, t->index[i] - 1);
        if (s.length == length && memcmp(s.data, data, length) == 0) return t->index[i] - 1;
    }
    uint32_t start = t->offset[t->count];
    if (t->count >= capacity || start + length > max_bytes) {
        t->overflowed++;
        return SH_STRING_OTHER;
    }
    memcpy(t->bytes + start, data, length);
    t->offset[t->count + 1] = start + (uint32_t)length;
    if (t->log) sh_name_log_add(t->log, t->count, start, data, (uint32_t)length);   /* before anyone knows the id */
    t->index[i] = ++t->count;
    return t->count - 1;
}

uint32_t sh_string_table_intern(sh_string_table *t, const char *data, size_t length) {
    return intern_within(t, data, length, t->capacity, t->max_bytes);
}

uint32_t sh_string_table_intern_open(sh_string_table *t, const char *data, size_t length) {
    return intern_within(t, data, length, t->open_capacity, t->open_bytes);
}

void sh_string_table_set_log(sh_string_table *t, sh_name_log *log) {
    t->log = log;
    for (uint32_t id = 0; log && id < t->count; id++) {
        sh_string s = sh_string_table_get(t, id);
        sh_name_log_add(log, id, t->offset[id], s.data, s.length);
    }
}

size_t sh_string_table_memory(const sh_string_table *t) {
    return t->offset[t->count] + t->count * sizeof *t->offset + (sizeof *t->index << t->index_bits);
}

bool sh_string_table_valid(const sh_string_table *t) {
    if (t->count > t->capacity || t->offset[0] != 0 || t->offset[t->count] > t->max_bytes) return false;
    for (uint32_t id = 0; id < t->count; id++)
        if (t->offset[id] > t->offset[id + 1]) return false;
    uint32_t indexed = 0;
    for (size_t i = 0; i < (size_t)1 << t->index_bits; i++)
        if (t->index[i]) {
            if (t->index[i] > t->count) return false;
            indexed++;
        }
    return indexed == t->count;
}
