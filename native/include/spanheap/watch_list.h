/* A bounded sample of spans, watched from their start until nothing refers to them any more.
 *
 * Which spans are in it is decided by a keyed hash of the span id, so that the start and the end of a span decide alike: a
 * span is taken at level k when its hash has k leading zeros, which is so for 2^-k of all. Each entry stands for 2^level
 * spans, and every sum of 2^level over entries estimates the number of spans without bias, because
 *
 *   - the level at which a span is taken depends on the spans before it, never on its own hash;
 *   - when the list is full, all entries are thinned to one level: an entry whose hash has too few leading zeros leaves, the
 *     others stand for more. That the list was full says nothing about the further bits of the hash of one entry.
 *
 * The level for new spans adapts between two ticks: each `budget` of spans taken raises it by one, and a tick sets it to what
 * the last period would have needed. So taking spans costs a bounded time per tick, however many spans there are.
 *
 * The list holds two weak references an entry, to the Span of the start and to the ReadableSpan of the end. They are opaque
 * here: `alive` and `release` are the caller's. An entry whose objects are gone is removed by the next sweep.
 *
 * Time is that of the ticks (any clock, any speed), never read here: what happens between two ticks is dated to the second of
 * them. So an age is never overestimated, and underestimated by at most a tick.
 *
 * Invariant: count <= capacity; entries are dense; a hash has at least `level` leading zeros; the index holds the active
 * entries, each by its span id once; ended != 0 <=> not active; every entry has at least one reference.
 * Thread rules: everything needs the GIL. `alive` and `release` must neither run code of others nor call back. */
#ifndef SPANHEAP_WATCH_LIST_H
#define SPANHEAP_WATCH_LIST_H

#include "spanheap/platform.h"

enum { SH_WATCH_SPAN = 1, SH_WATCH_READABLE = 2 };   /* which objects, as bits */

typedef struct {
    uint64_t trace_high, trace_low, span_id, hash;
    uint64_t ended;             /* place in the order of ends, from 1; 0: active */
    void *span, *readable;      /* weak references; NULL: none */
    double since;               /* time of the start, then of the end; negative: since the last tick */
    double free_since;          /* likewise, of the end, later of when an export queue last held it */
    uint64_t collections;       /* full collections when `since` was set */
    uint32_t name, root_name;
    uint32_t bytes;             /* measured while `measured` were alive */
    uint8_t level, alive, measured;
    bool exempt;                /* an exporter is thought to be working on it */
} sh_watched;

typedef struct {
    bool (*alive)(void *reference);
    void (*release)(void *reference);
} sh_watch_references;

typedef struct {
    sh_watched *entries;
    uint16_t *index;            /* open addressing by span id: place of an active entry + 1, 0 = empty */
    sh_watch_references references;
    uint32_t capacity, count, budget;
    unsigned index_bits, level;
    uint64_t key;               /* of the hash */
    uint64_t seen, seen_before, taken;   /* spans started in all, before the last tick; taken since the level last changed */
    uint64_t ends, thinned, dropped;     /* dropped: could not be referred to weakly, or not entered */
    uint64_t collections;
    double clock, last_now;     /* clock: seconds of ticks so far */
    bool ticked;
} sh_watch_list;

enum { SH_WATCH_MAX_CAPACITY = 32768, SH_WATCH_MAX_LEVEL = 40 };

bool sh_watch_list_init(sh_watch_list *w, uint32_t capacity, uint32_t budget, sh_watch_references references);
void sh_watch_list_fini(sh_watch_list *w);
/* Empty, at level 0, with this key for the hash. */
void sh_watch_list_clear(sh_watch_list *w, uint64_t key);

static inline uint64_t sh_watch_hash(const sh_watch_list *w, uint64_t span_id) {
    return sh_hash_u64(sh_hash_mix(sh_hash_mix(w->key, span_id), span_id));
}

/* A span starts: whether to watch it. Counts it. */
static inline bool sh_watch_list_wants(sh_watch_list *w, uint64_t span_id) {
    w->seen++;
    return w->level == 0 || sh_watch_hash(w, span_id) >> (64 - w->level) == 0;
}

/* Enters a span that was wanted, and takes over the reference. The pointer is good until the next call; NULL: it was not entered,
 * and the reference is still the caller's: no room, or other spans that started meanwhile have raised the level. An active
 * entry of the same id is given up. */
sh_watched *sh_watch_list_add(sh_watch_list *w, uint64_t span_id, void *span);

/* The active entry of this span id; NULL: it is not watched. */
static inline sh_watched *sh_watch_list_find(const sh_watch_list *w, uint64_t span_id) {
    size_t mask = ((size_t)1 << w->index_bits) - 1, i = sh_hash_u64(span_id) >> (64 - w->index_bits);
    for (; w->index[i]; i = (i + 1) & mask)
        if (w->entries[w->index[i] - 1].span_id == span_id) return &w->entries[w->index[i] - 1];
    return NULL;
}

/* The span has ended under this name; takes over the reference, which may be NULL. */
void sh_watch_list_end(sh_watch_list *w, sh_watched *entry, void *readable, uint32_t name);

/* One tick: the clock moves on, what happened since the last one is dated, the level is set. `collections`: full collections of
 * the process so far. A clock that is set back stands still, one that leaps goes on by an hour. */
void sh_watch_list_advance(sh_watch_list *w, double now, uint64_t collections);

/* Removes the entries whose objects are gone, and notes which of the others are there. */
void sh_watch_list_sweep(sh_watch_list *w);

/* An export queue holds it now. */
static inline void sh_watch_list_queued(const sh_watch_list *w, sh_watched *e) { e->free_since = w->clock; }
/* Exporters are working on batches of so many spans in all, 0 if none is: until the next call, those ReadableSpans that would be
 * retained and ended last are exempt, up to that number and what chance adds to its estimate (four standard deviations). */
void sh_watch_list_exempt_last(sh_watch_list *w, double grace, double spans);

/* Ended longer ago than `grace`, and held by no export queue for as long. */
static inline bool sh_watched_retained(const sh_watch_list *w, const sh_watched *e, double grace) {
    return e->ended && !e->exempt && e->free_since >= 0 && w->clock - e->free_since >= grace;
}

/* Started longer ago than `age`, and not ended. */
static inline bool sh_watched_unended(const sh_watch_list *w, const sh_watched *e, double age) {
    return !e->ended && e->since >= 0 && w->clock - e->since >= age;
}

/* A full collection has begun and ended since the span did, so it is more than garbage in a cycle. */
static inline bool sh_watched_confirmed(const sh_watch_list *w, const sh_watched *e) {
    return e->since >= 0 && w->collections > e->collections;
}

typedef struct { double spans, bytes; } sh_watch_sum;
/* Of the retained and the unended spans; what was not measured counts as the mean of what was. */
void sh_watch_list_sum(const sh_watch_list *w, double grace, double age, sh_watch_sum *retained, sh_watch_sum *unended);

static inline double sh_watched_weight(const sh_watched *e) { return (double)(UINT64_C(1) << e->level); }

size_t sh_watch_list_memory(const sh_watch_list *w);
bool sh_watch_list_valid(const sh_watch_list *w);

#endif
