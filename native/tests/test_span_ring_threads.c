/* The span ring under load: producers, and readers that copy, count and expire meanwhile. No record may be torn, and when
 * all is over, every one is accounted for. */
#include <pthread.h>

#include "check.h"
#include "spanheap/span_ring.h"

enum { PRODUCERS = 4, READERS = 2, RECORDS = 60000, CAPACITY = 61, MS = 1000000, TTL_MS = 3 };

static struct {
    sh_span_ring ring;
    _Atomic uint64_t refused, torn, unordered, unbalanced, copied;
    _Atomic int64_t now_ms;
    _Atomic bool over;
} shared;

static uint64_t scrambled(uint64_t id, uint64_t n) { return sh_hash_mix(id, n); }

static sh_span_record record_of(uint64_t id) {
    return (sh_span_record){
        .trace_high = scrambled(id, 1), .trace_low = scrambled(id, 2), .span_id = id, .parent_id = scrambled(id, 3),
        .start_ns = (int64_t)(scrambled(id, 4) >> 1), .duration_ns = (int64_t)(scrambled(id, 5) >> 16),
        .name = (uint32_t)scrambled(id, 6) & SH_RING_MAX_NAME, .thread = (uint16_t)(id >> 32),
        .flags = (uint16_t)scrambled(id, 7),
    };
}

static bool is_whole(const sh_span_record *is) {
    sh_span_record want = record_of(is->span_id);
    return is->trace_high == want.trace_high && is->trace_low == want.trace_low && is->parent_id == want.parent_id
        && is->start_ns == want.start_ns && is->duration_ns == want.duration_ns && is->name == want.name
        && is->thread == want.thread && is->flags == want.flags;
}

static void *produce(void *number) {
    uint64_t thread = (uint64_t)(uintptr_t)number, accepted = 0;
    for (uint64_t i = 0; i < RECORDS; i++) {
        sh_span_record record = record_of(thread << 32 | i);
        accepted += sh_span_ring_publish(&shared.ring, thread % shared.ring.options.stripes, &record, shared.now_ms * MS);
        /* Once in 64 records all that is there expires: of what is displaced, some is past its time and some is not. */
        if (scrambled(record.span_id, 8) % 64 == 0) shared.now_ms += TTL_MS;
        while (i == RECORDS / 2 && shared.copied == 0) sched_yield();   /* the readers may not have had a core yet */
    }
    shared.refused += RECORDS - accepted;
    return NULL;
}

static void *look(void *unused) {
    (void)unused;
    sh_span_record records[CAPACITY];
    uint64_t tickets[CAPACITY];
    do {
        uint32_t n = sh_span_ring_copy(&shared.ring, shared.now_ms * MS, records, tickets, CAPACITY);
        shared.copied += n;
        for (uint32_t i = 0; i < n; i++) {
            shared.torn += !is_whole(&records[i]);
            /* Within a stripe by ticket; a stripe begins where they start again. */
            shared.unordered += i && shared.ring.options.stripes == 1 && tickets[i] <= tickets[i - 1];
        }
        sh_ring_counts c = sh_span_ring_count(&shared.ring, shared.now_ms * MS);
        /* in_flight has tickets that are about to be skipped, too. */
        shared.unbalanced += c.in_flight > c.produced || c.produced - c.in_flight > (uint64_t)PRODUCERS * RECORDS
            || c.produced != c.retained + c.overwritten + c.expired + c.dropped + c.in_flight;
    } while (!shared.over);
    return NULL;
}

static void test_load(sh_ring_options options) {
    pthread_t producers[PRODUCERS], readers[READERS];
    if (!CHECK(sh_span_ring_init(&shared.ring, &options))) return;
    shared.refused = shared.copied = 0;
    shared.now_ms = 0;
    shared.over = false;
    for (uintptr_t i = 0; i < READERS; i++) CHECK(pthread_create(&readers[i], NULL, look, NULL) == 0);
    for (uintptr_t i = 0; i < PRODUCERS; i++) CHECK(pthread_create(&producers[i], NULL, produce, (void *)i) == 0);
    for (int i = 0; i < PRODUCERS; i++) pthread_join(producers[i], NULL);
    shared.over = true;
    for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);

    CHECK(shared.torn == 0 && shared.unordered == 0 && shared.unbalanced == 0);
    CHECK(shared.copied > 0);
    CHECK(sh_span_ring_valid(&shared.ring, shared.now_ms * MS));
    sh_ring_counts c = sh_span_ring_count(&shared.ring, shared.now_ms * MS);
    CHECK(c.produced == (uint64_t)PRODUCERS * RECORDS && c.in_flight == 0);
    CHECK(c.produced == c.retained + c.overwritten + c.expired + c.dropped);
    CHECK(c.retained <= options.capacity && (options.ttl_ns ? c.expired > 0 : c.expired == 0));
    if (options.policy == SH_RING_DROP) CHECK(c.dropped == shared.refused && c.overwritten == 0);
    else CHECK(c.dropped <= shared.refused && c.overwritten > 0);   /* the others were lapped, which is overwritten */
    sh_span_ring_fini(&shared.ring);
}

int main(void) {
    test_load((sh_ring_options){ .capacity = CAPACITY, .stripes = 1 });
    test_load((sh_ring_options){ .capacity = CAPACITY, .stripes = 1, .ttl_ns = TTL_MS * MS });
    test_load((sh_ring_options){ .capacity = CAPACITY, .stripes = 2, .ttl_ns = TTL_MS * MS });
    /* So small that slots are fought for. */
    test_load((sh_ring_options){ .capacity = 3, .stripes = 1, .ttl_ns = TTL_MS * MS });
    test_load((sh_ring_options){ .capacity = CAPACITY, .stripes = 1, .policy = SH_RING_DROP, .ttl_ns = TTL_MS * MS });
    test_load((sh_ring_options){ .capacity = 2, .stripes = 1, .policy = SH_RING_DROP, .ttl_ns = TTL_MS * MS });
    return CHECK_DONE();
}
