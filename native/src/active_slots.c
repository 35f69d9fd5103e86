#include "spanheap/active_slots.h"

/* ThreadSanitizer ignores fences; all that is shared is atomic. */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

enum { EMPTY = 0, BUSY = 1, HOLDS = 2, STATE = 3 };

bool sh_active_slots_init(sh_active_slots *a, sh_active_slot *slots, uint32_t capacity) {
    *a = (sh_active_slots){ .slots = slots, .capacity = capacity };
    a->unused = sh_pages_map(capacity * sizeof *a->unused);
    return a->unused != NULL;
}

void sh_active_slots_fini(sh_active_slots *a) {
    sh_pages_unmap(a->unused, a->capacity * sizeof *a->unused);
    *a = (sh_active_slots){ 0 };
}

static uint64_t load(const _Atomic uint64_t *word) { return atomic_load_explicit(word, memory_order_relaxed); }

/* Independent products, so that the processor works on them at once: 3 ns, where a CRC would take 30. */
static uint32_t checksum(uint64_t seq, const uint64_t w[SH_ACTIVE_WORDS]) {
    uint64_t sum = seq * UINT64_C(0x9E3779B97F4A7C15) + w[0] * UINT64_C(0xC2B2AE3D27D4EB4F) + w[1] * UINT64_C(0x165667B19E3779F9)
                 + w[2] * UINT64_C(0xD6E8FEB86659FD93) + w[3] * UINT64_C(0xFF51AFD7ED558CCD) + w[4] * UINT64_C(0xC4CEB9FE1A85EC53)
                 + w[5] * UINT64_C(0xA0761D6478BD642F) + (w[6] & UINT32_MAX) * UINT64_C(0xE7037ED1A0B428DB);
    return (uint32_t)(sum >> 32);
}

uint32_t sh_active_slots_enter(sh_active_slots *a, const sh_active_span *span) {
    uint32_t place = a->unused_count ? a->unused[--a->unused_count] : a->high < a->capacity ? ++a->high : 0;
    if (!place) return 0;
    sh_active_slot *slot = &a->slots[place - 1];
    uint64_t seq = (load(&slot->seq) | STATE) + 1;   /* the next use, empty still */
    uint64_t words[SH_ACTIVE_WORDS] = {
        span->trace_high, span->trace_low, span->span_id, span->parent_id, (uint64_t)span->start_ns,
        span->name | (uint64_t)span->root_name << 32, span->flags,
    };
    words[6] |= (uint64_t)checksum(seq | HOLDS, words) << 32;
    atomic_store_explicit(&slot->seq, seq | BUSY, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);   /* who sees one of the words sees the slot busy, or later */
    for (int i = 0; i < SH_ACTIVE_WORDS; i++) atomic_store_explicit(&slot->words[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&slot->seq, seq | HOLDS, memory_order_release);
    return place;
}

void sh_active_slots_leave(sh_active_slots *a, uint32_t place) {
    sh_active_slot *slot = &a->slots[place - 1];
    atomic_store_explicit(&slot->seq, load(&slot->seq) & ~(uint64_t)STATE, memory_order_release);
    a->unused[a->unused_count++] = place;
}

void sh_active_slots_clear(sh_active_slots *a) {
    for (uint32_t i = 0; i < a->high; i++)
        atomic_store_explicit(&a->slots[i].seq, load(&a->slots[i].seq) & ~(uint64_t)STATE, memory_order_release);
    a->unused_count = a->high = 0;
}

bool sh_active_slot_read(const sh_active_slot *slot, sh_active_span *span) {
    uint64_t words[SH_ACTIVE_WORDS], seq = atomic_load_explicit(&slot->seq, memory_order_acquire);
    if ((seq & STATE) != HOLDS) return false;
    for (int i = 0; i < SH_ACTIVE_WORDS; i++) words[i] = load(&slot->words[i]);
    atomic_thread_fence(memory_order_acquire);
    if (load(&slot->seq) != seq || words[6] >> 32 != checksum(seq, words)) return false;
    *span = (sh_active_span){
        .trace_high = words[0], .trace_low = words[1], .span_id = words[2], .parent_id = words[3], .start_ns = (int64_t)words[4],
        .name = (uint32_t)words[5], .root_name = (uint32_t)(words[5] >> 32), .flags = (uint32_t)words[6],
    };
    return true;
}

bool sh_active_slots_valid(const sh_active_slots *a) {
    uint32_t held = 0;
    sh_active_span span;
    for (uint32_t i = 0; i < a->capacity; i++) {
        bool holds = sh_active_slot_read(&a->slots[i], &span);
        if (!holds && (load(&a->slots[i].seq) & STATE) != EMPTY) return false;
        if (holds && i >= a->high) return false;
        held += holds;
    }
    return held + a->unused_count == a->high;
}
