/* Interned call stacks.
 *
 * A stack is up to max_depth frames, leaf first; a frame is a code object (opaque here: the core never touches it) and a
 * byte offset into it. Interning is one look-up: the hook may do it for every sample. Symbols are found later, by the tick,
 * and kept in the frame as a location id, so that a dump needs no code object.
 *
 * Bounds: `capacity` stacks, `frame_capacity` frames in all. When either runs short, the tick evicts stacks that no sample
 * uses, oldest use first (sh_stack_table_evict); until then a new stack gets SH_STACK_OTHER, counted in `overflowed`.
 *
 * References: every frame of an interned stack owns one reference to its code object. intern() reports a new stack, whose
 * references the caller takes at once; evict() hands the references of what it removed to the caller, release_codes() those of
 * what has its symbols.
 * Invariant: sum of depths of used slots = frames_used; index entries = used slots.
 * Thread rules: everything here needs the GIL. Id 0 (SH_STACK_OTHER) is an empty stack that always exists. */
#ifndef SPANHEAP_STACK_TABLE_H
#define SPANHEAP_STACK_TABLE_H

#include "spanheap/platform.h"

enum { SH_STACK_OTHER = 0, SH_MAX_DEPTH = 256, SH_LOCATION_UNRESOLVED = 0 };

typedef struct {
    const void *code;
    int32_t offset;        /* bytes into the code, as PyCode_Addr2Line takes it */
    uint32_t location;     /* SH_LOCATION_UNRESOLVED, or a location_table id */
} sh_frame;

typedef struct {
    uint64_t hash;
    uint32_t first_frame, depth;
    uint32_t refs;         /* samples, live or not yet folded, that name this stack */
    uint32_t last_used;    /* tick number */
    bool used, resolved;
} sh_stack;

typedef struct {
    sh_stack *stacks;
    sh_frame *frames;
    uint32_t *index;       /* id, 0 = empty */
    uint32_t *unused;      /* stack of free ids */
    uint32_t unused_count, capacity, high;          /* ids below `high` have been used once */
    uint32_t frame_capacity, frames_used;
    unsigned index_bits;
    uint32_t unresolved;   /* used stacks with resolved == false */
    uint64_t overflowed, evicted;
} sh_stack_table;

bool sh_stack_table_init(sh_stack_table *t, uint32_t capacity, uint32_t frame_capacity);
void sh_stack_table_fini(sh_stack_table *t);

/* The id of this stack; *is_new tells the caller to take the references. `now` is the tick number. */
uint32_t sh_stack_table_intern(sh_stack_table *t, const sh_frame *frames, uint32_t depth, uint32_t now, bool *is_new);

/* Removes stacks without samples, least recently used first, until at most keep_stacks and keep_frames remain (or none is
 * left to remove), and closes the gaps. The caller must, in this order: forget the ids whose bits are set in `gone`
 * (capacity / 8 + 1 zeroed bytes), before one is used again; then give back the code_count references in `codes` (room for
 * frames_used), since a DECREF may run code that comes back here. Returns the number removed. */
uint32_t sh_stack_table_evict(sh_stack_table *t, uint32_t keep_stacks, uint32_t keep_frames, uint8_t *gone,
                              const void **codes, uint32_t *code_count);

/* Resolved stacks live on without code objects: they keep their samples and their locations, and no look-up finds them again,
 * since another code object may come to lie where theirs was. The caller gives back the references in `codes` (room for
 * frames_used), whose number is returned. */
uint32_t sh_stack_table_release_codes(sh_stack_table *t, const void **codes);

uint32_t sh_stack_table_count(const sh_stack_table *t);
bool sh_stack_table_crowded(const sh_stack_table *t);   /* more than 3/4 of either bound */
size_t sh_stack_table_memory(const sh_stack_table *t);
bool sh_stack_table_valid(const sh_stack_table *t);

#endif
