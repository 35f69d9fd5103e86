#include "spanheap/cohort_selection.h"

#include <stdlib.h>
#include <string.h>

enum { POOLS = 256, POOL_INDEX_BITS = 9 };

static double newborn_bytes(const sh_cohorts *c, const sh_cohort_group *g) {
    double bytes = 0;
    for (uint32_t e = 1; e + 1 < c->count; e++) bytes += (double)g->bytes[c->slot[e]];
    return bytes;
}

static bool worth_a_look(const sh_cohorts *c, const sh_cohort_group *g, uint32_t min_epochs, uint32_t min_samples) {
    uint32_t epochs = 0, samples = 0;
    if (g->samples < min_samples) return false;
    for (uint32_t e = 1; e + 1 < c->count; e++) {   /* what was there before us says nothing, nor what is being born */
        epochs += g->alive[c->slot[e]] != 0;
        samples += g->alive[c->slot[e]];
    }
    return epochs >= min_epochs && samples >= min_samples;
}

/* Keeps `out` sorted; returns the new number. */
static uint32_t insert_sorted(const sh_cohorts *c, const sh_cohort_group *g, sh_cohort_group *out, uint32_t used, uint32_t n) {
    double bytes = newborn_bytes(c, g);
    if (used == n && (n == 0 || bytes <= newborn_bytes(c, &out[n - 1]))) return used;
    uint32_t i = used < n ? used++ : n - 1;
    for (; i > 0 && newborn_bytes(c, &out[i - 1]) < bytes; i--) out[i] = out[i - 1];
    out[i] = *g;
    return used;
}

static void add_group(sh_cohort_group *pool, const sh_cohort_group *g) {
    pool->samples += g->samples;
    pool->traces |= g->traces;
    for (uint32_t e = 0; e < SH_COHORT_EPOCHS; e++) {
        uint32_t alive = (uint32_t)pool->alive[e] + g->alive[e];
        pool->alive[e] = alive > UINT16_MAX ? UINT16_MAX : (uint16_t)alive;
        pool->lost[e] += g->lost[e];
        pool->bytes[e] += g->bytes[e];
    }
}

/* Pools of more than one group. Returns how many there are; those that find no room are left out. */
static uint32_t make_pools(const sh_cohorts *c, sh_cohort_pooling pooling, sh_cohort_group *pools) {
    uint16_t index[1 << POOL_INDEX_BITS] = { 0 };
    uint32_t members[POOLS] = { 0 }, count = 0;
    for (uint32_t i = 0; i < c->group_count; i++) {
        const sh_cohort_group *g = &c->groups[i];
        if (!g->samples) continue;
        sh_cohort_key key = g->key;
        if (pooling == SH_COHORT_BY_SITE) key.root_name = SH_STRING_EMPTY;
        else key.function = key.filename = SH_STRING_EMPTY;
        size_t at = sh_cohort_key_hash(key) >> (64 - POOL_INDEX_BITS);
        while (index[at] && !sh_cohort_key_same(pools[index[at] - 1].key, key)) at = (at + 1) % (1 << POOL_INDEX_BITS);
        if (!index[at]) {
            if (count == POOLS) continue;
            memset(&pools[count], 0, sizeof pools[count]);
            pools[count].key = key;
            index[at] = (uint16_t)++count;
        }
        members[index[at] - 1]++;
        add_group(&pools[index[at] - 1], g);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (members[i] > 1) pools[kept++] = pools[i];
    return kept;
}

uint32_t sh_cohorts_select(const sh_cohorts *c, sh_cohort_pooling pooling, uint32_t min_epochs, uint32_t min_samples,
                           sh_cohort_group *out, uint32_t n) {
    const sh_cohort_group *from = c->groups;
    uint32_t count = c->group_count, used = 0;
    sh_cohort_group *pools = NULL;
    if (pooling != SH_COHORT_EACH) {
        pools = malloc(POOLS * sizeof *pools);
        if (!pools) return 0;
        count = make_pools(c, pooling, pools);
        from = pools;
    }
    for (uint32_t i = 0; i < count; i++)
        if (worth_a_look(c, &from[i], min_epochs, min_samples)) used = insert_sorted(c, &from[i], out, used, n);
    free(pools);
    return used;
}
