/* A bounded ring of span records: overwrite-oldest or drop-newest, never waiting, with snapshots while it is written to and
 * exact counts.
 *
 * One block of memory, offsets only, so that it can be pages of its own or a part of a file:
 *
 *      [ stripe 0 | stripe 1 | ... ]                     128 bytes each: head and counts
 *      [ slots of stripe 0 | slots of stripe 1 | ... ]   64 bytes each: seq and seven words
 *
 * A producer draws a ticket t from its stripe's head and gets slot t % slots of the stripe. `seq` of a slot says whose:
 *
 *      0                        empty
 *      2t + 1                   ticket t is being written (busy)
 *      2t + 2                   ticket t is committed
 *      2t + 2 | SH_RING_SEEN    the same, but past its time to live and counted as expired
 *
 * Nobody but its writer ends the busy state: the slot of a stalled writer is skipped, never stolen, since the writer may
 * still write. The time to live counts from the append and needs no sweeper: the writer that displaces a record, or the
 * snapshot or count that comes across it, judges it by its age and counts it once.
 *
 * Invariant: produced = retained + overwritten + expired + dropped + in_flight. in_flight: appends that have begun and are
 * not settled; at most two for each producer at work (its own record, and the one it displaces), 0 at rest.
 * Thread rules: everything may be called from any thread at any time, but init, fini and clear. Nothing locks or allocates,
 * so publishing is safe in an allocator hook and in a signal handler. docs/ring.md has the memory orders and their proof. */
#ifndef SPANHEAP_SPAN_RING_H
#define SPANHEAP_SPAN_RING_H

#include "spanheap/platform.h"

enum {
    SH_RING_WORDS = 7,
    SH_RING_MAX_STRIPES = 64,
    SH_RING_MAX_NAME = (1 << 20) - 1,
    SH_RING_MAX_THREAD = (1 << 12) - 1,
};

#define SH_RING_SEEN (UINT64_C(1) << 63)
#define SH_RING_MAX_DURATION_NS ((INT64_C(1) << 48) - 1)   /* 78 hours */
/* Of the append 32 bits of milliseconds are kept, which begin anew after 49.7 days. A day of them is for clocks that are set
 * back (the record counts as new), ten days for records that nobody has looked at since they expired. */
#define SH_RING_SET_BACK_MS (UINT32_C(24) * 3600 * 1000)
#define SH_RING_MAX_TTL_NS (INT64_C(38) * 24 * 3600 * 1000000000)

typedef struct {
    uint64_t trace_high, trace_low, span_id, parent_id;
    int64_t start_ns;       /* realtime */
    int64_t duration_ns;    /* saturates at SH_RING_MAX_DURATION_NS; negative is 0 */
    uint32_t name;          /* number in a name table, at most SH_RING_MAX_NAME */
    uint16_t thread;        /* at most SH_RING_MAX_THREAD */
    uint16_t flags;
} sh_span_record;
/* As words: trace_high, trace_low, span_id, parent_id, start_ns, duration 48 | flags 16, name 20 | thread 12 | appended 32
 * (from the lowest bit; ms since the ring's epoch, modulo 2^32). */

typedef struct {
    _Alignas(64) _Atomic uint64_t seq;
    _Atomic uint64_t words[SH_RING_WORDS];
} sh_ring_slot;

/* The head has a cache line for itself: each publish writes it, and only some write the counts. */
typedef struct {
    _Alignas(64) _Atomic uint64_t head;                            /* tickets handed out */
    _Alignas(64) _Atomic uint64_t skipped;                         /* tickets whose slot was busy: drawn, not used */
    _Atomic uint64_t overwritten, expired, dropped;
    _Atomic uint64_t refused;                                      /* dropped without a ticket, since the ring was full */
} sh_ring_stripe;

_Static_assert(sizeof(sh_ring_slot) == 64 && sizeof(sh_ring_stripe) == 128, "the layout of files");

typedef enum { SH_RING_OVERWRITE, SH_RING_DROP } sh_ring_policy;

typedef struct {
    uint32_t capacity;      /* records over all stripes, any number >= stripes; the first capacity % stripes have one more */
    uint32_t stripes;       /* a power of two */
    sh_ring_policy policy;
    int64_t ttl_ns;         /* 0: none; kept to the millisecond, rounded up; at most SH_RING_MAX_TTL_NS */
    int64_t epoch_ns;       /* the clock's time at creation */
} sh_ring_options;

typedef struct {
    sh_ring_options options;
    uint32_t slots_per_stripe;   /* from the slots of one stripe to those of the next */
    uint32_t full_stripes;       /* stripes with so many slots; the others have one less */
    uint32_t ttl_ms;
    sh_ring_stripe *stripes;
    sh_ring_slot *slots;
    size_t mapped_bytes;         /* 0: the memory is the caller's */
    bool wiped_on_fork;          /* the child of a fork finds it empty; else it has to clear it */
} sh_span_ring;

typedef struct { uint64_t produced, retained, overwritten, expired, dropped, in_flight; } sh_ring_counts;

size_t sh_span_ring_bytes(const sh_ring_options *options);
/* In pages of its own, which a child of a fork gets zeroed: an empty ring, whatever other threads were doing. */
bool sh_span_ring_init(sh_span_ring *ring, const sh_ring_options *options);
/* In 64-byte aligned memory of sh_span_ring_bytes(): zeroed, or what a ring with the same options left, such as a copy of
 * a file (looking at it marks expired records). If that is damaged, copies are without the slots that cannot be, and counts
 * are whatever they are. */
void sh_span_ring_init_at(sh_span_ring *ring, const sh_ring_options *options, void *memory);
void sh_span_ring_fini(sh_span_ring *ring);
void sh_span_ring_clear(sh_span_ring *ring);

/* False, and counted: the ring was full (drop), or no slot was to be had without waiting: the writers of four were stalled,
 * or this thread was for a whole lap. Which stripe is the caller's choice; the fewer threads share one, the faster. */
bool sh_span_ring_publish(sh_span_ring *ring, uint32_t stripe, const sh_span_record *record, int64_t now_ns);

/* Copies what was committed before the call and is not expired at now_ns, with its tickets: oldest first within a stripe,
 * stripe after stripe. At most `room`. Returns the number. */
uint32_t sh_span_ring_copy(sh_span_ring *ring, int64_t now_ns, sh_span_record *out, uint64_t *tickets, uint32_t room);
/* The same, of the last n tickets of each stripe: the newest n, but for tickets that were skipped. */
uint32_t sh_span_ring_copy_newest(sh_span_ring *ring, int64_t now_ns, uint32_t n, sh_span_record *out, uint64_t *tickets,
                                  uint32_t room);
/* The same, of one trace. */
uint32_t sh_span_ring_copy_trace(sh_span_ring *ring, int64_t now_ns, uint64_t trace_high, uint64_t trace_low,
                                 sh_span_record *out, uint64_t *tickets, uint32_t room);
/* Exact when no producer is at work; else off by what is produced meanwhile, which in_flight has. */
sh_ring_counts sh_span_ring_count(sh_span_ring *ring, int64_t now_ns);

/* For readers of a file. */
void sh_span_ring_unpack(const uint64_t words[SH_RING_WORDS], sh_span_record *record);
uint32_t sh_span_ring_stripe_capacity(const sh_ring_options *options, uint32_t stripe);

/* At rest: every slot holds a ticket that was drawn and belongs there, and the invariant holds with in_flight = 0. */
bool sh_span_ring_valid(sh_span_ring *ring, int64_t now_ns);

#endif
