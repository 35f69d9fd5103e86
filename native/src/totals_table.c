#include "spanheap/totals_table.h"

#include <math.h>
#include <string.h>

#include "spanheap/stack_table.h"
#include "spanheap/string_table.h"

static size_t size_of(const sh_totals_table *t) { return (size_t)1 << t->bits; }

bool sh_totals_table_init(sh_totals_table *t, unsigned bits) {
    memset(t, 0, sizeof *t);
    t->bits = bits;
    t->rows = sh_pages_map((size_of(t) + 1) * sizeof *t->rows);
    return t->rows != NULL;
}

void sh_totals_table_fini(sh_totals_table *t) {
    sh_pages_unmap(t->rows, (size_of(t) + 1) * sizeof *t->rows);
    memset(t, 0, sizeof *t);
}

void sh_totals_table_clear(sh_totals_table *t) {
    if (t->count || t->overflowed || t->samples) memset(t->rows, 0, (size_of(t) + 1) * sizeof *t->rows);
    t->count = 0;
    t->overflowed = t->samples = 0;
    t->bytes = t->objects = 0;
}

/* The row of this key, or the empty row where it would go. */
static sh_total *find(const sh_totals_table *t, uint32_t stack, uint32_t name, uint32_t root_name) {
    uint64_t hash = sh_hash_u64(sh_hash_mix((uint64_t)stack << 32 | name, root_name));
    size_t mask = size_of(t) - 1, i = hash >> (64 - t->bits);
    while (t->rows[i].used
           && (t->rows[i].stack != stack || t->rows[i].name != name || t->rows[i].root_name != root_name))
        i = (i + 1) & mask;
    return &t->rows[i];
}

static sh_total *row_for(sh_totals_table *t, uint32_t stack, uint32_t name, uint32_t root_name) {
    sh_total *row = find(t, stack, name, root_name);
    if (row->used) return row;
    if (t->count >= size_of(t) / 4 * 3) {
        t->overflowed++;
        row = &t->rows[size_of(t)];
        stack = SH_STACK_OTHER;
        name = root_name = SH_STRING_OTHER;
    } else {
        t->count++;
    }
    row->stack = stack;
    row->name = name;
    row->root_name = root_name;
    row->used = 1;
    return row;
}

void sh_totals_table_add(sh_totals_table *t, uint32_t stack, uint32_t name, uint32_t root_name, double bytes, double objects) {
    sh_total *row = row_for(t, stack, name, root_name);
    row->samples++;
    row->bytes += bytes;
    row->objects += objects;
    t->samples++;
    t->bytes += bytes;
    t->objects += objects;
}

void sh_totals_table_forget_stacks(sh_totals_table *t, const uint8_t *gone, uint32_t stack_count) {
    size_t bytes = (size_of(t) + 1) * sizeof *t->rows;
    sh_total *old = t->rows, *fresh = sh_pages_map(bytes);
    if (!fresh) return;   /* the ids will be used again: sums stay complete, their sites become wrong; no memory at all is why */
    t->rows = fresh;
    t->count = 0;
    for (size_t i = 0; i <= size_of(t); i++) {
        if (!old[i].used) continue;
        uint32_t stack = old[i].stack;
        if (stack < stack_count && (gone[stack / 8] >> (stack % 8) & 1)) stack = SH_STACK_OTHER;
        sh_total *row = i == size_of(t) ? &t->rows[i] : row_for(t, stack, old[i].name, old[i].root_name);
        if (i == size_of(t) && !row->used) *row = (sh_total){ .stack = stack, .name = SH_STRING_OTHER, .root_name = SH_STRING_OTHER, .used = 1 };
        row->samples += old[i].samples;
        row->bytes += old[i].bytes;
        row->objects += old[i].objects;
    }
    sh_pages_unmap(old, bytes);
}

uint32_t sh_totals_table_count(const sh_totals_table *t) { return t->count + t->rows[size_of(t)].used; }

uint32_t sh_totals_table_copy(const sh_totals_table *t, sh_total *out) {
    uint32_t n = 0;
    if (t->samples == 0) return 0;
    for (size_t i = 0; i <= size_of(t); i++)
        if (t->rows[i].used) out[n++] = t->rows[i];
    return n;
}

bool sh_totals_table_crowded(const sh_totals_table *t) { return t->count > size_of(t) / 2; }

size_t sh_totals_table_memory(const sh_totals_table *t) { return t->count ? (size_of(t) + 1) * sizeof *t->rows : 0; }

bool sh_totals_table_valid(const sh_totals_table *t) {
    uint32_t count = 0;
    uint64_t samples = 0;
    double bytes = 0;
    for (size_t i = 0; i <= size_of(t); i++) {
        const sh_total *row = &t->rows[i];
        if (!row->used) continue;
        if (i < size_of(t) && find(t, row->stack, row->name, row->root_name) != row) return false;
        count += i < size_of(t);
        samples += row->samples;
        bytes += row->bytes;
    }
    return count == t->count && samples == t->samples && fabs(bytes - t->bytes) <= 1e-6 * (1 + fabs(t->bytes));
}
