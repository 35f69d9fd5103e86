#include "spanheap/sampler.h"

#include <math.h>
#include <string.h>

/* splitmix64: 8 bytes of state, passes BigCrush, and any seed (zero included) is a good one. */
uint64_t sh_rng_next(sh_rng *rng) {
    uint64_t z = (rng->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void sh_rng_seed(sh_rng *rng, uint64_t seed) {
    rng->state = seed;
    rng->state = sh_rng_next(rng);   /* neighbouring seeds (thread 1, thread 2) must not give neighbouring streams */
}

double sh_rng_uniform(sh_rng *rng) { return (double)((sh_rng_next(rng) >> 11) + 1) * 0x1p-53; }

/* ln(x) for x in (0, 1], to 1e-9. Samples are rare, so libm's code and tables would come from main memory each time; this is
 * forty instructions beside the caller. x = m 2^e with m in [1/sqrt(2), sqrt(2)), ln(m) = 2 artanh((m - 1) / (m + 1)). */
static double natural_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t exponent = (int64_t)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000);
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    double s = (m - 1.0) / (m + 1.0), s2 = s * s;
    double series = 1.0 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 * (1.0 / 9 + s2 * (1.0 / 11)))));
    return (double)exponent * 0.6931471805599453 + 2.0 * s * series;
}

int64_t sh_sampler_draw(sh_rng *rng, double interval) {
    if (interval <= 1.0) return 0;
    double distance = -natural_log(sh_rng_uniform(rng)) * interval;
    /* Truncation is exact for whole block sizes: floor(d) < S if and only if d < S. */
    return distance < 0x1p62 ? (int64_t)distance : INT64_C(1) << 62;
}

double sh_sampler_probability(uint64_t size, double interval, double share) {
    if (share * interval <= 1.0) return share;
    /* A block of no bytes still takes an allocation: it is drawn, and weighed, as one byte. */
    return share * -expm1(-(double)(size ? size : 1) / (share * interval));
}
