/* The span table against a plain array: slots, both keys, shared roots, references of samples
 * and children, repeated ids, the oldest. */
#include <string.h>

#include "spanheap/sampler.h"
#include "span_table_fixture.h"

enum { SLOTS = CAPACITY + SH_SPAN_FIRST, IDS = 60, NOBODY = 0 };

typedef struct {
    uint64_t id;
    int64_t start_ns;
    uint32_t name, root, samples, children;
    int object, type;
    bool used, active;
} row;

static row rows[SLOTS];

static uint32_t active_with_id(uint64_t id) {
    for (uint32_t slot = SH_SPAN_FIRST; slot < SLOTS; slot++)
        if (rows[slot].active && rows[slot].id == id) return slot;
    return NOBODY;
}

static uint32_t active_at(int object) {
    for (uint32_t slot = SH_SPAN_FIRST; slot < SLOTS; slot++)
        if (rows[slot].active && rows[slot].object == object) return slot;
    return NOBODY;
}

static uint32_t used_count(void) {
    uint32_t n = 0;
    for (uint32_t slot = SH_SPAN_FIRST; slot < SLOTS; slot++) n += rows[slot].used;
    return n;
}

/* A slot nobody counts on becomes free, and may have been what kept its root. */
static void free_if_unneeded(uint32_t slot) {
    row *r = &rows[slot];
    if (!r->used || r->active || r->samples || r->children) return;
    r->used = false;
    if (r->root == slot) return;
    rows[r->root].children--;
    free_if_unneeded(r->root);
}

static bool matches_oracle(const sh_span_table *t) {
    bool ok = sh_span_table_valid(t);
    uint32_t active = 0;
    for (uint32_t slot = SH_SPAN_FIRST; slot < SLOTS; slot++) {
        const row *r = &rows[slot];
        const sh_span *s = &t->spans[slot];
        if (!r->used) {
            ok &= slot >= t->high || s->refs == 0;
            continue;
        }
        active += r->active;
        ok &= s->span_id == r->id && s->name == r->name && s->root == r->root && s->active == r->active
            && s->start_ns == r->start_ns && s->trace_high == 1 && s->trace_low == 2
            && s->refs == r->active + r->samples + r->children;
    }
    for (int object = 0; ok && object < OBJECTS; object++)
        for (int type = 0; type < 2; type++) {
            uint32_t at = active_at(object), expected = at && rows[at].type == type ? at : SH_SPAN_NONE;
            ok &= sh_span_table_find_in_hook(t, objects[object], &types[type]) == expected;
        }
    return ok && t->active == active;
}

static bool oldest_matches(const sh_span_table *t, uint32_t n) {
    uint32_t slots[SLOTS], count = sh_span_table_oldest(t, slots, n);
    bool ok = count == (n < t->active ? n : t->active);
    for (uint32_t i = 0; ok && i < count; i++) {
        uint32_t older = 0;   /* distinct times: the i-th oldest has i older ones */
        for (uint32_t slot = SH_SPAN_FIRST; slot < SLOTS; slot++)
            older += rows[slot].active && rows[slot].start_ns < rows[slots[i]].start_ns;
        ok &= rows[slots[i]].active && older == i;
    }
    return ok;
}

static void test_against_a_plain_array(void) {
    sh_span_table t;
    sh_rng rng;
    sh_rng_seed(&rng, 1);
    if (!CHECK(sh_span_table_init(&t, CAPACITY, 0, 0, pseudo_names))) return;
    uint64_t started = 0, ended = 0, untracked = 0, replaced = 0, shared_roots = 0;
    for (int step = 0; step < 40000; step++) {
        uint32_t what = (uint32_t)(sh_rng_next(&rng) % 1000);
        uint32_t slot = SH_SPAN_FIRST + (uint32_t)(sh_rng_next(&rng) % CAPACITY);
        uint64_t id = 1 + sh_rng_next(&rng) % IDS, parent = sh_rng_next(&rng) % IDS;
        int object = (int)(sh_rng_next(&rng) % OBJECTS), type = (int)(sh_rng_next(&rng) % 2);
        row *r = &rows[slot];
        if (what < 350) {
            bool full = used_count() == CAPACITY;
            uint32_t same_id = active_with_id(id);
            /* Address reuse and a repeated id in a full table have tests of their own. */
            if (active_at(object) || parent == id || (full && same_id)) continue;
            sh_span_start start = start_of(id, parent, object, (uint32_t)step);
            start.start_ns = (int64_t)(sh_rng_next(&rng) % 1000000) * 100000 + step;
            start.type = &types[type];
            uint32_t got = sh_span_table_start(&t, &start);
            if (full) {
                untracked++;
                if (!CHECK(got == SH_SPAN_UNTRACKED)) break;
                continue;
            }
            if (!CHECK(got >= SH_SPAN_FIRST && got < SLOTS && !rows[got].used)) break;
            uint32_t parent_slot = parent ? active_with_id(parent) : NOBODY;
            rows[got] = (row){
                .id = id, .start_ns = start.start_ns, .name = (uint32_t)step, .object = object, .type = type,
                .used = true, .active = true,
            };
            rows[got].root = parent_slot ? rows[parent_slot].root : got;
            if (parent_slot) {
                rows[rows[got].root].children++;
                shared_roots++;
            }
            started++;
            if (same_id) {
                replaced++;
                rows[same_id].active = false;
                free_if_unneeded(same_id);
            }
        } else if (what < 600) {
            uint32_t at = active_with_id(id);
            if (!CHECK(sh_span_table_end(&t, id, (uint32_t)step) == (at != NOBODY))) break;
            if (!at) continue;
            ended++;
            rows[at].name = (uint32_t)step;
            rows[at].active = false;
            free_if_unneeded(at);
        } else if (what < 750) {
            if (!r->active || r->samples > 3) continue;   /* the hook makes samples for active spans */
            r->samples++;
            sh_span_table_retain(&t, slot);
        } else if (what < 998) {
            if (!r->used || !r->samples) continue;
            r->samples--;
            sh_span_table_release(&t, slot);
            free_if_unneeded(slot);
        } else if (step % 16 == 0) {
            sh_span_table_clear(&t);
            memset(rows, 0, sizeof rows);
            CHECK(t.started == 0 && t.ended == 0 && t.untracked == 0 && t.replaced == 0);
            started = ended = untracked = replaced = 0;
        }
        if (step % 8 == 0 && !CHECK(matches_oracle(&t) && oldest_matches(&t, (uint32_t)(sh_rng_next(&rng) % SLOTS)))) break;
        if (!CHECK(t.started == started && t.ended == ended && t.untracked == untracked && t.replaced == replaced)) break;
    }
    CHECK(untracked > 0 && replaced > 0 && shared_roots > 0);
    sh_span_table_fini(&t);
    CHECK(t.spans == NULL && t.by_address.entries == NULL && t.by_id.entries == NULL);
}

int main(void) {
    test_against_a_plain_array();
    return CHECK_DONE();
}
