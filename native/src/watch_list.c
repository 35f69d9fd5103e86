#include "spanheap/watch_list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t index_bytes(const sh_watch_list *w) { return sizeof *w->index << w->index_bits; }

bool sh_watch_list_init(sh_watch_list *w, uint32_t capacity, uint32_t budget, sh_watch_references references) {
    *w = (sh_watch_list){ .capacity = capacity, .budget = budget, .references = references };
    if (!capacity || capacity > SH_WATCH_MAX_CAPACITY || !budget) return false;
    w->index_bits = sh_log2_ceil((size_t)capacity * 2);
    w->entries = sh_pages_map(capacity * sizeof *w->entries);
    w->index = sh_pages_map(index_bytes(w));
    if (w->entries && w->index) return true;
    sh_watch_list_fini(w);
    return false;
}

static void release(const sh_watch_list *w, const sh_watched *e) {
    if (e->span) w->references.release(e->span);
    if (e->readable) w->references.release(e->readable);
}

void sh_watch_list_fini(sh_watch_list *w) {
    for (uint32_t i = 0; i < w->count; i++) release(w, &w->entries[i]);
    sh_pages_unmap(w->entries, w->capacity * sizeof *w->entries);
    sh_pages_unmap(w->index, index_bytes(w));
    *w = (sh_watch_list){ 0 };
}

void sh_watch_list_clear(sh_watch_list *w, uint64_t key) {
    for (uint32_t i = 0; i < w->count; i++) release(w, &w->entries[i]);
    memset(w->index, 0, index_bytes(w));
    *w = (sh_watch_list){ .entries = w->entries, .index = w->index, .references = w->references, .capacity = w->capacity,
                          .budget = w->budget, .index_bits = w->index_bits, .key = key };
}

/* ------------------------------------------------------------------ index */

static size_t home_of(const sh_watch_list *w, uint64_t span_id) { return sh_hash_u64(span_id) >> (64 - w->index_bits); }

static void enter(sh_watch_list *w, uint32_t place) {
    size_t mask = ((size_t)1 << w->index_bits) - 1, i = home_of(w, w->entries[place].span_id);
    while (w->index[i]) i = (i + 1) & mask;
    w->index[i] = (uint16_t)(place + 1);
}

static size_t position_of(const sh_watch_list *w, uint32_t place) {
    size_t mask = ((size_t)1 << w->index_bits) - 1, i = home_of(w, w->entries[place].span_id);
    while (w->index[i] != place + 1) i = (i + 1) & mask;
    return i;
}

static void leave(sh_watch_list *w, uint32_t place) {
    size_t mask = ((size_t)1 << w->index_bits) - 1, hole = position_of(w, place);
    for (size_t i = (hole + 1) & mask; w->index[i]; i = (i + 1) & mask) {
        size_t home = home_of(w, w->entries[w->index[i] - 1].span_id);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            w->index[hole] = w->index[i];
            hole = i;
        }
    }
    w->index[hole] = 0;
}

/* The last entry takes its place. */
static void remove_entry(sh_watch_list *w, uint32_t place) {
    sh_watched gone = w->entries[place];
    uint32_t last = w->count - 1;
    if (!gone.ended) leave(w, place);
    if (place != last) {
        if (!w->entries[last].ended) w->index[position_of(w, last)] = (uint16_t)(place + 1);
        w->entries[place] = w->entries[last];
    }
    w->count--;
    release(w, &gone);
}

/* ------------------------------------------------------------------ sampling */

static unsigned zeros(uint64_t hash) { return hash ? (unsigned)__builtin_clzll(hash) : 64; }

/* To the lowest level at which a quarter of the list is free. */
static void thin(sh_watch_list *w) {
    uint32_t of_zeros[SH_WATCH_MAX_LEVEL + 1] = { 0 }, survivors = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        unsigned z = zeros(w->entries[i].hash);
        of_zeros[z < SH_WATCH_MAX_LEVEL ? z : SH_WATCH_MAX_LEVEL]++;
    }
    unsigned level = SH_WATCH_MAX_LEVEL + 1;
    while (level > 1 && survivors + of_zeros[level - 1] <= w->capacity * 3 / 4) survivors += of_zeros[--level];
    if (level > SH_WATCH_MAX_LEVEL) return;   /* that many ids of one hash: `add` refuses */
    for (uint32_t i = w->count; i-- > 0;) {
        sh_watched *e = &w->entries[i];
        if (zeros(e->hash) < level) {
            w->thinned++;
            remove_entry(w, i);
        } else if (e->level < level) {
            e->level = (uint8_t)level;
        }
    }
}

sh_watched *sh_watch_list_add(sh_watch_list *w, uint64_t span_id, void *span) {
    if (zeros(sh_watch_hash(w, span_id)) < w->level) return NULL;
    sh_watched *same = sh_watch_list_find(w, span_id);
    if (same) remove_entry(w, (uint32_t)(same - w->entries));
    if (w->count == w->capacity) thin(w);
    if (w->count == w->capacity) {
        w->dropped++;
        return NULL;
    }
    sh_watched *e = &w->entries[w->count];
    *e = (sh_watched){ .span_id = span_id, .hash = sh_watch_hash(w, span_id), .span = span, .since = -1, .free_since = -1,
                       .level = (uint8_t)w->level, .alive = SH_WATCH_SPAN };
    enter(w, w->count++);
    if (++w->taken >= w->budget && w->level < SH_WATCH_MAX_LEVEL) {
        w->level++;
        w->taken = 0;
    }
    return e;
}

void sh_watch_list_end(sh_watch_list *w, sh_watched *entry, void *readable, uint32_t name) {
    leave(w, (uint32_t)(entry - w->entries));
    entry->ended = ++w->ends;
    entry->readable = readable;
    entry->alive |= readable ? SH_WATCH_READABLE : 0;
    entry->measured = 0;
    entry->name = name;
    entry->since = -1;
}

void sh_watch_list_advance(sh_watch_list *w, double now, uint64_t collections) {
    enum { LONGEST_STEP_S = 3600 };
    double step = w->ticked ? now - w->last_now : 0;
    w->clock += step > 0 ? fmin(step, LONGEST_STEP_S) : 0;   /* false for NaN, too */
    w->last_now = now;
    w->ticked = true;
    w->collections = collections;
    for (uint32_t i = 0; i < w->count; i++) {
        sh_watched *e = &w->entries[i];
        if (e->since >= 0) continue;
        e->since = w->clock;
        if (e->ended) e->free_since = w->clock;
        e->collections = collections;
    }
    uint64_t spans = w->seen - w->seen_before;
    w->seen_before = w->seen;
    w->taken = 0;
    for (w->level = 0; spans > w->budget && w->level < SH_WATCH_MAX_LEVEL; w->level++) spans = (spans + 1) / 2;
}

/* ------------------------------------------------------------------ what is there */

void sh_watch_list_sweep(sh_watch_list *w) {
    for (uint32_t i = w->count; i-- > 0;) {
        sh_watched *e = &w->entries[i];
        unsigned alive = (e->span && w->references.alive(e->span) ? SH_WATCH_SPAN : 0)
            | (e->readable && w->references.alive(e->readable) ? SH_WATCH_READABLE : 0);
        if (alive) e->alive = (uint8_t)alive;
        else remove_entry(w, i);
    }
}

static int later_first(const void *a, const void *b) {
    uint64_t x = (*(sh_watched *const *)a)->ended, y = (*(sh_watched *const *)b)->ended;
    return x < y ? 1 : x > y ? -1 : 0;
}

void sh_watch_list_exempt_last(sh_watch_list *w, double grace, double spans) {
    for (uint32_t i = 0; i < w->count; i++) w->entries[i].exempt = false;
    if (!w->count || !(spans > 0)) return;
    sh_watched **held = malloc(w->count * sizeof *held);
    if (!held) return;
    uint32_t n = 0;
    double heaviest = 1;
    for (uint32_t i = 0; i < w->count; i++) {
        sh_watched *e = &w->entries[i];
        if (!(e->alive & SH_WATCH_READABLE) || !sh_watched_retained(w, e, grace)) continue;
        held[n++] = e;
        heaviest = fmax(heaviest, sh_watched_weight(e));
    }
    qsort(held, n, sizeof *held, later_first);
    double room = spans + (heaviest > 1 ? 4 * sqrt(spans * heaviest) : 0);
    for (uint32_t i = 0; i < n && (room -= sh_watched_weight(held[i])) >= 0; i++) held[i]->exempt = true;
    free(held);
}

void sh_watch_list_sum(const sh_watch_list *w, double grace, double age, sh_watch_sum *retained, sh_watch_sum *unended) {
    struct { sh_watch_sum *out; double measured; } of[2] = { { retained, 0 }, { unended, 0 } };
    *retained = *unended = (sh_watch_sum){ 0, 0 };
    for (uint32_t i = 0; i < w->count; i++) {
        const sh_watched *e = &w->entries[i];
        int which = sh_watched_retained(w, e, grace) ? 0 : sh_watched_unended(w, e, age) ? 1 : 2;
        if (which == 2) continue;
        of[which].out->spans += sh_watched_weight(e);
        if (!e->measured) continue;
        of[which].measured += sh_watched_weight(e);
        of[which].out->bytes += sh_watched_weight(e) * e->bytes;
    }
    for (int which = 0; which < 2; which++)
        if (of[which].measured > 0) of[which].out->bytes *= of[which].out->spans / of[which].measured;
}

/* ------------------------------------------------------------------ */

size_t sh_watch_list_memory(const sh_watch_list *w) { return w->entries ? w->capacity * sizeof *w->entries + index_bytes(w) : 0; }

bool sh_watch_list_valid(const sh_watch_list *w) {
    if (!w->entries) return w->count == 0;
    if (w->count > w->capacity || w->level > SH_WATCH_MAX_LEVEL) return false;
    uint32_t active = 0, indexed = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        const sh_watched *e = &w->entries[i];
        if (e->hash != sh_watch_hash(w, e->span_id) || zeros(e->hash) < e->level || (!e->span && !e->readable)) return false;
        if (e->since > w->clock || e->free_since > w->clock || e->ended > w->ends || (e->exempt && !e->ended)) return false;
        if (e->ended) continue;
        active++;
        if (sh_watch_list_find(w, e->span_id) != e) return false;
    }
    for (size_t i = 0; i < (size_t)1 << w->index_bits; i++) indexed += w->index[i] != 0;
    return active == indexed;
}
