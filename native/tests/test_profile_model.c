/* All operations of a profile at random, against plain sums. */
#include "profile_fixture.h"

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

int main(void) {
    test_random_operations();
    return CHECK_DONE();
}
