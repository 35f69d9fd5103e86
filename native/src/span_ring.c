#include "spanheap/span_ring.h"

#include <string.h>

/* ThreadSanitizer ignores fences. It needs none here to see no race, since all that is shared is atomic. */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

enum {
    CLAIM_ATTEMPTS = 4,   /* slots of stalled writers in a row before giving up */
    CAS_ATTEMPTS = 4,     /* a slot rarely changes hands even once while one ticket looks at it */
    LOOK_ATTEMPTS = 1000, /* for a ticket that another producer does not get first: an end even where memory was damaged */
    COUNT_ATTEMPTS = 4,   /* of counting while nothing is produced */
};

static uint64_t busy_with(uint64_t ticket) { return 2 * ticket + 1; }
static uint64_t committed(uint64_t ticket) { return 2 * ticket + 2; }
static bool is_busy(uint64_t seq) { return seq & 1; }
static bool is_retained(uint64_t seq) { return seq && !is_busy(seq) && !(seq & SH_RING_SEEN); }
static uint64_t ticket_of(uint64_t committed_seq) { return (committed_seq & ~SH_RING_SEEN) / 2 - 1; }
/* Busy or committed, by a later ticket than this. */
static bool is_later(uint64_t seq, uint64_t ticket) { return (seq & ~SH_RING_SEEN) > 2 * ticket; }

static uint64_t load(const _Atomic uint64_t *word) { return atomic_load_explicit(word, memory_order_relaxed); }

/* Released, so that who sees a count sees the ticket that it is about: counts never add up to more than was produced. */
static void count_one(_Atomic uint64_t *counter) { atomic_fetch_add_explicit(counter, 1, memory_order_release); }

/* ------------------------------------------------------------------ layout */

uint32_t sh_span_ring_stripe_capacity(const sh_ring_options *options, uint32_t stripe) {
    return options->capacity / options->stripes + (stripe < options->capacity % options->stripes);
}

static size_t slots_offset(const sh_ring_options *options) { return options->stripes * sizeof(sh_ring_stripe); }

size_t sh_span_ring_bytes(const sh_ring_options *options) {
    size_t slots = (size_t)options->stripes * sh_span_ring_stripe_capacity(options, 0);
    return slots_offset(options) + slots * sizeof(sh_ring_slot);
}

void sh_span_ring_init_at(sh_span_ring *ring, const sh_ring_options *options, void *memory) {
    *ring = (sh_span_ring){
        .options = *options,
        .slots_per_stripe = sh_span_ring_stripe_capacity(options, 0),
        .full_stripes = options->capacity % options->stripes ? options->capacity % options->stripes : options->stripes,
        .ttl_ms = (uint32_t)((options->ttl_ns + 999999) / 1000000),
        .stripes = memory,
        .slots = (sh_ring_slot *)((char *)memory + slots_offset(options)),
    };
}

bool sh_span_ring_init(sh_span_ring *ring, const sh_ring_options *options) {
    size_t bytes = sh_span_ring_bytes(options);
    void *memory = sh_pages_map(bytes);
    if (!memory) return false;
    sh_span_ring_init_at(ring, options, memory);
    ring->mapped_bytes = bytes;
    ring->wiped_on_fork = madvise(memory, bytes, MADV_WIPEONFORK) == 0;   /* Linux 4.14; some sandboxes have no such thing */
    return true;
}

void sh_span_ring_fini(sh_span_ring *ring) {
    if (ring->mapped_bytes) sh_pages_unmap(ring->stripes, ring->mapped_bytes);
    memset(ring, 0, sizeof *ring);
}

void sh_span_ring_clear(sh_span_ring *ring) { sh_pages_zero(ring->stripes, sh_span_ring_bytes(&ring->options)); }

/* That of the options without its divisions. */
static uint32_t slots_of(const sh_span_ring *ring, uint32_t stripe) {
    return ring->slots_per_stripe - (stripe >= ring->full_stripes);
}

static sh_ring_slot *slot_of(const sh_span_ring *ring, uint32_t stripe, uint64_t ticket) {
    uint32_t slots = slots_of(ring, stripe);
    uint64_t index = slots & (slots - 1) ? ticket % slots : ticket & (slots - 1);   /* the mask saves 2 ns */
    return &ring->slots[(size_t)stripe * ring->slots_per_stripe + index];
}

/* ------------------------------------------------------------------ age */

static uint32_t clock_ms(const sh_span_ring *ring, int64_t now_ns) {
    return (uint32_t)((int64_t)((uint64_t)now_ns - (uint64_t)ring->options.epoch_ns) / 1000000);
}

static bool is_aged(const sh_span_ring *ring, uint64_t last_word, uint32_t now_ms) {
    uint32_t appended_ms = (uint32_t)(last_word >> 32);
    return ring->ttl_ms && now_ms - appended_ms + SH_RING_SET_BACK_MS >= ring->ttl_ms + SH_RING_SET_BACK_MS;
}

/* ------------------------------------------------------------------ records as words */

static inline void write_record(sh_ring_slot *slot, uint64_t ticket, const sh_span_record *record, uint32_t now_ms) {
    int64_t duration = record->duration_ns < 0 ? 0 : record->duration_ns;
    if (duration > SH_RING_MAX_DURATION_NS) duration = SH_RING_MAX_DURATION_NS;
    uint64_t words[SH_RING_WORDS] = {
        record->trace_high, record->trace_low, record->span_id, record->parent_id, (uint64_t)record->start_ns,
        (uint64_t)duration | (uint64_t)record->flags << 48,
        (record->name & SH_RING_MAX_NAME) | (uint64_t)(record->thread & SH_RING_MAX_THREAD) << 20
            | (uint64_t)now_ms << 32,
    };
    /* A reader that sees one of these words sees the slot busy, or later, when it looks at seq again, and rejects them. */
    atomic_thread_fence(memory_order_release);
    for (int i = 0; i < SH_RING_WORDS; i++) atomic_store_explicit(&slot->words[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&slot->seq, committed(ticket), memory_order_release);
}

void sh_span_ring_unpack(const uint64_t words[SH_RING_WORDS], sh_span_record *record) {
    *record = (sh_span_record){
        .trace_high = words[0], .trace_low = words[1], .span_id = words[2], .parent_id = words[3],
        .start_ns = (int64_t)words[4],
        .duration_ns = (int64_t)(words[5] & (uint64_t)SH_RING_MAX_DURATION_NS),
        .flags = (uint16_t)(words[5] >> 48),
        .name = (uint32_t)(words[6] & SH_RING_MAX_NAME),
        .thread = (uint16_t)(words[6] >> 20 & SH_RING_MAX_THREAD),
    };
}

/* Whether the words are those of `seq`, a committed state that was loaded with acquire. */
static bool read_words(const sh_ring_slot *slot, uint64_t seq, uint64_t words[SH_RING_WORDS]) {
    for (int i = 0; i < SH_RING_WORDS; i++) words[i] = load(&slot->words[i]);
    atomic_thread_fence(memory_order_acquire);
    return load(&slot->seq) == seq;
}

/* ------------------------------------------------------------------ publishing */

/* The record that was in a slot which is ours now. Its words are whole: the claim acquired what its writer released. */
static void count_displaced(const sh_span_ring *ring, sh_ring_stripe *stripe, const sh_ring_slot *slot, uint64_t seq,
                            uint32_t now_ms) {
    if (!is_retained(seq)) return;
    count_one(is_aged(ring, load(&slot->words[SH_RING_WORDS - 1]), now_ms) ? &stripe->expired : &stripe->overwritten);
}

typedef enum { CLAIMED, BUSY, LAPPED } claim;

/* Acquire on success: what we store stays behind what the displaced record's writer stored. Relaxed on failure: the slot is
 * not touched then. */
static bool claim_from(sh_ring_slot *slot, uint64_t *seq, uint64_t ticket) {
    return atomic_compare_exchange_strong_explicit(&slot->seq, seq, busy_with(ticket), memory_order_acquire,
                                                   memory_order_relaxed);
}

static claim claim_slot(sh_ring_slot *slot, uint64_t ticket, uint64_t *displaced) {
    *displaced = load(&slot->seq);
    for (int attempt = 0; attempt < CAS_ATTEMPTS; attempt++) {
        if (SH_UNLIKELY(is_later(*displaced, ticket))) return LAPPED;
        if (SH_UNLIKELY(is_busy(*displaced))) return BUSY;
        if (SH_LIKELY(claim_from(slot, displaced, ticket))) return CLAIMED;
    }
    return BUSY;
}

static bool publish_overwriting(sh_span_ring *ring, uint32_t number, const sh_span_record *record, uint32_t now_ms) {
    sh_ring_stripe *stripe = &ring->stripes[number];
    for (int attempt = 1;; attempt++) {
        uint64_t ticket = atomic_fetch_add_explicit(&stripe->head, 1, memory_order_relaxed), displaced;
        sh_ring_slot *slot = slot_of(ring, number, ticket);
        claim outcome = claim_slot(slot, ticket, &displaced);
        if (SH_LIKELY(outcome == CLAIMED)) {
            count_displaced(ring, stripe, slot, displaced, now_ms);
            write_record(slot, ticket, record, now_ms);
            SH_PREFETCH(slot + 1);   /* the next ticket's, unless this was the last slot */
            return true;
        }
        if (outcome == LAPPED) {   /* the others went round once while we stood still: the record would be gone by now */
            count_one(&stripe->overwritten);
            return false;
        }
        if (attempt == CLAIM_ATTEMPTS) {
            count_one(&stripe->dropped);
            return false;
        }
        count_one(&stripe->skipped);
    }
}

/* Looks before it draws a ticket, so that the head stays at the oldest record: there is room as soon as that expires. */
static bool publish_or_drop(sh_span_ring *ring, uint32_t number, const sh_span_record *record, uint32_t now_ms) {
    sh_ring_stripe *stripe = &ring->stripes[number];
    for (int looks = 0, skipped = 0; looks < LOOK_ATTEMPTS && skipped < CLAIM_ATTEMPTS; looks++) {
        uint64_t ticket = load(&stripe->head);
        sh_ring_slot *slot = slot_of(ring, number, ticket);
        uint64_t seq = atomic_load_explicit(&slot->seq, memory_order_acquire);
        if (is_later(seq, ticket)) continue;   /* so the head has moved on: look again */
        /* If the word is a later record's already, this is none to drop, and it is a ticket that we do not get either. */
        if (is_retained(seq) && !is_aged(ring, load(&slot->words[SH_RING_WORDS - 1]), now_ms)) break;
        if (!atomic_compare_exchange_weak_explicit(&stripe->head, &ticket, ticket + 1, memory_order_relaxed,
                                                   memory_order_relaxed))
            continue;   /* another producer got it, so one of us gets on */
        if (is_busy(seq) || !claim_from(slot, &seq, ticket)) {   /* a stalled writer, here or just come back */
            count_one(&stripe->skipped);
            skipped++;
            continue;
        }
        count_displaced(ring, stripe, slot, seq, now_ms);
        write_record(slot, ticket, record, now_ms);
        return true;
    }
    count_one(&stripe->refused);
    return false;
}

SH_HOT bool sh_span_ring_publish(sh_span_ring *ring, uint32_t stripe, const sh_span_record *record, int64_t now_ns) {
    uint32_t now_ms = clock_ms(ring, now_ns);
    return ring->options.policy == SH_RING_OVERWRITE ? publish_overwriting(ring, stripe, record, now_ms)
                                                     : publish_or_drop(ring, stripe, record, now_ms);
}

/* ------------------------------------------------------------------ reading */

/* The seq of what is retained in the slot, with its words; 0 if nothing is, or it is overwritten under our eyes. A record
 * that is found too old is marked: only one of those who find it, or the writer who displaces it, counts it. */
static uint64_t read_slot(const sh_span_ring *ring, sh_ring_stripe *stripe, sh_ring_slot *slot, uint32_t now_ms,
                          uint64_t words[SH_RING_WORDS], uint64_t *expired) {
    uint64_t seq = atomic_load_explicit(&slot->seq, memory_order_acquire);
    if (!is_retained(seq) || !read_words(slot, seq, words)) return 0;
    if (SH_LIKELY(!is_aged(ring, words[SH_RING_WORDS - 1], now_ms))) return seq;
    /* Relaxed: it continues the release sequence of the record's writer, and who claims the slot next acquires that. */
    if (atomic_compare_exchange_strong_explicit(&slot->seq, &seq, seq | SH_RING_SEEN, memory_order_relaxed,
                                                memory_order_relaxed)) {
        count_one(&stripe->expired);
        ++*expired;
    }
    return 0;
}

typedef struct { uint64_t high, low; } trace_key;

/* The last tickets, at most one lap of them, before `head`, in order. A slot may hold one of an earlier lap, when the last one was skipped:
 * those few are put in front. */
static uint32_t copy_stripe(sh_span_ring *ring, uint32_t number, uint32_t now_ms, uint32_t newest, const trace_key *trace,
                            sh_span_record *out, uint64_t *tickets, uint32_t room) {
    sh_ring_stripe *stripe = &ring->stripes[number];
    uint64_t head = atomic_load_explicit(&stripe->head, memory_order_acquire), words[SH_RING_WORDS], expired = 0;
    uint32_t slots = slots_of(ring, number), lap = newest < slots ? newest : slots, count = 0, early = 0;
    for (uint64_t ticket = head > lap ? head - lap : 0; ticket < head && count < room; ticket++) {
        sh_ring_slot *slot = slot_of(ring, number, ticket);
        uint64_t seq = read_slot(ring, stripe, slot, now_ms, words, &expired);
        if (!seq || ticket_of(seq) > ticket) continue;   /* none, or one that came after the call */
        if (slot_of(ring, number, ticket_of(seq)) != slot) continue;   /* the damaged slot of a file */
        if (trace && (words[0] != trace->high || words[1] != trace->low)) continue;
        uint32_t place = count;
        if (ticket_of(seq) < ticket) {
            for (place = 0; place < early && tickets[place] < ticket_of(seq);) place++;
            early++;
            memmove(out + place + 1, out + place, (count - place) * sizeof *out);
            memmove(tickets + place + 1, tickets + place, (count - place) * sizeof *tickets);
        }
        sh_span_ring_unpack(words, &out[place]);
        tickets[place] = ticket_of(seq);
        count++;
    }
    return count;
}

static uint32_t copy_all(sh_span_ring *ring, int64_t now_ns, uint32_t newest, const trace_key *trace, sh_span_record *out,
                         uint64_t *tickets, uint32_t room) {
    uint32_t count = 0;
    for (uint32_t number = 0; number < ring->options.stripes; number++)
        count += copy_stripe(ring, number, clock_ms(ring, now_ns), newest, trace, out + count, tickets + count, room - count);
    return count;
}

uint32_t sh_span_ring_copy(sh_span_ring *ring, int64_t now_ns, sh_span_record *out, uint64_t *tickets, uint32_t room) {
    return copy_all(ring, now_ns, UINT32_MAX, NULL, out, tickets, room);
}

uint32_t sh_span_ring_copy_newest(sh_span_ring *ring, int64_t now_ns, uint32_t n, sh_span_record *out, uint64_t *tickets,
                                  uint32_t room) {
    return copy_all(ring, now_ns, n, NULL, out, tickets, room);
}

uint32_t sh_span_ring_copy_trace(sh_span_ring *ring, int64_t now_ns, uint64_t trace_high, uint64_t trace_low,
                                 sh_span_record *out, uint64_t *tickets, uint32_t room) {
    return copy_all(ring, now_ns, UINT32_MAX, &(trace_key){ trace_high, trace_low }, out, tickets, room);
}

/* ------------------------------------------------------------------ counts */

static uint64_t load_count(const _Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_acquire); }

/* Counts are read first, slots after them, the head last: whatever happens meanwhile can only seem to be in flight. When no
 * ticket was drawn meanwhile, nothing but what is in flight does. */
static sh_ring_counts count_stripe(sh_span_ring *ring, uint32_t number, uint32_t now_ms) {
    sh_ring_stripe *stripe = &ring->stripes[number];
    uint32_t slots = slots_of(ring, number);
    uint64_t words[SH_RING_WORDS], before, head, skipped, refused;
    sh_ring_counts counts;
    for (int attempt = 1;; attempt++) {
        before = load_count(&stripe->head);
        refused = load_count(&stripe->refused);
        counts = (sh_ring_counts){
            .overwritten = load_count(&stripe->overwritten),
            .expired = load_count(&stripe->expired),
            .dropped = load_count(&stripe->dropped) + refused,
        };
        for (uint32_t i = 0; i < slots && i < before; i++)
            counts.retained += read_slot(ring, stripe, slot_of(ring, number, i), now_ms, words, &counts.expired) != 0;
        skipped = load_count(&stripe->skipped);
        head = load_count(&stripe->head);
        if (head == before || attempt == COUNT_ATTEMPTS) break;
    }
    counts.produced = head - skipped + refused;
    counts.in_flight = counts.produced - counts.retained - counts.overwritten - counts.expired - counts.dropped;
    return counts;
}

sh_ring_counts sh_span_ring_count(sh_span_ring *ring, int64_t now_ns) {
    sh_ring_counts sum = { 0 };
    for (uint32_t number = 0; number < ring->options.stripes; number++) {
        sh_ring_counts counts = count_stripe(ring, number, clock_ms(ring, now_ns));
        sum.produced += counts.produced;
        sum.retained += counts.retained;
        sum.overwritten += counts.overwritten;
        sum.expired += counts.expired;
        sum.dropped += counts.dropped;
        sum.in_flight += counts.in_flight;
    }
    return sum;
}

bool sh_span_ring_valid(sh_span_ring *ring, int64_t now_ns) {
    for (uint32_t number = 0; number < ring->options.stripes; number++)
        for (uint32_t i = 0; i < slots_of(ring, number); i++) {
            const sh_ring_slot *slot = slot_of(ring, number, i);
            uint64_t seq = load(&slot->seq);
            if (!seq) continue;
            if (is_busy(seq) || ticket_of(seq) >= load(&ring->stripes[number].head)) return false;
            if (slot_of(ring, number, ticket_of(seq)) != slot) return false;
        }
    return sh_span_ring_count(ring, now_ns).in_flight == 0;
}
