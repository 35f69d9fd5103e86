#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "made_up_heap.h"

/* A full table says so, and has room again for as many as were folded. */
static void test_full_table(void) {
    sh_live_table t;
    sh_sample taken[SH_LIVE_CHUNK];
    if (!CHECK(sh_live_table_init(&t, 32, 40))) return;
    for (uint32_t i = 0; i < 40; i++) {
        sh_sample sample = sample_at(i, 1, 1);
        CHECK(sh_live_table_has_room(&t));
        CHECK(sh_live_table_insert(&t, &sample).entry == i);
    }
    CHECK(!sh_live_table_has_room(&t) && sh_live_table_valid(&t));
    for (uint32_t i = 0; i < 3; i++) CHECK(sh_live_table_remove(&t, address_of(i), NULL));
    CHECK(!sh_live_table_has_room(&t));   /* retired entries still take their places */
    CHECK(sh_live_table_take_retired(&t, taken, SH_LIVE_CHUNK) == 3 && sh_live_table_has_room(&t));
    CHECK(sh_live_table_valid(&t));
    sh_live_table_fini(&t);
}

/* A failed realloc's sample comes back only while it is still the same, retired one and nobody else has its address. */
static void test_restore_is_for_the_same_sample_only(void) {
    sh_live_table t;
    sh_sample out[SH_LIVE_CHUNK], sample = sample_at(1, 100, 1);
    sh_sample_ref ref;
    if (!CHECK(sh_live_table_init(&t, 32, 40))) return;
    sh_sample_ref inserted = sh_live_table_insert(&t, &sample);
    CHECK(sh_live_table_remove(&t, address_of(1), &ref) && ref.entry == inserted.entry && ref.serial == inserted.serial);
    CHECK(!sh_live_table_maybe(&t, address_of(1)));
    sh_live_table_restore(&t, (sh_sample_ref){ ref.entry, ref.serial + 1 });
    CHECK(t.live == 0);
    sh_live_table_restore(&t, ref);
    CHECK(t.live == 1 && t.retired_count == 0 && sh_live_table_maybe(&t, address_of(1)) && sh_live_table_valid(&t));
    sh_live_table_restore(&t, ref);   /* it is live: nothing to take back */
    CHECK(t.live == 1 && sh_live_table_valid(&t));

    CHECK(sh_live_table_remove(&t, address_of(1), &ref));
    sh_live_table_insert(&t, &sample);   /* the address has been given to another block */
    sh_live_table_restore(&t, ref);
    CHECK(t.live == 1 && t.retired_count == 1 && sh_live_table_valid(&t));

    CHECK(sh_live_table_take_retired(&t, out, SH_LIVE_CHUNK) == 1 && sh_live_table_remove(&t, address_of(1), NULL));
    sh_live_table_restore(&t, ref);      /* folded: its entry is free */
    CHECK(t.live == 0 && sh_live_table_valid(&t));
    sh_live_table_fini(&t);
}

/* A filter count that reached 255 says "maybe" until the table is cleared; one that stayed below can still say "no". */
static void test_saturated_filter_count_stays_maybe(void) {
    enum { SATURATING = 300 };
    sh_live_table t;
    if (!CHECK(sh_live_table_init(&t, 512, 512))) return;
    for (uint32_t inserts = 254; inserts <= SATURATING; inserts += SATURATING - 254) {
        uint32_t same[SATURATING], found = 0;
        uint64_t home = sh_hash_address(address_of(0)) >> (64 - t.filter_bits);
        for (uint32_t i = 0; found < inserts; i++)
            if (sh_hash_address(address_of(i)) >> (64 - t.filter_bits) == home) same[found++] = i;
        for (uint32_t i = 0; i < inserts; i++) {
            sh_sample sample = sample_at(same[i], 1, 1);
            sh_live_table_insert(&t, &sample);
        }
        CHECK(sh_live_table_valid(&t));
        bool never_denied = true;
        for (uint32_t i = 0; i < inserts; i++) {
            never_denied &= sh_live_table_maybe(&t, address_of(same[i]));
            never_denied &= sh_live_table_remove(&t, address_of(same[i]), NULL);
        }
        CHECK(never_denied && t.live == 0 && sh_live_table_valid(&t));
        CHECK(sh_live_table_maybe(&t, address_of(0)) == (inserts == SATURATING));
        sh_live_table_clear(&t);
        CHECK(!sh_live_table_maybe(&t, address_of(0)));
    }
    sh_live_table_fini(&t);
}

/* With the table at max_live the filter still answers "no" for more than nine of ten other addresses. */
static void test_filter_is_selective(void) {
    sh_live_table t;
    uint32_t maybe = 0;
    if (!CHECK(sh_live_table_init(&t, 8192, 10240))) return;
    for (uint32_t i = 0; i < 8192; i++) {
        sh_sample sample = sample_at(i, 1, 1);
        sh_live_table_insert(&t, &sample);
    }
    for (uint32_t i = 8192; i < 8192 + 100000; i++) maybe += sh_live_table_maybe(&t, address_of(i));
    CHECK(maybe < 10000);
    sh_live_table_fini(&t);
}

/* A table that has grown is empty, holds the larger number, and its filter tells the new addresses; it never shrinks. */
static void test_resize(void) {
    sh_live_table t;
    if (!CHECK(sh_live_table_init(&t, 32, 40))) return;
    for (uint32_t i = 0; i < 40; i++) {
        sh_sample sample = sample_at(i, 1, 1);
        sh_live_table_insert(&t, &sample);
    }
    if (!CHECK(sh_live_table_resize(&t, 3200, 4000))) return;
    CHECK(t.max_live == 3200 && t.live == 0 && sh_live_table_valid(&t) && !sh_live_table_maybe(&t, address_of(1)));
    for (uint32_t i = 0; i < 4000; i++) {
        sh_sample sample = sample_at(i, 1, 1);
        if (!CHECK(sh_live_table_has_room(&t))) return;
        sh_live_table_insert(&t, &sample);
    }
    CHECK(!sh_live_table_has_room(&t) && sh_live_table_valid(&t));
    if (!CHECK(sh_live_table_resize(&t, 16, 20))) return;
    CHECK(t.max_live == 16 && t.live == 0 && t.capacity == 4000 && sh_live_table_valid(&t));
    sh_live_table_fini(&t);
}

/* Starting a large table costs no memory for what is not used yet. */
static void test_unused_table_is_not_touched(void) {
    sh_live_table t;
    if (!CHECK(sh_live_table_init(&t, 4000000, 5000000))) return;
    sh_live_table_clear(&t);
    size_t index_bytes = sizeof *t.index << t.index_bits, page = 4096, touched = 0;
    unsigned char *resident = malloc(index_bytes / page);
    if (CHECK(resident && mincore(t.index, index_bytes, resident) == 0))
        for (size_t i = 0; i < index_bytes / page; i++) touched += resident[i] & 1;
    CHECK(touched == 0);
    free(resident);
    sh_live_table_fini(&t);
}

/* ------------------------------------------------------------------ thinning */

enum { KINDS = 5, OF_EACH = 60, SEEDS = 600 };

/* Raising the interval again and again leaves each size's estimate unbiased, whatever intervals the samples had. */
static void test_thinning_is_unbiased(void) {
    static const uint64_t sizes[KINDS] = { 0, 16, 700, 4000, 60000 };
    double objects[KINDS] = { 0 }, squares[KINDS] = { 0 };
    sh_live_table t;
    if (!CHECK(sh_live_table_init(&t, KINDS * OF_EACH, KINDS * OF_EACH))) return;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        sh_rng rng;
        sh_rng_seed(&rng, seed);
        sh_live_table_clear(&t);
        for (uint32_t i = 0; i < KINDS * OF_EACH; i++) {
            sh_sample sample = sample_at(i, sizes[i % KINDS], i % 2 ? 500.0 : 3000.0);   /* 3000: the rate was higher */
            sample.share = i % 3 ? 1.0f : 0.25f;
            double p = sh_sampler_probability(sample.size, (double)sample.interval, (double)sample.share);
            if (sh_rng_uniform(&rng) <= p) sh_live_table_insert(&t, &sample);
        }
        for (double interval = 1000.0; interval <= 4000.0; interval *= 2.0) {
            sh_sample removed[SH_LIVE_CHUNK];
            for (uint32_t cursor = 0, n; sh_live_table_thin(&t, &cursor, interval, &rng, removed, &n);) { }
        }
        double estimate[KINDS] = { 0 };
        for (uint32_t entry = 0; entry < t.high; entry++) {
            const sh_sample *s = &t.samples[entry];
            if (s->state == SH_SAMPLE_LIVE)
                estimate[s->span % KINDS] += 1.0 / sh_sampler_probability(s->size, (double)s->interval, (double)s->share);
        }
        for (int kind = 0; kind < KINDS; kind++) {
            objects[kind] += estimate[kind];
            squares[kind] += estimate[kind] * estimate[kind];
        }
    }
    for (int kind = 0; kind < KINDS; kind++) {
        double mean = objects[kind] / SEEDS, variance = squares[kind] / SEEDS - mean * mean;
        CHECK(fabs(mean - OF_EACH) <= 4.0 * sqrt(variance / SEEDS));
    }
    sh_live_table_fini(&t);
}

/* Of samples that were all there, thinning keeps exactly the promised share. */
static void test_thinning_keeps_the_promised_share(void) {
    enum { SAMPLES = 40000 };
    sh_live_table t;
    sh_rng rng;
    sh_rng_seed(&rng, 5);
    if (!CHECK(sh_live_table_init(&t, SAMPLES, SAMPLES))) return;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        sh_sample sample = sample_at(i, 1000, 1000.0);
        sh_live_table_insert(&t, &sample);
    }
    sh_sample removed[SH_LIVE_CHUNK];
    uint32_t gone = 0;
    for (uint32_t cursor = 0, n; sh_live_table_thin(&t, &cursor, 2000.0, &rng, removed, &n);) gone += n;
    double keep = (1.0 - exp(-0.5)) / (1.0 - exp(-1.0));
    CHECK(fabs((double)t.live / SAMPLES - keep) <= 4.0 * sqrt(keep * (1.0 - keep) / SAMPLES));
    CHECK(t.live + gone == SAMPLES && sh_live_table_valid(&t));
    sh_live_table_fini(&t);
}

int main(void) {
    test_full_table();
    test_restore_is_for_the_same_sample_only();
    test_saturated_filter_count_stays_maybe();
    test_filter_is_selective();
    test_resize();
    test_unused_table_is_not_touched();
    test_thinning_is_unbiased();
    test_thinning_keeps_the_promised_share();
    return CHECK_DONE();
}
