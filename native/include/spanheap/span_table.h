/* The spans that are active, and the ended ones that samples still name.
 *
 * A slot is claimed when a span starts and has two keys while it is active: the address of the Span object (the hook finds
 * the current span by it) and the span id (the end of a span arrives with another object). A slot lives as long as somebody
 * counts on it: one reference while active, one per sample made for it, one per slot whose local root it is. So a sample
 * made for a span gets the name the span ended with, however long it survives it. The spans that ended last stay findable by id,
 * so that work which outlives its request (a background task's span) has its endpoint.
 *
 * A span that no processor told of (its trace was sampled out, its provider is another's, it has ended but is still current)
 * is met by a hook, which cannot ask it for its name. It gets a provisional slot, found by its address only; somebody outside
 * the hook asks the object and settles the slot. Until then the object must be kept alive, so that the address stays its own.
 *
 * The first slots are no spans: they name what has none, and are never freed.
 *
 * In the child of a fork the spans of before are inherited: still found, so that those that are current there go on, but not
 * listed, since most are other threads', which are not here and will never end them.
 *
 * Invariant: started = ended + active + replaced; refs > 0 <=> in use; the provisional slots are those in `met`; a slot's root is
 * itself, or an in-use slot that is its own root.
 * Address reuse: a Span freed without end() leaves its address behind; the next start at that address takes the key over, and
 * a look-up compares the type, so that an object of another kind at the same place is not mistaken for it.
 * Thread rules: everything here needs the GIL. Objects and types are compared, never dereferenced. */
#ifndef SPANHEAP_SPAN_TABLE_H
#define SPANHEAP_SPAN_TABLE_H

#include "spanheap/active_slots.h"
#include "spanheap/platform.h"

enum {
    SH_SPAN_NONE,         /* no span was current */
    SH_SPAN_UNSAMPLED,    /* a span that is not recorded: its trace was sampled out */
    SH_SPAN_STARTING,     /* inside start_span: which span is known at on_start; never known = unsampled */
    SH_SPAN_UNTRACKED,    /* a span that could not be asked: there was no room for a provisional slot */
    SH_SPAN_FIRST
};

typedef struct {
    uint64_t trace_high, trace_low, span_id, parent_id;   /* parent: 0 = none */
    int64_t start_ns;      /* realtime */
    const void *object, *type;
    uint32_t name;         /* string id; the final one once ended */
    uint32_t root;         /* slot of the local root */
    uint32_t refs;
    union {
        uint32_t next;     /* not in use: the free list */
        uint32_t place;    /* active: among the active slots; 0: none */
    };
    bool active, provisional, watched;   /* watched: the caller's, from the start to the end */
    bool sampled;          /* its trace is exported */
    uint32_t serial;       /* of its start, modulo 2^32 */
} sh_span;

enum { SH_SPANS_MET = 8192 };   /* between two ticks; at the default interval that is 4 GiB allocated, each sample under another span */

/* Open addressing, at most half full. It grows with what is in it, and an entry has its hash: to look at the spans themselves,
 * or to be larger than need be, would cost several cache misses a span. */
typedef struct { uint32_t hash, slot; } sh_span_entry;   /* slot 0: empty */
typedef struct {
    sh_span_entry *entries;   /* behind the largest size there is room for half as many, to grow through */
    uint32_t count;
    unsigned bits, max_bits;
} sh_span_index;

typedef struct {
    sh_span *spans;
    sh_span_index by_address, by_id;
    uint32_t *recent;      /* those that ended last, a ring; each keeps one reference and its place in by_id */
    uint32_t *met;         /* provisional slots, in the order met */
    uint32_t capacity, max_active, max_recent, high, first_free, active, met_count;
    uint64_t retired;      /* into the ring */
    uint64_t inherited;    /* starts before the fork that made this process; 0: none */
    uint32_t active_inherited;
    uint64_t started, ended, untracked, replaced, settled, unmet;
    sh_active_slots *slots;   /* every active span is entered there as well; NULL: nowhere */
} sh_span_table;

typedef struct {
    uint64_t trace_high, trace_low, span_id, parent_span_id;   /* parent: 0 = none */
    int64_t start_ns;
    const void *object, *type;
    uint32_t name;
    bool sampled, parent_is_remote;
} sh_span_start;

/* Room for max_active active spans, for max_ended that have ended but are still named, and for the max_recent that ended last. */
bool sh_span_table_init(sh_span_table *t, uint32_t max_active, uint32_t max_ended, uint32_t max_recent,
                        const uint32_t pseudo_names[SH_SPAN_FIRST]);
void sh_span_table_fini(sh_span_table *t);
void sh_span_table_clear(sh_span_table *t);

/* Claims a slot; SH_SPAN_UNTRACKED (counted) at max_active or when none is free. A child of a span that
 * is active or ended lately shares its local root. */
uint32_t sh_span_table_start(sh_span_table *t, const sh_span_start *start);
/* The span of this id ends with this name; false when it is not known (ended before, started before us, untracked). */
bool sh_span_table_end(sh_span_table *t, uint64_t span_id, uint32_t name);
/* The same for a slot that sh_span_table_known gave and that is active. */
void sh_span_table_end_slot(sh_span_table *t, uint32_t slot, uint32_t name);

/* The active or provisional span at this address and of this type; SH_SPAN_NONE when there is none. */
uint32_t sh_span_table_find_in_hook(const sh_span_table *t, const void *object, const void *type);
/* A provisional slot for one that is not found, named as this pseudo span; that one itself (counted in `unmet`) if there is no room. */
uint32_t sh_span_table_meet_in_hook(sh_span_table *t, const void *object, const void *type, uint32_t pseudo);

typedef struct {
    uint64_t trace_high, trace_low, span_id, parent_span_id;   /* 0: not known; parent: 0 = none or remote */
    int64_t start_ns;
    uint32_t name;
    uint32_t root_name;    /* SH_STRING_EMPTY: that of the span's or its parent's slot, if one is known; its own if it has no parent */
    bool sampled;
} sh_span_facts;

/* A slot to ask about and then settle, the one met last; SH_SPAN_NONE when there is none. It stays until it is settled: another
 * thread that must know all names now need not wait for one that is still asking, and asks as well. */
static inline uint32_t sh_span_table_last_met(const sh_span_table *t) { return t->met_count ? t->met[t->met_count - 1] : SH_SPAN_NONE; }
/* From here on it is an ended span, and its object need not be kept alive. False: the object has been settled by another. */
bool sh_span_table_settle(sh_span_table *t, uint32_t slot, const void *object, const sh_span_facts *facts);
/* A slot for a span that is known but will never be active (it is sampled out); the caller holds one reference. */
uint32_t sh_span_table_note(sh_span_table *t, const sh_span_facts *facts);

/* The span of this id, active or ended lately; SH_SPAN_NONE when there is none. */
uint32_t sh_span_table_known(const sh_span_table *t, uint64_t span_id);

static inline void sh_span_table_retain(sh_span_table *t, uint32_t slot) { t->spans[slot].refs++; }
void sh_span_table_release(sh_span_table *t, uint32_t slot);

/* In the child of a fork: what is active is inherited. */
void sh_span_table_forked(sh_span_table *t);
/* Active, and started in this process. */
bool sh_span_table_is_listed(const sh_span_table *t, const sh_span *s);
/* So many are listed. */
static inline uint32_t sh_span_table_listed(const sh_span_table *t) { return t->active - t->active_inherited; }

/* The n active spans that started first, oldest first, as slots. Returns how many there are (<= n). */
uint32_t sh_span_table_oldest(const sh_span_table *t, uint32_t *slots, uint32_t n);

/* Enters the spans that are active, and from now on those that start; NULL: no more. What was entered elsewhere stays there. */
void sh_span_table_set_slots(sh_span_table *t, sh_active_slots *slots);

size_t sh_span_table_memory(const sh_span_table *t);
bool sh_span_table_valid(const sh_span_table *t);

#endif
