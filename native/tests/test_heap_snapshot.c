#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "spanheap/heap_snapshot.h"

enum { BLOCKS = 3000, SPANS = 40, STACKS = 60, DEPTH = 3, UNRESOLVED_STACK = 7 };

static sh_profile profile;
static sh_label_table labels;
static const char code_objects[STACKS], span_type, span_objects[SPANS + 1][16];

static const void *address_of(uint32_t i) { return (const void *)(uintptr_t)(0x550000000000u + (uint64_t)i * 560); }

static void drop(const void *code) { (void)code; }

static uint32_t intern_name(const char *kind, uint64_t n) {
    char name[32];
    int length = snprintf(name, sizeof name, "%s-%llu", kind, (unsigned long long)n);
    return sh_string_table_intern(&profile.strings, name, (size_t)length);
}

static bool start_profile(void) {
    const sh_profile_options options = { .interval = 1.0, .max_samples = BLOCKS, .span_capacity = SPANS, .seed = 1, .labels = &labels };
    return CHECK(sh_profile_init(&profile, &options));
}

static void stop_profile(void) {
    sh_profile_clear(&profile, drop);
    sh_profile_fini(&profile);
}

/* The n-th stack, resolved (but for one) as the tick would: its i-th frame is at line 100 n + i. */
static uint32_t intern_stack(uint32_t n) {
    sh_frame frames[DEPTH] = { { 0 } };
    bool is_new;
    for (uint32_t i = 0; i < DEPTH; i++) frames[i] = (sh_frame){ .code = &code_objects[n], .offset = (int32_t)i };
    uint32_t id = sh_stack_table_intern(&profile.stacks, frames, DEPTH, profile.ticks, &is_new);
    if (!is_new || n == UNRESOLVED_STACK) return id;
    for (uint32_t i = 0; i < DEPTH; i++)
        profile.stacks.frames[profile.stacks.stacks[id].first_frame + i].location = sh_location_table_intern(
            &profile.locations, (sh_location){ .function = intern_name("function", n), .line = 100 * n + i });
    profile.stacks.stacks[id].resolved = true;
    profile.stacks.unresolved--;
    return id;
}

static uint32_t start_span(uint64_t id, uint64_t parent) {
    sh_span_start start = {
        .trace_high = 9, .trace_low = parent ? parent : id, .span_id = id, .parent_span_id = parent, .start_ns = (int64_t)id,
        .object = span_objects[id], .type = &span_type, .name = intern_name("span", id),
    };
    return sh_span_table_start(&profile.spans, &start);
}

/* ------------------------------------------------------------------ every field against what was recorded */

/* What was recorded for the block whose size is its number + 1. */
static struct { uint32_t stack; uint64_t span_id; uint64_t thread; uint32_t pairs; bool live; } blocks[BLOCKS];

static bool name_is(const sh_heap_snapshot *s, uint32_t name, const char *kind, uint64_t n) {
    char expected[32];
    sh_string text = sh_string_table_get(s->strings, name);
    int length = snprintf(expected, sizeof expected, "%s-%llu", kind, (unsigned long long)n);
    return text.length == (uint32_t)length && memcmp(text.data, expected, text.length) == 0;
}

static bool stack_is(const sh_heap_snapshot *s, uint32_t stack, uint32_t n) {
    if (stack >= s->stack_count || s->stacks[stack].depth != DEPTH) return false;
    bool ok = true;
    for (uint32_t i = 0; i < DEPTH; i++) {
        uint32_t location = s->frames[s->stacks[stack].first + i];
        ok &= n == UNRESOLVED_STACK ? location == SH_LOCATION_OTHER
                                    : s->locations->locations[location].line == 100 * n + i;
    }
    return ok;
}

/* Spans 1..10 are roots, each later one is a child of one of them; the odd ones have ended. */
static uint64_t root_of(uint64_t id) { return id <= 10 ? id : id % 10 + 1; }

static bool span_is(const sh_heap_snapshot *s, uint32_t span, uint64_t id) {
    if (span >= s->span_count) return false;
    const sh_snapshot_span *got = &s->spans[span];
    if (id == 0) return got->span_id == 0 && got->trace_high == 0 && got->trace_low == 0 && !got->active;
    return got->span_id == id && got->trace_high == 9 && got->trace_low == root_of(id) && got->start_ns == (int64_t)id
        && got->active == (id % 2 == 0) && name_is(s, got->name, id % 2 ? "final" : "span", id)
        && name_is(s, got->root_name, root_of(id) % 2 ? "final" : "span", root_of(id));
}

/* The set of so many pairs: pair i is key i, with its number as the value. */
static bool labels_are(const sh_heap_snapshot *s, uint32_t set, uint32_t pairs) {
    bool ok = set < s->label_count;
    for (; ok && pairs; set = s->labels[set].parent) {
        const sh_snapshot_label *label = &s->labels[set];
        pairs--;
        ok &= set && label->key == pairs && label->value.length == 1 && label->value.data[0] == (char)('0' + pairs);
        ok &= s->label_keys[label->key].length == 4 && memcmp(s->label_keys[label->key].data, "key", 3) == 0;
    }
    return ok && set == 0;
}

static bool samples_match(const sh_heap_snapshot *s) {
    bool ok = true, seen[BLOCKS] = { false };
    for (uint32_t i = 0; i < s->sample_count; i++) {
        const sh_snapshot_sample *sample = &s->samples[i];
        uint64_t n = sample->size - 1;
        if (n >= BLOCKS || seen[n] || !blocks[n].live) return false;
        seen[n] = true;
        ok &= sample->bytes == (double)sample->size && sample->objects == 1.0 && sample->born_s == n;
        ok &= stack_is(s, sample->stack, blocks[n].stack) && span_is(s, sample->span, blocks[n].span_id);
        ok &= labels_are(s, sample->labels, blocks[n].pairs);
        ok &= sample->thread < s->thread_count && name_is(s, s->thread_names[sample->thread], "thread", blocks[n].thread);
    }
    for (uint32_t n = 0; n < BLOCKS; n++) ok &= seen[n] == blocks[n].live;
    return ok;
}

/* Whether each sum over (stack, names) is that of the blocks that are gone. */
static bool totals_match(const sh_heap_snapshot *s) {
    bool ok = true;
    uint64_t samples = 0;
    for (uint32_t i = 0; i < s->total_count; i++) {
        const sh_total *total = &s->totals[i];
        double bytes = 0;
        for (uint32_t n = 0; n < BLOCKS; n++) {
            uint64_t id = blocks[n].span_id;
            if (blocks[n].live || !stack_is(s, total->stack, blocks[n].stack)) continue;
            bool same_name = id ? name_is(s, total->name, id % 2 ? "final" : "span", id)
                                : total->name == profile.spans.spans[SH_SPAN_NONE].name;
            if (same_name) bytes += n + 1;
        }
        ok &= total->bytes == bytes && total->objects == (double)total->samples;
        samples += total->samples;
    }
    return ok && samples + s->sample_count == BLOCKS;
}

/* allocated = sum(totals) + sum(samples), with whole numbers, so exactly. */
static bool sums_match(const sh_heap_snapshot *s) {
    double live = 0, gone = 0, live_objects = 0, gone_objects = 0;
    for (uint32_t i = 0; i < s->sample_count; i++) {
        live += s->samples[i].bytes;
        live_objects += s->samples[i].objects;
    }
    for (uint32_t i = 0; i < s->total_count; i++) {
        gone += s->totals[i].bytes;
        gone_objects += s->totals[i].objects;
    }
    return s->sums.live_bytes == live && s->sums.live_objects == live_objects && s->sums.live_samples == s->sample_count
        && s->sums.allocated_bytes == live + gone && s->sums.allocated_objects == live_objects + gone_objects;
}

/* Ids are dense: every stack but [0] and every span and thread is somebody's. */
static bool ids_are_dense(const sh_heap_snapshot *s) {
    static bool stacks[STACKS + 1], spans[SPANS + SH_SPAN_FIRST], threads[SH_THREAD_CAPACITY];
    memset(stacks, 0, sizeof stacks);
    memset(spans, 0, sizeof spans);
    memset(threads, 0, sizeof threads);
    stacks[0] = true;
    for (uint32_t i = 0; i < s->sample_count; i++)
        stacks[s->samples[i].stack] = spans[s->samples[i].span] = threads[s->samples[i].thread] = true;
    for (uint32_t i = 0; i < s->total_count; i++) stacks[s->totals[i].stack] = true;
    bool ok = s->stacks[0].depth == 0;
    for (uint32_t i = 0; i < s->stack_count; i++) ok &= stacks[i];
    for (uint32_t i = 0; i < s->span_count; i++) ok &= spans[i];
    for (uint32_t i = 0; i < s->thread_count; i++) ok &= threads[i];
    return ok;
}

/* A snapshot says of every block what was recorded, keeps saying so while the profile goes on, and adds up. */
static void test_every_field(void) {
    if (!start_profile()) return;
    sh_rng rng;
    sh_rng_seed(&rng, 1);
    uint32_t slots[SPANS + 1] = { SH_SPAN_NONE }, threads[4], sets[4] = { SH_LABELS_NONE };
    if (!CHECK(sh_label_table_init(&labels, 100))) return;
    for (uint32_t i = 0; i < 3; i++) {
        const char key[] = { 'k', 'e', 'y', (char)('0' + i) }, value[] = { (char)('0' + i) };
        sets[i + 1] = sh_label_table_add(&labels, sets[i], (uint32_t)sh_label_table_key(&labels, key, sizeof key), value, 1);
    }
    for (uint64_t id = 1; id <= SPANS; id++) slots[id] = start_span(id, id <= 10 ? 0 : root_of(id));
    for (uint64_t n = 0; n < 4; n++) threads[n] = sh_thread_table_claim(&profile.threads, n);
    for (uint64_t n = 0; n < 4; n++) sh_thread_table_name(&profile.threads, n, intern_name("thread", n));
    for (uint32_t n = 0; n < BLOCKS; n++) {
        blocks[n].stack = (uint32_t)(sh_rng_next(&rng) % STACKS);
        blocks[n].span_id = sh_rng_next(&rng) % (SPANS + 1);
        blocks[n].thread = sh_rng_next(&rng) % 3;   /* the fourth makes no sample */
        blocks[n].pairs = (uint32_t)(sh_rng_next(&rng) % 4);
        blocks[n].live = true;
        sh_sample sample = {
            .address = address_of(n), .size = n + 1, .interval = 1.0f, .share = 1.0f, .stack = intern_stack(blocks[n].stack),
            .span = slots[blocks[n].span_id], .thread = threads[blocks[n].thread], .labels = sets[blocks[n].pairs], .born_s = n,
        };
        CHECK(sh_profile_record_in_hook(&profile, &sample, NULL));
    }
    for (uint64_t id = 1; id <= SPANS; id += 2) CHECK(sh_span_table_end(&profile.spans, id, intern_name("final", id)));
    for (uint32_t n = 0; n < BLOCKS; n += 1 + n % 3) {
        sh_profile_release_in_hook(&profile, address_of(n), NULL);
        blocks[n].live = false;
        if (n % 50 == 0) sh_profile_fold(&profile, 10);   /* some are in the totals already, the others retired */
    }
    sh_heap_snapshot s;
    int64_t before = sh_clock_ns(CLOCK_MONOTONIC), before_realtime = sh_clock_ns(CLOCK_REALTIME);
    if (!CHECK(sh_heap_snapshot_capture(&s, &profile))) return;
    CHECK(s.monotonic_ns >= before && s.monotonic_ns <= sh_clock_ns(CLOCK_MONOTONIC) && s.realtime_ns >= before_realtime);
    CHECK(s.interval == 1.0 && s.active_spans == SPANS / 2 && s.thread_count == 3);
    CHECK(samples_match(&s) && totals_match(&s) && sums_match(&s) && ids_are_dense(&s));
    CHECK(sh_profile_valid(&profile) && profile.live.retired_count == 0);
    size_t bytes = sh_heap_snapshot_memory_bytes(&profile, 100);
    void *memory = malloc(bytes);
    if (CHECK(memory != NULL)) memset(memory, 0xA5, bytes);   /* any contents: zeroes are not to be relied on */
    sh_heap_snapshot in_given_memory;
    CHECK(sh_heap_snapshot_capture_into(&in_given_memory, &profile, memory, bytes));
    CHECK(samples_match(&in_given_memory) && totals_match(&in_given_memory) && sums_match(&in_given_memory));
    CHECK(ids_are_dense(&in_given_memory) && in_given_memory.sample_count == s.sample_count);
    sh_heap_snapshot_fini(&in_given_memory);
    free(memory);

    for (uint32_t i = 0; i < 4; i++) sh_label_table_release(&labels, sets[i]);
    CHECK(labels.in_use == 3 && sh_profile_valid(&profile));   /* the samples hold them */
    for (uint32_t n = 0; n < BLOCKS; n++) sh_profile_release_in_hook(&profile, address_of(n), NULL);
    sh_profile_tick(&profile, 1, drop);
    CHECK(labels.in_use == 0);
    sh_profile_evict_stacks(&profile, 0, 0, drop);
    for (uint32_t n = 0; n < 100; n++) intern_name("later", n);
    CHECK(samples_match(&s) && sums_match(&s));
    sh_heap_snapshot_fini(&s);
    CHECK(s.samples == NULL && s.sample_count == 0);
    stop_profile();
    sh_label_table_fini(&labels);
}

/* A profile without samples has a snapshot without samples. */
static void test_empty_profile(void) {
    if (!start_profile()) return;
    sh_heap_snapshot s;
    if (!CHECK(sh_heap_snapshot_capture(&s, &profile))) return;
    CHECK(s.sample_count == 0 && s.total_count == 0 && s.span_count == 0 && s.thread_count == 0);
    CHECK(s.stack_count == 1 && s.stacks[0].depth == 0 && s.frame_count == 0);
    CHECK(s.sums.allocated_bytes == 0 && s.sums.live_samples == 0);
    sh_heap_snapshot_fini(&s);
    stop_profile();
}

/* Evicted stacks' totals are under the stack that is not known; nothing is lost. */
static void test_totals_of_evicted_stacks(void) {
    if (!start_profile()) return;
    for (uint32_t n = 0; n < 20; n++) {
        sh_sample sample = {
            .address = address_of(n), .size = 100, .interval = 1.0f, .share = 1.0f, .stack = intern_stack(n % 10),
        };
        sh_profile_record_in_hook(&profile, &sample, NULL);
        sh_profile_release_in_hook(&profile, address_of(n), NULL);
    }
    sh_profile_fold(&profile, 20);
    sh_profile_evict_stacks(&profile, 0, 0, drop);
    sh_heap_snapshot s;
    if (!CHECK(sh_heap_snapshot_capture(&s, &profile))) return;
    CHECK(s.total_count == 1 && s.totals[0].stack == 0 && s.totals[0].bytes == 2000 && s.totals[0].samples == 20);
    CHECK(s.stack_count == 1 && s.sums.allocated_bytes == 2000);
    sh_heap_snapshot_fini(&s);
    stop_profile();
}

/* ------------------------------------------------------------------ frees while it is captured */

static _Atomic uint32_t freed;

static void *free_all(void *unused) {
    (void)unused;
    for (uint32_t n = 0; n < BLOCKS; n++) {
        sh_profile_release_in_hook(&profile, address_of(n), NULL);
        atomic_store(&freed, n + 1);
        if (n % 64 == 0) sched_yield();
    }
    return NULL;
}

/* However a free on another thread falls into a capture, each block is live or gone: never both, never neither. */
static void test_frees_during_capture(void) {
    uint32_t between = 0;
    bool whole = true;
    for (int round = 0; round < 10 || (between == 0 && round < 500); round++) {
        if (!start_profile()) return;
        atomic_store(&freed, 0);
        for (uint32_t n = 0; n < BLOCKS; n++) {
            sh_sample sample = { .address = address_of(n), .size = n + 1, .interval = 1.0f, .share = 1.0f };
            sh_profile_record_in_hook(&profile, &sample, NULL);
        }
        pthread_t thread;
        if (!CHECK(pthread_create(&thread, NULL, free_all, NULL) == 0)) return;
        for (bool done = false; !done;) {
            uint32_t before = atomic_load(&freed);
            done = before == BLOCKS;
            sh_heap_snapshot s;
            if (!CHECK(sh_heap_snapshot_capture(&s, &profile))) return;
            uint32_t after = atomic_load(&freed);
            uint64_t gone = 0;
            for (uint32_t i = 0; i < s.total_count; i++) gone += s.totals[i].samples;
            whole &= sums_match(&s) && s.sums.allocated_bytes == (double)BLOCKS * (BLOCKS + 1) / 2;
            whole &= gone + s.sample_count == BLOCKS && gone >= before && gone <= after + 1;
            between += gone > 0 && gone < BLOCKS;
            sh_heap_snapshot_fini(&s);
        }
        pthread_join(thread, NULL);
        stop_profile();
    }
    CHECK(whole);
    CHECK(between > 0);   /* else nothing was tested */
}

int main(void) {
    test_every_field();
    test_empty_profile();
    test_totals_of_evicted_stacks();
    test_frees_during_capture();
    return CHECK_DONE();
}
