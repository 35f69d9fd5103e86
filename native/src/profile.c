#include "spanheap/profile.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOCATION_CAPACITY = 16384,
    FRAMES_PER_STACK = 12,  /* on average: 8,192 stacks have 1.5 MiB of frames; deep ones fill it sooner and are evicted */
    TOTALS_BITS = 13,       /* 6,144 rows: every stack under one or two names; 384 KiB */
    FOLD_PER_TICK = 16384,  /* about 0.2 ms */
    CALM_S = 60,
    RECENT_SPANS = 4096,    /* at 1,000 requests a second, what a request leaves running has its endpoint for some seconds */
};

static uint32_t clamp_u32(uint64_t v, uint32_t low, uint32_t high) { return v < low ? low : v > high ? high : (uint32_t)v; }

static const char *const PSEUDO_SPANS[SH_SPAN_FIRST] = { "<no span>", "<unsampled>", "<unsampled>", "<untracked>" };

/* A quarter more entries than samples, so that a second's releases can wait for the tick. */
static uint32_t entries_for(uint32_t max_samples) { return max_samples + max_samples / 4 + 1024; }

static bool init_stacks(sh_profile *p, uint32_t max_samples) {
    uint32_t capacity = clamp_u32(max_samples, 4096, SH_PROFILE_MAX_STACKS);
    return sh_stack_table_init(&p->stacks, capacity, capacity * FRAMES_PER_STACK);
}

static bool init_spans(sh_profile *p, uint32_t capacity) {
    uint32_t names[SH_SPAN_FIRST];
    for (int i = 0; i < SH_SPAN_FIRST; i++)
        names[i] = sh_string_table_intern(&p->strings, PSEUDO_SPANS[i], strlen(PSEUDO_SPANS[i]));
    /* Beside the active spans, each sample may keep the slot of an ended span, and that of its root. */
    return sh_span_table_init(&p->spans, capacity, 2 * entries_for(p->options.max_samples), RECENT_SPANS, names);
}

static void reset_state(sh_profile *p) {
    memset(&p->counters, 0, sizeof p->counters);
    p->interval = p->options.interval;
    p->clock_s = 0;
    p->calm_since_s = INT64_MIN;
    sh_rng_seed(&p->rng, p->options.seed ^ UINT64_C(0x7468696e));   /* not the hook's stream */
    sh_thread_table_reset(&p->threads, sh_string_table_intern(&p->strings, "<other threads>", 15),
                          sh_string_table_intern(&p->strings, "<ended thread>", 14));
}

bool sh_profile_init(sh_profile *p, const sh_profile_options *options) {
    memset(p, 0, sizeof *p);
    p->options = *options;
    if (!sh_string_table_init(&p->strings, SH_PROFILE_STRINGS, SH_PROFILE_STRING_BYTES)
        || !sh_location_table_init(&p->locations, LOCATION_CAPACITY)
        || !sh_totals_table_init(&p->totals, TOTALS_BITS)
        || !sh_live_table_init(&p->live, options->max_samples, entries_for(options->max_samples))
        || !init_stacks(p, options->max_samples) || !init_spans(p, options->span_capacity)) {
        sh_profile_fini(p);
        return false;
    }
    sh_string_table_reserve(&p->strings);
    reset_state(p);
    return true;
}

void sh_profile_fini(sh_profile *p) {
    if (p->live.samples) sh_live_table_fini(&p->live);
    if (p->stacks.stacks) sh_stack_table_fini(&p->stacks);
    if (p->spans.spans) sh_span_table_fini(&p->spans);
    if (p->totals.rows) sh_totals_table_fini(&p->totals);
    if (p->strings.bytes) sh_string_table_fini(&p->strings);
    if (p->locations.locations) sh_location_table_fini(&p->locations);
    memset(p, 0, sizeof *p);
}

void sh_profile_clear(sh_profile *p, sh_drop_code drop) {
    for (uint32_t entry = 0; entry < p->live.high; entry++)   /* the only references that outlive the samples */
        if (p->live.samples[entry].state != SH_SAMPLE_FREE)
            sh_label_table_release(p->options.labels, p->live.samples[entry].labels);
    sh_live_table_clear(&p->live);
    sh_span_table_clear(&p->spans);
    sh_totals_table_clear(&p->totals);
    for (uint32_t id = 0; id < p->stacks.high; id++) p->stacks.stacks[id].refs = 0;
    reset_state(p);
    sh_profile_evict_stacks(p, 0, 0, drop);
}

bool sh_profile_restart(sh_profile *p, const sh_profile_options *options, sh_drop_code drop) {
    sh_profile_clear(p, drop);
    sh_stack_table old_stacks = p->stacks;
    sh_span_table old_spans = p->spans;
    sh_profile_options old_options = p->options;
    bool ok = true;
    p->options = *options;
    if (clamp_u32(options->max_samples, 4096, SH_PROFILE_MAX_STACKS) != p->stacks.capacity)
        ok = p->stacks.high == 1 + p->stacks.unused_count && init_stacks(p, options->max_samples);
    if (ok && (options->span_capacity != old_options.span_capacity || options->max_samples != old_options.max_samples))
        ok = init_spans(p, options->span_capacity);
    ok = ok && sh_live_table_resize(&p->live, options->max_samples, entries_for(options->max_samples));
    bool new_stacks = p->stacks.stacks != old_stacks.stacks, new_spans = p->spans.spans != old_spans.spans;
    if (!ok) {   /* keep what worked before */
        if (new_stacks && p->stacks.stacks) sh_stack_table_fini(&p->stacks);
        if (new_spans && p->spans.spans) sh_span_table_fini(&p->spans);
        p->stacks = old_stacks;
        p->spans = old_spans;
        p->options = old_options;
        return false;
    }
    if (new_stacks) sh_stack_table_fini(&old_stacks);
    if (new_spans) sh_span_table_fini(&old_spans);
    reset_state(p);
    return true;
}

void sh_profile_set_interval(sh_profile *p, double interval) {
    p->options.interval = p->interval = interval;
    p->calm_since_s = INT64_MIN;
}

/* ------------------------------------------------------------------ references */

static void retain(sh_profile *p, const sh_sample *s) {
    p->stacks.stacks[s->stack].refs++;
    p->threads.threads[s->thread].refs++;
    sh_span_table_retain(&p->spans, s->span);
    sh_label_table_retain(p->options.labels, s->labels);
}

static void release(sh_profile *p, const sh_sample *s) {
    p->stacks.stacks[s->stack].refs--;
    p->threads.threads[s->thread].refs--;
    sh_span_table_release(&p->spans, s->span);
    sh_label_table_release(p->options.labels, s->labels);
}

/* ------------------------------------------------------------------ samples */

sh_estimate sh_sample_estimate(const sh_sample *s) {
    double p = sh_sampler_probability(s->size, (double)s->interval, (double)s->share);
    return (sh_estimate){ (double)s->size / p, 1.0 / p };
}

uint32_t sh_profile_fold(sh_profile *p, uint32_t n) {
    sh_sample samples[SH_LIVE_CHUNK];
    uint32_t folded = 0;
    while (folded < n) {
        uint32_t want = n - folded < SH_LIVE_CHUNK ? n - folded : SH_LIVE_CHUNK;
        uint32_t got = sh_live_table_take_retired(&p->live, samples, want);
        for (uint32_t i = 0; i < got; i++) {
            const sh_sample *s = &samples[i];
            const sh_span *span = &p->spans.spans[s->span];
            sh_estimate e = sh_sample_estimate(s);
            sh_totals_table_add(&p->totals, s->stack, span->name, p->spans.spans[span->root].name, e.bytes, e.objects);
            release(p, s);
        }
        folded += got;
        if (got < want) break;
    }
    p->counters.folded += folded;
    return folded;
}

void sh_profile_forget_samples(sh_profile *p) {
    sh_live_table_retire_all(&p->live);
    sh_profile_fold(p, UINT32_MAX);
}

static bool make_room_in_hook(sh_profile *p) {
    if (p->live.live >= p->live.max_live) {
        if (!p->options.adaptive) return false;
        /* Blocks much larger than the interval survive a doubling, so one may not be enough. */
        while (p->live.live >= p->live.max_live && p->interval < 0x1p60) {
            p->interval = (p->interval < 1.0 ? 1.0 : p->interval) * 2.0;
            sh_sample removed[SH_LIVE_CHUNK];
            for (uint32_t cursor = 0, n; sh_live_table_thin(&p->live, &cursor, p->interval, &p->rng, removed, &n);) {
                for (uint32_t i = 0; i < n; i++) release(p, &removed[i]);
                p->counters.thinned += n;
            }
            p->counters.rate_raised++;
        }
        p->calm_since_s = INT64_MIN;
    }
    if (!sh_live_table_has_room(&p->live)) sh_profile_fold(p, SH_LIVE_CHUNK);
    return sh_live_table_has_room(&p->live);
}

bool sh_profile_record_in_hook(sh_profile *p, const sh_sample *sample, sh_sample_ref *ref) {
    if (SH_UNLIKELY(p->live.live >= p->live.max_live || !sh_live_table_has_room(&p->live)) && !make_room_in_hook(p)) {
        p->counters.dropped++;
        return false;
    }
    retain(p, sample);
    p->counters.recorded++;
    sh_sample_ref inserted = sh_live_table_insert(&p->live, sample);
    if (ref) *ref = inserted;
    return true;
}

bool sh_profile_retag(sh_profile *p, sh_sample_ref ref, uint32_t span) {
    if (ref.entry >= p->live.high) return false;
    sh_sample *s = &p->live.samples[ref.entry];
    /* Live or retired: only the holder of the GIL frees entries, so it cannot go away here. */
    if (s->serial != ref.serial) return false;
    sh_span_table_retain(&p->spans, span);
    sh_span_table_release(&p->spans, s->span);
    s->span = span;
    return true;
}

/* ------------------------------------------------------------------ tick */

void sh_profile_evict_stacks(sh_profile *p, uint32_t keep_stacks, uint32_t keep_frames, sh_drop_code drop) {
    size_t gone_bytes = p->stacks.capacity / 8 + 1, code_bytes = (p->stacks.frames_used + 1) * sizeof(void *);
    uint8_t *gone = sh_pages_map(gone_bytes);
    const void **codes = sh_pages_map(code_bytes);
    uint32_t high = p->stacks.high, code_count = 0;
    if (gone && codes && sh_stack_table_evict(&p->stacks, keep_stacks, keep_frames, gone, codes, &code_count))
        sh_totals_table_forget_stacks(&p->totals, gone, high);
    for (uint32_t i = 0; i < code_count; i++) drop(codes[i]);
    sh_pages_unmap(gone, gone_bytes);
    sh_pages_unmap(codes, code_bytes);
}

void sh_profile_tick(sh_profile *p, int64_t now_s, sh_drop_code drop) {
    p->ticks++;
    sh_profile_fold(p, FOLD_PER_TICK);
    if (p->live.live * UINT64_C(4) >= p->live.max_live || p->calm_since_s == INT64_MIN) {
        p->calm_since_s = now_s;
    } else if (p->interval > p->options.interval && now_s - p->calm_since_s >= CALM_S) {
        p->interval = p->interval / 2.0 < p->options.interval ? p->options.interval : p->interval / 2.0;
        p->counters.rate_lowered++;
        p->calm_since_s = now_s;
    }
    if (sh_stack_table_crowded(&p->stacks) || sh_totals_table_crowded(&p->totals))   /* evicted stacks give up their rows too */
        sh_profile_evict_stacks(p, p->stacks.capacity / 2, p->stacks.frame_capacity / 2, drop);
}

/* ------------------------------------------------------------------ sums */

sh_profile_sums sh_profile_sum(sh_profile *p) {
    sh_profile_sums sums = { .allocated_bytes = p->totals.bytes, .allocated_objects = p->totals.objects };
    sh_sample chunk[SH_LIVE_CHUNK];
    for (uint32_t cursor = 0, n; (n = sh_live_table_copy(&p->live, &cursor, chunk)) != 0;)
        for (uint32_t i = 0; i < n; i++) {
            sh_estimate e = sh_sample_estimate(&chunk[i]);
            sums.allocated_bytes += e.bytes;
            sums.allocated_objects += e.objects;
            if (chunk[i].state != SH_SAMPLE_LIVE) continue;
            sums.live_bytes += e.bytes;
            sums.live_objects += e.objects;
            sums.live_samples++;
        }
    return sums;
}

enum { NAME_BITS = 9, NAME_ROWS = 1 << NAME_BITS };

/* The row of this name in an open-addressing table kept at most 3/4 full; past that the row of "<other>". */
static sh_name_sum *name_row(sh_name_sum *rows, uint32_t *count, uint32_t name) {
    size_t i = sh_hash_u64(name) >> (64 - NAME_BITS);
    while (rows[i].samples && rows[i].name != name) i = (i + 1) % NAME_ROWS;
    if (rows[i].samples) return &rows[i];
    if (*count >= NAME_ROWS / 4 * 3 && name != SH_STRING_OTHER) return name_row(rows, count, SH_STRING_OTHER);
    ++*count;
    rows[i].name = name;
    return &rows[i];
}

/* Largest first; "<other>" always last, where what is cut off is added to it. */
static int by_bytes_descending(const void *a, const void *b) {
    const sh_name_sum *x = a, *y = b;
    if ((x->name == SH_STRING_OTHER) != (y->name == SH_STRING_OTHER)) return x->name == SH_STRING_OTHER ? 1 : -1;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

uint32_t sh_profile_live_by_root(sh_profile *p, sh_name_sum *rows, uint32_t n) {
    sh_name_sum all[NAME_ROWS] = { 0 };
    sh_sample chunk[SH_LIVE_CHUNK];
    uint32_t count = 0;
    for (uint32_t cursor = 0, got; (got = sh_live_table_copy(&p->live, &cursor, chunk)) != 0;)
        for (uint32_t i = 0; i < got; i++) {
            if (chunk[i].state != SH_SAMPLE_LIVE) continue;
            sh_estimate e = sh_sample_estimate(&chunk[i]);
            sh_name_sum *row = name_row(all, &count, p->spans.spans[p->spans.spans[chunk[i].span].root].name);
            row->bytes += e.bytes;
            row->objects += e.objects;
            row->samples++;
        }
    count = 0;
    for (uint32_t i = 0; i < NAME_ROWS; i++)
        if (all[i].samples) all[count++] = all[i];
    qsort(all, count, sizeof *all, by_bytes_descending);
    for (uint32_t i = 0; i < count; i++) {
        if (i < n) {
            rows[i] = all[i];
            continue;
        }
        rows[n - 1].name = SH_STRING_OTHER;
        rows[n - 1].bytes += all[i].bytes;
        rows[n - 1].objects += all[i].objects;
        rows[n - 1].samples += all[i].samples;
    }
    return count < n ? count : n;
}

size_t sh_profile_memory(const sh_profile *p) {
    return sh_live_table_memory(&p->live) + sh_stack_table_memory(&p->stacks) + sh_span_table_memory(&p->spans)
        + sh_totals_table_memory(&p->totals) + sh_string_table_memory(&p->strings) + sh_location_table_memory(&p->locations)
        + sizeof *p;
}

bool sh_profile_valid(sh_profile *p) {
    if (!sh_live_table_valid(&p->live) || !sh_stack_table_valid(&p->stacks) || !sh_span_table_valid(&p->spans)
        || (p->options.labels && !sh_label_table_valid(p->options.labels)) || !sh_totals_table_valid(&p->totals)
        || !sh_string_table_valid(&p->strings) || !sh_thread_table_valid(&p->threads))
        return false;
    uint64_t stack_refs = 0, thread_refs = 0, samples = 0;
    for (uint32_t entry = 0; entry < p->live.high; entry++) samples += p->live.samples[entry].state != SH_SAMPLE_FREE;
    for (uint32_t id = 0; id < p->stacks.high; id++) stack_refs += p->stacks.stacks[id].refs;
    for (uint32_t slot = 0; slot < p->threads.high; slot++) thread_refs += p->threads.threads[slot].refs;
    return stack_refs == samples && thread_refs == samples
        && p->counters.recorded == samples + p->counters.folded + p->counters.thinned;
}
