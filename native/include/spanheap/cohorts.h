/* Survivors by birth: for each group of live samples, how many were born in each of some epochs, and how many of those have died.
 *
 * A group is (application frame's function, its file, local root name): what a leak is told by. An epoch is an interval of the
 * session's clock (sh_sample.clock_s). Epochs are the same for all groups, adjoin, and are short when young and long when old: when
 * all are in use, the two neighbours that are shortest for their age become one. So a fast leak has many epochs within seconds,
 * a slow one within hours, in constant memory.
 *
 *      start[0] < start[1] < … < start[count - 1]; the last is open, epoch i ends where i + 1 begins; epoch 0 is what was
 *      born before the first update, and stays so
 *
 * `lost` are the deaths seen between updates among those born in a closed epoch, fading with a time constant of a third of the
 * epoch's age: lost / (lost + alive) is the part that died within about that time. Samples that were thinned out (sh_live_table.h) are
 * no deaths.
 *
 * Bounds: SH_COHORT_GROUPS groups; a sample whose group finds no room counts in the group of SH_STRING_OTHER, and in `overflowed`.
 * Groups without survivors and losses make room. Whose code a file is, the core cannot know: the caller says so by
 * sh_cohorts_set_origin, and asks by sh_cohorts_unknown_file. Samples whose stack has no lines yet, or a file not yet known, wait.
 * Invariant (sh_cohorts_valid): for each group sum(alive) <= what the table had live at the update; index entries = groups.
 * Thread rules: everything here needs the GIL. */
#ifndef SPANHEAP_COHORTS_H
#define SPANHEAP_COHORTS_H

#include "spanheap/profile.h"

/* 24 epochs of equal ratio from 2 seconds to 4 hours: each 1.4 times the next. */
enum { SH_COHORT_GROUPS = 2048, SH_COHORT_EPOCHS = 24, SH_COHORT_INDEX_BITS = 12 };

typedef struct { uint32_t function, filename, root_name; } sh_cohort_key;   /* string ids; SH_STRING_EMPTY in a pool: any */

static inline uint64_t sh_cohort_key_hash(sh_cohort_key k) {
    return sh_hash_u64(sh_hash_mix((uint64_t)k.function << 32 | k.filename, k.root_name));
}

static inline bool sh_cohort_key_same(sh_cohort_key a, sh_cohort_key b) {
    return a.function == b.function && a.filename == b.filename && a.root_name == b.root_name;
}

typedef struct {
    sh_cohort_key key;
    uint32_t samples;                  /* sum of alive */
    uint64_t traces;                   /* a bit for each of 64 classes of the survivors' traces (of no span: of their birth) */
    uint16_t alive[SH_COHORT_EPOCHS];  /* samples, saturating; by slot, see sh_cohorts.slot */
    float lost[SH_COHORT_EPOCHS];      /* samples */
    float bytes[SH_COHORT_EPOCHS];     /* what the survivors stand for */
} sh_cohort_group;

typedef struct { uint32_t hash, function, filename; } sh_cohort_site;   /* of a stack; hash 0: not known */

typedef struct {
    sh_cohort_group *groups;           /* [SH_COHORT_GROUPS]: "<other>" */
    uint16_t *index;                   /* open addressing: group + 1, 0 = empty */
    sh_cohort_site *sites;             /* by stack id */
    uint8_t *origins;                  /* by string id of a file name: 0 = not asked, else 1 + origin, << 4 of its module level */
    uint32_t site_capacity, origin_capacity, group_count;
    uint32_t count;                    /* epochs in use */
    uint8_t slot[SH_COHORT_EPOCHS];    /* epoch -> place in a group's arrays */
    double start[SH_COHORT_EPOCHS];    /* seconds of the session's clock */
    double spans_ended[SH_COHORT_EPOCHS], live_bytes[SH_COHORT_EPOCHS];   /* when it began */
    double updated;                    /* the last time; < 0: never */
    uint64_t thinned, overflowed;
    uint32_t waiting;                  /* samples that could not be grouped at the last update */
    uint32_t locations_known;          /* the files of so many are known */
    double total_bytes;
} sh_cohorts;

bool sh_cohorts_init(sh_cohorts *c, const sh_profile *p);
void sh_cohorts_fini(sh_cohorts *c);
/* One pass over the live table; then a new epoch begins. Does nothing while the profile's clock stands. */
void sh_cohorts_update(sh_cohorts *c, sh_profile *p);

/* A file name (string id) whose origin is wanted; SH_STRING_EMPTY: none at the moment. Origin 0 is the application's own, the
 * higher the less telling; of equals the innermost frame counts. */
uint32_t sh_cohorts_unknown_file(sh_cohorts *c, const sh_profile *p);
/* module_origin: of its module level, which is none of its functions' where a script only launches others. Both below 15. */
void sh_cohorts_set_origin(sh_cohorts *c, uint32_t filename, uint8_t origin, uint8_t module_origin);

/* Whether this stack (of this root) belongs to a group or pool (cohort_selection.h). */
bool sh_cohorts_match(const sh_cohorts *c, const sh_profile *p, const sh_sample *s, sh_cohort_key key);
/* The group of a sample; false: its stack has no lines yet, or a file is not known. */
bool sh_cohorts_group_of(const sh_cohorts *c, const sh_profile *p, const sh_sample *s, sh_cohort_key *key);

size_t sh_cohorts_memory(const sh_cohorts *c);
bool sh_cohorts_valid(const sh_cohorts *c);

#endif
