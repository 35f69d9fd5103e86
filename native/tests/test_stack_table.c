#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "spanheap/sampler.h"
#include "spanheap/stack_table.h"

enum { CODES = 12, MAX_DEPTH = 8, STACKS = 64, FRAMES = 256 };

/* The plain table: one row per id that is in use. */
typedef struct {
    sh_frame frames[MAX_DEPTH];
    uint32_t depth, refs, last_used;
    bool used, resolved;
} row;

static row oracle[STACKS];
static const char code_objects[CODES];   /* their addresses stand for code objects */
static int64_t references[CODES];        /* taken when interned, given back when evicted */

static size_t code_number(const void *code) { return (size_t)((const char *)code - code_objects); }

static uint32_t random_stack(sh_rng *rng, sh_frame *frames) {
    uint32_t depth = 1 + (uint32_t)(sh_rng_next(rng) % MAX_DEPTH);
    for (uint32_t i = 0; i < depth; i++)
        frames[i] = (sh_frame){
            .code = &code_objects[sh_rng_next(rng) % (i ? 2 : CODES)], .offset = (int32_t)(sh_rng_next(rng) % 2) * 2,
        };
    return depth;
}

static bool same_frames(const sh_frame *a, const sh_frame *b, uint32_t depth) {
    for (uint32_t i = 0; i < depth; i++)
        if (a[i].code != b[i].code || a[i].offset != b[i].offset) return false;
    return true;
}

static uint32_t oracle_find(const sh_frame *frames, uint32_t depth) {
    for (uint32_t id = 1; id < STACKS; id++)
        if (oracle[id].used && oracle[id].depth == depth && same_frames(oracle[id].frames, frames, depth)) return id;
    return SH_STACK_OTHER;
}

static uint32_t oracle_count(uint32_t *frames) {
    uint32_t count = 0;
    *frames = 0;
    for (uint32_t id = 1; id < STACKS; id++)
        if (oracle[id].used) {
            count++;
            *frames += oracle[id].depth;
        }
    return count;
}

static bool matches_oracle(const sh_stack_table *t) {
    uint32_t frames, count = oracle_count(&frames);
    bool ok = sh_stack_table_valid(t) && sh_stack_table_count(t) == count && t->frames_used == frames;
    for (uint32_t id = 1; id < STACKS; id++) {
        const row *expected = &oracle[id];
        if (!expected->used) continue;
        const sh_stack *s = &t->stacks[id];
        ok &= s->used && s->depth == expected->depth && s->refs == expected->refs && s->last_used == expected->last_used
            && s->resolved == expected->resolved && same_frames(t->frames + s->first_frame, expected->frames, s->depth);
        for (uint32_t i = 0; ok && s->resolved && i < s->depth; i++)
            ok &= t->frames[s->first_frame + i].location == id + 100;
    }
    return ok;
}

/* Evicts from both and compares what went, in which order and with which references. */
static bool evict_like_oracle(sh_stack_table *t, uint32_t keep_stacks, uint32_t keep_frames) {
    uint8_t gone[STACKS / 8 + 1] = { 0 };
    const void *codes[FRAMES];
    uint32_t code_count = UINT32_MAX, frames, count = oracle_count(&frames), expected = 0;
    uint32_t removed = sh_stack_table_evict(t, keep_stacks, keep_frames, gone, codes, &code_count);
    for (; count > keep_stacks || frames > keep_frames; count--, expected++) {
        uint32_t oldest = 0;
        for (uint32_t id = 1; id < STACKS; id++)
            if (oracle[id].used && oracle[id].refs == 0 && (!oldest || oracle[id].last_used < oracle[oldest].last_used))
                oldest = id;
        if (!oldest) break;
        if (!(gone[oldest / 8] >> (oldest % 8) & 1)) return false;
        gone[oldest / 8] &= (uint8_t)~(1u << (oldest % 8));
        frames -= oracle[oldest].depth;
        oracle[oldest].used = false;
    }
    for (size_t i = 0; i < sizeof gone; i++)
        if (gone[i]) return false;   /* more went than had to */
    for (uint32_t i = 0; i < code_count; i++) references[code_number(codes[i])]--;
    return removed == expected;
}

/* References held for what is interned, as many as its frames. */
static bool references_match(void) {
    int64_t held[CODES] = { 0 };
    for (uint32_t id = 1; id < STACKS; id++)
        for (uint32_t i = 0; oracle[id].used && i < oracle[id].depth; i++) held[code_number(oracle[id].frames[i].code)]++;
    return memcmp(held, references, sizeof held) == 0;
}

/* Against a plain array: ids, bounds, eviction order, surviving frames, and every reference handed back exactly once. */
static void test_against_a_plain_array(void) {
    sh_stack_table t;
    sh_rng rng;
    sh_rng_seed(&rng, 1);
    if (!CHECK(sh_stack_table_init(&t, STACKS, FRAMES))) return;
    uint64_t overflowed = 0, evicted = 0;
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t id = 1 + (uint32_t)(sh_rng_next(&rng) % (STACKS - 1)), what = (uint32_t)(sh_rng_next(&rng) % 100);
        uint32_t now = step / 50;   /* several stacks share a tick */
        if (what < 60) {
            sh_frame frames[MAX_DEPTH];
            uint32_t depth = random_stack(&rng, frames), known = oracle_find(frames, depth);
            uint32_t used, count = oracle_count(&used);
            bool is_new = true, fits = count < STACKS - 1 && used + depth <= FRAMES;
            uint32_t got = sh_stack_table_intern(&t, frames, depth, now, &is_new);
            if (!CHECK(is_new == (!known && fits))) break;
            if (known || !fits) {
                if (!CHECK(got == known)) break;
                overflowed += !known;
                if (known) oracle[known].last_used = now;
            } else {
                if (!CHECK(got > SH_STACK_OTHER && got < STACKS && !oracle[got].used)) break;
                oracle[got] = (row){ .depth = depth, .last_used = now, .used = true };
                memcpy(oracle[got].frames, frames, depth * sizeof *frames);
                for (uint32_t i = 0; i < depth; i++) references[code_number(frames[i].code)]++;
            }
        } else if (what < 75) {
            if (!oracle[id].used || oracle[id].refs > 2) continue;
            oracle[id].refs++;
            t.stacks[id].refs++;
        } else if (what < 93) {
            if (!oracle[id].used || !oracle[id].refs) continue;
            oracle[id].refs--;
            t.stacks[id].refs--;
        } else if (what < 98) {   /* what the tick does when it has found the symbols */
            if (!oracle[id].used || oracle[id].resolved) continue;
            for (uint32_t i = 0; i < t.stacks[id].depth; i++) t.frames[t.stacks[id].first_frame + i].location = id + 100;
            oracle[id].resolved = t.stacks[id].resolved = true;
            t.unresolved--;
        } else {
            uint32_t before = sh_stack_table_count(&t);
            uint32_t keep_stacks = (uint32_t)(sh_rng_next(&rng) % STACKS);
            uint32_t keep_frames = (uint32_t)(sh_rng_next(&rng) % FRAMES);
            if (!CHECK(evict_like_oracle(&t, keep_stacks, keep_frames))) break;
            evicted += before - sh_stack_table_count(&t);
            if (!CHECK(references_match())) break;
        }
        if (step % 16 == 0 && !CHECK(matches_oracle(&t))) break;
    }
    CHECK(t.overflowed == overflowed && overflowed > 0);
    CHECK(t.evicted == evicted && evicted > 0);

    for (uint32_t id = 1; id < STACKS; id++)
        if (oracle[id].used) oracle[id].refs = t.stacks[id].refs = 0;
    CHECK(evict_like_oracle(&t, 0, 0));
    CHECK(matches_oracle(&t) && references_match() && sh_stack_table_count(&t) == 0 && t.frames_used == 0);
    sh_stack_table_fini(&t);
    CHECK(t.stacks == NULL && t.frames == NULL);
}

/* Interns the stack of one frame that is the n-th of its kind. */
static uint32_t intern_numbered(sh_stack_table *t, int32_t n, uint32_t depth, uint32_t now, bool *is_new) {
    sh_frame frames[SH_MAX_DEPTH];
    for (uint32_t i = 0; i < depth; i++) frames[i] = (sh_frame){ .code = code_objects, .offset = n };
    return sh_stack_table_intern(t, frames, depth, now, is_new);
}

/* A table without free ids gives "other" to the new, still knows the old, and takes new ones again after an eviction. */
static void test_ids_run_out(void) {
    sh_stack_table t;
    bool is_new;
    if (!CHECK(sh_stack_table_init(&t, 16, 1000))) return;
    for (int32_t n = 0; n < 15; n++) CHECK(intern_numbered(&t, n, 1, 0, &is_new) == (uint32_t)n + 1 && is_new);
    CHECK(intern_numbered(&t, 15, 1, 0, &is_new) == SH_STACK_OTHER && !is_new && t.overflowed == 1);
    CHECK(intern_numbered(&t, 3, 1, 9, &is_new) == 4 && !is_new && t.overflowed == 1);
    uint8_t gone[3] = { 0 };
    const void *codes[1000];
    uint32_t code_count;
    CHECK(sh_stack_table_evict(&t, 14, 1000, gone, codes, &code_count) == 1 && code_count == 1);
    CHECK(gone[0] == 1u << 1 && gone[1] == 0);   /* the oldest use, and of these the first id */
    CHECK(intern_numbered(&t, 15, 1, 0, &is_new) == 1 && is_new);
    CHECK(sh_stack_table_valid(&t));
    sh_stack_table_fini(&t);
}

/* A table without free frames refuses what is too deep and still takes what fits. */
static void test_frames_run_out(void) {
    sh_stack_table t;
    bool is_new;
    if (!CHECK(sh_stack_table_init(&t, 16, SH_MAX_DEPTH + 10))) return;
    CHECK(intern_numbered(&t, 0, SH_MAX_DEPTH, 0, &is_new) != SH_STACK_OTHER);
    CHECK(intern_numbered(&t, 1, 11, 0, &is_new) == SH_STACK_OTHER && !is_new);
    CHECK(intern_numbered(&t, 1, 10, 0, &is_new) != SH_STACK_OTHER && is_new);
    CHECK(t.frames_used == t.frame_capacity && sh_stack_table_valid(&t));
    sh_stack_table_fini(&t);
}

/* Crowded means more than three quarters of either bound. */
static void test_crowded(void) {
    sh_stack_table t;
    bool is_new;
    if (!CHECK(sh_stack_table_init(&t, 16, 1000))) return;
    for (int32_t n = 0; n < 12; n++) intern_numbered(&t, n, 1, 0, &is_new);
    CHECK(!sh_stack_table_crowded(&t));
    intern_numbered(&t, 12, 1, 0, &is_new);
    CHECK(sh_stack_table_crowded(&t));
    sh_stack_table_fini(&t);

    if (!CHECK(sh_stack_table_init(&t, 1000, 16))) return;
    intern_numbered(&t, 0, 12, 0, &is_new);
    CHECK(!sh_stack_table_crowded(&t));
    intern_numbered(&t, 1, 1, 0, &is_new);
    CHECK(sh_stack_table_crowded(&t));
    sh_stack_table_fini(&t);
}

/* Stacks that samples use are never evicted, whatever is asked for. */
static void test_stacks_in_use_stay(void) {
    sh_stack_table t;
    bool is_new;
    if (!CHECK(sh_stack_table_init(&t, 16, 100))) return;
    uint32_t kept = intern_numbered(&t, 1, 3, 0, &is_new), dropped = intern_numbered(&t, 2, 3, 5, &is_new);
    t.stacks[kept].refs = 1;
    uint8_t gone[3] = { 0 };
    const void *codes[100];
    uint32_t code_count;
    CHECK(sh_stack_table_evict(&t, 0, 0, gone, codes, &code_count) == 1 && code_count == 3);
    CHECK(gone[0] == 1u << dropped);
    CHECK(intern_numbered(&t, 1, 3, 6, &is_new) == kept && !is_new);
    CHECK(sh_stack_table_evict(&t, 0, 0, gone, codes, &code_count) == 0 && code_count == 0);
    sh_stack_table_fini(&t);
}

/* The empty stack is "other", is not counted as lost, and is not new. */
static void test_empty_stack(void) {
    sh_stack_table t;
    bool is_new = true;
    if (!CHECK(sh_stack_table_init(&t, 16, 16))) return;
    CHECK(sh_stack_table_intern(&t, NULL, 0, 0, &is_new) == SH_STACK_OTHER && !is_new && t.overflowed == 0);
    CHECK(sh_stack_table_count(&t) == 0 && t.stacks[SH_STACK_OTHER].depth == 0);
    sh_stack_table_fini(&t);
}

/* A stack that is new to the table is unresolved, whatever the caller's frames held as location. */
static void test_new_stack_is_unresolved(void) {
    sh_stack_table t;
    bool is_new;
    if (!CHECK(sh_stack_table_init(&t, 16, 16))) return;
    sh_frame frame = { .code = code_objects, .location = 7 };   /* a hook need not clear what it does not know */
    uint32_t id = sh_stack_table_intern(&t, &frame, 1, 0, &is_new);
    CHECK(!t.stacks[id].resolved && t.unresolved == 1);
    CHECK(t.frames[t.stacks[id].first_frame].location == SH_LOCATION_UNRESOLVED);
    sh_stack_table_fini(&t);
}

/* Stacks that have their symbols can do without their code objects: they keep samples and locations, are not found again, and
 * give each reference back once. */
static void test_released_codes(void) {
    sh_stack_table t;
    bool is_new;
    if (!CHECK(sh_stack_table_init(&t, 16, 100))) return;
    uint32_t resolved = intern_numbered(&t, 1, 3, 0, &is_new), waiting = intern_numbered(&t, 2, 2, 0, &is_new);
    t.stacks[resolved].refs = 1;
    t.stacks[resolved].resolved = true;
    t.unresolved--;
    t.frames[t.stacks[resolved].first_frame].location = 7;
    const void *codes[100];
    uint8_t gone[3] = { 0 };
    uint32_t code_count;
    CHECK(sh_stack_table_release_codes(&t, codes) == 3 && codes[0] == code_objects);
    CHECK(sh_stack_table_release_codes(&t, codes) == 0);
    CHECK(t.frames[t.stacks[resolved].first_frame].location == 7 && t.stacks[resolved].refs == 1);
    CHECK(intern_numbered(&t, 2, 2, 1, &is_new) == waiting && !is_new);
    CHECK(intern_numbered(&t, 1, 3, 1, &is_new) != resolved && is_new);
    CHECK(sh_stack_table_valid(&t));
    t.stacks[resolved].refs = 0;
    CHECK(sh_stack_table_evict(&t, 0, 0, gone, codes, &code_count) == 3 && code_count == 5);
    CHECK(sh_stack_table_valid(&t));
    sh_stack_table_fini(&t);
}

int main(void) {
    test_against_a_plain_array();
    test_ids_run_out();
    test_frames_run_out();
    test_crowded();
    test_stacks_in_use_stay();
    test_empty_stack();
    test_new_stack_is_unresolved();
    test_released_codes();
    return CHECK_DONE();
}
