/* The spans that are active, written a second time where they outlive the process: the active spans of a recorder file.
 *
 * A slot is one cache line: `seq` and seven words. `seq` says what is in it and counts its uses:
 *
 *      4n       empty
 *      4n + 1   being written
 *      4n + 2   holds a span
 *
 * A slot whose writer was killed stays at 4n + 1 and is nothing to a reader. The last word has a checksum over seq and the
 * other words: one that was damaged later is told from a whole one.
 *
 * Invariant: slots in use = places handed out and not given back.
 * Thread rules: writers hold the GIL; readers see the file, or a copy of it. */
#ifndef SPANHEAP_ACTIVE_SLOTS_H
#define SPANHEAP_ACTIVE_SLOTS_H

#include "spanheap/platform.h"

enum { SH_ACTIVE_WORDS = 7, SH_ACTIVE_SAMPLED = 1 };

/* Words: trace_high, trace_low, span_id, parent_id, start_ns, name 32 | root_name 32, flags 32 | checksum 32 (from the lowest bit). */
typedef struct {
    _Alignas(64) _Atomic uint64_t seq;
    _Atomic uint64_t words[SH_ACTIVE_WORDS];
} sh_active_slot;

_Static_assert(sizeof(sh_active_slot) == 64, "the layout of files");

typedef struct {
    uint64_t trace_high, trace_low, span_id, parent_id;
    int64_t start_ns;
    uint32_t name, root_name;   /* string ids */
    uint32_t flags;
} sh_active_span;

typedef struct {
    sh_active_slot *slots;
    uint32_t *unused;           /* a stack of places that were given back */
    uint32_t capacity, unused_count, high;
} sh_active_slots;

/* `slots`: zeroed. False: no memory. */
bool sh_active_slots_init(sh_active_slots *a, sh_active_slot *slots, uint32_t capacity);
void sh_active_slots_fini(sh_active_slots *a);
/* Empties all slots and forgets the places. */
void sh_active_slots_clear(sh_active_slots *a);

/* The place (from 1) that this span has until it is given back; 0: there is no room. */
uint32_t sh_active_slots_enter(sh_active_slots *a, const sh_active_span *span);
void sh_active_slots_leave(sh_active_slots *a, uint32_t place);

/* What a reader of this slot does; false: it holds no span, or a damaged one. */
bool sh_active_slot_read(const sh_active_slot *slot, sh_active_span *span);
bool sh_active_slots_valid(const sh_active_slots *a);

#endif
