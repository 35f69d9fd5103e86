/* The span ring, one rule at a time. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "spanheap/span_ring.h"

enum { MS = 1000000, ROOM = 64 };

static sh_span_ring ring;
static sh_span_record copied[ROOM];
static uint64_t tickets[ROOM];

static bool start(sh_ring_options options) {
    options.stripes = options.stripes ? options.stripes : 1;
    return CHECK(sh_span_ring_init(&ring, &options));
}

static bool put(uint64_t span_id, int64_t now_ms) {
    sh_span_record record = { .trace_high = 7, .trace_low = span_id % 3, .span_id = span_id };
    return sh_span_ring_publish(&ring, 0, &record, now_ms * MS);
}

static uint32_t copy(int64_t now_ms) { return sh_span_ring_copy(&ring, now_ms * MS, copied, tickets, ROOM); }

/* Whether these are retained, in this order. */
static bool retains(int64_t now_ms, const uint64_t *span_ids, uint32_t count) {
    uint32_t n = copy(now_ms), i = 0;
    for (; i < count; i++)
        if (i >= n || copied[i].span_id != span_ids[i] || (i && tickets[i] <= tickets[i - 1])) return false;
    return i == n;
}
#define RETAINS(now_ms, ...) \
    retains(now_ms, (const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))
#define RETAINS_NOTHING(now_ms) (copy(now_ms) == 0)

static bool counts(int64_t now_ms, sh_ring_counts want) {
    sh_ring_counts is = sh_span_ring_count(&ring, now_ms * MS);
    return memcmp(&is, &want, sizeof is) == 0
        && is.produced == is.retained + is.overwritten + is.expired + is.dropped + is.in_flight;
}
#define COUNTS(now_ms, ...) counts(now_ms, (sh_ring_counts){ __VA_ARGS__ })

/* What a writer does before it stalls: it has a ticket and its slot, and has written nothing. */
static uint64_t stall(void) {
    uint64_t ticket = ring.stripes[0].head++;
    sh_ring_slot *slot = &ring.slots[ticket % ring.options.capacity];
    if (slot->seq) ring.stripes[0].overwritten++;
    slot->seq = 2 * ticket + 1;
    return ticket;
}

static void resume(uint64_t ticket, uint64_t span_id) {
    sh_ring_slot *slot = &ring.slots[ticket % ring.options.capacity];
    slot->words[2] = span_id;
    slot->seq = 2 * ticket + 2;
}

/* Every field comes back, and what does not fit is cut as the header says. */
static void test_records(void) {
    if (!start((sh_ring_options){ .capacity = 4 })) return;
    sh_span_record records[] = {
        { .trace_high = UINT64_MAX, .trace_low = 1, .span_id = UINT64_MAX - 1, .parent_id = 2, .start_ns = INT64_MAX,
          .duration_ns = SH_RING_MAX_DURATION_NS, .name = SH_RING_MAX_NAME, .thread = SH_RING_MAX_THREAD, .flags = 0xFFFF },
        { .trace_high = 3, .duration_ns = SH_RING_MAX_DURATION_NS + 1 },
        { .trace_high = 4, .duration_ns = -1, .start_ns = -1 },
        { .trace_high = 5, .name = 1, .thread = 2, .flags = 3, .duration_ns = 4 },
    };
    for (int i = 0; i < 4; i++) CHECK(sh_span_ring_publish(&ring, 0, &records[i], INT64_C(1) << 60));
    records[1].duration_ns = SH_RING_MAX_DURATION_NS;
    records[2].duration_ns = 0;
    CHECK(copy(0) == 4);
    for (int i = 0; i < 4; i++) {
        const sh_span_record *is = &copied[i], *want = &records[i];
        CHECK(is->trace_high == want->trace_high && is->trace_low == want->trace_low && is->span_id == want->span_id);
        CHECK(is->parent_id == want->parent_id && is->start_ns == want->start_ns && is->duration_ns == want->duration_ns);
        CHECK(is->name == want->name && is->thread == want->thread && is->flags == want->flags && tickets[i] == (uint64_t)i);
    }
    sh_span_ring_fini(&ring);
}

static void test_overwrites_the_oldest(void) {
    if (!start((sh_ring_options){ .capacity = 3 })) return;
    CHECK(RETAINS_NOTHING(0) && COUNTS(0, .produced = 0));
    for (uint64_t id = 1; id <= 5; id++) CHECK(put(id, 0));
    CHECK(RETAINS(0, 3, 4, 5) && COUNTS(0, .produced = 5, .retained = 3, .overwritten = 2));
    CHECK(sh_span_ring_copy(&ring, 0, copied, tickets, 2) == 2 && copied[0].span_id == 3);
    CHECK(sh_span_ring_copy_trace(&ring, 0, 7, 2, copied, tickets, ROOM) == 1 && copied[0].span_id == 5);
    CHECK(sh_span_ring_copy_trace(&ring, 0, 8, 2, copied, tickets, ROOM) == 0);
    CHECK(sh_span_ring_valid(&ring, 0));
    sh_span_ring_clear(&ring);
    CHECK(RETAINS_NOTHING(0) && COUNTS(0, .produced = 0) && put(9, 0) && RETAINS(0, 9));
    sh_span_ring_fini(&ring);
}

/* Drop-newest: a full ring takes nothing until its oldest record has expired. */
static void test_drops_the_newest(void) {
    if (!start((sh_ring_options){ .capacity = 2, .policy = SH_RING_DROP, .ttl_ns = 10 * MS })) return;
    CHECK(put(1, 0) && put(2, 5) && !put(3, 9));
    CHECK(RETAINS(9, 1, 2) && COUNTS(9, .produced = 3, .retained = 2, .dropped = 1));
    CHECK(put(4, 10) && !put(5, 14));   /* 1 has expired, 2 has not */
    CHECK(RETAINS(14, 2, 4) && COUNTS(14, .produced = 5, .retained = 2, .expired = 1, .dropped = 2));
    CHECK(RETAINS(15, 4) && put(6, 15) && !put(7, 15) && RETAINS(15, 4, 6));   /* 2 was seen to be expired */
    CHECK(COUNTS(15, .produced = 7, .retained = 2, .expired = 2, .dropped = 3));
    sh_span_ring_fini(&ring);
}

/* Who comes first counts an expired record, a snapshot or the writer that displaces it; nobody does so twice. */
static void test_expires_once(void) {
    if (!start((sh_ring_options){ .capacity = 3, .ttl_ns = 10 * MS, .epoch_ns = 100 * MS })) return;
    CHECK(put(1, 100) && put(2, 105) && put(3, 109));
    CHECK(COUNTS(109, .produced = 3, .retained = 3));
    CHECK(COUNTS(110, .produced = 3, .retained = 2, .expired = 1));
    CHECK(COUNTS(109, .produced = 3, .retained = 2, .expired = 1));   /* a clock set back brings nothing back */
    CHECK(put(4, 111) && COUNTS(111, .produced = 4, .retained = 3, .expired = 1));
    CHECK(put(5, 120) && put(6, 120));   /* both displace one that nobody has seen since it expired */
    CHECK(RETAINS(120, 4, 5, 6) && COUNTS(120, .produced = 6, .retained = 3, .expired = 3));
    CHECK(put(7, 120) && COUNTS(120, .produced = 7, .retained = 3, .overwritten = 1, .expired = 3));
    CHECK(sh_span_ring_valid(&ring, 120 * MS));
    sh_span_ring_fini(&ring);
}

/* The age of a record is right for weeks, and one from before a clock was set back is new. */
static void test_long_times(void) {
    const int64_t day = INT64_C(24) * 3600 * 1000, ttl = SH_RING_MAX_TTL_NS / MS;
    if (!start((sh_ring_options){ .capacity = 2, .ttl_ns = SH_RING_MAX_TTL_NS })) return;
    for (int64_t now = 0; now < 200 * day; now += 40 * day) {   /* past the wrap of 32 bits of ms */
        CHECK(put(1, now) && RETAINS(now + ttl - 1, 1));
        CHECK(put(2, now) && RETAINS(now - day + 1, 1, 2));
        sh_ring_counts before = sh_span_ring_count(&ring, now * MS), after = sh_span_ring_count(&ring, (now + ttl) * MS);
        CHECK(before.retained == 2 && after.retained == 0 && after.expired == before.expired + 2);
        CHECK(put(3, now) && RETAINS(now, 3) && RETAINS_NOTHING(now + ttl + 9 * day));
    }
    sh_span_ring_fini(&ring);
}

/* Any capacity is exact, over any number of stripes. */
static void test_capacity_is_exact(void) {
    for (uint32_t capacity = 1; capacity <= 40; capacity++)
        for (uint32_t stripes = 1; stripes <= 8 && stripes <= capacity; stripes *= 2) {
            if (!start((sh_ring_options){ .capacity = capacity, .stripes = stripes })) return;
            sh_span_record record = { .span_id = 1 };
            for (uint32_t i = 0; i < 7 * capacity; i++)
                for (uint32_t stripe = 0; stripe < stripes; stripe++) sh_span_ring_publish(&ring, stripe, &record, 0);
            CHECK(copy(0) == capacity && sh_span_ring_valid(&ring, 0));
            CHECK(COUNTS(0, .produced = 7 * capacity * stripes, .retained = capacity,
                         .overwritten = 7 * capacity * stripes - capacity));
            sh_span_ring_fini(&ring);
        }
}

/* The slot of a stalled writer is skipped. When the writer goes on, its record is the oldest, and it is lost to none. */
static void test_skips_a_stalled_writer(void) {
    if (!start((sh_ring_options){ .capacity = 3 })) return;
    uint64_t stalled = stall();
    for (uint64_t id = 1; id <= 5; id++) CHECK(put(id, 0));
    CHECK(RETAINS(0, 4, 5) && COUNTS(0, .produced = 6, .retained = 2, .overwritten = 3, .in_flight = 1));
    CHECK(!sh_span_ring_valid(&ring, 0));
    resume(stalled, 99);
    CHECK(RETAINS(0, 99, 4, 5) && COUNTS(0, .produced = 6, .retained = 3, .overwritten = 3));
    CHECK(put(6, 0) && RETAINS(0, 99, 5, 6) && put(7, 0) && RETAINS(0, 5, 6, 7));
    CHECK(sh_span_ring_valid(&ring, 0));
    sh_span_ring_fini(&ring);
}

/* Where all are stalled, a record is dropped; where the slot has a later one already, it is overwritten. */
static void test_gives_up(void) {
    if (!start((sh_ring_options){ .capacity = 2 })) return;
    uint64_t first = stall(), second = stall();
    CHECK(!put(1, 0) && COUNTS(0, .produced = 3, .dropped = 1, .in_flight = 2));
    resume(first, 1);
    resume(second, 2);
    CHECK(RETAINS(0, 1, 2) && sh_span_ring_valid(&ring, 0));
    CHECK(put(3, 0) && put(4, 0) && put(5, 0));
    ring.stripes[0].head -= 3;   /* this thread has drawn its ticket three records ago */
    CHECK(!put(6, 0));
    CHECK(ring.stripes[0].overwritten == 4);
    sh_span_ring_fini(&ring);
}

/* Drop-newest with a stalled writer: its slot is skipped, the rest of the ring is used. */
static void test_drops_with_a_stalled_writer(void) {
    if (!start((sh_ring_options){ .capacity = 2, .policy = SH_RING_DROP, .ttl_ns = 10 * MS })) return;
    uint64_t stalled = stall();
    CHECK(put(1, 0) && !put(2, 5) && COUNTS(5, .produced = 3, .retained = 1, .dropped = 1, .in_flight = 1));
    CHECK(put(3, 10) && RETAINS(10, 3));
    resume(stalled, 99);
    CHECK(copy(0) == 2 && copied[0].span_id == 99 && sh_span_ring_valid(&ring, 0));
    sh_span_ring_fini(&ring);
    if (!start((sh_ring_options){ .capacity = 1, .policy = SH_RING_DROP })) return;
    stalled = stall();
    CHECK(!put(1, 0) && COUNTS(0, .produced = 2, .dropped = 1, .in_flight = 1));
    resume(stalled, 99);
    CHECK(!put(2, 0) && RETAINS(0, 99) && sh_span_ring_valid(&ring, 0));
    sh_span_ring_fini(&ring);
}

/* In memory of the caller's, a second ring finds what the first has left. */
static void test_memory_of_the_caller(void) {
    static _Alignas(64) char memory[4096];
    sh_ring_options options = { .capacity = 5, .stripes = 2 };
    if (!CHECK(sh_span_ring_bytes(&options) == 2 * 128 + 6 * 64)) return;
    sh_span_ring_init_at(&ring, &options, memory);
    CHECK(put(1, 0) && put(2, 0));
    memset(&ring, 0, sizeof ring);
    sh_span_ring_init_at(&ring, &options, memory);
    CHECK(RETAINS(0, 1, 2) && memory[sh_span_ring_bytes(&options)] == 0);
    CHECK(sh_span_ring_stripe_capacity(&options, 0) == 3 && sh_span_ring_stripe_capacity(&options, 1) == 2);
    sh_span_ring_fini(&ring);
    CHECK(memory[0] == 2);   /* it is not ours to unmap: the head of stripe 0 is there */
}

/* Slots that cannot be, as in a damaged file, are left out and harm nothing. */
static void test_damaged_memory(void) {
    if (!start((sh_ring_options){ .capacity = 3 })) return;
    for (uint64_t id = 1; id <= 8; id++) CHECK(put(id, 0));
    ring.slots[0].seq = 2 * 7 + 2;   /* ticket 7 belongs into slot 1 */
    CHECK(RETAINS(0, 6, 8) && !sh_span_ring_valid(&ring, 0));
    ring.slots[1].seq = UINT64_MAX - 1;
    ring.slots[2].seq = UINT64_MAX;
    CHECK(RETAINS_NOTHING(0) && !sh_span_ring_valid(&ring, 0));
    for (uint64_t id = 9; id <= 20; id++) put(id, 0);
    ring.options.policy = SH_RING_DROP;
    CHECK(!put(21, 0) || !put(22, 0) || !put(23, 0));
    sh_span_ring_fini(&ring);
}

/* The child of a fork starts with an empty ring, though a writer was busy; the parent's is as it was. */
static void test_fork(void) {
    if (!start((sh_ring_options){ .capacity = 3 })) return;
    CHECK(put(1, 0));
    uint64_t stalled = stall();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        check_failed = 0;
        if (!ring.wiped_on_fork) sh_span_ring_clear(&ring);
        CHECK(RETAINS_NOTHING(0) && put(5, 0) && put(6, 0) && put(7, 0) && put(8, 0) && RETAINS(0, 6, 7, 8));
        CHECK(COUNTS(0, .produced = 4, .retained = 3, .overwritten = 1) && sh_span_ring_valid(&ring, 0));
        _exit(check_failed != 0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    resume(stalled, 2);
    CHECK(RETAINS(0, 1, 2) && sh_span_ring_valid(&ring, 0));
    sh_span_ring_fini(&ring);
}

int main(void) {
    test_records();
    test_overwrites_the_oldest();
    test_drops_the_newest();
    test_expires_once();
    test_long_times();
    test_capacity_is_exact();
    test_skips_a_stalled_writer();
    test_gives_up();
    test_drops_with_a_stalled_writer();
    test_memory_of_the_caller();
    test_damaged_memory();
    test_fork();
    return CHECK_DONE();
}
