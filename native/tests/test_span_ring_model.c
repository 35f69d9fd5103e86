/* The span ring against plain lists: random appends, snapshots and counts, with a clock that also goes back. */
#include <string.h>

#include "check.h"
#include "spanheap/sampler.h"
#include "spanheap/span_ring.h"

enum { MS = 1000000, MAX_CAPACITY = 20, STEPS = 4000, RINGS = 200 };

/* A stripe: what was accepted last, oldest first. */
typedef struct { uint64_t id, trace; int64_t appended_ms; bool counted; } row;
typedef struct { row rows[MAX_CAPACITY]; uint32_t count, capacity; } list;

static struct {
    list stripes[4];
    sh_ring_options options;
    sh_ring_counts counts;
} oracle;

static bool is_aged(const row *r, int64_t now_ms) {
    return oracle.options.ttl_ns && now_ms - r->appended_ms >= oracle.options.ttl_ns / MS;
}

static bool oracle_publish(list *l, row r, int64_t now_ms) {
    oracle.counts.produced++;
    if (l->count == l->capacity) {
        row *oldest = &l->rows[0];
        bool gone = oldest->counted || is_aged(oldest, now_ms);
        if (!gone && oracle.options.policy == SH_RING_DROP) {
            oracle.counts.dropped++;
            return false;
        }
        if (!gone) oracle.counts.overwritten++;
        else if (!oldest->counted) oracle.counts.expired++;
        memmove(l->rows, l->rows + 1, --l->count * sizeof(row));
    }
    l->rows[l->count++] = r;
    return true;
}

static void oracle_look(int64_t now_ms) {
    oracle.counts.retained = 0;
    for (uint32_t stripe = 0; stripe < oracle.options.stripes; stripe++)
        for (uint32_t i = 0; i < oracle.stripes[stripe].count; i++) {
            row *r = &oracle.stripes[stripe].rows[i];
            if (!r->counted && is_aged(r, now_ms)) {
                r->counted = true;
                oracle.counts.expired++;
            }
            oracle.counts.retained += !r->counted;
        }
}

static bool copies_match(sh_span_ring *ring, int64_t now_ms, const uint64_t *trace) {
    static sh_span_record copied[MAX_CAPACITY];
    static uint64_t tickets[MAX_CAPACITY];
    uint32_t n = trace ? sh_span_ring_copy_trace(ring, now_ms * MS, 1, *trace, copied, tickets, MAX_CAPACITY)
                       : sh_span_ring_copy(ring, now_ms * MS, copied, tickets, MAX_CAPACITY), at = 0;
    oracle_look(now_ms);
    for (uint32_t stripe = 0; stripe < oracle.options.stripes; stripe++)
        for (uint32_t i = 0; i < oracle.stripes[stripe].count; i++) {
            const row *r = &oracle.stripes[stripe].rows[i];
            if (r->counted || (trace && r->trace != *trace)) continue;
            if (at == n || copied[at].span_id != r->id || copied[at].trace_low != r->trace) return false;
            at++;
        }
    return at == n;
}

static bool counts_match(sh_span_ring *ring, int64_t now_ms) {
    sh_ring_counts counts = sh_span_ring_count(ring, now_ms * MS);
    oracle_look(now_ms);
    return memcmp(&counts, &oracle.counts, sizeof counts) == 0 && sh_span_ring_valid(ring, now_ms * MS);
}

/* What all of them did: a test that did nothing must fail. */
static sh_ring_counts done;

static bool one_ring(sh_rng *rng) {
    memset(&oracle, 0, sizeof oracle);
    oracle.options = (sh_ring_options){
        .capacity = 4 + (uint32_t)(sh_rng_next(rng) % (MAX_CAPACITY - 3)),
        .stripes = 1u << sh_rng_next(rng) % 3,
        .policy = sh_rng_next(rng) % 2 ? SH_RING_DROP : SH_RING_OVERWRITE,
        .ttl_ns = sh_rng_next(rng) % 3 ? (int64_t)(1 + sh_rng_next(rng) % 30) * MS : 0,
        .epoch_ns = (int64_t)(sh_rng_next(rng) % 1000) * MS,
    };
    for (uint32_t stripe = 0; stripe < oracle.options.stripes; stripe++)
        oracle.stripes[stripe].capacity = sh_span_ring_stripe_capacity(&oracle.options, stripe);
    sh_span_ring ring;
    if (!CHECK(sh_span_ring_init(&ring, &oracle.options))) return false;
    int64_t now_ms = oracle.options.epoch_ns / MS;
    bool ok = true;
    for (uint64_t step = 1; ok && step <= STEPS; step++) {
        uint64_t what = sh_rng_next(rng) % 100, trace = sh_rng_next(rng) % 3;
        uint32_t stripe = (uint32_t)(sh_rng_next(rng) % oracle.options.stripes);
        if (what < 70) {
            sh_span_record record = { .trace_high = 1, .trace_low = trace, .span_id = step };
            bool kept = sh_span_ring_publish(&ring, stripe, &record, now_ms * MS);
            ok = CHECK(kept == oracle_publish(&oracle.stripes[stripe], (row){ step, trace, now_ms, false }, now_ms));
        } else if (what < 85) now_ms += (int64_t)(sh_rng_next(rng) % 8);
        else if (what < 87) now_ms -= (int64_t)(sh_rng_next(rng) % 20);
        else if (what < 93) ok = CHECK(copies_match(&ring, now_ms, what % 2 ? &trace : NULL));
        else ok = CHECK(counts_match(&ring, now_ms));
    }
    done.overwritten += oracle.counts.overwritten;
    done.expired += oracle.counts.expired;
    done.dropped += oracle.counts.dropped;
    sh_span_ring_fini(&ring);
    return ok;
}

int main(void) {
    sh_rng rng;
    sh_rng_seed(&rng, 1);
    for (int i = 0; i < RINGS && one_ring(&rng); i++) {}
    CHECK(done.overwritten > RINGS && done.expired > RINGS && done.dropped > RINGS);
    return CHECK_DONE();
}
