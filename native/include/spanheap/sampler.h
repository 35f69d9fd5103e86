/* Poisson sampling over bytes.
 *
 * Points fall on the stream of allocated bytes at a mean distance of `interval` bytes (R); an allocation is sampled
 * when at least one point falls into it, so a block of S bytes is sampled with p(S, R) = 1 - e^(-S/R), and each sample
 * stands for 1/p objects and S/p bytes. The distances are exponential, hence memoryless: a countdown may be thrown away
 * and drawn anew at any moment (a new rate, a new thread, a fork) without bias. docs/sampling.md has the derivation.
 *
 * Invariant: sum over samples of S/p is an unbiased estimate of the bytes allocated, whatever rates were in force.
 * R <= 1 means "every allocation", p = 1 exactly.
 * Thread rules: an sh_rng belongs to one thread (or to the holder of the GIL); the rest is pure. */
#ifndef SPANHEAP_SAMPLER_H
#define SPANHEAP_SAMPLER_H

#include <stdint.h>

typedef struct { uint64_t state; } sh_rng;

void sh_rng_seed(sh_rng *rng, uint64_t seed);
uint64_t sh_rng_next(sh_rng *rng);
/* Uniform in (0, 1]. */
double sh_rng_uniform(sh_rng *rng);

/* Bytes until the next point: a block of S bytes is sampled when countdown - S < 0. */
int64_t sh_sampler_draw(sh_rng *rng, double interval);

/* p(S, R), with `share` the part of the time in which blocks of this kind are watched at all: watched with interval
 * share * R inside a window, they are sampled with share * (1 - e^(-S / (share * R))). share = 1 is "always". */
double sh_sampler_probability(uint64_t size, double interval, double share);

#endif
