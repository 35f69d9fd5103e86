#include "check.h"
#include "spanheap/sampler.h"
#include "spanheap/string_table.h"
#include "spanheap/thread_table.h"

enum { OTHER_NAME = 9, ENDED_NAME = 8, IDENTS = 1500 };

static sh_thread_table t;   /* 32 KiB */

/* A slot keeps its owner until it is reaped; the next owner of the slot has another generation. */
static void test_slots_and_generations(void) {
    sh_thread_table_reset(&t, OTHER_NAME, ENDED_NAME);
    CHECK(t.threads[SH_THREAD_OTHER].name == OTHER_NAME && sh_thread_table_valid(&t));
    uint32_t slot = sh_thread_table_claim(&t, 77), generation = t.threads[slot].generation;
    CHECK(slot != SH_THREAD_OTHER && t.threads[slot].ident == 77 && t.unnamed == 1);
    CHECK(sh_thread_table_owns(&t, slot, generation) && !sh_thread_table_owns(&t, slot, generation + 1));
    CHECK(!sh_thread_table_owns(&t, slot + 1, generation));
    sh_thread_table_reap(&t, NULL, 0);
    CHECK(!sh_thread_table_owns(&t, slot, generation) && t.unnamed == 0 && sh_thread_table_valid(&t));
    for (uint64_t ident = 100; t.overflowed == 0; ident++) {   /* until every slot has been used again */
        uint32_t again = sh_thread_table_claim(&t, ident);
        if (again == slot) CHECK(t.threads[slot].generation != generation);
    }
    CHECK(!sh_thread_table_owns(&t, slot, generation));
    CHECK(sh_thread_table_valid(&t));
}

/* A reset forgets the threads but not the generations: a handle of before owns nothing, even once its slot is used. */
static void test_handles_do_not_survive_a_reset(void) {
    sh_thread_table_reset(&t, OTHER_NAME, ENDED_NAME);
    uint32_t slot = sh_thread_table_claim(&t, 77), generation = t.threads[slot].generation;
    sh_thread_table_reset(&t, OTHER_NAME + 1, ENDED_NAME);
    CHECK(!sh_thread_table_owns(&t, slot, generation) && t.unnamed == 0 && t.overflowed == 0);
    CHECK(t.threads[SH_THREAD_OTHER].name == OTHER_NAME + 1);
    CHECK(sh_thread_table_claim(&t, 77) == slot && !sh_thread_table_owns(&t, slot, generation));
    CHECK(sh_thread_table_valid(&t));
}

/* A thread whose remembered {slot, generation} is still zero owns nothing: else it would never claim a slot. */
static void test_a_zeroed_handle_owns_nothing(void) {
    sh_thread_table_reset(&t, OTHER_NAME, ENDED_NAME);
    CHECK(!sh_thread_table_owns(&t, 0, 0));
}

/* Naming reaches every unnamed slot of the ident, and only these. */
static void test_names(void) {
    sh_thread_table_reset(&t, OTHER_NAME, ENDED_NAME);
    uint32_t a = sh_thread_table_claim(&t, 1), b = sh_thread_table_claim(&t, 2);
    sh_thread_table_name(&t, 1, 20);
    CHECK(t.threads[a].name == 20 && t.threads[b].name == SH_STRING_EMPTY && t.unnamed == 1);
    uint32_t c = sh_thread_table_claim(&t, 1);   /* the ident again: another thread */
    sh_thread_table_name(&t, 1, 21);
    CHECK(c != a && t.threads[a].name == 20 && t.threads[c].name == 21 && t.unnamed == 1);
    sh_thread_table_name(&t, 3, 22);             /* nobody's */
    CHECK(t.unnamed == 1 && sh_thread_table_valid(&t));
}

/* An ident that comes again is another thread's: the name found for it later is not that of the unnamed one before. */
static void test_reused_ident(void) {
    sh_thread_table_reset(&t, OTHER_NAME, ENDED_NAME);
    uint32_t before = sh_thread_table_claim(&t, 1), after = sh_thread_table_claim(&t, 1);
    sh_thread_table_name(&t, 1, 20);
    CHECK(before != after && t.threads[before].name == ENDED_NAME && t.threads[after].name == 20);
    CHECK(sh_thread_table_valid(&t));
}

/* A thread may be called "": that must not upset the count of unnamed slots. */
static void test_empty_name(void) {
    sh_thread_table_reset(&t, OTHER_NAME, ENDED_NAME);
    sh_thread_table_claim(&t, 1);
    sh_thread_table_name(&t, 1, SH_STRING_EMPTY);
    sh_thread_table_name(&t, 1, SH_STRING_EMPTY);
    CHECK(sh_thread_table_valid(&t));
}

/* What the table should hold, by slot; refs as the samples would. */
static struct { uint64_t ident; uint32_t refs, generation; bool used; uint32_t name; } oracle[SH_THREAD_CAPACITY];
static bool alive[IDENTS + 1];

static void name_in_oracle(uint64_t ident, uint32_t name) {
    for (uint32_t slot = 1; slot < SH_THREAD_CAPACITY; slot++)
        if (oracle[slot].used && oracle[slot].ident == ident && !oracle[slot].name) oracle[slot].name = name;
}

/* Against a plain array, with more threads than slots: no slot changes hands while it has samples or its thread lives. */
static void test_against_a_plain_array(void) {
    sh_rng rng;
    sh_rng_seed(&rng, 1);
    sh_thread_table_reset(&t, OTHER_NAME, ENDED_NAME);
    uint32_t used = 0;
    uint64_t overflowed = 0;
    for (int step = 0; step < 30000; step++) {
        uint32_t what = (uint32_t)(sh_rng_next(&rng) % 1000);
        uint32_t at = 1 + (uint32_t)(sh_rng_next(&rng) % (SH_THREAD_CAPACITY - 1));
        uint64_t ident = 1 + sh_rng_next(&rng) % IDENTS;
        if (what < 300) {
            uint32_t slot = sh_thread_table_claim(&t, ident);
            alive[ident] = true;
            if (used == SH_THREAD_CAPACITY - 1) {
                overflowed++;
                if (!CHECK(slot == SH_THREAD_OTHER)) return;
                continue;
            }
            if (!CHECK(slot != SH_THREAD_OTHER && !oracle[slot].used)) return;
            if (!CHECK(t.threads[slot].generation != oracle[slot].generation)) return;
            name_in_oracle(ident, ENDED_NAME);
            oracle[slot].ident = ident;
            oracle[slot].refs = 0;
            oracle[slot].generation = t.threads[slot].generation;
            oracle[slot].used = true;
            oracle[slot].name = SH_STRING_EMPTY;
            used++;
        } else if (what < 500) {
            if (oracle[at].used) oracle[at].refs = ++t.threads[at].refs;
        } else if (what < 800) {
            if (oracle[at].refs) oracle[at].refs = --t.threads[at].refs;
        } else if (what < 900) {
            alive[ident] = false;
        } else if (what < 995) {
            sh_thread_table_name(&t, ident, 40);
            name_in_oracle(ident, 40);
        } else {
            uint64_t living[IDENTS];
            uint32_t n = 0;
            for (uint64_t i = 1; i <= IDENTS; i++)
                if (alive[i]) living[n++] = i;
            sh_thread_table_reap(&t, living, n);
            for (uint32_t slot = 1; slot < SH_THREAD_CAPACITY; slot++)
                if (oracle[slot].used && !oracle[slot].refs && !alive[oracle[slot].ident]) {
                    oracle[slot].used = false;
                    used--;
                }
        }
        if (step % 100 != 0) continue;
        bool same = sh_thread_table_valid(&t);
        for (uint32_t slot = 1; slot < t.high; slot++) {
            same &= t.threads[slot].used == oracle[slot].used;
            same &= sh_thread_table_owns(&t, slot, oracle[slot].generation) == oracle[slot].used;
            if (oracle[slot].used)
                same &= t.threads[slot].ident == oracle[slot].ident && t.threads[slot].refs == oracle[slot].refs
                    && t.threads[slot].name == oracle[slot].name;
        }
        if (!CHECK(same)) return;
    }
    CHECK(t.overflowed == overflowed && overflowed > 0);
}

int main(void) {
    test_slots_and_generations();
    test_handles_do_not_survive_a_reset();
    test_a_zeroed_handle_owns_nothing();
    test_names();
    test_reused_ident();
    test_empty_name();
    test_against_a_plain_array();
    return CHECK_DONE();
}
