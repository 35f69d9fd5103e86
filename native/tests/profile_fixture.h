/* A profile with made-up blocks, code objects and spans, for the tests of sh_profile. */
#ifndef SPANHEAP_PROFILE_FIXTURE_H
#define SPANHEAP_PROFILE_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "spanheap/profile.h"

enum { CODES = 64, ADDRESSES = 2000, SPANS = 50 };

static sh_profile profile;             /* tens of KiB: not for the stack */
static const char code_objects[CODES];
static int64_t references_held;        /* to code objects, by the stack table */
static const char span_type, span_objects[SPANS][16];

static inline const void *address_of(uint32_t i) { return (const void *)(uintptr_t)(0x550000000000u + (uint64_t)i * 560); }

static inline void drop(const void *code) {
    (void)code;
    references_held--;
}

static inline bool start_profile(double interval, uint32_t max_samples, bool adaptive) {
    const sh_profile_options options = {
        .interval = interval, .max_samples = max_samples, .span_capacity = SPANS * 4, .adaptive = adaptive, .seed = 1,
    };
    return CHECK(sh_profile_init(&profile, &options));
}

static inline void stop_profile(void) {
    sh_profile_clear(&profile, drop);
    CHECK(references_held == 0 && sh_profile_valid(&profile));
    sh_profile_fini(&profile);
}

static inline uint32_t intern_stack(uint32_t n) {
    bool is_new;
    sh_frame frames[2] = { { .code = &code_objects[n % CODES], .offset = (int32_t)n }, { .code = code_objects } };
    uint32_t id = sh_stack_table_intern(&profile.stacks, frames, 2, profile.ticks, &is_new);
    references_held += is_new ? 2 : 0;
    return id;
}

static inline uint32_t intern_name(const char *kind, uint64_t n) {
    char name[32];
    int length = snprintf(name, sizeof name, "%s-%llu", kind, (unsigned long long)n);
    return sh_string_table_intern(&profile.strings, name, (size_t)length);
}

static inline uint32_t start_span(uint64_t id, uint64_t parent) {
    sh_span_start start = {
        .span_id = id, .parent_span_id = parent, .object = span_objects[id % SPANS], .type = &span_type,
        .name = intern_name("span", id),
    };
    return sh_span_table_start(&profile.spans, &start);
}

static inline sh_sample sample_at(uint32_t address, uint64_t size) {
    return (sh_sample){ .address = address_of(address), .size = size, .interval = (float)profile.interval, .share = 1.0f };
}

/* Records a block of this size under a span. */
static inline bool record(uint32_t address, uint64_t size, uint32_t span, sh_sample_ref *ref) {
    sh_sample sample = sample_at(address, size);
    sample.span = span;
    return sh_profile_record_in_hook(&profile, &sample, ref);
}

/* Every reference counted one by one: samples for stacks and threads; samples, activity, a late end and children for spans. */
static inline bool references_match(void) {
    static uint32_t stacks[4096], spans[8192], threads[SH_THREAD_CAPACITY];
    memset(stacks, 0, sizeof stacks);
    memset(spans, 0, sizeof spans);
    memset(threads, 0, sizeof threads);
    bool ok = true;
    for (uint32_t entry = 0; entry < profile.live.high; entry++) {
        const sh_sample *s = &profile.live.samples[entry];
        if (s->state == SH_SAMPLE_FREE) continue;
        stacks[s->stack]++;
        spans[s->span]++;
        threads[s->thread]++;
        ok &= s->stack == SH_STACK_OTHER || profile.stacks.stacks[s->stack].used;
    }
    for (uint32_t slot = SH_SPAN_FIRST; slot < profile.spans.high; slot++) {
        const sh_span *span = &profile.spans.spans[slot];
        if (!span->refs) continue;
        spans[slot] += span->active;
        if (span->root != slot) spans[span->root]++;
    }
    for (uint32_t i = 0; i < profile.spans.max_recent; i++) spans[profile.spans.recent[i]]++;
    for (uint32_t id = 0; id < profile.stacks.high; id++) ok &= profile.stacks.stacks[id].refs == stacks[id];
    for (uint32_t slot = SH_SPAN_FIRST; slot < profile.spans.high; slot++)
        ok &= profile.spans.spans[slot].refs == spans[slot];
    for (uint32_t slot = 0; slot < profile.threads.high; slot++) ok &= profile.threads.threads[slot].refs == threads[slot];
    return ok;
}

#endif
