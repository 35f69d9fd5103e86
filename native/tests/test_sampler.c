#include <math.h>

#include "check.h"
#include "spanheap/sampler.h"

/* Four standard errors: a right sampler fails one such check in 16,000, and the seeds are fixed. */
static bool within_4_standard_errors(double mean, double expected, double standard_error) {
    return fabs(mean - expected) <= 4.0 * standard_error;
}

/* A countdown drawn anew samples a block of S bytes with 1 - e^(-S/R). */
static void test_countdown_hits_with_the_promised_probability(void) {
    static const int64_t sizes[] = { 1, 16, 100, 1000, 3000, 8000 };
    const double interval = 1000.0;
    const int draws = 200000;
    sh_rng rng;
    sh_rng_seed(&rng, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int hits = 0;
        for (int n = 0; n < draws; n++) hits += sh_sampler_draw(&rng, interval) - sizes[i] < 0;
        double p = 1.0 - exp(-(double)sizes[i] / interval);
        CHECK(within_4_standard_errors((double)hits / draws, p, sqrt(p * (1.0 - p) / draws)));
        CHECK(fabs(sh_sampler_probability((uint64_t)sizes[i], interval, 1.0) - p) < 1e-12);
    }
}

/* What probability() says is what draw() does, also for blocks watched part of the time and for tiny intervals. */
static void test_probability_is_that_of_the_draw(void) {
    static const struct { uint64_t size; double interval, share; } cases[] = {
        { 64, 1000.0, 1.0 }, { 64, 1000.0, 0.25 }, { 4096, 1000.0, 0.25 }, { 1, 8.0, 0.25 }, { 1, 1.0, 0.25 },
        { 1, 2.0, 0.25 },   /* inside a window the interval is half a byte: every block is sampled */
    };
    const int draws = 200000;
    sh_rng rng;
    sh_rng_seed(&rng, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int hits = 0;
        for (int n = 0; n < draws; n++)
            hits += sh_rng_uniform(&rng) <= cases[i].share
                && sh_sampler_draw(&rng, cases[i].share * cases[i].interval) - (int64_t)cases[i].size < 0;
        double p = sh_sampler_probability(cases[i].size, cases[i].interval, cases[i].share);
        CHECK(within_4_standard_errors((double)hits / draws, p, sqrt(p * (1.0 - p) / draws)));
    }
}

/* One countdown running through a mix of sizes gives each size an unbiased estimate, while the rate changes on the way. */
static void test_estimates_of_a_mix_are_unbiased(void) {
    enum { SIZES = 6, SEEDS = 400, BLOCKS = 3000 };
    static const uint64_t sizes[SIZES] = { 1, 16, 48, 512, 4096, 65536 };
    double sum[SIZES] = { 0 }, squares[SIZES] = { 0 }, truth[SIZES] = { 0 };
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        double estimate[SIZES] = { 0 }, interval = 4096.0;
        sh_rng rng, order;
        sh_rng_seed(&rng, seed);
        sh_rng_seed(&order, 99);   /* the same blocks for each seed */
        int64_t countdown = sh_sampler_draw(&rng, interval);
        for (int block = 0; block < BLOCKS; block++) {
            if (block % 700 == 699) {   /* memoryless: the old countdown is thrown away */
                interval = interval < 10000.0 ? interval * 4.0 : 1024.0;
                countdown = sh_sampler_draw(&rng, interval);
            }
            size_t kind = sh_rng_next(&order) % SIZES;
            truth[kind] += seed == 0 ? (double)sizes[kind] : 0.0;
            countdown -= (int64_t)sizes[kind];
            if (countdown >= 0) continue;
            estimate[kind] += (double)sizes[kind] / sh_sampler_probability(sizes[kind], interval, 1.0);
            countdown = sh_sampler_draw(&rng, interval);
        }
        for (int kind = 0; kind < SIZES; kind++) {
            sum[kind] += estimate[kind];
            squares[kind] += estimate[kind] * estimate[kind];
        }
    }
    for (int kind = 0; kind < SIZES; kind++) {
        double mean = sum[kind] / SEEDS, variance = squares[kind] / SEEDS - mean * mean;
        CHECK(within_4_standard_errors(mean, truth[kind], sqrt(variance / SEEDS)));
    }
}

/* uniform() lies in (0, 1], reaches both ends, and is flat. */
static void test_uniform_range(void) {
    sh_rng lowest = { (uint64_t)0 - UINT64_C(0x9E3779B97F4A7C15) };   /* the state whose next output is 0 */
    CHECK(sh_rng_uniform(&lowest) == 0x1p-53);
    sh_rng highest = { UINT64_C(0x31628af67b2131ab) };                /* … and 2^64 - 1: splitmix64 inverted */
    CHECK(sh_rng_uniform(&highest) == 1.0);

    enum { BUCKETS = 64, DRAWS = 640000 };
    int counts[BUCKETS] = { 0 };
    bool in_range = true;
    sh_rng rng;
    sh_rng_seed(&rng, 3);
    for (int i = 0; i < DRAWS; i++) {
        double u = sh_rng_uniform(&rng);
        in_range &= u > 0.0 && u <= 1.0;
        counts[(int)ceil(u * BUCKETS) - 1]++;
    }
    CHECK(in_range);
    double chi_squared = 0, expected = (double)DRAWS / BUCKETS;
    for (int i = 0; i < BUCKETS; i++) chi_squared += (counts[i] - expected) * (counts[i] - expected) / expected;
    CHECK(fabs(chi_squared - (BUCKETS - 1)) <= 4.0 * sqrt(2.0 * (BUCKETS - 1)));
}

/* The longest possible distance is finite and leaves room to subtract a size. */
static void test_draw_is_bounded(void) {
    sh_rng lowest = { (uint64_t)0 - UINT64_C(0x9E3779B97F4A7C15) };
    CHECK(sh_sampler_draw(&lowest, 0x1p60) == INT64_C(1) << 62);
    sh_rng highest = { UINT64_C(0x31628af67b2131ab) };
    CHECK(sh_sampler_draw(&highest, 0x1p60) == 0);
}

/* Equal seeds give equal streams; neighbours, and seeds one step of the generator apart, share no output. */
static void test_neighbouring_seeds_give_different_streams(void) {
    enum { SEEDS = 64, LENGTH = 64 };
    static uint64_t output[SEEDS + 1][LENGTH];
    for (uint64_t seed = 0; seed <= SEEDS; seed++) {
        sh_rng rng;
        sh_rng_seed(&rng, seed < SEEDS ? seed : UINT64_C(0x9E3779B97F4A7C15));
        for (int i = 0; i < LENGTH; i++) output[seed][i] = sh_rng_next(&rng);
    }
    int shared = 0;
    for (int a = 0; a <= SEEDS; a++)
        for (int b = 0; b < a; b++)
            for (int i = 0; i < LENGTH; i++)
                for (int j = 0; j < LENGTH; j++) shared += output[a][i] == output[b][j];
    CHECK(shared == 0);

    sh_rng again;
    sh_rng_seed(&again, 7);
    bool same = true;
    for (int i = 0; i < LENGTH; i++) same &= sh_rng_next(&again) == output[7][i];
    CHECK(same);
}

/* The first draws of neighbouring seeds (one per thread and process) are as random as those of one seed. */
static void test_first_draws_of_neighbours_are_independent(void) {
    enum { SEEDS = 100000 };
    double previous = 0.5, sum = 0, products = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        sh_rng rng;
        sh_rng_seed(&rng, seed);
        double u = sh_rng_uniform(&rng);
        sum += u;
        products += (u - 0.5) * (previous - 0.5);
        previous = u;
    }
    CHECK(within_4_standard_errors(sum / SEEDS, 0.5, sqrt(1.0 / 12.0 / SEEDS)));
    CHECK(within_4_standard_errors(products / SEEDS, 0.0, 1.0 / 12.0 / sqrt(SEEDS)));
}

/* A tiny S/R loses no digits: each sample of a byte stands for R bytes. */
static void test_probability_of_tiny_blocks_is_accurate(void) {
    for (double interval = 1e3; interval < 1e18; interval *= 10.0) {
        double x = 1.0 / interval;   /* p = x - x^2/2 + x^3/6 - … */
        CHECK(fabs(sh_sampler_probability(1, interval, 1.0) / (x * (1.0 - x / 2.0 + x * x / 6.0)) - 1.0) < 1e-9);
    }
    CHECK(sh_sampler_probability(UINT64_MAX, 1e6, 1.0) == 1.0);
}

/* An interval of one byte or less samples everything, with a weight of exactly one. */
static void test_interval_of_one_samples_everything(void) {
    static const double intervals[] = { 1.0, 0.5, 0.0 };
    sh_rng rng;
    sh_rng_seed(&rng, 4);
    for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        CHECK(sh_sampler_draw(&rng, intervals[i]) - 1 < 0);
        for (uint64_t size = 0; size < 3; size++) CHECK(sh_sampler_probability(size, intervals[i], 1.0) == 1.0);
    }
}

/* A block of no bytes is weighed as one byte, so its weight is finite. */
static void test_empty_block_counts_as_one_byte(void) {
    CHECK(sh_sampler_probability(0, 1000.0, 1.0) == sh_sampler_probability(1, 1000.0, 1.0));
    CHECK(sh_sampler_probability(0, 1000.0, 1.0) > 0.0);
}

int main(void) {
    test_countdown_hits_with_the_promised_probability();
    test_probability_is_that_of_the_draw();
    test_estimates_of_a_mix_are_unbiased();
    test_uniform_range();
    test_draw_is_bounded();
    test_neighbouring_seeds_give_different_streams();
    test_first_draws_of_neighbours_are_independent();
    test_probability_of_tiny_blocks_is_accurate();
    test_interval_of_one_samples_everything();
    test_empty_block_counts_as_one_byte();
    return CHECK_DONE();
}
