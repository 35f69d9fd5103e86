/* The heap profile: all tables of one process, and the operations that touch several of them.
 *
 *      hook ──record──► live table ──release──► retired ──fold──► totals
 *                            └───────── thin (rate doubled) ─┘
 *
 * A sample that is live or retired holds one reference each to its stack, its span, its thread and its labels; folding gives
 * them back.
 * Invariant (sh_profile_valid): those reference counts equal what the samples say, and
 *      recorded = live + retired + folded + thinned.
 * Thread rules: everything needs the GIL except sh_profile_release_in_hook. `*_in_hook` may be called inside an allocator hook:
 * they allocate nothing, call no Python and take only the live table's leaf lock. */
#ifndef SPANHEAP_PROFILE_H
#define SPANHEAP_PROFILE_H

#include "spanheap/label_table.h"
#include "spanheap/live_table.h"
#include "spanheap/location_table.h"
#include "spanheap/sampler.h"
#include "spanheap/span_table.h"
#include "spanheap/stack_table.h"
#include "spanheap/string_table.h"
#include "spanheap/thread_table.h"
#include "spanheap/totals_table.h"

/* A large service has some 10,000 lines that allocate, in some thousand functions and files; names take about 40 bytes. */
enum { SH_PROFILE_STRINGS = 16384, SH_PROFILE_STRING_BYTES = 1 << 20, SH_PROFILE_MAX_STACKS = 65536 };

typedef struct {
    double interval;       /* mean bytes between samples, R */
    uint32_t max_samples;  /* live at the same time */
    uint32_t span_capacity;
    bool adaptive;         /* at max_samples: double the interval (true) or drop and count (false) */
    uint64_t seed;
    sh_label_table *labels; /* outlives the profile; may be NULL while no sample has labels */
} sh_profile_options;

typedef struct {
    uint64_t recorded, folded, thinned, dropped;
    uint64_t rate_raised, rate_lowered;
} sh_profile_counters;

typedef struct {
    sh_profile_options options;
    sh_live_table live;
    sh_stack_table stacks;
    sh_span_table spans;
    sh_totals_table totals;
    sh_thread_table threads;
    sh_string_table strings;
    sh_location_table locations;
    sh_profile_counters counters;
    double interval;       /* in force now: options.interval * 2^k */
    sh_rng rng;            /* for thinning */
    uint32_t ticks;
    uint32_t clock_s;      /* the session's clock at the last tick, seconds since its start */
    int64_t calm_since_s;  /* when the live table was last seen a quarter full */
} sh_profile;

/* Gives back a reference to a code object; may run arbitrary code, and is called when the tables are whole. */
typedef void (*sh_drop_code)(const void *code);

bool sh_profile_init(sh_profile *p, const sh_profile_options *options);
/* The code references must have been given back (sh_profile_evict_stacks). */
void sh_profile_fini(sh_profile *p);
/* Starts anew with other options: forgets samples, spans, stacks and totals; keeps names and locations, which old
 * snapshots point into. Frees may run meanwhile. False: no memory; the profile is empty and has its old options. */
bool sh_profile_restart(sh_profile *p, const sh_profile_options *options, sh_drop_code drop);
/* Forgets samples, spans, stacks and totals. */
void sh_profile_clear(sh_profile *p, sh_drop_code drop);

/* Samples to come are drawn at this interval, and a full table doubles it from there; those there are keep their own. */
void sh_profile_set_interval(sh_profile *p, double interval);

/* Enters a sample, whose stack, span, thread and labels get a reference. Makes room first (thin, then fold). False: dropped.
 * *ref (may be NULL) identifies it for sh_profile_retag. */
bool sh_profile_record_in_hook(sh_profile *p, const sh_sample *sample, sh_sample_ref *ref);
/* The block at this address is freed. Any thread, with or without the GIL. */
static inline bool sh_profile_release_in_hook(sh_profile *p, const void *address, sh_sample_ref *ref) {
    return sh_live_table_remove(&p->live, address, ref);
}
/* The sample belongs to this span after all. False when that entry is no longer the same sample. */
bool sh_profile_retag(sh_profile *p, sh_sample_ref ref, uint32_t span);

/* Folds at most n retired samples. Returns the number folded. */
uint32_t sh_profile_fold(sh_profile *p, uint32_t n);
/* Takes all live samples for released: whether they are is no longer known. */
void sh_profile_forget_samples(sh_profile *p);
/* Once a second: fold, lower the rate when calm, evict stacks when crowded. */
void sh_profile_tick(sh_profile *p, int64_t now_s, sh_drop_code drop);
/* Removes stacks without samples until at most these remain. */
void sh_profile_evict_stacks(sh_profile *p, uint32_t keep_stacks, uint32_t keep_frames, sh_drop_code drop);

/* Sample -> what it stands for. */
typedef struct { double bytes, objects; } sh_estimate;
sh_estimate sh_sample_estimate(const sh_sample *s);

typedef struct { double live_bytes, live_objects, allocated_bytes, allocated_objects; uint64_t live_samples; } sh_profile_sums;
sh_profile_sums sh_profile_sum(sh_profile *p);

typedef struct { uint32_t name; double bytes, objects; uint64_t samples; } sh_name_sum;
/* Live estimates by local root name, largest first; at most n (>= 1) rows, the rest is summed into the last as "<other>". */
uint32_t sh_profile_live_by_root(sh_profile *p, sh_name_sum *rows, uint32_t n);

size_t sh_profile_memory(const sh_profile *p);
bool sh_profile_valid(sh_profile *p);

#endif
