/* The span table, rule by rule. */
#include "spanheap/sampler.h"
#include "span_table_fixture.h"

/* The first slots name what is no span; they are never freed, whatever is released, and survive a clear. */
static void test_pseudo_spans(void) {
    sh_span_table t;
    if (!CHECK(sh_span_table_init(&t, CAPACITY, 0, 0, pseudo_names))) return;
    for (int round = 0; round < 2; round++) {
        for (uint32_t slot = 0; slot < SH_SPAN_FIRST; slot++) {
            for (int i = 0; i < 3; i++) sh_span_table_release(&t, slot);
            CHECK(t.spans[slot].name == pseudo_names[slot] && t.spans[slot].root == slot && t.spans[slot].span_id == 0);
        }
        sh_span_start start = start_of(1, 0, 0, 20);
        CHECK(sh_span_table_start(&t, &start) >= SH_SPAN_FIRST);
        sh_span_table_clear(&t);
    }
    sh_span_table_fini(&t);
}

/* A Span freed without end() leaves its address behind: the next one there is found, whatever becomes of the first. */
static void test_address_reuse(void) {
    enum { FEW_OBJECTS = 4, SPANS = 4000 };
    sh_span_table t;
    sh_rng rng;
    sh_rng_seed(&rng, 2);
    if (!CHECK(sh_span_table_init(&t, SPANS, 0, 0, pseudo_names))) return;
    uint64_t latest[FEW_OBJECTS] = { 0 };   /* id of the span last started there, 0 once ended */
    uint32_t slot_of[FEW_OBJECTS] = { 0 };
    for (uint64_t id = 1; id <= SPANS; id++) {
        int object = (int)(sh_rng_next(&rng) % FEW_OBJECTS);
        sh_span_start start = start_of(id, 0, object, 20);
        slot_of[object] = sh_span_table_start(&t, &start);
        latest[object] = id;
        uint64_t ending = 1 + sh_rng_next(&rng) % id;   /* an old one, or one that is current */
        sh_span_table_end(&t, ending, 21);
        bool ok = true;
        for (int i = 0; i < FEW_OBJECTS; i++) {
            if (latest[i] == ending) latest[i] = 0;
            ok &= sh_span_table_find_in_hook(&t, objects[i], &types[0]) == (latest[i] ? slot_of[i] : SH_SPAN_NONE);
        }
        if (!CHECK(ok)) break;
        if (id % 64 == 0 && !CHECK(sh_span_table_valid(&t))) break;
    }
    sh_span_table_fini(&t);
}

/* A span for which there was no slot is not mistaken for the dead one that had its address. */
static void test_untracked_span_is_not_its_predecessor(void) {
    sh_span_table t;
    if (!CHECK(sh_span_table_init(&t, 1, 0, 0, pseudo_names))) return;
    sh_span_start forgotten = start_of(1, 0, 0, 20), later = start_of(2, 0, 0, 21);
    CHECK(sh_span_table_start(&t, &forgotten) == SH_SPAN_FIRST);
    uint32_t slot = sh_span_table_start(&t, &later);   /* at the same address, so `forgotten` was freed without end() */
    CHECK(sh_span_table_find_in_hook(&t, objects[0], &types[0]) == slot);
    CHECK(sh_span_table_valid(&t));
    sh_span_table_fini(&t);
}

/* An object of another type at the address of an active span is not that span. */
static void test_type_mismatch(void) {
    sh_span_table t;
    if (!CHECK(sh_span_table_init(&t, CAPACITY, 0, 0, pseudo_names))) return;
    sh_span_start start = start_of(1, 0, 3, 20);
    uint32_t slot = sh_span_table_start(&t, &start);
    CHECK(sh_span_table_find_in_hook(&t, objects[3], &types[0]) == slot);
    CHECK(sh_span_table_find_in_hook(&t, objects[3], &types[1]) == SH_SPAN_NONE);
    CHECK(sh_span_table_find_in_hook(&t, objects[4], &types[0]) == SH_SPAN_NONE);
    CHECK(sh_span_table_end(&t, 1, 21));
    CHECK(sh_span_table_find_in_hook(&t, objects[3], &types[0]) == SH_SPAN_NONE);
    sh_span_table_fini(&t);
}

/* The second start of an id ends the first, which samples may still name; end() then reaches the second, once. */
static void test_same_id_twice(void) {
    sh_span_table t;
    if (!CHECK(sh_span_table_init(&t, CAPACITY, 0, 0, pseudo_names))) return;
    sh_span_start first = start_of(7, 0, 0, 20), second = start_of(7, 0, 1, 21);
    uint32_t a = sh_span_table_start(&t, &first);
    sh_span_table_retain(&t, a);
    uint32_t b = sh_span_table_start(&t, &second);
    CHECK(a != b && !t.spans[a].active && t.spans[b].active && t.active == 1 && t.replaced == 1);
    CHECK(sh_span_table_find_in_hook(&t, objects[0], &types[0]) == SH_SPAN_NONE);
    CHECK(sh_span_table_end(&t, 7, 30) && !sh_span_table_end(&t, 7, 31));
    CHECK(t.spans[a].name == 20 && t.spans[a].refs == 1 && t.active == 0 && sh_span_table_valid(&t));
    sh_span_table_fini(&t);
}

/* A root lives as long as a descendant, or a sample of one, and shows the name it ended with. */
static void test_children_keep_their_root(void) {
    sh_span_table t;
    if (!CHECK(sh_span_table_init(&t, 3, 0, 0, pseudo_names))) return;
    sh_span_start start = start_of(1, 0, 0, 20);
    uint32_t root = sh_span_table_start(&t, &start);
    start = start_of(2, 1, 1, 21);
    uint32_t child = sh_span_table_start(&t, &start);
    start = start_of(3, 2, 2, 22);
    uint32_t grandchild = sh_span_table_start(&t, &start);
    CHECK(t.spans[child].root == root && t.spans[grandchild].root == root && t.spans[root].root == root);
    sh_span_table_retain(&t, grandchild);   /* a sample */
    CHECK(sh_span_table_end(&t, 1, 30) && sh_span_table_end(&t, 2, 31) && sh_span_table_end(&t, 3, 32));
    CHECK(t.active == 0 && t.spans[grandchild].name == 32 && t.spans[root].name == 30);
    start = start_of(4, 1, 3, 23);
    CHECK(sh_span_table_start(&t, &start) == child && t.spans[child].root == child);   /* its parent has ended */
    start = start_of(5, 0, 4, 24);
    CHECK(sh_span_table_start(&t, &start) == SH_SPAN_UNTRACKED && t.untracked == 1);
    sh_span_table_release(&t, grandchild);
    CHECK(sh_span_table_start(&t, &start) != SH_SPAN_UNTRACKED);   /* both places are free again */
    start = start_of(6, 0, 5, 25);
    CHECK(sh_span_table_start(&t, &start) != SH_SPAN_UNTRACKED);
    CHECK(sh_span_table_valid(&t));
    sh_span_table_fini(&t);
}

/* Spans that ended lately are found as parents, not as active spans; then the oldest of them makes room. */
static void test_recent_spans_are_parents(void) {
    sh_span_table t;
    enum { RECENT = 2 };
    if (!CHECK(sh_span_table_init(&t, 3, 0, RECENT, pseudo_names))) return;
    sh_span_start start = start_of(1, 0, 0, 20);
    uint32_t root = sh_span_table_start(&t, &start);
    CHECK(sh_span_table_end(&t, 1, 30) && !sh_span_table_end(&t, 1, 31) && t.active == 0 && t.spans[root].name == 30);
    CHECK(sh_span_table_find_in_hook(&t, objects[0], &types[0]) == SH_SPAN_NONE);
    uint32_t slots[1];
    CHECK(sh_span_table_oldest(&t, slots, 1) == 0 && sh_span_table_valid(&t));
    start = start_of(2, 1, 1, 21);
    uint32_t task = sh_span_table_start(&t, &start);
    CHECK(t.spans[task].root == root && sh_span_table_known(&t, 1) == root && sh_span_table_known(&t, 2) == task);
    for (uint64_t id = 3; id <= 4; id++) {   /* two more end: 1 is no longer recent */
        start = start_of(id, 0, 2, 22);
        CHECK(sh_span_table_start(&t, &start) >= SH_SPAN_FIRST && sh_span_table_end(&t, id, 32) && sh_span_table_valid(&t));
    }
    start = start_of(5, 1, 3, 23);
    uint32_t late = sh_span_table_start(&t, &start);
    CHECK(sh_span_table_known(&t, 1) == SH_SPAN_NONE && t.spans[late].root == late && t.spans[root].refs == 1);   /* only the task counts on it */
    CHECK(sh_span_table_end(&t, 2, 33) && sh_span_table_end(&t, 5, 34) && sh_span_table_valid(&t));
    start = start_of(5, 0, 4, 24);   /* an id again: it is the new span's */
    uint32_t again = sh_span_table_start(&t, &start);
    CHECK(again != late && sh_span_table_end(&t, 5, 35) && t.spans[again].name == 35 && t.replaced == 0);
    CHECK(sh_span_table_valid(&t));
    sh_span_table_clear(&t);
    CHECK(sh_span_table_valid(&t));
    sh_span_table_fini(&t);
}

/* After a clear nothing of before is known, and every slot is there again. */
static void test_clear(void) {
    sh_span_table t;
    if (!CHECK(sh_span_table_init(&t, CAPACITY, 0, 0, pseudo_names))) return;
    for (int round = 0; round < 2; round++) {
        for (uint64_t id = 1; id <= CAPACITY; id++) {
            sh_span_start start = start_of(id, id > 1 ? 1 : 0, (int)id, 20);
            CHECK(sh_span_table_start(&t, &start) >= SH_SPAN_FIRST);
        }
        sh_span_table_clear(&t);
        CHECK(!sh_span_table_end(&t, 1, 30) && t.active == 0 && sh_span_table_valid(&t));
        CHECK(sh_span_table_find_in_hook(&t, objects[1], &types[0]) == SH_SPAN_NONE);
        uint32_t slots[2];
        CHECK(sh_span_table_oldest(&t, slots, 2) == 0);
    }
    sh_span_table_fini(&t);
}

/* The indexes grow with what is in them: all that was entered before is found afterwards, under either key, and what is cleared
 * begins small again. */
static void test_many_spans(void) {
    enum { MANY = 9000, KEPT = 2000 };
    static _Alignas(16) const char places[MANY][16];
    sh_span_table t;
    if (!CHECK(sh_span_table_init(&t, MANY, 0, KEPT, pseudo_names))) return;
    for (int round = 0; round < 2; round++) {
        unsigned first_bits = t.by_id.bits;
        for (uint64_t id = 1; id <= MANY; id++) {
            sh_span_start start = start_of(id * UINT64_C(0x9E3779B97F4A7C15), 0, 0, 20);   /* as random as ids are */
            start.object = places[id - 1];
            uint32_t slot = sh_span_table_start(&t, &start);
            if (id % 1000 == 0 || (id & (id - 1)) == 0) CHECK(sh_span_table_valid(&t));
            if (!CHECK(sh_span_table_known(&t, start.span_id) == slot)) break;
        }
        CHECK(t.by_id.bits > first_bits && t.by_address.bits == t.by_id.bits);
        for (uint64_t id = 1; id <= MANY; id++) {
            uint64_t span_id = id * UINT64_C(0x9E3779B97F4A7C15);
            uint32_t slot = sh_span_table_find_in_hook(&t, places[id - 1], &types[0]);
            if (!CHECK(slot && t.spans[slot].span_id == span_id && sh_span_table_end(&t, span_id, 30))) break;
            if (id % 1000 == 0) CHECK(sh_span_table_valid(&t));
        }
        CHECK(t.active == 0 && t.by_address.count == 0 && t.by_id.count == KEPT && sh_span_table_valid(&t));
        sh_span_table_clear(&t);
        CHECK(t.by_id.bits == first_bits && sh_span_table_valid(&t));
        for (uint64_t id = 1; id <= MANY; id++)
            if (!CHECK(!sh_span_table_known(&t, id * UINT64_C(0x9E3779B97F4A7C15)))) break;
    }
    sh_span_table_fini(&t);
}

/* What a child inherits is found and ends, and is not listed. */
static void test_fork(void) {
    sh_span_table t;
    uint32_t slots[CAPACITY];
    if (!CHECK(sh_span_table_init(&t, CAPACITY, 0, 4, pseudo_names))) return;
    for (uint64_t id = 1; id <= 5; id++) {
        sh_span_start start = start_of(id, 0, (int)id, 20);
        sh_span_table_start(&t, &start);
    }
    sh_span_table_end(&t, 2, 20);
    CHECK(sh_span_table_listed(&t) == 4);
    sh_span_table_forked(&t);
    CHECK(sh_span_table_listed(&t) == 0 && sh_span_table_oldest(&t, slots, CAPACITY) == 0 && sh_span_table_valid(&t));
    CHECK(sh_span_table_find_in_hook(&t, objects[3], &types[0]) >= SH_SPAN_FIRST);
    sh_span_start start = start_of(6, 1, 6, 20), again = start_of(7, 0, 4, 20);
    uint32_t child = sh_span_table_start(&t, &start);
    CHECK(t.spans[child].root == sh_span_table_known(&t, 1));   /* the request that went on in the child */
    sh_span_table_start(&t, &again);   /* at the address of an inherited one */
    CHECK(sh_span_table_listed(&t) == 2 && t.active_inherited == 3 && sh_span_table_valid(&t));
    CHECK(sh_span_table_oldest(&t, slots, CAPACITY) == 2 && slots[0] == child);
    CHECK(sh_span_table_end(&t, 1, 20) && t.active_inherited == 2 && sh_span_table_valid(&t));
    sh_span_table_forked(&t);
    CHECK(sh_span_table_listed(&t) == 0 && t.active_inherited == 4 && sh_span_table_valid(&t));
    sh_span_table_clear(&t);
    CHECK(t.active_inherited == 0 && sh_span_table_valid(&t));
    sh_span_table_start(&t, &start);
    CHECK(sh_span_table_listed(&t) == 1);
    sh_span_table_fini(&t);
}

int main(void) {
    test_pseudo_spans();
    test_address_reuse();
    test_untracked_span_is_not_its_predecessor();
    test_type_mismatch();
    test_same_id_twice();
    test_children_keep_their_root();
    test_recent_spans_are_parents();
    test_clear();
    test_many_spans();
    test_fork();
    return CHECK_DONE();
}
