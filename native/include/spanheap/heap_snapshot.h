/* A heap snapshot: everything a view or a dump needs, copied out of the profile at one moment.
 *
 * Ids of stacks, spans and threads are those of the snapshot (dense, from 0); string and location ids are the profile's, whose
 * tables only grow. So once captured, a snapshot can be read and written out without the GIL.
 * Invariant: a block is in `samples` (live) or in `totals` (gone), never in both, never in neither; hence
 *      allocated = sum(totals) + sum(samples).
 * Several totals may have the same key. A snapshot must not outlive its profile.
 * Thread rules: capture needs the GIL; a captured snapshot is immutable. Memory comes from malloc, or is the caller's where no
 * more is to be had: not for use in hooks. */
#ifndef SPANHEAP_HEAP_SNAPSHOT_H
#define SPANHEAP_HEAP_SNAPSHOT_H

#include "spanheap/profile.h"

typedef struct {
    uint32_t stack, span, thread;   /* indexes into this snapshot's arrays */
    uint32_t labels;                /* likewise; 0 = none */
    uint32_t born_s;                /* CLOCK_MONOTONIC seconds */
    uint64_t size;                  /* of the sampled block */
    double bytes, objects;          /* what it stands for */
} sh_snapshot_sample;

typedef struct { uint32_t first, depth; } sh_snapshot_stack;   /* a range of `frames`, leaf first */

typedef struct {
    uint64_t trace_high, trace_low, span_id;   /* all zero for what is no span (see sh_span_table.h) */
    int64_t start_ns;
    uint32_t name, root_name;                  /* string ids */
    bool active;
    bool sampled;                              /* its trace is exported */
} sh_snapshot_span;

/* One pair of a set of labels; the rest of the set begins at `parent`, 0 = there is no more. */
typedef struct {
    uint32_t parent, key;                      /* `key` is an index into `label_keys` */
    sh_label_value value;
} sh_snapshot_label;

typedef struct {
    sh_snapshot_sample *samples;
    sh_total *totals;               /* .stack is an index into `stacks`; names are string ids */
    sh_snapshot_stack *stacks;      /* [0] is empty: the stack is not known */
    uint32_t *frames;               /* location ids */
    sh_snapshot_span *spans;
    uint32_t *thread_names;         /* string ids, SH_STRING_EMPTY when not known */
    sh_snapshot_label *labels;      /* [0] stands for none */
    sh_label_key *label_keys;
    uint32_t sample_count, total_count, stack_count, frame_count, span_count, thread_count, label_count, label_key_count;
    sh_profile_sums sums;
    double interval;                /* mean sampling interval in force, bytes */
    uint32_t active_spans;
    bool borrowed;                  /* its memory is the caller's */
    int64_t realtime_ns, monotonic_ns;
    const sh_string_table *strings;
    const sh_location_table *locations;
} sh_heap_snapshot;

/* Folds what is retired, then copies. False when malloc refuses; the snapshot is then empty. */
bool sh_heap_snapshot_capture(sh_heap_snapshot *s, sh_profile *p);
/* The same without malloc: in `memory` (aligned to 16, any contents), which must outlive the snapshot. False: it is too small. */
bool sh_heap_snapshot_capture_into(sh_heap_snapshot *s, sh_profile *p, void *memory, size_t bytes);
/* Enough for whatever may be in the tables, as far as their capacities do not grow; label_capacity: that of the label table. */
size_t sh_heap_snapshot_memory_bytes(const sh_profile *p, uint32_t label_capacity);
void sh_heap_snapshot_fini(sh_heap_snapshot *s);

#endif
