#include "spanheap/heap_snapshot.h"

#include <stdlib.h>
#include <string.h>

/* Ids of the profile -> dense ids of the snapshot, in order of first use. 0 is "none yet", so values are id + 1. */
typedef struct { uint32_t *of, count; } renumbering;

static uint32_t renumber(renumbering *r, uint32_t id) {
    if (!r->of[id]) r->of[id] = ++r->count;
    return r->of[id] - 1;
}

/* What a snapshot is made of: the caller's memory, cut from the front, or malloc's. */
typedef struct { char *next, *end; bool given; } supply;

enum { ALIGNED_TO = 16 };

static size_t aligned(size_t bytes) { return (bytes + ALIGNED_TO - 1) / ALIGNED_TO * ALIGNED_TO; }

static void *take(supply *from, size_t count, size_t size) {
    if (!from->given) return malloc(count * size);
    size_t bytes = aligned(count * size);
    if (bytes > (size_t)(from->end - from->next)) return NULL;
    from->next += bytes;
    return from->next - bytes;
}

static void *take_zeroed(supply *from, size_t count, size_t size) {
    if (!from->given) return calloc(count, size);
    void *taken = take(from, count, size);
    return taken ? memset(taken, 0, count * size) : NULL;
}

static void give_back(const supply *from, void *taken) {
    if (!from->given) free(taken);
}

size_t sh_heap_snapshot_memory_bytes(const sh_profile *p, uint32_t label_capacity) {
    size_t entries = (size_t)p->live.capacity + 1, rows = ((size_t)1 << p->totals.bits) + 1;
    size_t labels = (size_t)label_capacity + 1;
    return entries * (sizeof(sh_snapshot_sample) + sizeof(sh_total)) + rows * sizeof(sh_total)
        + ((size_t)p->stacks.capacity + 1) * (sizeof(uint32_t) + sizeof(sh_snapshot_stack))
        + ((size_t)p->stacks.frame_capacity + 1) * sizeof(uint32_t)
        + ((size_t)p->spans.capacity + 1) * (sizeof(uint32_t) + sizeof(sh_snapshot_span))
        + (SH_THREAD_CAPACITY + 1) * 2 * sizeof(uint32_t)
        + labels * (sizeof(uint32_t) + sizeof(sh_snapshot_label) + sizeof(sh_label_key))
        + (size_t)16 * ALIGNED_TO;
}

void sh_heap_snapshot_fini(sh_heap_snapshot *s) {
    if (!s->borrowed) {
        free(s->samples);
        free(s->totals);
        free(s->stacks);
        free(s->frames);
        free(s->spans);
        free(s->thread_names);
        free(s->labels);
        free(s->label_keys);
    }
    memset(s, 0, sizeof *s);
}

static void add_sample(sh_heap_snapshot *s, const sh_profile *p, const sh_sample *sample) {
    sh_estimate e = sh_sample_estimate(sample);
    s->sums.allocated_bytes += e.bytes;
    s->sums.allocated_objects += e.objects;
    if (sample->state == SH_SAMPLE_RETIRED) {   /* freed by a thread without the GIL since the fold */
        const sh_span *span = &p->spans.spans[sample->span];
        s->totals[s->total_count++] = (sh_total){
            .stack = sample->stack, .name = span->name, .root_name = p->spans.spans[span->root].name,
            .used = 1, .samples = 1, .bytes = e.bytes, .objects = e.objects,
        };
        return;
    }
    s->samples[s->sample_count++] = (sh_snapshot_sample){
        sample->stack, sample->span, sample->thread, sample->labels, sample->born_s, sample->size, e.bytes, e.objects,
    };
    s->sums.live_bytes += e.bytes;
    s->sums.live_objects += e.objects;
    s->sums.live_samples++;
}

static bool copy_stacks(sh_heap_snapshot *s, const sh_profile *p, renumbering *stacks, supply *memory) {
    uint32_t frames = 0;
    for (uint32_t id = 0; id < p->stacks.high; id++)
        if (stacks->of[id]) frames += p->stacks.stacks[id].depth;
    s->stacks = take(memory, stacks->count, sizeof *s->stacks);
    s->frames = take(memory, frames + 1, sizeof *s->frames);
    if (!s->stacks || !s->frames) return false;
    s->stack_count = stacks->count;
    for (uint32_t id = 0; id < p->stacks.high; id++) {
        if (!stacks->of[id]) continue;
        const sh_stack *from = &p->stacks.stacks[id];
        s->stacks[stacks->of[id] - 1] = (sh_snapshot_stack){ s->frame_count, from->depth };
        for (uint32_t i = 0; i < from->depth; i++) {
            uint32_t location = p->stacks.frames[from->first_frame + i].location;
            s->frames[s->frame_count++] = location == SH_LOCATION_UNRESOLVED ? SH_LOCATION_OTHER : location;
        }
    }
    return true;
}

static bool copy_spans(sh_heap_snapshot *s, const sh_profile *p, const renumbering *spans, supply *memory) {
    s->spans = take(memory, spans->count + 1, sizeof *s->spans);
    if (!s->spans) return false;
    s->span_count = spans->count;
    for (uint32_t slot = 0; slot < p->spans.high; slot++) {
        if (!spans->of[slot]) continue;
        const sh_span *from = &p->spans.spans[slot];
        s->spans[spans->of[slot] - 1] = (sh_snapshot_span){
            from->trace_high, from->trace_low, from->span_id, from->start_ns,
            from->name, p->spans.spans[from->root].name, from->active, from->sampled,
        };
    }
    return true;
}

static bool copy_threads(sh_heap_snapshot *s, const sh_profile *p, const renumbering *threads, supply *memory) {
    s->thread_names = take(memory, threads->count + 1, sizeof *s->thread_names);
    if (!s->thread_names) return false;
    s->thread_count = threads->count;
    for (uint32_t slot = 0; slot < p->threads.high; slot++)
        if (threads->of[slot]) s->thread_names[threads->of[slot] - 1] = p->threads.threads[slot].name;
    return true;
}

/* Sets are few next to samples, and share their beginnings: each pair is copied once. */
static bool copy_labels(sh_heap_snapshot *s, const sh_label_table *table, supply *memory) {
    uint32_t high = table && table->labels ? table->high : 1;
    renumbering labels = { take_zeroed(memory, high, sizeof(uint32_t)), 0 };
    if (!labels.of) return false;
    renumber(&labels, SH_LABELS_NONE);
    for (uint32_t i = 0; i < s->sample_count; i++) {
        uint32_t set = s->samples[i].labels;
        for (uint32_t node = set; node && !labels.of[node]; node = table->labels[node].parent) renumber(&labels, node);
        s->samples[i].labels = renumber(&labels, set);
    }
    s->label_key_count = labels.count > 1 ? table->key_count : 0;
    s->labels = take_zeroed(memory, labels.count, sizeof *s->labels);
    s->label_keys = take(memory, s->label_key_count + 1, sizeof *s->label_keys);
    bool ok = s->labels && s->label_keys;
    if (ok) {
        s->label_count = labels.count;
        if (s->label_key_count) memcpy(s->label_keys, table->keys, s->label_key_count * sizeof *s->label_keys);
        for (uint32_t set = 1; set < high; set++) {
            if (!labels.of[set]) continue;
            const sh_label *from = &table->labels[set];
            s->labels[labels.of[set] - 1] = (sh_snapshot_label){ from->parent ? labels.of[from->parent] - 1 : 0, from->key, from->value };
        }
    }
    give_back(memory, labels.of);
    return ok;
}

static bool capture(sh_heap_snapshot *s, sh_profile *p, supply *memory) {
    memset(s, 0, sizeof *s);
    s->borrowed = memory->given;
    sh_profile_fold(p, UINT32_MAX);
    uint32_t entries = p->live.high, totals = sh_totals_table_count(&p->totals);
    renumbering stacks = { take_zeroed(memory, p->stacks.high, sizeof(uint32_t)), 0 };
    renumbering spans = { take_zeroed(memory, p->spans.high, sizeof(uint32_t)), 0 };
    renumbering threads = { take_zeroed(memory, p->threads.high, sizeof(uint32_t)), 0 };
    s->samples = take(memory, entries + 1, sizeof *s->samples);
    s->totals = take(memory, totals + entries + 1, sizeof *s->totals);
    bool ok = stacks.of && spans.of && threads.of && s->samples && s->totals;
    if (ok) {
        s->interval = p->interval;
        s->active_spans = sh_span_table_listed(&p->spans);
        s->realtime_ns = sh_clock_ns(CLOCK_REALTIME);
        s->monotonic_ns = sh_clock_ns(CLOCK_MONOTONIC);
        s->strings = &p->strings;
        s->locations = &p->locations;
        s->sums.allocated_bytes = p->totals.bytes;
        s->sums.allocated_objects = p->totals.objects;
        s->total_count = sh_totals_table_copy(&p->totals, s->totals);
        sh_sample chunk[SH_LIVE_CHUNK];
        for (uint32_t cursor = 0, n; (n = sh_live_table_copy(&p->live, &cursor, chunk)) != 0;)
            for (uint32_t i = 0; i < n; i++) add_sample(s, p, &chunk[i]);

        renumber(&stacks, SH_STACK_OTHER);
        for (uint32_t i = 0; i < s->sample_count; i++) {
            sh_snapshot_sample *sample = &s->samples[i];
            sample->stack = renumber(&stacks, sample->stack);
            sample->span = renumber(&spans, sample->span);
            sample->thread = renumber(&threads, sample->thread);
        }
        for (uint32_t i = 0; i < s->total_count; i++) s->totals[i].stack = renumber(&stacks, s->totals[i].stack);
        ok = copy_stacks(s, p, &stacks, memory) && copy_spans(s, p, &spans, memory) && copy_threads(s, p, &threads, memory)
            && copy_labels(s, p->options.labels, memory);
    }
    give_back(memory, stacks.of);
    give_back(memory, spans.of);
    give_back(memory, threads.of);
    if (!ok) sh_heap_snapshot_fini(s);
    return ok;
}

bool sh_heap_snapshot_capture(sh_heap_snapshot *s, sh_profile *p) {
    supply memory = { NULL, NULL, false };
    return capture(s, p, &memory);
}

bool sh_heap_snapshot_capture_into(sh_heap_snapshot *s, sh_profile *p, void *memory, size_t bytes) {
    supply given = { memory, (char *)memory + bytes, true };
    return capture(s, p, &given);
}
