/* What is known of the spans that have ended: a ring of the last ones, and counts by name of all.
 *
 * The ring lives in pages of its own or in memory that the caller gives, such as that of a recorder. The counts always have
 * pages of their own. Both are empty in the child of a fork, which is told by sh_span_log_forked; who gives memory sees to
 * it that the child finds zeros there which are its own (recorder.h does).
 *
 * Invariant: the sum of `ended` over all rows = produced of the ring, at rest. Rows are bounded: further names are counted
 * under "<other>", and how often in names_overflowed.
 * Thread rules: everything needs the GIL, but reading the ring, which is as free as ever (span_ring.h). */
#ifndef SPANHEAP_SPAN_LOG_H
#define SPANHEAP_SPAN_LOG_H

#include "spanheap/span_ring.h"

/* Flags of a record in this ring. */
enum {
    SH_SPAN_FLAG_SAMPLED = 1,
    SH_SPAN_FLAG_ERROR = 2,
    SH_SPAN_FLAG_ROOT = 4,      /* its own local root: no parent, a remote one, or one that was not seen */
    SH_SPAN_FLAG_TRACKED = 8,   /* its start was seen: it was among the active spans */
};

enum { SH_SPAN_LOG_BITS = 11, SH_SPAN_LOG_ROWS = 1 << SH_SPAN_LOG_BITS, SH_SPAN_LOG_NAMES = SH_SPAN_LOG_ROWS / 2 };

typedef struct {
    uint32_t name;
    bool root;             /* local roots and other spans of one name are counted apart */
    uint64_t ended;        /* 0: a free row */
    uint64_t failed;
    int64_t duration_ns;   /* of all */
} sh_span_name_row;

typedef struct {
    uint64_t ended_twice;       /* ended again, and not published again */
    uint64_t unannounced;       /* published without the start having been seen */
    uint64_t names_overflowed;
    uint32_t rows_used;
    sh_span_name_row rows[SH_SPAN_LOG_ROWS];   /* open addressing */
} sh_span_log_counts;

typedef struct {
    sh_span_ring ring;
    sh_span_log_counts *counts;
    bool counts_wiped_on_fork;
} sh_span_log;

/* One stripe, overwrite. `memory`: of sh_span_ring_bytes(), as sh_span_ring_init_at takes it; NULL: pages of its own. */
bool sh_span_log_init(sh_span_log *log, uint32_t capacity, int64_t ttl_ns, int64_t epoch_ns, void *memory);
void sh_span_log_fini(sh_span_log *log);
/* In the child of a fork: empty. Harmless when called twice. */
void sh_span_log_forked(sh_span_log *log);
/* The kernel empties it by itself. */
bool sh_span_log_wiped_on_fork(const sh_span_log *log);

/* Enters a span that has ended; flags as above. */
void sh_span_log_publish(sh_span_log *log, const sh_span_record *record, int64_t now_ns);

/* As far as it is in use. */
size_t sh_span_log_memory(const sh_span_log *log);
bool sh_span_log_valid(sh_span_log *log, int64_t now_ns);

#endif
