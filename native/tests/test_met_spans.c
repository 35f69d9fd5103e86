/* Spans that no processor told of: met under their address, asked later, and then as good as any other. */
#include <string.h>

#include "check.h"
#include "spanheap/span_table.h"
#include "spanheap/string_table.h"

enum { CAPACITY = 8, CHILD = 20, ROOT = 21, FOREIGN = 22 };   /* … string ids */

static const uint32_t pseudo_names[SH_SPAN_FIRST] = { 10, 11, 12, 13 };
static const char non_recording, recording;              /* their addresses stand for types */
static _Alignas(16) const char objects[SH_SPANS_MET + 1][16];

static sh_span_table t;

static bool init(uint32_t max_active, uint32_t max_ended) {
    return CHECK(sh_span_table_init(&t, max_active, max_ended, 0, pseudo_names));
}

static uint32_t meet(int object) { return sh_span_table_meet_in_hook(&t, objects[object], &non_recording, SH_SPAN_UNSAMPLED); }

static uint32_t root_name(uint32_t slot) { return t.spans[t.spans[slot].root].name; }

/* Until it is asked, a span has the name of its kind; it is found again under its address, by its type only. */
static void test_met_once(void) {
    if (!init(CAPACITY, 0)) return;
    uint32_t slot = meet(1);
    CHECK(slot >= SH_SPAN_FIRST && t.spans[slot].name == pseudo_names[SH_SPAN_UNSAMPLED] && !t.spans[slot].sampled);
    CHECK(sh_span_table_find_in_hook(&t, objects[1], &non_recording) == slot);
    CHECK(sh_span_table_find_in_hook(&t, objects[1], &recording) == SH_SPAN_NONE);
    CHECK(t.met_count == 1 && t.active == 0 && sh_span_table_valid(&t));

    sh_span_table_retain(&t, slot);   /* a sample */
    CHECK(sh_span_table_last_met(&t) == slot && sh_span_table_last_met(&t) == slot);   /* until it is settled */
    sh_span_facts facts = { .trace_high = 1, .trace_low = 2, .span_id = 3, .name = CHILD, .root_name = ROOT };
    CHECK(!sh_span_table_settle(&t, slot, objects[2], &facts) && t.spans[slot].name == pseudo_names[SH_SPAN_UNSAMPLED]);
    CHECK(sh_span_table_settle(&t, slot, objects[1], &facts) && sh_span_table_last_met(&t) == SH_SPAN_NONE);
    CHECK(!sh_span_table_settle(&t, slot, objects[1], &(sh_span_facts){ .name = FOREIGN }));   /* another was first */
    CHECK(t.spans[slot].name == CHILD && root_name(slot) == ROOT && t.spans[slot].span_id == 3 && !t.spans[slot].sampled);
    CHECK(t.spans[t.spans[slot].root].trace_low == 2);
    CHECK(sh_span_table_find_in_hook(&t, objects[1], &non_recording) == SH_SPAN_NONE && sh_span_table_valid(&t));
    sh_span_table_release(&t, slot);
    CHECK(t.spans[slot].refs == 0 && t.settled == 1 && sh_span_table_valid(&t));
    sh_span_table_fini(&t);
}

/* The local root: named by the span itself, that of an active parent, unknown below a parent that is gone, or itself. */
static void test_roots(void) {
    if (!init(CAPACITY, CAPACITY)) return;
    sh_span_start start = { .span_id = 7, .object = objects[0], .type = &recording, .name = ROOT, .sampled = true };
    uint32_t parent = sh_span_table_start(&t, &start);
    const struct { sh_span_facts facts; uint32_t root; } cases[] = {
        { { .span_id = 30, .name = CHILD, .root_name = ROOT }, ROOT },
        { { .span_id = 31, .name = CHILD, .root_name = CHILD }, CHILD },
        { { .span_id = 32, .name = FOREIGN, .parent_span_id = 7 }, ROOT },
        { { .span_id = 33, .name = FOREIGN, .parent_span_id = 99 }, 13 },
        { { .span_id = 34, .name = FOREIGN }, FOREIGN },
    };
    enum { CASES = sizeof cases / sizeof *cases };
    uint32_t slots[CASES];
    for (int i = 0; i < CASES; i++) {
        slots[i] = meet(i + 1);
        sh_span_table_retain(&t, slots[i]);
    }
    for (int i = CASES; i-- > 0;) {   /* the last is settled first */
        CHECK(sh_span_table_last_met(&t) == slots[i]);
        CHECK(sh_span_table_settle(&t, slots[i], objects[i + 1], &cases[i].facts));
    }
    for (int i = 0; i < CASES; i++) CHECK(root_name(slots[i]) == cases[i].root);
    CHECK(t.spans[slots[2]].root == parent && sh_span_table_valid(&t));
    CHECK(sh_span_table_end(&t, 7, ROOT));
    CHECK(root_name(slots[2]) == ROOT);   /* kept by the child */
    for (int i = 0; i < CASES; i++) sh_span_table_release(&t, slots[i]);
    uint32_t in_use = 0;
    for (uint32_t slot = SH_SPAN_FIRST; slot < t.high; slot++) in_use += t.spans[slot].refs != 0;
    CHECK(in_use == 0 && sh_span_table_valid(&t));
    sh_span_table_fini(&t);
}

/* A span that starts after it was met takes its address over; one that was freed without end() loses it to one that is met. */
static void test_address_shared_with_an_active_span(void) {
    if (!init(CAPACITY, CAPACITY)) return;
    sh_span_start start = { .span_id = 1, .object = objects[1], .type = &recording, .name = ROOT };
    uint32_t met = sh_span_table_meet_in_hook(&t, objects[1], &recording, SH_SPAN_UNTRACKED);
    uint32_t active = sh_span_table_start(&t, &start);
    CHECK(active != met && sh_span_table_find_in_hook(&t, objects[1], &recording) == active && t.replaced == 0);
    CHECK(sh_span_table_valid(&t));
    CHECK(sh_span_table_last_met(&t) == met);
    CHECK(sh_span_table_settle(&t, met, objects[1], &(sh_span_facts){ .name = FOREIGN }));
    CHECK(sh_span_table_find_in_hook(&t, objects[1], &recording) == active);

    uint32_t other = sh_span_table_meet_in_hook(&t, objects[1], &non_recording, SH_SPAN_UNSAMPLED);
    CHECK(sh_span_table_find_in_hook(&t, objects[1], &non_recording) == other && t.spans[active].active);
    CHECK(sh_span_table_end(&t, 1, ROOT) && sh_span_table_valid(&t));
    CHECK(sh_span_table_find_in_hook(&t, objects[1], &non_recording) == other);
    sh_span_table_clear(&t);
    CHECK(t.met_count == 0 && sh_span_table_find_in_hook(&t, objects[1], &non_recording) == SH_SPAN_NONE);
    CHECK(sh_span_table_valid(&t));
    sh_span_table_fini(&t);
}

/* Both bounds hold, and are counted: slots, and spans met between two settlings. */
static void test_bounds(void) {
    if (!init(2, 2)) return;
    for (int i = 0; i < 4; i++) CHECK(meet(i) >= SH_SPAN_FIRST);
    CHECK(meet(4) == SH_SPAN_UNSAMPLED && t.unmet == 1);
    CHECK(sh_span_table_note(&t, &(sh_span_facts){ .name = CHILD }) == SH_SPAN_UNSAMPLED && sh_span_table_valid(&t));
    sh_span_table_fini(&t);

    if (!init(CAPACITY, 2 * SH_SPANS_MET)) return;
    for (int i = 0; i < SH_SPANS_MET; i++)
        if (!CHECK(meet(i) >= SH_SPAN_FIRST)) break;
    CHECK(sh_span_table_meet_in_hook(&t, objects[SH_SPANS_MET], &recording, SH_SPAN_UNTRACKED) == SH_SPAN_UNTRACKED && t.unmet == 1);
    CHECK(sh_span_table_valid(&t));
    uint32_t slot = t.met[7];   /* others were met while it was asked */
    CHECK(sh_span_table_settle(&t, slot, objects[7], &(sh_span_facts){ .name = CHILD }) && sh_span_table_valid(&t));
    while ((slot = sh_span_table_last_met(&t)) != SH_SPAN_NONE)
        if (!CHECK(sh_span_table_settle(&t, slot, t.spans[slot].object, &(sh_span_facts){ .name = CHILD }))) break;
    CHECK(t.settled == SH_SPANS_MET && sh_span_table_valid(&t));
    sh_span_table_fini(&t);
}

/* A span known before it is met: its slot lives as long as somebody holds it, with its root. */
static void test_noted(void) {
    if (!init(CAPACITY, 0)) return;
    uint32_t slot = sh_span_table_note(&t, &(sh_span_facts){ .trace_low = 5, .name = CHILD, .root_name = ROOT });
    CHECK(slot >= SH_SPAN_FIRST && t.spans[slot].name == CHILD && root_name(slot) == ROOT && t.spans[slot].refs == 1);
    sh_span_table_release(&t, slot);
    CHECK(t.spans[slot].refs == 0 && sh_span_table_valid(&t));
    sh_span_table_fini(&t);
}

int main(void) {
    test_met_once();
    test_roots();
    test_address_shared_with_an_active_span();
    test_bounds();
    test_noted();
    return CHECK_DONE();
}
