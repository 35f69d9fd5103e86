/* The bound on samples: dropping, thinning, the rate that goes up and comes down. */
#include <math.h>

#include "profile_fixture.h"

/* Without adaptation a full table drops what is new and counts it; what is there stays as it was. */
static void test_fixed_rate_drops_and_counts(void) {
    if (!start_profile(1.0, 100, false)) return;
    for (uint32_t i = 0; i < 150; i++) CHECK(record(i, 10, SH_SPAN_NONE, NULL) == (i < 100));
    CHECK(profile.counters.dropped == 50 && profile.counters.recorded == 100 && profile.live.live == 100);
    CHECK(profile.interval == 1.0 && profile.counters.rate_raised == 0 && profile.counters.thinned == 0);
    CHECK(sh_profile_release_in_hook(&profile, address_of(3), NULL) && record(200, 10, SH_SPAN_NONE, NULL));
    CHECK(sh_profile_valid(&profile));
    stop_profile();
}

/* A full table doubles the interval as often as it takes to make room, also for blocks that survive many doublings. */
static void test_rate_goes_up_when_full(void) {
    static const uint64_t sizes[] = { 1, 64, 1 << 20 };
    for (size_t kind = 0; kind < sizeof sizes / sizeof *sizes; kind++) {
        if (!start_profile(1.0, 100, true)) return;
        bool bounded = true;
        for (uint32_t i = 0; i < 1000; i++) {
            bounded &= record(i, sizes[kind], SH_SPAN_NONE, NULL);
            bounded &= profile.live.live <= 100;
        }
        CHECK(bounded && profile.counters.dropped == 0 && profile.counters.thinned > 0 && profile.counters.rate_raised > 0);
        CHECK(profile.interval == ldexp(1.0, (int)profile.counters.rate_raised));
        CHECK(sh_profile_valid(&profile) && references_match());
        stop_profile();
    }
}

/* Thinned samples give their references back: a span all of whose samples are thinned is only known as ended lately. */
static void test_thinning_releases_references(void) {
    if (!start_profile(1.0, 100, true)) return;
    uint32_t span = start_span(1, 0);
    for (uint32_t i = 0; i < 100; i++) CHECK(record(i, 1, span, NULL));
    sh_span_table_end(&profile.spans, 1, SH_STRING_OTHER);
    for (uint32_t i = 100; profile.spans.spans[span].refs > 1 && i < ADDRESSES; i++) record(i, 1, SH_SPAN_NONE, NULL);
    CHECK(profile.spans.spans[span].refs == 1 && sh_profile_valid(&profile));
    stop_profile();
}

/* The interval halves once a minute while the table is less than a quarter full, never below the one asked for. */
static void test_rate_comes_down_when_calm(void) {
    enum { STARTED_S = 5000, FIRST = ADDRESSES };
    if (!start_profile(100.0, 100, true)) return;
    uint32_t address = 0;
    while (profile.counters.rate_raised < 2) CHECK(record(address++, 300, SH_SPAN_NONE, NULL));
    const double raised = profile.interval;
    CHECK(raised == 400.0);
    for (int64_t now = 0; now < 200; now++) sh_profile_tick(&profile, STARTED_S + now, drop);
    CHECK(profile.live.live >= 25 && profile.interval == raised);   /* full enough: no change however long */

    int64_t calm = STARTED_S + 199;   /* the last tick that saw it so full */
    while (address-- > 0) sh_profile_release_in_hook(&profile, address_of(address), NULL);
    for (uint32_t i = 0; i < 24; i++) CHECK(record(FIRST + i, 300, SH_SPAN_NONE, NULL));
    for (int64_t now = calm + 1; now < calm + 60; now++) sh_profile_tick(&profile, now, drop);
    CHECK(profile.interval == raised);
    sh_profile_tick(&profile, calm + 60, drop);
    CHECK(profile.interval == raised / 2 && profile.counters.rate_lowered == 1);
    sh_profile_tick(&profile, calm + 119, drop);
    CHECK(profile.interval == raised / 2);
    CHECK(record(FIRST + 24, 300, SH_SPAN_NONE, NULL));             /* a quarter full: the minute starts anew */
    sh_profile_tick(&profile, calm + 120, drop);
    CHECK(profile.interval == raised / 2);
    CHECK(sh_profile_release_in_hook(&profile, address_of(FIRST + 24), NULL));
    sh_profile_tick(&profile, calm + 179, drop);
    CHECK(profile.interval == raised / 2);
    for (int64_t now = calm + 180; now < calm + 1000; now++) sh_profile_tick(&profile, now, drop);
    CHECK(profile.interval == 100.0 && profile.counters.rate_lowered == 2);
    stop_profile();
}

/* Through doublings, releases and folds, live and allocated bytes stay unbiased: the mean over seeds is the truth. */
static void test_adaptive_estimates_are_unbiased(void) {
    enum { SEEDS = 400, BLOCKS = 900, FREED_AFTER = 300 };
    static const uint64_t sizes[] = { 40, 300, 2000, 20000 };
    double live[2] = { 0 }, allocated[2] = { 0 }, live_truth = 0, allocated_truth = 0;   /* [0] sum, [1] sum of squares */
    uint64_t raised = 0, valid = 0;
    if (!start_profile(500.0, 64, true)) return;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        sh_profile_options options = profile.options;
        options.seed = seed;
        if (!CHECK(sh_profile_restart(&profile, &options, drop))) return;
        sh_rng rng;
        sh_rng_seed(&rng, seed + 1000000);
        for (uint32_t i = 0; i < BLOCKS; i++) {
            uint64_t size = sizes[i % 4];
            bool sampled = sh_rng_uniform(&rng) <= sh_sampler_probability(size, profile.interval, 1.0);
            if (sampled) record(i, size, SH_SPAN_NONE, NULL);
            if (i >= FREED_AFTER && i % 2) sh_profile_release_in_hook(&profile, address_of(i - FREED_AFTER), NULL);
            bool freed_later = i + FREED_AFTER < BLOCKS && (i + FREED_AFTER) % 2;
            allocated_truth += seed == 0 ? (double)size : 0;
            live_truth += seed == 0 && !freed_later ? (double)size : 0;
        }
        sh_profile_sums sums = sh_profile_sum(&profile);
        live[0] += sums.live_bytes;
        live[1] += sums.live_bytes * sums.live_bytes;
        allocated[0] += sums.allocated_bytes;
        allocated[1] += sums.allocated_bytes * sums.allocated_bytes;
        raised += profile.counters.rate_raised;
        valid += sh_profile_valid(&profile);
    }
    CHECK(raised >= SEEDS && valid == SEEDS);
    double live_mean = live[0] / SEEDS, live_variance = live[1] / SEEDS - live_mean * live_mean;
    double allocated_mean = allocated[0] / SEEDS;
    double allocated_variance = allocated[1] / SEEDS - allocated_mean * allocated_mean;
    CHECK(fabs(live_mean - live_truth) <= 4.0 * sqrt(live_variance / SEEDS));
    CHECK(fabs(allocated_mean - allocated_truth) <= 4.0 * sqrt(allocated_variance / SEEDS));
    stop_profile();
}

/* Another interval half-way: samples keep their own, a full table doubles from the new one, and the estimates stay unbiased. */
static void test_a_new_interval_leaves_estimates_unbiased(void) {
    enum { SEEDS = 400, BLOCKS = 600 };
    static const double intervals[] = { 2000.0, 100.0, 5000.0 };   /* the second overflows the table: 64 samples */
    static const uint64_t sizes[] = { 40, 300, 2000, 20000 };
    double sum = 0, squares = 0, truth = 0;
    uint64_t raised = 0, valid = 0;
    if (!start_profile(1.0, 64, true)) return;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        sh_profile_options options = profile.options;
        options.seed = seed;
        if (!CHECK(sh_profile_restart(&profile, &options, drop))) return;
        sh_rng rng;
        sh_rng_seed(&rng, seed + 1000000);
        for (uint32_t i = 0; i < BLOCKS; i++) {
            if (i % (BLOCKS / 3) == 0) {
                sh_profile_set_interval(&profile, intervals[i / (BLOCKS / 3)]);
                CHECK(profile.interval == intervals[i / (BLOCKS / 3)]);
            }
            uint64_t size = sizes[i % 4];
            if (sh_rng_uniform(&rng) <= sh_sampler_probability(size, profile.interval, 1.0)) record(i, size, SH_SPAN_NONE, NULL);
            truth += seed == 0 ? (double)size : 0;
        }
        double live = sh_profile_sum(&profile).live_bytes;
        sum += live;
        squares += live * live;
        raised += profile.counters.rate_raised;
        valid += sh_profile_valid(&profile);
    }
    CHECK(raised >= SEEDS && valid == SEEDS);
    double mean = sum / SEEDS, variance = squares / SEEDS - mean * mean;
    CHECK(fabs(mean - truth) <= 4.0 * sqrt(variance / SEEDS));
    stop_profile();
}

int main(void) {
    test_fixed_rate_drops_and_counts();
    test_rate_goes_up_when_full();
    test_thinning_releases_references();
    test_rate_comes_down_when_calm();
    test_adaptive_estimates_are_unbiased();
    test_a_new_interval_leaves_estimates_unbiased();
    return CHECK_DONE();
}
