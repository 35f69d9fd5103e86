#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "spanheap/profile.h"

enum { CODES = 64, ADDRESSES = 2000, SPANS = 50 };

static sh_profile profile;             /* tens of KiB: not for the stack */
static const char code_objects[CODES];
static int64_t references_held;        /* to code objects, by the stack table */
static const char span_type, span_objects[SPANS][16];

static const void *address_of(uint32_t i) { return (const void *)(uintptr_t)(0x550000000000u + (uint64_t)i * 560); }

static void drop(const void *code) {
    (void)code;
    references_held--;
}

static bool start_profile(double interval, uint32_t max_samples, bool adaptive) {
    const sh_profile_options options = {
        .interval = interval, .max_samples = max_samples, .span_capacity = SPANS * 4, .adaptive = adaptive, .seed = 1,
    };
    return CHECK(sh_profile_init(&profile, &options));
}

static void stop_profile(void) {
    sh_profile_clear(&profile, drop);
    CHECK(references_held == 0 && sh_profile_valid(&profile));
    sh_profile_fini(&profile);
}

static uint32_t intern_stack(uint32_t n) {
    bool is_new;
    sh_frame frames[2] = { { .code = &code_objects[n % CODES], .offset = (int32_t)n }, { .code = code_objects } };
    uint32_t id = sh_stack_table_intern(&profile.stacks, frames, 2, profile.ticks, &is_new);
    references_held += is_new ? 2 : 0;
    return id;
}

static uint32_t intern_name(const char *kind, uint64_t n) {
    char name[32];
    int length = snprintf(name, sizeof name, "%s-%llu", kind, (unsigned long long)n);
    return sh_string_table_intern(&profile.strings, name, (size_t)length);
}

static uint32_t start_span(uint64_t id, uint64_t parent) {
    sh_span_start start = {
        .span_id = id, .parent_span_id = parent, .object = span_objects[id % SPANS], .type = &span_type,
        .name = intern_name("span", id),
    };
    return sh_span_table_start(&profile.spans, &start);
}

static sh_sample sample_at(uint32_t address, uint64_t size) {
    return (sh_sample){ .address = address_of(address), .size = size, .interval = (float)profile.interval, .share = 1.0f };
}

/* Records a block of this size under a span. */
static bool record(uint32_t address, uint64_t size, uint32_t span, sh_sample_ref *ref) {
    sh_sample sample = sample_at(address, size);
    sample.span = span;
    return sh_profile_record_in_hook(&profile, &sample, ref);
}

/* ------------------------------------------------------------------ all operations at random */

/* Every reference counted one by one: samples for stacks and threads; samples, activity, a late end and children for spans. */
static bool references_match(void) {
    static uint32_t stacks[4096], spans[8192], threads[SH_THREAD_CAPACITY];
    memset(stacks, 0, sizeof stacks);
    memset(spans, 0, sizeof spans);
    memset(threads, 0, sizeof threads);
    bool ok = true;
    for (uint32_t entry = 0; entry < profile.live.high; entry++) {
        const sh_sample *s = &profile.live.samples[entry];
        if (s->state == SH_SAMPLE_FREE) continue;
        stacks[s->stack]++;
        spans[s->span]++;
        threads[s->thread]++;
        ok &= s->stack == SH_STACK_OTHER || profile.stacks.stacks[s->stack].used;
    }
    for (uint32_t slot = SH_SPAN_FIRST; slot < profile.spans.high; slot++) {
        const sh_span *span = &profile.spans.spans[slot];
        if (!span->refs) continue;
        spans[slot] += span->active;
        if (span->root != slot) spans[span->root]++;
    }
    for (uint32_t i = 0; i < profile.spans.max_recent; i++) spans[profile.spans.recent[i]]++;
    for (uint32_t id = 0; id < profile.stacks.high; id++) ok &= profile.stacks.stacks[id].refs == stacks[id];
    for (uint32_t slot = SH_SPAN_FIRST; slot < profile.spans.high; slot++)
        ok &= profile.spans.spans[slot].refs == spans[slot];
    for (uint32_t slot = 0; slot < profile.threads.high; slot++) ok &= profile.threads.threads[slot].refs == threads[slot];
    return ok;
}

static uint64_t size_at[ADDRESSES];   /* of the live block, 0 = none */

static bool sums_match(double live_bytes, double allocated_bytes, uint64_t live, uint64_t recorded) {
    sh_profile_sums sums = sh_profile_sum(&profile);
    return sums.live_bytes == live_bytes && sums.live_samples == live && sums.live_objects == (double)live
        && sums.allocated_bytes == allocated_bytes && sums.allocated_objects == (double)recorded;
}

/* Live bytes by root name against a plain sum over the samples. */
static bool live_by_root_matches(double live_bytes) {
    enum { ROOM = SPANS + SH_SPAN_FIRST + 1 };
    sh_name_sum rows[ROOM];
    uint32_t n = sh_profile_live_by_root(&profile, rows, ROOM);
    double total = 0;
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        double bytes = 0;
        uint64_t samples = 0;
        for (uint32_t entry = 0; entry < profile.live.high; entry++) {
            const sh_sample *s = &profile.live.samples[entry];
            uint32_t root = profile.spans.spans[s->span].root;
            if (s->state != SH_SAMPLE_LIVE || profile.spans.spans[root].name != rows[i].name) continue;
            bytes += (double)s->size;
            samples++;
        }
        ok &= bytes == rows[i].bytes && samples == rows[i].samples && (double)samples == rows[i].objects;
        ok &= i == 0 || rows[i - 1].bytes >= rows[i].bytes;
        total += rows[i].bytes;
    }
    return ok && total == live_bytes;
}

/* With every allocation sampled the sums are exact, and no order of operations loses a sample, a byte or a reference. */
static void test_random_operations(void) {
    if (!start_profile(1.0, ADDRESSES, false)) return;
    sh_rng rng;
    sh_rng_seed(&rng, 3);
    double live_bytes = 0, allocated_bytes = 0;
    uint64_t live = 0, recorded = 0, retagged = 0, evicted_steps = 0;
    int64_t now = 1000;
    sh_sample_ref refs[16] = { 0 };
    for (int step = 0; step < 40000; step++) {
        uint32_t what = (uint32_t)(sh_rng_next(&rng) % 1000), address = (uint32_t)(sh_rng_next(&rng) % ADDRESSES);
        uint64_t span_id = 1 + sh_rng_next(&rng) % SPANS;
        if (what < 430) {
            if (size_at[address]) continue;
            sh_sample sample = sample_at(address, 1 + sh_rng_next(&rng) % 10000);
            sample.stack = intern_stack((uint32_t)(sh_rng_next(&rng) % 300));
            sample.span = sh_span_table_find_in_hook(&profile.spans, span_objects[span_id % SPANS], &span_type);
            if (sh_rng_next(&rng) % 50 == 0) sh_thread_table_claim(&profile.threads, span_id);
            sample.thread = (uint32_t)(sh_rng_next(&rng) % profile.threads.high);
            if (!profile.threads.threads[sample.thread].used) sample.thread = SH_THREAD_OTHER;
            if (!CHECK(sh_profile_record_in_hook(&profile, &sample, &refs[step % 16]))) break;
            size_at[address] = sample.size;
            live_bytes += (double)sample.size;
            allocated_bytes += (double)sample.size;
            live++;
            recorded++;
        } else if (what < 830) {
            if (!CHECK(sh_profile_release_in_hook(&profile, address_of(address), NULL) == (size_at[address] != 0))) break;
            live_bytes -= (double)size_at[address];
            live -= size_at[address] != 0;
            size_at[address] = 0;
        } else if (what < 880) {
            bool running = false;
            for (uint32_t slot = SH_SPAN_FIRST; slot < profile.spans.high; slot++)
                running |= profile.spans.spans[slot].active && profile.spans.spans[slot].span_id == span_id;
            if (!running) start_span(span_id, sh_rng_next(&rng) % SPANS);
        } else if (what < 930) {
            sh_span_table_end(&profile.spans, span_id, intern_name("final", span_id));
        } else if (what < 970) {
            sh_sample_ref ref = refs[sh_rng_next(&rng) % 16];
            uint32_t slot = sh_span_table_find_in_hook(&profile.spans, span_objects[span_id % SPANS], &span_type);
            const sh_sample *at = &profile.live.samples[ref.entry];
            bool same = ref.serial && at->serial == ref.serial && at->state != SH_SAMPLE_FREE;
            if (!CHECK(sh_profile_retag(&profile, ref, slot) == same)) break;
            retagged += same;
            if (same && !CHECK(at->span == slot)) break;
        } else if (what < 985) {
            sh_profile_fold(&profile, (uint32_t)(sh_rng_next(&rng) % 50));
        } else if (what < 990) {
            sh_profile_tick(&profile, now++, drop);
        } else if (what < 998) {
            uint64_t before = profile.stacks.evicted;
            sh_profile_evict_stacks(&profile, (uint32_t)(sh_rng_next(&rng) % 300), 600, drop);
            evicted_steps += profile.stacks.evicted > before;
        } else if (what < 999) {
            sh_thread_table_reap(&profile.threads, &span_id, 1);
        } else {
            sh_profile_forget_samples(&profile);
            memset(size_at, 0, sizeof size_at);
            live_bytes = 0;
            live = 0;
        }
        if (step % 128 != 0) continue;
        if (!CHECK(sh_profile_valid(&profile) && references_match())) break;
        if (!CHECK(sums_match(live_bytes, allocated_bytes, live, recorded))) break;
        if (!CHECK(live_by_root_matches(live_bytes))) break;
        if (!CHECK(references_held == (int64_t)profile.stacks.frames_used)) break;
    }
    CHECK(profile.counters.recorded == recorded && profile.counters.dropped == 0 && profile.counters.thinned == 0);
    CHECK(retagged > 0 && evicted_steps > 0 && live > 0);
    stop_profile();
}

/* ------------------------------------------------------------------ samples and spans */

/* A sample is retagged while it is live or retired, and never once its entry is another's. */
static void test_retag(void) {
    if (!start_profile(1.0, 100, false)) return;
    uint32_t span = start_span(1, 0);
    sh_sample_ref ref, later;
    CHECK(record(1, 100, SH_SPAN_STARTING, &ref));
    CHECK(sh_profile_retag(&profile, ref, span) && profile.spans.spans[span].refs == 2);
    CHECK(!sh_profile_retag(&profile, (sh_sample_ref){ ref.entry, ref.serial + 1 }, SH_SPAN_NONE));
    CHECK(!sh_profile_retag(&profile, (sh_sample_ref){ UINT32_MAX, ref.serial }, SH_SPAN_NONE));
    CHECK(sh_profile_release_in_hook(&profile, address_of(1), NULL));
    CHECK(sh_profile_retag(&profile, ref, SH_SPAN_NONE) && profile.spans.spans[span].refs == 1);   /* not yet counted */
    CHECK(sh_profile_retag(&profile, ref, span));
    CHECK(sh_profile_fold(&profile, 10) == 1 && !sh_profile_retag(&profile, ref, SH_SPAN_NONE));
    CHECK(record(2, 50, SH_SPAN_NONE, &later) && later.entry == ref.entry && !sh_profile_retag(&profile, ref, span));
    sh_total rows[4];
    CHECK(sh_totals_table_copy(&profile.totals, rows) == 1 && rows[0].bytes == 100);
    CHECK(rows[0].name == profile.spans.spans[span].name);
    CHECK(sh_profile_valid(&profile) && references_match());
    stop_profile();
}

/* What is folded after a span has ended is counted under its final name and its root's, both long gone otherwise. */
static void test_folded_samples_have_final_names(void) {
    if (!start_profile(1.0, 100, false)) return;
    uint32_t root = start_span(1, 0), child = start_span(2, 1);
    CHECK(profile.spans.spans[child].root == root && record(1, 100, child, NULL));
    uint32_t child_name = intern_name("final", 2), root_name = intern_name("final", 1);
    CHECK(sh_span_table_end(&profile.spans, 2, child_name) && sh_span_table_end(&profile.spans, 1, root_name));
    CHECK(sh_profile_release_in_hook(&profile, address_of(1), NULL) && sh_profile_fold(&profile, 10) == 1);
    sh_total rows[4];
    CHECK(sh_totals_table_copy(&profile.totals, rows) == 1 && rows[0].name == child_name && rows[0].root_name == root_name);
    CHECK(profile.spans.spans[child].refs == 1 && profile.spans.spans[root].refs == 2);   /* as ended lately; by its child */
    stop_profile();
}

/* A table full of what was released but not folded makes room by itself: nothing is dropped, nothing thinned. */
static void test_retired_entries_make_room(void) {
    if (!start_profile(1.0, 100, false)) return;
    bool recorded = true;
    for (uint32_t i = 0; i < 20000; i++) {
        recorded &= record(i % ADDRESSES, 10, SH_SPAN_NONE, NULL);
        sh_profile_release_in_hook(&profile, address_of(i % ADDRESSES), NULL);
    }
    CHECK(recorded && profile.counters.dropped == 0 && profile.counters.folded > 0 && sh_profile_valid(&profile));
    CHECK(sh_profile_sum(&profile).allocated_bytes == 200000.0);
    stop_profile();
}

/* ------------------------------------------------------------------ the bound on samples */

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

/* ------------------------------------------------------------------ tick, clear, restart */

/* The tick evicts when stacks are crowded: unused ones go, each reference once, and the totals keep their sums. */
static void test_tick_evicts_crowded_stacks(void) {
    if (!start_profile(1.0, 4096, false)) return;
    uint32_t n = 0, stack_of_live = intern_stack(n++);
    sh_sample sample = sample_at(0, 100);
    sample.stack = stack_of_live;
    CHECK(sh_profile_record_in_hook(&profile, &sample, NULL));
    while (!sh_stack_table_crowded(&profile.stacks)) {
        sample = sample_at(n % (ADDRESSES - 1) + 1, 10);
        sample.stack = intern_stack(n++);
        sh_profile_record_in_hook(&profile, &sample, NULL);
        sh_profile_release_in_hook(&profile, sample.address, NULL);
    }
    sh_profile_sums before = sh_profile_sum(&profile);
    sh_profile_tick(&profile, 1, drop);
    sh_profile_sums after = sh_profile_sum(&profile);
    CHECK(sh_stack_table_count(&profile.stacks) == profile.stacks.capacity / 2 && profile.stacks.evicted > 0);
    CHECK(profile.stacks.stacks[stack_of_live].used && references_held == (int64_t)profile.stacks.frames_used);
    CHECK(before.allocated_bytes == after.allocated_bytes && before.live_bytes == after.live_bytes);
    sh_total *rows = malloc(sh_totals_table_count(&profile.totals) * sizeof *rows);
    uint32_t count = sh_totals_table_copy(&profile.totals, rows);
    bool known = true;
    for (uint32_t i = 0; i < count; i++)
        known &= rows[i].stack == SH_STACK_OTHER || profile.stacks.stacks[rows[i].stack].used;
    CHECK(known && sh_profile_valid(&profile) && references_match());
    free(rows);
    stop_profile();
}

/* A clear forgets samples, spans, stacks and totals and makes old handles worthless; names and locations stay. */
static void test_clear(void) {
    if (!start_profile(100.0, 100, true)) return;
    uint32_t thread = sh_thread_table_claim(&profile.threads, 5), generation = profile.threads.threads[thread].generation;
    uint32_t name = intern_name("kept", 1);
    uint32_t location = sh_location_table_intern(&profile.locations, (sh_location){ name, name, 1, 1 });
    uint32_t span = start_span(1, 0);
    sh_sample_ref ref;
    CHECK(record(1, 100, span, &ref));
    while (profile.counters.rate_raised == 0) record(profile.live.serial + 1, 10, span, NULL);
    sh_profile_clear(&profile, drop);
    sh_profile_sums sums = sh_profile_sum(&profile);
    CHECK(sums.allocated_bytes == 0 && sums.live_samples == 0 && profile.interval == 100.0);
    CHECK(profile.counters.recorded == 0 && profile.spans.active == 0 && sh_stack_table_count(&profile.stacks) == 0);
    CHECK(!sh_live_table_maybe(&profile.live, address_of(1)) && !sh_profile_release_in_hook(&profile, address_of(1), NULL));
    CHECK(!sh_profile_retag(&profile, ref, SH_SPAN_NONE) && !sh_span_table_end(&profile.spans, 1, name));
    CHECK(!sh_thread_table_owns(&profile.threads, thread, generation));
    CHECK(intern_name("kept", 1) == name);
    CHECK(sh_location_table_intern(&profile.locations, (sh_location){ name, name, 1, 1 }) == location);
    CHECK(record(1, 10, SH_SPAN_NONE, NULL));   /* another use of the entry */
    CHECK(!sh_profile_retag(&profile, ref, SH_SPAN_NONE));
    CHECK(sh_profile_valid(&profile) && references_match());
    stop_profile();
}

/* A restart with other options gives a profile of the new size, up or down, that has forgotten the old samples. */
static void test_restart_with_other_options(void) {
    static const uint32_t sizes[] = { 100, 9000, 50, 20000 };
    if (!start_profile(1.0, 100, false)) return;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sh_profile_options options = profile.options;
        options.max_samples = sizes[i];
        options.span_capacity = 10 + (uint32_t)i;
        options.interval = 1.0 / (double)(1 + i);
        if (!CHECK(sh_profile_restart(&profile, &options, drop))) return;
        CHECK(profile.interval == options.interval && sh_profile_valid(&profile) && references_held == 0);
        uint32_t recorded = 0, tracked = 0;
        for (uint32_t n = 0; n < sizes[i] + 10; n++) {
            sh_sample sample = sample_at(n, 10);
            sample.stack = intern_stack(n % 100);
            recorded += sh_profile_record_in_hook(&profile, &sample, NULL);
        }
        for (uint64_t id = 1; id <= 40; id++) tracked += start_span(id, 0) != SH_SPAN_UNTRACKED;
        CHECK(recorded == sizes[i] && profile.counters.dropped == 10 && tracked == options.span_capacity);
        CHECK(sh_profile_sum(&profile).live_bytes == 10.0 * sizes[i] && sh_profile_valid(&profile) && references_match());
    }
    stop_profile();
}

/* ------------------------------------------------------------------ live bytes by root */

/* The largest come first, the rest is one row "<other>", and the sum is complete. */
static void test_rest_is_summed_as_other(void) {
    if (!start_profile(1.0, 100, false)) return;
    for (uint32_t i = 0; i < 10; i++) record(i, (i * 7 % 10 + 1) * 100, start_span(i + 1, 0), NULL);
    sh_name_sum rows[4];
    CHECK(sh_profile_live_by_root(&profile, rows, 4) == 4);
    CHECK(rows[0].bytes == 1000 && rows[1].bytes == 900 && rows[2].bytes == 800);
    CHECK(rows[3].name == SH_STRING_OTHER && rows[3].bytes == 2800 && rows[3].samples == 7 && rows[3].objects == 7);
    CHECK(sh_profile_live_by_root(&profile, rows, 1) == 1 && rows[0].name == SH_STRING_OTHER && rows[0].bytes == 5500);
    stop_profile();
}

/* More names than rows, and "<other>" among the largest: still no name twice, since each becomes one series of a gauge. */
static void test_names_are_distinct(void) {
    enum { NAMES = 500, ROWS = 20 };
    const sh_profile_options options = { .interval = 1.0, .max_samples = 2 * NAMES, .span_capacity = NAMES };
    if (!CHECK(sh_profile_init(&profile, &options))) return;
    double bytes = 0;
    for (uint32_t i = 0; i < NAMES; i++) {
        record(i, 100 + i, start_span(i + 1, 0), NULL);
        bytes += 100 + i;
    }
    sh_name_sum rows[ROWS];
    uint32_t n = sh_profile_live_by_root(&profile, rows, ROWS), repeated = 0;
    for (uint32_t i = 0; i < n; i++) {
        bytes -= rows[i].bytes;
        for (uint32_t j = 0; j < i; j++) repeated += rows[i].name == rows[j].name;
    }
    CHECK(n == ROWS && bytes == 0);
    CHECK(repeated == 0);
    stop_profile();
}

/* A root that holds nothing but empty blocks has a row like any other. */
static void test_root_with_empty_blocks_only(void) {
    if (!start_profile(1.0, 100, false)) return;
    uint32_t span = start_span(1, 0);
    record(1, 0, span, NULL);
    sh_name_sum rows[4];
    CHECK(sh_profile_live_by_root(&profile, rows, 4) == 1);
    CHECK(rows[0].name == profile.spans.spans[span].name && rows[0].samples == 1 && rows[0].objects == 1);
    stop_profile();
}

/* ------------------------------------------------------------------ threads */

enum { FREEING_THREADS = 2, SHARED = 1024, RUN_MS = 400 };

static _Atomic bool allocated[SHARED];   /* set by the GIL's holder, taken by whoever frees */
static _Atomic bool finished;

static void *free_what_was_allocated(void *first) {
    while (!atomic_load(&finished))
        for (uint32_t i = *(uint32_t *)first; i < SHARED; i += FREEING_THREADS) {
            if (!atomic_load(&allocated[i])) continue;
            if (sh_live_table_maybe(&profile.live, address_of(i))) sh_profile_release_in_hook(&profile, address_of(i), NULL);
            atomic_store(&allocated[i], false);
        }
    return NULL;
}

/* While the holder of the GIL does all it does, other threads free without it (meant for the thread sanitizer). */
static void test_frees_on_other_threads(void) {
    pthread_t threads[FREEING_THREADS];
    uint32_t first[FREEING_THREADS];
    if (!start_profile(100.0, 300, true)) return;
    for (uint32_t i = 0; i < FREEING_THREADS; i++) {
        first[i] = i;
        if (!CHECK(pthread_create(&threads[i], NULL, free_what_was_allocated, &first[i]) == 0)) return;
    }
    int64_t end = sh_clock_ns(CLOCK_MONOTONIC) + RUN_MS * INT64_C(1000000), now = 0;
    sh_sample_ref ref = { 0, 0 };
    uint32_t span = start_span(1, 0);
    bool sums_ok = true;
    for (uint32_t step = 0; step % 64 != 0 || sh_clock_ns(CLOCK_MONOTONIC) < end; step++) {
        uint32_t i = step * 7 % SHARED;
        if (!atomic_load(&allocated[i]) && record(i, 100, SH_SPAN_STARTING, &ref)) atomic_store(&allocated[i], true);
        if (step % 4 == 0) sh_profile_retag(&profile, ref, span);
        if (step % 512 == 0) sh_profile_tick(&profile, now += 30, drop);
        if (step % 1024 == 0) {
            sh_profile_sums sums = sh_profile_sum(&profile);
            sums_ok &= sums.live_bytes <= sums.allocated_bytes;
        }
    }
    atomic_store(&finished, true);
    for (int i = 0; i < FREEING_THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(sums_ok && sh_profile_valid(&profile) && references_match() && profile.counters.recorded > 1000);
    stop_profile();
}

int main(void) {
    test_random_operations();
    test_retag();
    test_folded_samples_have_final_names();
    test_retired_entries_make_room();
    test_fixed_rate_drops_and_counts();
    test_rate_goes_up_when_full();
    test_thinning_releases_references();
    test_rate_comes_down_when_calm();
    test_adaptive_estimates_are_unbiased();
    test_tick_evicts_crowded_stacks();
    test_clear();
    test_restart_with_other_options();
    test_rest_is_summed_as_other();
    test_names_are_distinct();
    test_root_with_empty_blocks_only();
    test_frees_on_other_threads();
    return CHECK_DONE();
}
