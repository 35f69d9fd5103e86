/* The groups of the cohorts that are worth a judgement, each by itself or in pools: a leak may be one application frame's under
 * many endpoints, or one endpoint's in many frames, too little in each.
 *
 * A pool adds up the groups that share a key field; the others are SH_STRING_EMPTY in its key, for "any". It has at least two
 * members, or it would be a group once more.
 *
 * Bounds: 256 pools, in the order of their first groups; the rest are left out. Pools are allocated by malloc for the call, and
 * nothing is selected where that fails.
 * Thread rules: everything here needs the GIL, outside of hooks. */
#ifndef SPANHEAP_COHORT_SELECTION_H
#define SPANHEAP_COHORT_SELECTION_H

#include "spanheap/cohorts.h"

/* What groups are added up by. */
typedef enum { SH_COHORT_EACH, SH_COHORT_BY_SITE, SH_COHORT_BY_ROOT } sh_cohort_pooling;

/* The at most n groups (or pools) with survivors in at least min_epochs closed epochs and min_samples there, those with most
 * bytes born since the first epoch first. Returns how many. */
uint32_t sh_cohorts_select(const sh_cohorts *c, sh_cohort_pooling pooling, uint32_t min_epochs, uint32_t min_samples,
                           sh_cohort_group *out, uint32_t n);

#endif
