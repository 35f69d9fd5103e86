#include <stdlib.h>

#include "profile_fixture.h"

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

int main(void) {
    test_retag();
    test_folded_samples_have_final_names();
    test_retired_entries_make_room();
    test_tick_evicts_crowded_stacks();
    test_clear();
    test_restart_with_other_options();
    test_rest_is_summed_as_other();
    test_names_are_distinct();
    test_root_with_empty_blocks_only();
    return CHECK_DONE();
}
