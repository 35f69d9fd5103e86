#include "spanheap/span_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "spanheap/string_table.h"

enum { MS = 1000000 };

static void publish(sh_span_log *log, uint32_t name, uint16_t flags, int64_t duration_ns) {
    static uint64_t id;
    sh_span_record record = { .trace_low = 1, .span_id = ++id, .name = name, .flags = flags, .duration_ns = duration_ns };
    sh_span_log_publish(log, &record, 5 * MS);
}

static const sh_span_name_row *row(const sh_span_log *log, uint32_t name, bool root) {
    for (uint32_t i = 0; i < SH_SPAN_LOG_ROWS; i++) {
        const sh_span_name_row *r = &log->counts->rows[i];
        if (r->ended && r->name == name && r->root == root) return r;
    }
    return NULL;
}

static void test_counts_by_name(void) {
    sh_span_log log;
    CHECK(sh_span_log_init(&log, 3, 0, 0, NULL));
    for (int i = 0; i < 4; i++) publish(&log, 7, SH_SPAN_FLAG_ROOT, 10);
    publish(&log, 7, SH_SPAN_FLAG_ERROR, 5);
    publish(&log, 7, 0, -5);
    CHECK(row(&log, 7, true)->ended == 4 && row(&log, 7, true)->failed == 0 && row(&log, 7, true)->duration_ns == 40);
    CHECK(row(&log, 7, false)->ended == 2 && row(&log, 7, false)->failed == 1 && row(&log, 7, false)->duration_ns == 5);
    CHECK(sh_span_ring_count(&log.ring, 5 * MS).overwritten == 3);
    CHECK(sh_span_log_valid(&log, 5 * MS));
    sh_span_log_fini(&log);
}

/* Whatever names there are, and in either kind, rows are bounded and no span is left out. */
static void test_names_are_bounded(void) {
    sh_span_log log;
    CHECK(sh_span_log_init(&log, 10, 0, 0, NULL));
    for (uint32_t name = 2; name < 5000; name++) publish(&log, name, name % 3 ? SH_SPAN_FLAG_ROOT : 0, 1);
    CHECK(log.counts->rows_used == SH_SPAN_LOG_NAMES);
    CHECK(row(&log, SH_STRING_OTHER, true)->ended + row(&log, SH_STRING_OTHER, false)->ended == log.counts->names_overflowed);
    CHECK(log.counts->names_overflowed == 4998 - (SH_SPAN_LOG_NAMES - 2));
    CHECK(sh_span_log_valid(&log, 5 * MS));
    CHECK(sh_span_log_memory(&log) >= 10 * 64);
    sh_span_log_fini(&log);
    CHECK(!log.counts && !log.ring.slots);
}

/* In memory that another maps as well: what is published there is read there. */
static void test_given_memory(void) {
    sh_ring_options options = { .capacity = 5, .stripes = 1 };
    size_t bytes = sh_span_ring_bytes(&options);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sh_span_log log;
    CHECK(sh_span_log_init(&log, 5, 0, 0, memory));
    CHECK(!sh_span_log_wiped_on_fork(&log));
    for (int i = 0; i < 7; i++) publish(&log, 3, 0, 1);
    sh_span_ring reader;
    sh_span_ring_init_at(&reader, &options, memory);
    CHECK(sh_span_ring_count(&reader, 5 * MS).retained == 5);
    pid_t child = fork();
    if (child == 0) {   /* who gave it has put zeros of the child's own there, as a recorder does */
        bool ok = mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory;
        sh_span_log_forked(&log);
        sh_span_log_forked(&log);
        ok = ok && sh_span_ring_count(&log.ring, 5 * MS).produced == 0 && log.counts->rows_used == 0;
        publish(&log, 3, 0, 1);
        ok = ok && sh_span_ring_count(&log.ring, 5 * MS).produced == 1 && sh_span_log_valid(&log, 5 * MS);
        sh_span_log_fini(&log);
        _exit(ok && sh_span_ring_count(&reader, 5 * MS).produced == 1 ? 0 : 1);   /* not unmapped: it is not the log's */
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    publish(&log, 3, 0, 1);
    CHECK(sh_span_ring_count(&reader, 5 * MS).produced == 8 && sh_span_log_valid(&log, 5 * MS));
    sh_span_log_fini(&log);
    CHECK(sh_span_ring_count(&reader, 5 * MS).produced == 8);
    munmap(memory, bytes);
}

/* A child that gets no memory for its ring publishes nothing and answers. */
static void test_without_a_ring(void) {
    sh_span_log log;
    CHECK(sh_span_log_init(&log, 5, 0, 0, NULL));
    sh_span_ring_fini(&log.ring);
    publish(&log, 3, 0, 1);
    sh_span_log_forked(&log);
    CHECK(sh_span_ring_count(&log.ring, 5 * MS).produced == 0 && log.counts->rows_used == 0);
    sh_span_record out[1];
    uint64_t tickets[1];
    CHECK(sh_span_ring_copy_newest(&log.ring, 5 * MS, 1, out, tickets, 1) == 0);
    CHECK(sh_span_log_valid(&log, 5 * MS) && sh_span_log_memory(&log) > 0);
    sh_span_log_fini(&log);
}

static void test_newest(void) {
    sh_span_log log;
    CHECK(sh_span_log_init(&log, 5, 0, 0, NULL));
    sh_span_record out[5];
    uint64_t tickets[5];
    for (uint32_t i = 0; i < 8; i++) {
        publish(&log, 100 + i, 0, 1);
        for (uint32_t n = 0; n <= 7; n++) {
            uint32_t most = i + 1 < 5 ? i + 1 : 5, expected = n < most ? n : most;
            uint32_t got = sh_span_ring_copy_newest(&log.ring, 5 * MS, n, out, tickets, 5);
            CHECK(got == expected);
            for (uint32_t k = 0; k < got; k++) CHECK(out[k].name == 100 + i + 1 - got + k);
        }
    }
    sh_span_log_fini(&log);
}

int main(void) {
    test_counts_by_name();
    test_names_are_bounded();
    test_given_memory();
    test_without_a_ring();
    test_newest();
    return CHECK_DONE();
}
