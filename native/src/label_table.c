#include "spanheap/label_table.h"

#include <string.h>

static const char OTHER[] = "<other>";

bool sh_label_table_init(sh_label_table *t, uint32_t capacity) {
    memset(t, 0, sizeof *t);
    t->capacity = capacity;
    t->reserved = capacity / 16;
    t->bucket_bits = sh_log2_ceil(capacity);
    t->labels = sh_pages_map((capacity + 1) * sizeof *t->labels);
    t->buckets = sh_pages_map(sizeof *t->buckets << t->bucket_bits);
    if (!t->labels || !t->buckets) {
        sh_label_table_fini(t);
        return false;
    }
    t->high = 1;
    return true;
}

void sh_label_table_fini(sh_label_table *t) {
    if (t->labels) sh_pages_unmap(t->labels, (t->capacity + 1) * sizeof *t->labels);
    if (t->buckets) sh_pages_unmap(t->buckets, sizeof *t->buckets << t->bucket_bits);
    memset(t, 0, sizeof *t);
}

int sh_label_table_key(sh_label_table *t, const char *data, size_t length) {
    for (uint32_t key = 0; key < t->key_count; key++)
        if (t->keys[key].length == length && memcmp(t->keys[key].data, data, length) == 0) return (int)key;
    if (length > SH_LABEL_KEY_BYTES || t->key_count == SH_LABEL_KEYS) {
        t->overflowed++;
        return -1;
    }
    t->keys[t->key_count].length = (uint8_t)length;
    memcpy(t->keys[t->key_count].data, data, length);
    return (int)t->key_count++;
}

/* ------------------------------------------------------------------ nodes */

static uint32_t *bucket_of(const sh_label_table *t, uint32_t parent, uint32_t key, const char *value, size_t length) {
    uint64_t h = sh_hash_mix(parent, key);
    for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, value + i, length - i < sizeof word ? length - i : sizeof word);
        h = sh_hash_mix(h, word);
    }
    return &t->buckets[sh_hash_u64(h) >> (64 - t->bucket_bits)];
}

static uint32_t take_node(sh_label_table *t) {
    uint32_t set = t->first_free;
    if (set) t->first_free = t->labels[set].next;
    else if (t->high <= t->capacity) set = t->high++;
    return set;
}

static uint32_t find_or_make(sh_label_table *t, uint32_t parent, uint32_t key, const char *value, size_t length,
                             uint32_t reserved) {
    uint32_t *bucket = bucket_of(t, parent, key, value, length);
    for (uint32_t set = *bucket; set; set = t->labels[set].next) {
        sh_label *l = &t->labels[set];
        if (l->parent == parent && l->key == key && l->value.length == length && memcmp(l->value.data, value, length) == 0) {
            l->refs++;
            return set;
        }
    }
    uint32_t set = t->in_use + reserved < t->capacity ? take_node(t) : SH_LABELS_NONE;
    if (!set) return SH_LABELS_NONE;
    t->labels[set] = (sh_label){ .parent = parent, .key = key, .refs = 1, .next = *bucket, .value.length = (uint8_t)length };
    memcpy(t->labels[set].value.data, value, length);
    *bucket = set;
    t->in_use++;
    sh_label_table_retain(t, parent);
    return set;
}

uint32_t sh_label_table_add(sh_label_table *t, uint32_t parent, uint32_t key, const char *value, size_t length) {
    if (length > SH_LABEL_VALUE_BYTES) length = SH_LABEL_VALUE_BYTES;
    uint32_t set = find_or_make(t, parent, key, value, length, t->reserved);
    if (set) return set;
    t->overflowed++;
    set = find_or_make(t, parent, key, OTHER, sizeof OTHER - 1, 0);
    if (set) return set;
    sh_label_table_retain(t, parent);   /* not even that: the set as it was */
    return parent;
}

static void unlink_node(sh_label_table *t, uint32_t set) {
    sh_label *l = &t->labels[set];
    uint32_t *link = bucket_of(t, l->parent, l->key, l->value.data, l->value.length);
    while (*link != set) link = &t->labels[*link].next;
    *link = l->next;
}

void sh_label_table_release(sh_label_table *t, uint32_t set) {
    while (set && --t->labels[set].refs == 0) {
        uint32_t parent = t->labels[set].parent;
        unlink_node(t, set);
        t->labels[set].next = t->first_free;
        t->first_free = set;
        t->in_use--;
        set = parent;   /* the child was what kept it */
    }
}

/* ------------------------------------------------------------------ checks */

size_t sh_label_table_memory(const sh_label_table *t) {
    return t->labels ? t->high * sizeof *t->labels + (sizeof *t->buckets << t->bucket_bits) : 0;
}

bool sh_label_table_valid(const sh_label_table *t) {
    uint32_t linked = 0, free_nodes = 0;
    if (!t->labels) return true;
    for (size_t i = 0; i < (size_t)1 << t->bucket_bits; i++)
        for (uint32_t set = t->buckets[i]; set; set = t->labels[set].next, linked++) {
            const sh_label *l = &t->labels[set];
            if (!l->refs || l->key >= t->key_count || (l->parent && !t->labels[l->parent].refs)) return false;
            if (bucket_of(t, l->parent, l->key, l->value.data, l->value.length) != &t->buckets[i]) return false;
        }
    for (uint32_t set = t->first_free; set; set = t->labels[set].next) free_nodes++;
    return linked == t->in_use && linked + free_nodes + 1 == t->high;
}
