#include "spanheap/cohorts.h"

#include <math.h>
#include <string.h>

enum { INDEX_SIZE = 1 << SH_COHORT_INDEX_BITS, NO_ORIGIN = 0xFF };

/* Deaths of youth must not count against those that live on: after ten times its age a loss is a thousandth. Yet a cache that is
 * emptied at once should be remembered while it fills again. */
static const double FADES_PER_AGE = 3;
static const float NEGLIGIBLE = 0.05f;   /* of a death */

bool sh_cohorts_init(sh_cohorts *c, const sh_profile *p) {
    memset(c, 0, sizeof *c);
    c->site_capacity = p->stacks.capacity;
    c->origin_capacity = p->strings.capacity;
    c->groups = sh_pages_map((SH_COHORT_GROUPS + 1) * sizeof *c->groups);
    c->index = sh_pages_map(INDEX_SIZE * sizeof *c->index);
    c->sites = sh_pages_map(c->site_capacity * sizeof *c->sites);
    c->origins = sh_pages_map(c->origin_capacity);
    c->updated = -1;
    if (!c->groups || !c->index || !c->sites || !c->origins) {
        sh_cohorts_fini(c);
        return false;
    }
    c->groups[SH_COHORT_GROUPS].key = (sh_cohort_key){ SH_STRING_OTHER, SH_STRING_OTHER, SH_STRING_OTHER };
    return true;
}

void sh_cohorts_fini(sh_cohorts *c) {
    sh_pages_unmap(c->groups, (SH_COHORT_GROUPS + 1) * sizeof *c->groups);
    sh_pages_unmap(c->index, INDEX_SIZE * sizeof *c->index);
    sh_pages_unmap(c->sites, c->site_capacity * sizeof *c->sites);
    sh_pages_unmap(c->origins, c->origin_capacity);
    memset(c, 0, sizeof *c);
}

void sh_cohorts_set_origin(sh_cohorts *c, uint32_t filename, uint8_t origin, uint8_t module_origin) {
    if (filename < c->origin_capacity) c->origins[filename] = (uint8_t)((module_origin + 1) << 4 | (origin + 1));
}

/* 1 + origin of what runs at this place; 0: not known yet. */
static uint8_t origin_of(const sh_cohorts *c, const sh_profile *p, const sh_location *l) {
    uint8_t file = l->filename < c->origin_capacity ? c->origins[l->filename] : 0x11;
    uint8_t of_function = file & 15, of_module = file >> 4;
    if (SH_LIKELY(of_function == of_module)) return of_function;
    sh_string function = sh_string_table_get(&p->strings, l->function);
    return function.length == 8 && memcmp(function.data, "<module>", 8) == 0 ? of_module : of_function;
}

uint32_t sh_cohorts_unknown_file(sh_cohorts *c, const sh_profile *p) {
    for (; c->locations_known < p->locations.count; c->locations_known++) {
        uint32_t filename = p->locations.locations[c->locations_known].filename;
        if (filename < c->origin_capacity && filename != SH_STRING_EMPTY && !c->origins[filename]) return filename;
    }
    return SH_STRING_EMPTY;
}

/* ------------------------------------------------------------------ groups */

static size_t index_find(const sh_cohorts *c, sh_cohort_key key) {
    size_t i = sh_cohort_key_hash(key) >> (64 - SH_COHORT_INDEX_BITS);
    while (c->index[i] && !sh_cohort_key_same(c->groups[c->index[i] - 1].key, key)) i = (i + 1) % INDEX_SIZE;
    return i;
}

/* NULL: there is no room. */
static sh_cohort_group *group_of(sh_cohorts *c, sh_cohort_key key) {
    size_t i = index_find(c, key);
    if (c->index[i]) return &c->groups[c->index[i] - 1];
    if (c->group_count == SH_COHORT_GROUPS) return NULL;
    sh_cohort_group *g = &c->groups[c->group_count++];
    memset(g, 0, sizeof *g);
    g->key = key;
    c->index[i] = (uint16_t)c->group_count;
    return g;
}

/* Groups of which nothing is left are forgotten; the others close ranks. */
static void drop_empty_groups(sh_cohorts *c) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->group_count; i++) {
        sh_cohort_group *g = &c->groups[i];
        bool empty = g->samples == 0;
        for (uint32_t e = 0; empty && e < SH_COHORT_EPOCHS; e++) empty = g->lost[e] < NEGLIGIBLE;
        if (empty) continue;
        if (kept != i) c->groups[kept] = *g;
        kept++;
    }
    c->group_count = kept;
    memset(c->index, 0, INDEX_SIZE * sizeof *c->index);
    for (uint32_t i = 0; i < kept; i++) c->index[index_find(c, c->groups[i].key)] = (uint16_t)(i + 1);
}

/* The application frame of a stack; false: not known yet. Looked for once a stack. */
static bool site_of(sh_cohorts *c, const sh_profile *p, uint32_t stack, sh_cohort_site *site) {
    const sh_stack *s = &p->stacks.stacks[stack];
    if (stack == SH_STACK_OTHER || stack >= c->site_capacity) {
        *site = (sh_cohort_site){ 1, SH_STRING_OTHER, SH_STRING_OTHER };
        return true;
    }
    uint32_t hash = (uint32_t)s->hash | 1;   /* ids of evicted stacks are used again */
    *site = c->sites[stack];
    if (SH_LIKELY(site->hash == hash)) return true;
    if (!s->resolved) return false;
    uint8_t best = NO_ORIGIN;
    *site = (sh_cohort_site){ hash, SH_STRING_EMPTY, SH_STRING_EMPTY };
    for (uint32_t i = 0; i < s->depth; i++) {
        const sh_location *l = &p->locations.locations[p->stacks.frames[s->first_frame + i].location];
        uint8_t origin = origin_of(c, p, l);
        if (!origin) {
            if (l->filename != SH_STRING_EMPTY) return false;
            origin = NO_ORIGIN - 1;
        }
        if (origin >= best) continue;
        best = origin;
        site->function = l->function;
        site->filename = l->filename;
        if (best == 1) break;
    }
    c->sites[stack] = *site;
    return true;
}

/* ------------------------------------------------------------------ epochs */

/* Adds the later of two neighbours to the earlier. Returns the slot that became free. */
static uint8_t merge_epochs(sh_cohorts *c, uint32_t earlier) {
    uint8_t into = c->slot[earlier], from = c->slot[earlier + 1];
    for (uint32_t i = 0; i <= SH_COHORT_GROUPS; i++) {
        if (i == c->group_count) i = SH_COHORT_GROUPS;
        sh_cohort_group *g = &c->groups[i];
        uint32_t alive = (uint32_t)g->alive[into] + g->alive[from];
        g->alive[into] = alive > UINT16_MAX ? UINT16_MAX : (uint16_t)alive;
        g->lost[into] += g->lost[from];
        g->bytes[into] += g->bytes[from];
        g->alive[from] = 0;
        g->lost[from] = g->bytes[from] = 0;
    }
    uint32_t after = c->count - earlier - 2;
    memmove(&c->slot[earlier + 1], &c->slot[earlier + 2], after * sizeof *c->slot);
    memmove(&c->start[earlier + 1], &c->start[earlier + 2], after * sizeof *c->start);
    memmove(&c->spans_ended[earlier + 1], &c->spans_ended[earlier + 2], after * sizeof *c->spans_ended);
    memmove(&c->live_bytes[earlier + 1], &c->live_bytes[earlier + 2], after * sizeof *c->live_bytes);
    c->count--;
    return from;
}

/* The epoch that began last is closed, and one begins now. */
static void open_epoch(sh_cohorts *c, double now, double spans_ended) {
    uint8_t slot = (uint8_t)c->count;
    if (c->count == SH_COHORT_EPOCHS) {
        uint32_t shortest = 1;
        double least = INFINITY;
        for (uint32_t e = 1; e + 2 < c->count; e++) {   /* neither what was there before us nor the one just closed */
            double ratio = (c->start[e + 2] - c->start[e]) / (now - c->start[e + 1]);
            if (ratio < least) {
                least = ratio;
                shortest = e;
            }
        }
        slot = merge_epochs(c, shortest);
    }
    c->slot[c->count] = slot;
    c->start[c->count] = now;
    c->spans_ended[c->count] = spans_ended;
    c->live_bytes[c->count] = c->total_bytes;
    c->count++;
}

/* ------------------------------------------------------------------ update */

/* What was alive is taken for lost until it is met: `count_losses` is false when samples went otherwise than by dying. */
static void begin_pass(sh_cohorts *c, double elapsed, double now, double kept, bool count_losses) {
    float fade[SH_COHORT_EPOCHS] = { 0 }, counted = count_losses ? 1.0f : 0.0f;
    for (uint32_t e = 0; e < c->count; e++) {
        double age = now - c->start[e];
        fade[c->slot[e]] = (float)(kept * (age > 0 ? exp(-FADES_PER_AGE * elapsed / age) : 1.0));
    }
    for (uint32_t i = 0; i <= SH_COHORT_GROUPS; i++) {
        if (i == c->group_count) i = SH_COHORT_GROUPS;
        sh_cohort_group *g = &c->groups[i];
        for (uint32_t slot = 0; slot < SH_COHORT_EPOCHS; slot++)   /* all, in use or not: one vector after the other */
            g->lost[slot] = g->lost[slot] * fade[slot] + counted * (float)g->alive[slot];
        memset(g->alive, 0, sizeof g->alive);
        memset(g->bytes, 0, sizeof g->bytes);
        g->samples = 0;
        g->traces = 0;
    }
}

static void end_pass(sh_cohorts *c, bool count_losses) {
    float counted = count_losses ? 1.0f : 0.0f;
    for (uint32_t i = 0; i <= SH_COHORT_GROUPS; i++) {
        if (i == c->group_count) i = SH_COHORT_GROUPS;
        sh_cohort_group *g = &c->groups[i];
        for (uint32_t slot = 0; slot < SH_COHORT_EPOCHS; slot++) {
            float lost = g->lost[slot] - counted * (float)g->alive[slot];
            g->lost[slot] = lost < 0 ? 0 : lost;   /* less than none: of samples that had waited for their lines */
        }
        g->lost[c->slot[c->count - 1]] = 0;   /* the open epoch */
    }
}

static uint8_t slot_of(const sh_cohorts *c, uint32_t clock_s) {
    uint32_t low = 0, high = c->count;   /* start[low] <= clock_s < start[high] */
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if ((double)clock_s < c->start[middle]) high = middle;
        else low = middle;
    }
    return c->slot[low];
}

static void add_sample(sh_cohorts *c, const sh_profile *p, const sh_sample *s) {
    sh_cohort_site site;
    double bytes = sh_sample_estimate(s).bytes;
    c->total_bytes += bytes;
    if (!site_of(c, p, s->stack, &site)) {
        c->waiting++;
        return;
    }
    const sh_span *span = &p->spans.spans[s->span];
    sh_cohort_group *g = group_of(c, (sh_cohort_key){ site.function, site.filename, p->spans.spans[span->root].name });
    if (!g) {
        g = &c->groups[SH_COHORT_GROUPS];
        c->overflowed++;
    }
    uint8_t slot = slot_of(c, s->clock_s);
    if (g->alive[slot] != UINT16_MAX) g->alive[slot]++;
    g->bytes[slot] += (float)bytes;
    g->samples++;
    uint64_t trace = span->span_id ? span->trace_high ^ span->trace_low : s->clock_s;
    g->traces |= UINT64_C(1) << (sh_hash_u64(sh_hash_mix(1, trace)) >> 58);
}

void sh_cohorts_update(sh_cohorts *c, sh_profile *p) {
    double now = (double)p->clock_s;   /* whole, as births are: none falls into an epoch that has ended */
    if (!(now > c->updated)) return;
    uint64_t thinned = p->counters.thinned - c->thinned;
    double kept = thinned ? (double)p->live.live / (double)(p->live.live + thinned) : 1.0;
    bool count_losses = c->updated >= 0 && !thinned;
    if (c->group_count > SH_COHORT_GROUPS / 4 * 3) drop_empty_groups(c);
    if (c->count == 0) open_epoch(c, -1, 0);   /* everything born before the first update */
    begin_pass(c, c->updated < 0 ? 0 : now - c->updated, now, kept, count_losses);
    c->waiting = 0;
    c->total_bytes = 0;
    sh_sample chunk[SH_LIVE_CHUNK];
    for (uint32_t cursor = 0, n; (n = sh_live_table_copy(&p->live, &cursor, chunk)) != 0;)
        for (uint32_t i = 0; i < n; i++)
            if (chunk[i].state == SH_SAMPLE_LIVE) add_sample(c, p, &chunk[i]);
    end_pass(c, count_losses);
    c->thinned = p->counters.thinned;
    c->updated = now;
    open_epoch(c, now, (double)p->spans.ended);
}

/* ------------------------------------------------------------------ whose a sample is */

bool sh_cohorts_match(const sh_cohorts *c, const sh_profile *p, const sh_sample *s, sh_cohort_key key) {
    if (key.root_name != SH_STRING_EMPTY && p->spans.spans[p->spans.spans[s->span].root].name != key.root_name) return false;
    if (key.function == SH_STRING_EMPTY && key.filename == SH_STRING_EMPTY) return true;
    if (s->stack >= c->site_capacity || s->stack == SH_STACK_OTHER) return false;
    const sh_cohort_site *site = &c->sites[s->stack];
    return site->hash == ((uint32_t)p->stacks.stacks[s->stack].hash | 1) && site->function == key.function
        && site->filename == key.filename;
}

bool sh_cohorts_group_of(const sh_cohorts *c, const sh_profile *p, const sh_sample *s, sh_cohort_key *key) {
    if (s->stack >= c->site_capacity || s->stack == SH_STACK_OTHER) return false;
    const sh_cohort_site *site = &c->sites[s->stack];
    if (site->hash != ((uint32_t)p->stacks.stacks[s->stack].hash | 1)) return false;
    *key = (sh_cohort_key){ site->function, site->filename, p->spans.spans[p->spans.spans[s->span].root].name };
    return true;
}

/* ------------------------------------------------------------------ checks */

size_t sh_cohorts_memory(const sh_cohorts *c) {
    if (!c->groups) return 0;
    return (c->group_count + 1) * sizeof *c->groups + INDEX_SIZE * sizeof *c->index + c->site_capacity * sizeof *c->sites
        + c->origin_capacity;
}

bool sh_cohorts_valid(const sh_cohorts *c) {
    uint32_t indexed = 0, slots = 0;
    for (size_t i = 0; i < INDEX_SIZE; i++) indexed += c->index[i] != 0;
    if (indexed != c->group_count || c->group_count > SH_COHORT_GROUPS || c->count > SH_COHORT_EPOCHS) return false;
    for (uint32_t e = 0; e < c->count; e++) {
        if (slots >> c->slot[e] & 1 || (e && !(c->start[e - 1] < c->start[e]))) return false;
        slots |= UINT32_C(1) << c->slot[e];
    }
    for (uint32_t i = 0; i < c->group_count; i++) {
        const sh_cohort_group *g = &c->groups[i];
        uint32_t alive = 0;
        bool saturated = false;
        if (c->index[index_find(c, g->key)] != i + 1) return false;
        for (uint32_t e = 0; e < SH_COHORT_EPOCHS; e++) {
            alive += g->alive[e];
            saturated |= g->alive[e] == UINT16_MAX;
            if (g->lost[e] < 0 || (!(slots >> e & 1) && (g->alive[e] || g->lost[e] != 0))) return false;
        }
        if (alive != g->samples && !saturated) return false;
    }
    return true;
}
