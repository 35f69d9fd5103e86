#include "spanheap/live_table.h"

#include <string.h>

enum { FILTER_COUNTS_PER_ENTRY = 16 };

bool sh_live_table_init(sh_live_table *t, uint32_t max_live, uint32_t capacity) {
    memset(t, 0, sizeof *t);
    return sh_live_table_resize(t, max_live, capacity);
}

static void unmap_entries(sh_live_table *t) {
    sh_pages_unmap(t->samples, t->capacity * sizeof *t->samples);
    sh_pages_unmap(t->index, sizeof *t->index << t->index_bits);
    sh_pages_unmap(t->unused, t->capacity * sizeof *t->unused);
    sh_pages_unmap(t->retired, t->capacity * sizeof *t->retired);
}

void sh_live_table_fini(sh_live_table *t) {
    unmap_entries(t);
    sh_pages_unmap((void *)t->filter, (size_t)1 << t->filter_bits);
    memset(t, 0, sizeof *t);
}

bool sh_live_table_resize(sh_live_table *t, uint32_t max_live, uint32_t capacity) {
    if (t->capacity) sh_live_table_clear(t);
    if (capacity > t->capacity) {
        sh_live_table fresh = { .capacity = capacity, .index_bits = sh_log2_ceil((size_t)capacity * 2) };
        fresh.samples = sh_pages_map(capacity * sizeof *t->samples);
        fresh.index = sh_pages_map(sizeof *t->index << fresh.index_bits);
        fresh.unused = sh_pages_map(capacity * sizeof *t->unused);
        fresh.retired = sh_pages_map(capacity * sizeof *t->retired);
        unsigned bits = sh_log2_ceil((size_t)max_live * FILTER_COUNTS_PER_ENTRY);
        void *filter = bits > t->filter_bits ? sh_pages_map((size_t)1 << bits) : (void *)t->filter;
        if (!fresh.samples || !fresh.index || !fresh.unused || !fresh.retired || !filter) {
            unmap_entries(&fresh);
            if (filter != (void *)t->filter) sh_pages_unmap(filter, (size_t)1 << bits);
            return false;
        }
        sh_lock_acquire(&t->lock);
        unmap_entries(t);
        t->samples = fresh.samples;
        t->index = fresh.index;
        t->unused = fresh.unused;
        t->retired = fresh.retired;
        t->capacity = capacity;
        t->index_bits = fresh.index_bits;
        if (filter != (void *)t->filter) {
            void *outgrown = (void *)t->filter;
            if (outgrown) madvise(outgrown, (size_t)1 << t->filter_bits, MADV_DONTNEED);
            atomic_store_explicit(&t->filter, filter, memory_order_relaxed);
            atomic_store_explicit(&t->filter_bits, bits, memory_order_release);
        }
        sh_lock_release(&t->lock);
    }
    t->max_live = max_live;
    return true;
}

static size_t index_home(const sh_live_table *t, const void *p) {
    return (sh_hash_address(p) * UINT64_C(0xD6E8FEB86659FD93)) >> (64 - t->index_bits);
}

/* Frees on other threads look at the filter meanwhile. A small one is written, since each page given back would be a fault in
 * a hook later. */
static void filter_clear(sh_live_table *t) {
    size_t size = (size_t)1 << t->filter_bits;
    if (size > (size_t)1 << 20) {
        madvise((void *)t->filter, size, MADV_DONTNEED);
        return;
    }
    _Atomic uint64_t *words = (_Atomic uint64_t *)(void *)t->filter;
    for (size_t i = 0; i < size / sizeof *words; i++) atomic_store_explicit(&words[i], 0, memory_order_relaxed);
}

void sh_live_table_prefetch(const sh_live_table *t, const void *address) {
    __builtin_prefetch((const void *)&t->filter[sh_hash_address(address) >> (64 - t->filter_bits)], 1);
    __builtin_prefetch(&t->index[index_home(t, address)], 1);
    __builtin_prefetch(&t->samples[t->unused_count ? t->unused[t->unused_count - 1] : t->high], 1);
}

static void filter_add(sh_live_table *t, const void *p) {
    _Atomic uint8_t *count = &t->filter[sh_hash_address(p) >> (64 - t->filter_bits)];
    uint8_t n = atomic_load_explicit(count, memory_order_relaxed);
    if (n != UINT8_MAX) atomic_store_explicit(count, n + 1, memory_order_relaxed);
}

/* A count that once reached 255 stays there: it can no longer tell, so it says "maybe" for ever (until clear). */
static void filter_subtract(sh_live_table *t, const void *p) {
    _Atomic uint8_t *count = &t->filter[sh_hash_address(p) >> (64 - t->filter_bits)];
    uint8_t n = atomic_load_explicit(count, memory_order_relaxed);
    if (n != UINT8_MAX) atomic_store_explicit(count, n - 1, memory_order_relaxed);
}

/* The index position of this address, or of the empty place where it would go. Lock held. */
static size_t index_find(const sh_live_table *t, const void *address) {
    size_t mask = ((size_t)1 << t->index_bits) - 1, i = index_home(t, address);
    while (t->index[i] && t->samples[t->index[i] - 1].address != address) i = (i + 1) & mask;
    return i;
}

/* Deletion by shifting back, so that searches need no tombstones. Lock held. */
static void index_delete(sh_live_table *t, size_t hole) {
    size_t mask = ((size_t)1 << t->index_bits) - 1;
    for (size_t i = (hole + 1) & mask; t->index[i]; i = (i + 1) & mask) {
        size_t home = index_home(t, t->samples[t->index[i] - 1].address);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->index[hole] = t->index[i];
            hole = i;
        }
    }
    t->index[hole] = 0;
}

static void retire_at(sh_live_table *t, size_t position, uint32_t entry) {
    filter_subtract(t, t->samples[entry].address);
    index_delete(t, position);
    t->samples[entry].state = SH_SAMPLE_RETIRED;
    t->retired[t->retired_count++] = entry;
    t->live--;
}

sh_sample_ref sh_live_table_insert(sh_live_table *t, const sh_sample *sample) {
    sh_lock_acquire(&t->lock);
    size_t position = index_find(t, sample->address);
    if (SH_UNLIKELY(t->index[position] != 0)) {
        t->replaced++;
        retire_at(t, position, t->index[position] - 1);
        position = index_find(t, sample->address);
    }
    uint32_t entry = t->unused_count ? t->unused[--t->unused_count] : t->high++;
    t->samples[entry] = *sample;
    t->samples[entry].state = SH_SAMPLE_LIVE;
    sh_sample_ref ref = { entry, ++t->serial };
    t->samples[entry].serial = ref.serial;
    t->index[position] = entry + 1;
    filter_add(t, sample->address);
    t->live++;
    sh_lock_release(&t->lock);
    return ref;
}

bool sh_live_table_remove(sh_live_table *t, const void *address, sh_sample_ref *removed) {
    sh_lock_acquire(&t->lock);
    size_t position = index_find(t, address);
    bool found = t->index[position] != 0;
    if (found) {
        uint32_t entry = t->index[position] - 1;
        if (removed) *removed = (sh_sample_ref){ entry, t->samples[entry].serial };
        retire_at(t, position, entry);
    }
    sh_lock_release(&t->lock);
    return found;
}

bool sh_live_table_is_live(sh_live_table *t, sh_sample_ref ref) {
    sh_lock_acquire(&t->lock);
    bool live = ref.entry < t->high && t->samples[ref.entry].serial == ref.serial
        && t->samples[ref.entry].state == SH_SAMPLE_LIVE;
    sh_lock_release(&t->lock);
    return live;
}

void sh_live_table_retire_all(sh_live_table *t) {
    sh_lock_acquire(&t->lock);
    for (uint32_t entry = 0; entry < t->high; entry++)
        if (t->samples[entry].state == SH_SAMPLE_LIVE) retire_at(t, index_find(t, t->samples[entry].address), entry);
    sh_lock_release(&t->lock);
}

void sh_live_table_restore(sh_live_table *t, sh_sample_ref removed) {
    sh_lock_acquire(&t->lock);
    sh_sample *s = &t->samples[removed.entry];
    size_t position = index_find(t, s->address);
    if (s->state == SH_SAMPLE_RETIRED && s->serial == removed.serial && !t->index[position])
        for (uint32_t i = t->retired_count; i-- > 0;)      /* it is nearly always the last */
            if (t->retired[i] == removed.entry) {
                t->retired[i] = t->retired[--t->retired_count];
                s->state = SH_SAMPLE_LIVE;
                t->index[position] = removed.entry + 1;
                filter_add(t, s->address);
                t->live++;
                break;
            }
    sh_lock_release(&t->lock);
}

uint32_t sh_live_table_take_retired(sh_live_table *t, sh_sample *out, uint32_t n) {
    sh_lock_acquire(&t->lock);
    uint32_t taken = 0;
    while (taken < n && t->retired_count) {
        uint32_t entry = t->retired[--t->retired_count];
        out[taken++] = t->samples[entry];
        t->samples[entry].state = SH_SAMPLE_FREE;
        t->samples[entry].serial = 0;
        t->unused[t->unused_count++] = entry;
    }
    sh_lock_release(&t->lock);
    return taken;
}

bool sh_live_table_thin(sh_live_table *t, uint32_t *cursor, double interval, sh_rng *rng, sh_sample out[SH_LIVE_CHUNK],
                        uint32_t *removed) {
    *removed = 0;
    if (*cursor >= t->high) return false;
    sh_lock_acquire(&t->lock);
    uint32_t end = *cursor + SH_LIVE_CHUNK < t->high ? *cursor + SH_LIVE_CHUNK : t->high;
    for (uint32_t entry = *cursor; entry < end; entry++) {
        sh_sample *s = &t->samples[entry];
        if (s->state != SH_SAMPLE_LIVE || s->interval >= (float)interval) continue;
        double keep = sh_sampler_probability(s->size, interval, s->share)
            / sh_sampler_probability(s->size, (double)s->interval, s->share);
        if (sh_rng_uniform(rng) <= keep) {
            s->interval = (float)interval;
            continue;
        }
        filter_subtract(t, s->address);
        index_delete(t, index_find(t, s->address));
        out[(*removed)++] = *s;
        s->state = SH_SAMPLE_FREE;
        s->serial = 0;
        t->unused[t->unused_count++] = entry;
        t->live--;
    }
    *cursor = end;
    sh_lock_release(&t->lock);
    return true;
}

uint32_t sh_live_table_copy(sh_live_table *t, uint32_t *cursor, sh_sample out[SH_LIVE_CHUNK]) {
    uint32_t n = 0;
    while (n == 0 && *cursor < t->high) {
        uint32_t end = *cursor + SH_LIVE_CHUNK < t->high ? *cursor + SH_LIVE_CHUNK : t->high;
        sh_lock_acquire(&t->lock);
        for (uint32_t entry = *cursor; entry < end; entry++)
            if (t->samples[entry].state != SH_SAMPLE_FREE) out[n++] = t->samples[entry];
        sh_lock_release(&t->lock);
        *cursor = end;
    }
    return n;
}

void sh_live_table_clear(sh_live_table *t) {
    sh_lock_acquire(&t->lock);
    if (t->high) {
        sh_pages_zero(t->index, sizeof *t->index << t->index_bits);
        filter_clear(t);
    }
    for (uint32_t entry = 0; entry < t->high; entry++) t->samples[entry].state = SH_SAMPLE_FREE;
    t->unused_count = t->retired_count = t->live = t->high = 0;
    sh_lock_release(&t->lock);
}

size_t sh_live_table_memory(const sh_live_table *t) {
    return t->high * (sizeof *t->samples + sizeof *t->unused + sizeof *t->retired) + (sizeof *t->index << t->index_bits)
        + ((size_t)1 << t->filter_bits);
}

bool sh_live_table_valid(sh_live_table *t) {
    sh_lock_acquire(&t->lock);
    uint32_t live = 0, retired = 0, indexed = 0;
    uint64_t filter_sum = 0;
    bool saturated = false, ok = true;
    for (uint32_t entry = 0; entry < t->high; entry++) {
        live += t->samples[entry].state == SH_SAMPLE_LIVE;
        retired += t->samples[entry].state == SH_SAMPLE_RETIRED;
        if (t->samples[entry].state == SH_SAMPLE_LIVE)
            ok &= t->index[index_find(t, t->samples[entry].address)] == entry + 1;
    }
    for (size_t i = 0; i < (size_t)1 << t->index_bits; i++) indexed += t->index[i] != 0;
    for (size_t i = 0; i < (size_t)1 << t->filter_bits; i++) {
        filter_sum += t->filter[i];
        saturated |= t->filter[i] == UINT8_MAX;
    }
    ok &= live == t->live && indexed == live && retired == t->retired_count
        && live + retired + t->unused_count == t->high && (saturated || filter_sum == live);
    sh_lock_release(&t->lock);
    return ok;
}
