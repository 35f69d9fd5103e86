#include "spanheap/stack_table.h"

#include <stdlib.h>
#include <string.h>

bool sh_stack_table_init(sh_stack_table *t, uint32_t capacity, uint32_t frame_capacity) {
    memset(t, 0, sizeof *t);
    t->capacity = capacity;
    t->frame_capacity = frame_capacity;
    t->index_bits = sh_log2_ceil((size_t)capacity * 2);
    t->stacks = sh_pages_map(capacity * sizeof *t->stacks);
    t->frames = sh_pages_map(frame_capacity * sizeof *t->frames);
    t->index = sh_pages_map(sizeof *t->index << t->index_bits);
    t->unused = sh_pages_map(capacity * sizeof *t->unused);
    if (!t->stacks || !t->frames || !t->index || !t->unused) {
        sh_stack_table_fini(t);
        return false;
    }
    t->high = 1;   /* id 0: the empty stack, not indexed */
    return true;
}

void sh_stack_table_fini(sh_stack_table *t) {
    sh_pages_unmap(t->stacks, t->capacity * sizeof *t->stacks);
    sh_pages_unmap(t->frames, t->frame_capacity * sizeof *t->frames);
    sh_pages_unmap(t->index, sizeof *t->index << t->index_bits);
    sh_pages_unmap(t->unused, t->capacity * sizeof *t->unused);
    memset(t, 0, sizeof *t);
}

static bool same_frames(const sh_frame *a, const sh_frame *b, uint32_t depth) {
    for (uint32_t i = 0; i < depth; i++)
        if (a[i].code != b[i].code || a[i].offset != b[i].offset) return false;
    return true;
}

uint32_t sh_stack_table_intern(sh_stack_table *t, const sh_frame *frames, uint32_t depth, uint32_t now, bool *is_new) {
    *is_new = false;
    if (depth == 0) return SH_STACK_OTHER;
    uint64_t hash = depth;
    for (uint32_t i = 0; i < depth; i++)
        hash = sh_hash_mix(hash, (uint64_t)(uintptr_t)frames[i].code + ((uint64_t)(uint32_t)frames[i].offset << 44));
    hash = sh_hash_u64(hash);

    size_t mask = ((size_t)1 << t->index_bits) - 1;
    size_t i = hash >> (64 - t->index_bits);
    for (; t->index[i]; i = (i + 1) & mask) {
        sh_stack *s = &t->stacks[t->index[i]];
        if (s->hash == hash && s->depth == depth && same_frames(t->frames + s->first_frame, frames, depth)) {
            s->last_used = now;
            return t->index[i];
        }
    }
    bool has_id = t->unused_count > 0 || t->high < t->capacity;
    if (!has_id || depth > t->frame_capacity - t->frames_used) {
        t->overflowed++;
        return SH_STACK_OTHER;
    }
    uint32_t id = t->unused_count ? t->unused[--t->unused_count] : t->high++;
    t->stacks[id] = (sh_stack){ .hash = hash, .first_frame = t->frames_used, .depth = depth, .last_used = now, .used = true };
    for (uint32_t f = 0; f < depth; f++)
        t->frames[t->frames_used + f] = (sh_frame){ frames[f].code, frames[f].offset, SH_LOCATION_UNRESOLVED };
    t->frames_used += depth;
    t->unresolved++;
    t->index[i] = id;
    *is_new = true;
    return id;
}

uint32_t sh_stack_table_count(const sh_stack_table *t) { return t->high - 1 - t->unused_count; }

bool sh_stack_table_crowded(const sh_stack_table *t) {
    return sh_stack_table_count(t) > t->capacity / 4 * 3 || t->frames_used > t->frame_capacity / 4 * 3;
}

/* ------------------------------------------------------------------ references */

static uint32_t take_codes(sh_stack_table *t, const sh_stack *s, const void **codes) {
    uint32_t count = 0;
    for (sh_frame *f = t->frames + s->first_frame, *end = f + s->depth; f < end; f++) {
        if (f->code) codes[count++] = f->code;
        f->code = NULL;
    }
    return count;
}

uint32_t sh_stack_table_release_codes(sh_stack_table *t, const void **codes) {
    uint32_t count = 0;
    for (uint32_t id = 1; id < t->high; id++)
        if (t->stacks[id].resolved) count += take_codes(t, &t->stacks[id], codes + count);
    return count;
}

/* ------------------------------------------------------------------ eviction */

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void rebuild_index(sh_stack_table *t) {
    size_t mask = ((size_t)1 << t->index_bits) - 1;
    memset(t->index, 0, sizeof *t->index << t->index_bits);
    for (uint32_t id = 1; id < t->high; id++) {
        if (!t->stacks[id].used) continue;
        size_t i = t->stacks[id].hash >> (64 - t->index_bits);
        while (t->index[i]) i = (i + 1) & mask;
        t->index[i] = id;
    }
}

/* Moves the frames that are still used to the front, in the order in which they lie. */
static void compact(sh_stack_table *t, uint64_t *order) {
    uint32_t count = 0, used = 0;
    for (uint32_t id = 1; id < t->high; id++)
        if (t->stacks[id].used) order[count++] = (uint64_t)t->stacks[id].first_frame << 32 | id;
    qsort(order, count, sizeof *order, ascending);
    for (uint32_t i = 0; i < count; i++) {
        sh_stack *s = &t->stacks[(uint32_t)order[i]];
        memmove(t->frames + used, t->frames + s->first_frame, s->depth * sizeof *t->frames);
        s->first_frame = used;
        used += s->depth;
    }
    t->frames_used = used;
}

uint32_t sh_stack_table_evict(sh_stack_table *t, uint32_t keep_stacks, uint32_t keep_frames, uint8_t *gone,
                              const void **codes, uint32_t *code_count) {
    size_t order_bytes = t->high * sizeof(uint64_t);
    uint64_t *order = sh_pages_map(order_bytes);   /* pages, since this may run when the heap is short */
    uint32_t count = 0, removed = 0;
    *code_count = 0;
    if (!order) return 0;
    for (uint32_t id = 1; id < t->high; id++)
        if (t->stacks[id].used && t->stacks[id].refs == 0) order[count++] = (uint64_t)t->stacks[id].last_used << 32 | id;
    qsort(order, count, sizeof *order, ascending);

    uint32_t stacks = sh_stack_table_count(t), frames = t->frames_used;
    for (; removed < count && (stacks > keep_stacks || frames > keep_frames); removed++) {
        uint32_t id = (uint32_t)order[removed];
        sh_stack *s = &t->stacks[id];
        gone[id / 8] |= (uint8_t)(1u << (id % 8));
        *code_count += take_codes(t, s, codes + *code_count);
        stacks--;
        frames -= s->depth;
        t->unresolved -= !s->resolved;
        *s = (sh_stack){ 0 };
        t->unused[t->unused_count++] = id;
    }
    if (removed) {
        rebuild_index(t);
        compact(t, order);
        t->evicted += removed;
    }
    sh_pages_unmap(order, order_bytes);
    return removed;
}

size_t sh_stack_table_memory(const sh_stack_table *t) {
    return t->high * (sizeof *t->stacks + sizeof *t->unused) + t->frames_used * sizeof *t->frames
        + (sizeof *t->index << t->index_bits);
}

bool sh_stack_table_valid(const sh_stack_table *t) {
    uint32_t used = 0, frames = 0, indexed = 0, unresolved = 0;
    for (uint32_t id = 1; id < t->high; id++) {
        const sh_stack *s = &t->stacks[id];
        if (!s->used) continue;
        if (s->first_frame + s->depth > t->frames_used) return false;
        used++;
        frames += s->depth;
        unresolved += !s->resolved;
    }
    for (size_t i = 0; i < (size_t)1 << t->index_bits; i++)
        if (t->index[i]) {
            if (!t->stacks[t->index[i]].used) return false;
            indexed++;
        }
    return used == sh_stack_table_count(t) && indexed == used && unresolved == t->unresolved
        && frames == t->frames_used;
}
