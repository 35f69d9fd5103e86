#include <string.h>

#include "check.h"
#include "spanheap/sampler.h"
#include "spanheap/stack_table.h"
#include "spanheap/string_table.h"
#include "spanheap/totals_table.h"

enum { BITS = 6, ROOM = (1 << BITS) / 4 * 3, STACKS = 14, NAMES = 3, FIRST_NAME = 2 };

/* The plain table: a sum for each combination; `other` is what found no room. */
typedef struct { uint64_t samples; double bytes, objects; bool used; } sums;
static sums oracle[STACKS][NAMES][NAMES], other;
static uint32_t oracle_rows;

static void add_to(sums *s, uint64_t samples, double bytes, double objects) {
    s->samples += samples;
    s->bytes += bytes;
    s->objects += objects;
    s->used = true;
}

static sums *oracle_row(uint32_t stack, uint32_t name, uint32_t root) {
    sums *s = &oracle[stack][name][root];
    if (!s->used && oracle_rows == ROOM) return &other;
    oracle_rows += !s->used;
    return s;
}

static bool equals(const sh_total *row, const sums *s) {
    return s->used && row->samples == s->samples && row->bytes == s->bytes && row->objects == s->objects;
}

static bool matches_oracle(const sh_totals_table *t) {
    sh_total rows[(1 << BITS) + 1];
    uint32_t n = sh_totals_table_copy(t, rows), seen_other = 0;
    bool ok = sh_totals_table_valid(t) && n == sh_totals_table_count(t) && n == oracle_rows + other.used;
    uint64_t samples = 0;
    double bytes = 0, objects = 0;
    for (uint32_t i = 0; ok && i < n; i++) {
        samples += rows[i].samples;
        bytes += rows[i].bytes;
        objects += rows[i].objects;
        if (rows[i].name == SH_STRING_OTHER) {
            seen_other++;
            ok &= rows[i].stack == SH_STACK_OTHER && rows[i].root_name == SH_STRING_OTHER && equals(&rows[i], &other);
        } else {
            ok &= equals(&rows[i], &oracle[rows[i].stack][rows[i].name - FIRST_NAME][rows[i].root_name - FIRST_NAME]);
        }
    }
    return ok && seen_other == other.used && samples == t->samples && bytes == t->bytes && objects == t->objects;
}

static void oracle_reset(void) {
    memset(oracle, 0, sizeof oracle);
    other = (sums){ 0 };
    oracle_rows = 0;
}

static bool forget_like_oracle(sh_totals_table *t, const uint8_t *gone) {
    sh_totals_table_forget_stacks(t, gone, STACKS);
    for (uint32_t stack = 1; stack < STACKS; stack++) {
        if (!(gone[stack / 8] >> (stack % 8) & 1)) continue;
        for (int name = 0; name < NAMES; name++)
            for (int root = 0; root < NAMES; root++) {
                sums *from = &oracle[stack][name][root], *to = &oracle[SH_STACK_OTHER][name][root];
                if (!from->used) continue;
                oracle_rows -= to->used;   /* two rows become one */
                add_to(to, from->samples, from->bytes, from->objects);
                *from = (sums){ 0 };
            }
    }
    return matches_oracle(t);
}

/* Against plain sums: each combination, the overflow row, evicted stacks and clearing; whole numbers, so sums are exact. */
static void test_against_plain_sums(void) {
    sh_totals_table t;
    sh_rng rng;
    sh_rng_seed(&rng, 1);
    oracle_reset();
    if (!CHECK(sh_totals_table_init(&t, BITS))) return;
    CHECK(matches_oracle(&t));
    uint64_t overflowed = 0, most_overflowed = 0;
    for (int step = 0; step < 20000; step++) {
        uint32_t stack = (uint32_t)(sh_rng_next(&rng) % STACKS);
        uint32_t name = (uint32_t)(sh_rng_next(&rng) % NAMES), root = (uint32_t)(sh_rng_next(&rng) % NAMES);
        double bytes = (double)(sh_rng_next(&rng) % 1000), objects = (double)(sh_rng_next(&rng) % 10);
        sums *row = oracle_row(stack, name, root);
        overflowed += row == &other;
        add_to(row, 1, bytes, objects);
        sh_totals_table_add(&t, stack, name + FIRST_NAME, root + FIRST_NAME, bytes, objects);
        if (step % 500 == 499) {
            uint8_t gone[STACKS / 8 + 1] = { (uint8_t)(sh_rng_next(&rng) & 0xFE), (uint8_t)(sh_rng_next(&rng) & 0x3F) };
            if (!CHECK(forget_like_oracle(&t, gone))) break;
        }
        if (step % 32 == 0 && !CHECK(matches_oracle(&t))) break;
        if (step % 7000 == 6999) {
            CHECK(t.overflowed == overflowed);
            most_overflowed = overflowed > most_overflowed ? overflowed : most_overflowed;
            sh_totals_table_clear(&t);
            oracle_reset();
            overflowed = 0;
            if (!CHECK(matches_oracle(&t) && t.samples == 0 && t.overflowed == 0)) break;
        }
    }
    CHECK(t.overflowed == overflowed && most_overflowed > 0);
    sh_totals_table_fini(&t);
    CHECK(t.rows == NULL);
}

/* A stack id at or past the count given is not forgotten: its bit is not there. */
static void test_forget_looks_no_further_than_told(void) {
    sh_totals_table t;
    sh_total rows[2];
    const uint8_t gone[1] = { 0xFF };
    if (!CHECK(sh_totals_table_init(&t, BITS))) return;
    sh_totals_table_add(&t, 3, 5, 6, 100, 1);
    sh_totals_table_add(&t, 4, 5, 6, 200, 1);
    sh_totals_table_forget_stacks(&t, gone, 4);
    if (CHECK(sh_totals_table_copy(&t, rows) == 2)) {
        const sh_total *kept = rows[0].stack == 4 ? &rows[0] : &rows[1], *moved = rows[0].stack == 4 ? &rows[1] : &rows[0];
        CHECK(kept->stack == 4 && kept->bytes == 200);
        CHECK(moved->stack == SH_STACK_OTHER && moved->bytes == 100 && moved->name == 5 && moved->root_name == 6);
    }
    sh_totals_table_fini(&t);
}

int main(void) {
    test_against_plain_sums();
    test_forget_looks_no_further_than_told();
    return CHECK_DONE();
}
