/* The sampled blocks that are still allocated, by address.
 *
 * Entries stand in a slab and never move; an open-addressing index finds them by address, and an array of 8-bit counts
 * (the filter, >= 16 counts per entry) answers "certainly not sampled" for nearly every free without touching either.
 *
 *      free ──insert──► live ──remove──► retired ──take_retired──► free
 *
 * A removed entry stays, retired, until the tick (or a hook that finds no free entry) folds it into the totals: so the free
 * path writes one entry and nothing else, and a block's allocation and release are always seen together.
 *
 * Invariant: live + retired + unused + (capacity - high) = capacity; the filter's sum = live (while no count saturated).
 * Thread rules: insert, take_retired, thin and the fields of an entry other than its state belong to the holder of the GIL.
 * remove and restore may run on any thread, with or without it. The lock covers the state changes and the index; the filter is read
 * without it: a thread that frees a block got its address after the insert. */
#ifndef SPANHEAP_LIVE_TABLE_H
#define SPANHEAP_LIVE_TABLE_H

#include "spanheap/platform.h"
#include "spanheap/sampler.h"

enum { SH_LIVE_CHUNK = 256 };   /* 12 KiB copied, some microseconds under the lock */

typedef enum { SH_SAMPLE_FREE = 0, SH_SAMPLE_LIVE = 1, SH_SAMPLE_RETIRED = 2 } sh_sample_state;

typedef struct {
    const void *address;
    uint64_t size;         /* bytes the caller asked for */
    float interval, share; /* the rate in force when the countdown was drawn: sampler.h */
    uint32_t stack, span, thread, labels;
    uint32_t serial;       /* tells this use of the entry from the next */
    uint32_t born_s;       /* monotonic seconds */
    uint32_t clock_s;      /* what the session's clock said at the last tick before: births in the time that ticks are given */
    uint32_t state;        /* sh_sample_state */
} sh_sample;

typedef struct {
    sh_lock lock;
    sh_sample *samples;
    uint32_t *index;       /* entry + 1, 0 = empty */
    _Atomic(_Atomic uint8_t *) filter;
    uint32_t *unused, *retired;                     /* stacks of entry numbers */
    uint32_t unused_count, retired_count;
    uint32_t capacity, max_live, high, serial;
    _Atomic uint32_t live;
    unsigned index_bits;
    _Atomic unsigned filter_bits;
    uint64_t replaced;     /* inserts over an address whose free was never seen */
} sh_live_table;

/* `capacity` entries, of which at most max_live may be live. */
bool sh_live_table_init(sh_live_table *t, uint32_t max_live, uint32_t capacity);
/* Only when no thread can be inside sh_live_table_maybe or sh_live_table_remove. */
void sh_live_table_fini(sh_live_table *t);
/* Clears, and makes room for at least this much. Frees may run meanwhile; so the filter only ever grows, and an outgrown one
 * stays mapped (zeroed, without memory behind it) for a thread that is just looking at it. False: nothing has changed. */
bool sh_live_table_resize(sh_live_table *t, uint32_t max_live, uint32_t capacity);
/* Forgets everything, live entries included. Costs what was used, not what was reserved. */
void sh_live_table_clear(sh_live_table *t);

/* False: certainly no live sample at p. */
static inline bool sh_live_table_maybe(const sh_live_table *t, const void *p) {
    /* Bits before filter: a thread that sees the larger size sees the larger filter (resize stores them the other way). */
    unsigned bits = atomic_load_explicit(&t->filter_bits, memory_order_acquire);
    _Atomic uint8_t *filter = atomic_load_explicit(&t->filter, memory_order_relaxed);
    return atomic_load_explicit(&filter[sh_hash_address(p) >> (64 - bits)], memory_order_relaxed) != 0;
}

/* An insert at this address is near. */
void sh_live_table_prefetch(const sh_live_table *t, const void *address);

/* One use of one entry. */
typedef struct { uint32_t entry, serial; } sh_sample_ref;

/* Needs a free entry (sh_live_table_has_room). A live entry of the same address is retired first. */
sh_sample_ref sh_live_table_insert(sh_live_table *t, const sh_sample *sample);
static inline bool sh_live_table_has_room(const sh_live_table *t) { return t->unused_count > 0 || t->high < t->capacity; }

/* Retires the live entry of this address; false when there is none. *removed (may be NULL) says which it was. */
bool sh_live_table_remove(sh_live_table *t, const void *address, sh_sample_ref *removed);
/* Retires all live entries: their frees may have been missed. */
void sh_live_table_retire_all(sh_live_table *t);
/* Still the same sample, and live. (Its release on a thread without the GIL may be seen a moment later.) */
bool sh_live_table_is_live(sh_live_table *t, sh_sample_ref ref);
/* Takes back a remove whose entry is still retired (a realloc that failed). */
void sh_live_table_restore(sh_live_table *t, sh_sample_ref removed);

/* Pops up to n retired entries: copies each to out and makes its entry free. Returns the number. */
uint32_t sh_live_table_take_retired(sh_live_table *t, sh_sample *out, uint32_t n);

/* Walks in chunks: the lock is held for one chunk, entries stay in their places between chunks (while the GIL is held), and
 * a walk is over when it returns 0. Start with *cursor = 0. */

/* Copies the next live and retired entries to out, at most SH_LIVE_CHUNK. */
uint32_t sh_live_table_copy(sh_live_table *t, uint32_t *cursor, sh_sample out[SH_LIVE_CHUNK]);

/* Keeps each live sample with probability p(new interval) / p(its own), and gives those kept the new interval: the
 * estimates stay unbiased. Those not kept are copied to out and become free. False when the walk is over. */
bool sh_live_table_thin(sh_live_table *t, uint32_t *cursor, double interval, sh_rng *rng, sh_sample out[SH_LIVE_CHUNK],
                        uint32_t *removed);

size_t sh_live_table_memory(const sh_live_table *t);
bool sh_live_table_valid(sh_live_table *t);

#endif
