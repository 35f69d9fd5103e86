/* The active spans in a file, one rule at a time; and a span table that keeps them. */
#include <string.h>

#include "check.h"
#include "spanheap/sampler.h"
#include "spanheap/span_table.h"
#include "spanheap/string_table.h"

enum { CAPACITY = 16 };

static sh_active_slot slots[CAPACITY];
static sh_active_slots active;

static bool start(void) {
    memset(slots, 0, sizeof slots);
    return CHECK(sh_active_slots_init(&active, slots, CAPACITY));
}

static sh_active_span span_of(uint64_t n) {
    return (sh_active_span){ .trace_high = ~n, .trace_low = n << 40, .span_id = n, .parent_id = n + 1, .start_ns = -(int64_t)n,
                             .name = (uint32_t)n * 3, .root_name = UINT32_MAX - (uint32_t)n, .flags = (uint32_t)n };
}

static bool holds(uint32_t place, uint64_t n) {
    sh_active_span is, want = span_of(n);
    return sh_active_slot_read(&slots[place - 1], &is) && memcmp(&is, &want, offsetof(sh_active_span, flags) + sizeof is.flags) == 0;
}

/* Every field comes back; a place is one span's until it is left, and then another's. */
static void test_enter_and_leave(void) {
    if (!start()) return;
    sh_active_span span, first = span_of(1);
    for (uint64_t n = 1; n <= CAPACITY; n++) {
        sh_active_span each = span_of(n);
        uint32_t place = sh_active_slots_enter(&active, &each);
        CHECK(place == n && holds(place, n));
    }
    CHECK(sh_active_slots_enter(&active, &first) == 0 && sh_active_slots_valid(&active));
    sh_active_slots_leave(&active, 5);
    CHECK(!sh_active_slot_read(&slots[4], &span) && holds(4, 4) && sh_active_slots_valid(&active));
    sh_active_span again = span_of(99);
    CHECK(sh_active_slots_enter(&active, &again) == 5 && holds(5, 99));
    sh_active_slots_clear(&active);
    for (int i = 0; i < CAPACITY; i++) CHECK(!sh_active_slot_read(&slots[i], &span));
    CHECK(sh_active_slots_valid(&active) && sh_active_slots_enter(&active, &first) == 1);
    sh_active_slots_fini(&active);
}

/* A writer that is killed anywhere leaves the old state or a slot that nobody reads: any prefix of its stores. */
static void test_killed_writer(void) {
    if (!start()) return;
    sh_active_span one = span_of(1), two = span_of(2), is;
    uint32_t place = sh_active_slots_enter(&active, &one);
    sh_active_slot before = slots[place - 1];
    sh_active_slots_leave(&active, place);
    sh_active_slots_enter(&active, &two);
    sh_active_slot after = slots[place - 1];
    for (int stored = 0; stored <= SH_ACTIVE_WORDS; stored++) {
        sh_active_slot torn = before;
        torn.seq = (after.seq & ~UINT64_C(3)) | 1;
        for (int i = 0; i < stored; i++) torn.words[i] = after.words[i];
        CHECK(!sh_active_slot_read(&torn, &is));
    }
    sh_active_slots_fini(&active);
}

/* Any bit that flips in a slot that holds a span makes it unreadable, but for the words' own last: never another span. */
static void test_damage(void) {
    if (!start()) return;
    sh_active_span one = span_of(7), is;
    uint32_t place = sh_active_slots_enter(&active, &one), accepted = 0;
    for (unsigned bit = 0; bit < 8 * sizeof(sh_active_slot); bit++) {
        sh_active_slot damaged = slots[place - 1];
        ((unsigned char *)&damaged)[bit / 8] ^= (unsigned char)(1u << bit % 8);
        accepted += sh_active_slot_read(&damaged, &is);
    }
    CHECK(accepted == 0);
    sh_active_slots_fini(&active);
}

static const char span_type, objects[CAPACITY * 4][16];

static bool found(uint64_t span_id) {
    sh_active_span is;
    for (int i = 0; i < CAPACITY; i++)
        if (sh_active_slot_read(&slots[i], &is) && is.span_id == span_id) return true;
    return false;
}

static uint32_t begin(sh_span_table *t, uint64_t id, uint64_t parent, const void *object) {
    sh_span_start s = { .trace_high = 1, .span_id = id, .parent_span_id = parent, .start_ns = (int64_t)id, .object = object,
                        .type = &span_type, .name = (uint32_t)id, .sampled = true };
    return sh_span_table_start(t, &s);
}

/* In the slots is what is active in the table, whichever way it became or ceased to be so. */
static void test_with_a_span_table(void) {
    static const uint32_t names[SH_SPAN_FIRST];
    sh_span_table t;
    if (!start() || !CHECK(sh_span_table_init(&t, CAPACITY, 64, 8, names))) return;
    begin(&t, 1, 0, objects[0]);
    sh_span_table_set_slots(&t, &active);
    CHECK(found(1));
    begin(&t, 2, 1, objects[1]);
    sh_active_span is = { 0 };
    CHECK(found(2) && sh_active_slot_read(&slots[1], &is) && is.parent_id == 1 && is.root_name == 1 && is.flags == SH_ACTIVE_SAMPLED);
    begin(&t, 3, 0, objects[1]);   /* 2 was freed without an end */
    CHECK(!found(2) && found(3));
    begin(&t, 3, 0, objects[2]);   /* the same id again */
    CHECK(found(3) && sh_span_table_valid(&t));
    CHECK(sh_span_table_end(&t, 1, 1) && !found(1) && !sh_span_table_end(&t, 1, 1) && sh_span_table_valid(&t));
    sh_rng rng;
    sh_rng_seed(&rng, 5);
    bool model[CAPACITY * 4] = { false };
    model[3] = true;
    for (int step = 0; step < 20000; step++) {
        uint32_t id = 4 + (uint32_t)(sh_rng_next(&rng) % (CAPACITY * 4 - 4));
        if (model[id]) model[id] = !sh_span_table_end(&t, id, 1);
        else model[id] = begin(&t, id, 0, objects[id]) != SH_SPAN_UNTRACKED;
        if (step % 100) continue;
        for (uint32_t each = 4; each < CAPACITY * 4; each++) CHECK(found(each) == model[each]);
        CHECK(sh_span_table_valid(&t) && sh_active_slots_valid(&active));
    }
    CHECK(t.untracked > 0);
    sh_span_table_clear(&t);
    CHECK(!found(3) && sh_active_slots_valid(&active));
    begin(&t, 1, 0, objects[0]);
    sh_span_table_set_slots(&t, NULL);
    CHECK(sh_span_table_end(&t, 1, 1) && found(1));   /* the slots are nobody's any more, and are not touched */
    sh_span_table_fini(&t);
    sh_active_slots_fini(&active);
}

int main(void) {
    test_enter_and_leave();
    test_killed_writer();
    test_damage();
    test_with_a_span_table();
    return CHECK_DONE();
}
