/* The list of watched spans, with references that are flags: 1 alive, 0 dead; released ones are counted. */
#include "spanheap/watch_list.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "spanheap/sampler.h"

enum { OBJECTS = 1 << 18 };
typedef struct { bool alive, released; } object;
static object objects[OBJECTS];
static uint32_t object_count, released_twice;

static bool alive(void *reference) { return ((object *)reference)->alive; }

static void release(void *reference) {
    released_twice += ((object *)reference)->released;
    ((object *)reference)->released = true;
}

static object *new_object(void) {
    object *o = &objects[object_count++ % OBJECTS];
    *o = (object){ .alive = true };
    return o;
}

static uint32_t unreleased(void) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < object_count && i < OBJECTS; i++) n += !objects[i].released;
    return n;
}

static sh_watch_list new_list(uint32_t capacity, uint32_t budget, uint64_t key) {
    sh_watch_list w;
    object_count = released_twice = 0;
    CHECK(sh_watch_list_init(&w, capacity, budget, (sh_watch_references){ alive, release }));
    sh_watch_list_clear(&w, key);
    return w;
}

/* Starts a span if it is wanted; the Span, or NULL. */
static object *start(sh_watch_list *w, uint64_t id) {
    if (!sh_watch_list_wants(w, id)) return NULL;
    object *span = new_object();
    if (!sh_watch_list_add(w, id, span)) release(span);
    return span;
}

static object *end(sh_watch_list *w, uint64_t id, uint32_t name) {
    sh_watched *e = sh_watch_list_find(w, id);
    if (!e) return NULL;
    object *readable = new_object();
    sh_watch_list_end(w, e, readable, name);
    return readable;
}

/* An entry leaves when both objects are gone, and says before which of them is there. */
static void life_of_one(void) {
    sh_watch_list w = new_list(16, 100, 7);
    object *span = start(&w, 42);
    CHECK(w.count == 1 && !sh_watch_list_find(&w, 43));
    sh_watch_list_advance(&w, 100, 3);
    CHECK(sh_watched_unended(&w, &w.entries[0], 0) && !sh_watched_unended(&w, &w.entries[0], 1));
    sh_watch_list_advance(&w, 160, 3);
    CHECK(sh_watched_unended(&w, &w.entries[0], 60) && !sh_watched_retained(&w, &w.entries[0], 0));
    object *readable = end(&w, 42, 5);
    CHECK(!sh_watch_list_find(&w, 42) && !end(&w, 42, 5));
    CHECK(w.entries[0].name == 5 && !sh_watched_retained(&w, &w.entries[0], 0));   /* not dated yet */
    sh_watch_list_advance(&w, 161, 3);
    CHECK(sh_watched_retained(&w, &w.entries[0], 0) && !sh_watched_confirmed(&w, &w.entries[0]));
    sh_watch_list_advance(&w, 166, 4);
    CHECK(sh_watched_retained(&w, &w.entries[0], 5) && !sh_watched_retained(&w, &w.entries[0], 5.1));
    CHECK(sh_watched_confirmed(&w, &w.entries[0]));
    sh_watch_list_sweep(&w);
    CHECK(w.entries[0].alive == (SH_WATCH_SPAN | SH_WATCH_READABLE));
    span->alive = false;
    sh_watch_list_sweep(&w);
    CHECK(w.count == 1 && w.entries[0].alive == SH_WATCH_READABLE && sh_watch_list_valid(&w));
    readable->alive = false;
    sh_watch_list_sweep(&w);
    CHECK(w.count == 0 && unreleased() == 0 && !released_twice && sh_watch_list_valid(&w));
    sh_watch_list_fini(&w);
}

/* What a queue holds begins its grace anew; an export exempts the last that ended, and the next look lifts that. */
static void exports(void) {
    sh_watch_list w = new_list(64, 100, 7);
    for (uint64_t id = 1; id <= 20; id++) {
        start(&w, id)->alive = false;
        end(&w, id, 0);
    }
    sh_watch_list_advance(&w, 0, 0);
    sh_watch_list_advance(&w, 10, 0);
    sh_watch_list_sweep(&w);
    sh_watch_list_queued(&w, &w.entries[3]);
    CHECK(!sh_watched_retained(&w, &w.entries[3], 5) && sh_watched_retained(&w, &w.entries[4], 5));
    sh_watch_list_exempt_last(&w, 5, 7);
    for (uint32_t i = 0; i < 20; i++) CHECK(w.entries[i].exempt == (w.entries[i].ended > 13));
    CHECK(sh_watch_list_valid(&w));
    sh_watch_list_exempt_last(&w, 5, 0);
    sh_watch_list_advance(&w, 15, 0);
    for (uint32_t i = 0; i < 20; i++) CHECK(sh_watched_retained(&w, &w.entries[i], 5));
    sh_watch_list_fini(&w);
    CHECK(unreleased() == 0);
}

/* A clock that is set back stands still, one that leaps goes on by an hour. */
static void clocks(void) {
    sh_watch_list w = new_list(16, 100, 7);
    double times[] = { 50, 51, 20, 21, 1e12, NAN, 1e12 }, expected[] = { 0, 1, 1, 2, 3602, 3602, 3602 };
    for (int i = 0; i < 7; i++) {
        sh_watch_list_advance(&w, times[i], 0);
        CHECK(w.clock == expected[i]);
    }
    sh_watch_list_fini(&w);
}

/* Random starts, ends, deaths, ticks and equal ids: the list stays valid, nothing is released twice or forgotten. */
static void random_programs(uint64_t seed) {
    sh_watch_list w = new_list(100, 50, seed);
    sh_rng rng;
    sh_rng_seed(&rng, seed);
    double now = 0;
    for (int step = 0; step < 20000; step++) {
        uint64_t id = sh_rng_next(&rng) % 400;
        switch (sh_rng_next(&rng) % 8) {
        case 0: case 1: case 2: start(&w, id); break;
        case 3: case 4: end(&w, id, 1); break;
        case 5: objects[sh_rng_next(&rng) % (object_count + 1)].alive = false; break;
        case 6: sh_watch_list_sweep(&w); break;
        case 7: if (step % 5 == 0) sh_watch_list_advance(&w, now++, 0);
        }
        if (step % 500 == 0 && !CHECK(sh_watch_list_valid(&w) && w.count <= 100)) break;
    }
    CHECK(w.thinned > 0 && !released_twice);
    sh_watch_list_fini(&w);
    CHECK(unreleased() == 0);
}

/* Many ids of one hash cannot be thinned: the excess is refused and counted. */
static void one_hash(void) {
    sh_watch_list w = new_list(8, 1000, 7);
    for (int i = 0; i < 20; i++) {
        start(&w, 99);
        end(&w, 99, 0);
    }
    CHECK(w.count <= 8 && w.dropped + w.count + w.thinned == 20 && sh_watch_list_valid(&w));
    sh_watch_list_fini(&w);
    CHECK(unreleased() == 0 && !released_twice);
}

/* 40,000 spans of two names in bursts and lulls, of which some are kept, over many keys: both estimates are right on average. */
static void unbiased(void) {
    enum { SEEDS = 300, TICKS = 20 };
    double sum[2] = { 0 }, square[2] = { 0 }, truth[2] = { 0 };
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        sh_watch_list w = new_list(256, 64, seed * 77 + 1);
        sh_rng rng;
        sh_rng_seed(&rng, 5);   /* the same spans each time: only the key differs */
        truth[0] = truth[1] = 0;
        uint64_t id = 0;
        for (int t = 0; t < TICKS; t++) {
            for (int spans = t % 4 ? 500 : 6500; spans > 0; spans--) {
                id++;
                bool rare = sh_rng_next(&rng) % 16 == 0, kept = rare || sh_rng_next(&rng) % 4 == 0;
                truth[rare] += kept;
                object *span = start(&w, id);
                if (span) span->alive = false;
                object *readable = end(&w, id, rare);
                if (readable) readable->alive = kept;
            }
            sh_watch_list_advance(&w, t, 0);
            sh_watch_list_sweep(&w);
        }
        double estimate[2] = { 0 };
        for (uint32_t i = 0; i < w.count; i++) estimate[w.entries[i].name] += sh_watched_weight(&w.entries[i]);
        for (int k = 0; k < 2; k++) {
            sum[k] += estimate[k];
            square[k] += estimate[k] * estimate[k];
        }
        sh_watch_list_fini(&w);
    }
    for (int k = 0; k < 2; k++) {
        double mean = sum[k] / SEEDS, deviation = sqrt(square[k] / SEEDS - mean * mean);
        printf("name %d: truth %.0f, mean of %d estimates %.0f, each +- %.1f %%\n", k, truth[k], SEEDS, mean,
               100 * deviation / truth[k]);
        CHECK(fabs(mean - truth[k]) < 4 * deviation / sqrt(SEEDS));
        CHECK(deviation / truth[k] < (k ? 0.35 : 0.12));
    }
}

/* However many spans start between two ticks, each doubling costs one budget more; a quiet period brings all back. */
static void budget(void) {
    sh_watch_list w = new_list(4096, 64, 3);
    uint32_t taken = 0;
    for (uint64_t id = 1; id <= 100000; id++) {
        object *span = start(&w, id);
        if (!span) continue;
        taken++;
        span->alive = false;
    }
    CHECK(taken < 64 * 13);
    sh_watch_list_advance(&w, 0, 0);
    sh_watch_list_sweep(&w);
    CHECK(w.level == 11 && w.count == 0);   /* 100,000 / 2^11 < 64 */
    taken = 0;
    for (uint64_t id = 1; id <= 100000; id++) taken += start(&w, id) != NULL;
    CHECK(taken < 64 * 2);
    sh_watch_list_advance(&w, 1, 0);
    sh_watch_list_advance(&w, 2, 0);
    CHECK(w.level == 0 && start(&w, 5));
    sh_watch_list_fini(&w);
}

/* What was not measured counts as the mean of what was; unended and retained apart. */
static void sums(void) {
    sh_watch_list w = new_list(64, 100, 7);
    for (uint64_t id = 1; id <= 10; id++) {
        start(&w, id);
        if (id <= 6) end(&w, id, 0);
    }
    sh_watch_list_advance(&w, 0, 0);
    sh_watch_list_advance(&w, 100, 0);
    for (uint32_t i = 0; i < w.count; i++) {
        w.entries[i].level = i % 2;   /* not valid: for the arithmetic */
        w.entries[i].bytes = 1000 * (i + 1);
        w.entries[i].measured = i < 4 || i == 9;
    }
    sh_watch_sum retained, unended;
    sh_watch_list_sum(&w, 5, 60, &retained, &unended);
    CHECK(retained.spans == 9 && fabs(retained.bytes - 9 * (1000 + 2 * 2000 + 3000 + 2 * 4000) / 6.0) < 1e-6);
    CHECK(unended.spans == 6 && fabs(unended.bytes - 6 * 10000.0) < 1e-6);
    sh_watch_list_sum(&w, 101, 101, &retained, &unended);
    CHECK(retained.spans == 0 && retained.bytes == 0 && unended.spans == 0);
    sh_watch_list_fini(&w);
}

/* Clearing gives all references back and starts from nothing, with the new key. */
static void clearing(void) {
    sh_watch_list w = new_list(64, 4, 7);
    sh_watch_list_advance(&w, 5, 1);
    sh_watch_list_advance(&w, 9, 1);
    for (uint64_t id = 1; id <= 30; id++) {
        start(&w, id);
        if (id % 2) end(&w, id, 0);
    }
    CHECK(w.count > 0 && w.level > 0 && w.clock == 4);
    sh_watch_list_clear(&w, 8);
    CHECK(unreleased() == 0 && !released_twice && w.count == 0 && w.level == 0 && w.clock == 0 && w.key == 8 && !w.seen);
    CHECK(start(&w, 1) && sh_watch_list_valid(&w));
    sh_watch_list_fini(&w);
}

/* Wanted, but then others raised the level: it is not taken at a level that its hash does not have. */
static void level_raised_meanwhile(void) {
    sh_watch_list w = new_list(64, 4, 7);
    uint64_t id = 1;
    while (sh_watch_hash(&w, id) >> 63 == 0) id++;   /* no leading zero */
    CHECK(sh_watch_list_wants(&w, id));
    for (uint64_t other = 1000; w.level == 0; other++) start(&w, other);
    object *span = new_object();
    CHECK(!sh_watch_list_add(&w, id, span) && !span->released && w.count == 4 && sh_watch_list_valid(&w));
    sh_watch_list_fini(&w);
}

static void refused(void) {
    sh_watch_list w;
    CHECK(!sh_watch_list_init(&w, 0, 1, (sh_watch_references){ alive, release }));
    CHECK(!sh_watch_list_init(&w, SH_WATCH_MAX_CAPACITY + 1, 1, (sh_watch_references){ alive, release }));
    CHECK(sh_watch_list_memory(&w) == 0 && sh_watch_list_valid(&w));
    sh_watch_list_exempt_last(&w, 0, 10);
}

int main(void) {
    life_of_one();
    exports();
    clocks();
    for (uint64_t seed = 1; seed <= 10; seed++) random_programs(seed);
    one_hash();
    unbiased();
    budget();
    sums();
    clearing();
    level_raised_meanwhile();
    refused();
    return CHECK_DONE();
}
