#include "spanheap/span_log.h"

#include "spanheap/string_table.h"

bool sh_span_log_init(sh_span_log *log, uint32_t capacity, int64_t ttl_ns, int64_t epoch_ns, void *memory) {
    sh_ring_options options = { .capacity = capacity, .stripes = 1, .policy = SH_RING_OVERWRITE, .ttl_ns = ttl_ns,
                                .epoch_ns = epoch_ns };
    memset(log, 0, sizeof *log);
    log->counts = sh_pages_map(sizeof *log->counts);
    if (memory) sh_span_ring_init_at(&log->ring, &options, memory);
    if (!log->counts || (!memory && !sh_span_ring_init(&log->ring, &options))) {
        sh_span_log_fini(log);
        return false;
    }
    log->counts_wiped_on_fork = madvise(log->counts, sizeof *log->counts, MADV_WIPEONFORK) == 0;
    return true;
}

void sh_span_log_fini(sh_span_log *log) {
    sh_span_ring_fini(&log->ring);
    sh_pages_unmap(log->counts, sizeof *log->counts);
    memset(log, 0, sizeof *log);
}

bool sh_span_log_wiped_on_fork(const sh_span_log *log) { return log->ring.wiped_on_fork && log->counts_wiped_on_fork; }

void sh_span_log_forked(sh_span_log *log) {
    if (!log->counts_wiped_on_fork) sh_pages_zero(log->counts, sizeof *log->counts);
    if (log->ring.mapped_bytes && !log->ring.wiped_on_fork) sh_span_ring_clear(&log->ring);
}

/* ------------------------------------------------------------------ counts by name */

static sh_span_name_row *row_of(sh_span_log_counts *counts, uint32_t name, bool root) {
    size_t i = sh_hash_u64((uint64_t)name << 1 | root) >> (64 - SH_SPAN_LOG_BITS);
    while (counts->rows[i].ended && (counts->rows[i].name != name || counts->rows[i].root != root))
        i = (i + 1) % SH_SPAN_LOG_ROWS;
    if (SH_LIKELY(counts->rows[i].ended)) return &counts->rows[i];
    /* Two rows stay for "<other>", so that it always has one. */
    if (counts->rows_used >= SH_SPAN_LOG_NAMES - 2 && name != SH_STRING_OTHER) {
        counts->names_overflowed++;
        return row_of(counts, SH_STRING_OTHER, root);
    }
    counts->rows_used++;
    counts->rows[i].name = name;
    counts->rows[i].root = root;
    return &counts->rows[i];
}

SH_HOT void sh_span_log_publish(sh_span_log *log, const sh_span_record *record, int64_t now_ns) {
    if (SH_UNLIKELY(!log->ring.slots)) return;
    sh_span_name_row *row = row_of(log->counts, record->name, record->flags & SH_SPAN_FLAG_ROOT);
    row->ended++;
    row->failed += (record->flags & SH_SPAN_FLAG_ERROR) != 0;
    if (record->duration_ns > 0) row->duration_ns += record->duration_ns;
    sh_span_ring_publish(&log->ring, 0, record, now_ns);
}

/* ------------------------------------------------------------------ what it is */

size_t sh_span_log_memory(const sh_span_log *log) {
    if (!log->ring.slots) return sizeof *log->counts;
    uint64_t head = atomic_load_explicit(&log->ring.stripes[0].head, memory_order_relaxed);
    uint64_t used = head < log->ring.options.capacity ? head : log->ring.options.capacity;
    return sizeof *log->counts + sizeof(sh_ring_stripe) + used * sizeof(sh_ring_slot);
}

bool sh_span_log_valid(sh_span_log *log, int64_t now_ns) {
    if (!log->ring.slots) return true;
    uint64_t ended = 0, rows = 0;
    for (uint32_t i = 0; i < SH_SPAN_LOG_ROWS; i++) {
        const sh_span_name_row *row = &log->counts->rows[i];
        if (row->failed > row->ended || row->duration_ns < 0) return false;
        ended += row->ended;
        rows += row->ended != 0;
    }
    return rows == log->counts->rows_used && rows <= SH_SPAN_LOG_NAMES && sh_span_ring_valid(&log->ring, now_ns)
        && ended == sh_span_ring_count(&log->ring, now_ns).produced;
}
