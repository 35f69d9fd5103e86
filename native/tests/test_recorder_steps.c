/* Stopped after every single instruction: whatever is in the file by then, which is what there would be had the process been killed
 * there, a reader takes nothing that was not meant.
 *
 * The child stops itself, does one thing, and stops again; in between the parent lets it go on by one instruction at a time and
 * reads the file. Where ptrace is not allowed, this says so and checks nothing but that. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "check.h"
#include "spanheap/recorder.h"

static const sh_recorder_options OPTIONS = {
    .ring = { .capacity = 2, .stripes = 1 }, .active_capacity = 2, .name_capacity = 4, .name_bytes = 64, .stack_capacity = 4,
};
#define CHECK_OF(object) ((uint32_t)crc32(0, (const Bytef *)(object), offsetof(__typeof__(*(object)), check)))

static sh_recorder recorder;
static sh_span_ring ring;

static sh_active_span span_of(uint64_t n) {
    return (sh_active_span){ .trace_high = n, .trace_low = n, .span_id = n, .parent_id = n, .start_ns = (int64_t)n, .name = (uint32_t)n,
                             .root_name = (uint32_t)n };
}
static sh_span_record record_of(uint64_t n) {
    return (sh_span_record){ .trace_high = n, .trace_low = n, .span_id = n, .parent_id = n, .start_ns = (int64_t)n, .duration_ns = (int64_t)n,
                             .name = (uint32_t)n, .thread = (uint16_t)n, .flags = (uint16_t)n };
}

/* What is done a step at a time, over what was there: number 3 in the place of number 1. */
static void enter(void) {
    sh_active_slots_leave(&recorder.active, 1);
    sh_active_span three = span_of(3);
    sh_active_slots_enter(&recorder.active, &three);
}
static void publish(void) {
    sh_span_record three = record_of(3);
    sh_span_ring_publish(&ring, 0, &three, 1);
}
static void add_point(void) {
    sh_recorder_add_point(&recorder, &(sh_recorder_point){ .resident_bytes = 3, .used_bytes = 3, .limit_bytes = 3, .live_bytes = 3 });
}
static void add_name(void) { sh_name_log_add(&recorder.names, 3, 30, "three", 5); }
static void end(void) { sh_recorder_end(&recorder, SH_END_EXCEPTION, 3, "three", 5); }

static void prepare(void) {
    sh_span_ring_init_at(&ring, &OPTIONS.ring, sh_recorder_ring_memory(&recorder));
    for (uint64_t n = 1; n <= 2; n++) {
        sh_active_span span = span_of(n);
        sh_span_record record = record_of(n);
        sh_active_slots_enter(&recorder.active, &span);
        sh_span_ring_publish(&ring, 0, &record, 1);
        sh_recorder_add_point(&recorder, &(sh_recorder_point){ .resident_bytes = n, .used_bytes = n, .limit_bytes = n, .live_bytes = (double)n });
        sh_name_log_add(&recorder.names, (uint32_t)n, (uint32_t)n * 10, "name", 4);
    }
}

/* Everything that a reader takes is number 1, 2 or 3 through and through, and 2 is always there. */
static bool is_whole(char *file) {
    const sh_recorder_section *sections = ((sh_recorder_header *)file)->sections;
    const sh_active_slot *slots = (void *)(file + sections[SH_SECTION_ACTIVE].offset);
    sh_active_span span;
    bool ok = sh_active_slot_read(&slots[1], &span) && span.span_id == 2;
    for (int i = 0; i < 2; i++)
        if (sh_active_slot_read(&slots[i], &span))
            ok &= span.trace_high == span.span_id && span.trace_low == span.span_id && span.start_ns == (int64_t)span.span_id
                && span.name == span.span_id && span.root_name == span.span_id && span.span_id - 1 < 3;
    sh_span_ring copy;
    sh_span_record records[2];
    uint64_t tickets[2];
    sh_span_ring_init_at(&copy, &OPTIONS.ring, file + sections[SH_SECTION_RING].offset);
    uint32_t n = sh_span_ring_copy(&copy, 1, records, tickets, 2);
    for (uint32_t i = 0; i < n; i++) {
        sh_span_record want = record_of(tickets[i] + 1);
        ok &= memcmp(&records[i], &want, sizeof want) == 0;
    }
    sh_ring_counts counts = sh_span_ring_count(&copy, 1);
    ok &= counts.in_flight <= 2 && counts.produced == counts.retained + counts.overwritten + counts.in_flight && n >= 1;
    const sh_recorder_point *points = (void *)(file + sections[SH_SECTION_CURVE].offset);
    ok &= points[0].number == 1 && points[1].number == 2;
    const sh_recorder_point *third = &points[2];
    if (third->number && third->check == CHECK_OF(third))
        ok &= third->number == 3 && third->resident_bytes == 3 && third->used_bytes == 3 && third->limit_bytes == 3 && third->live_bytes == 3;
    const sh_recorder_end_mark *mark = (const sh_recorder_end_mark *)(file + sections[SH_SECTION_ENDS].offset) + SH_END_EXCEPTION;
    if (mark->kind && mark->check == CHECK_OF(mark))
        ok &= mark->code == 3 && mark->length == 5 && memcmp(mark->text, "three", 5) == 0 && mark->realtime_ns > 0;
    const sh_name_entry *names = (void *)(file + sections[SH_SECTION_NAMES].offset);
    const char *bytes = file + sections[SH_SECTION_NAME_BYTES].offset;
    sh_name_log log = { (sh_name_entry *)(uintptr_t)names, (char *)(uintptr_t)bytes, 4, 64 };
    ok &= sh_name_log_valid(&log) && names[2].number == 3;
    if (names[3].number) ok &= names[3].length == 5 && memcmp(bytes + names[3].offset, "three", 5) == 0;
    return ok;
}

static void run_child(int fd, void (*work)(void)) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(3);
    if (!sh_recorder_init(&recorder, &OPTIONS) || sh_recorder_attach(&recorder, fd, &(sh_recorder_identity){ 0 }) != 0) _exit(4);
    prepare();
    raise(SIGSTOP);
    work();
    raise(SIGSTOP);
    _exit(0);
}

/* False: this process may not trace its children. */
static bool test(const char *what, void (*work)(void)) {
    char path[] = "/tmp/spanheap-steps-XXXXXX";
    int fd = mkstemp(path), status;
    unlink(path);
    pid_t child = fork();
    if (child == 0) run_child(fd, work);
    waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) return false;
    size_t bytes = sh_recorder_bytes(&OPTIONS);
    char *file = aligned_alloc(SH_RECORDER_PAGE, bytes);
    int steps = 0;
    for (bool ok = true, done = false; ok && !done && steps < 100000; steps++) {
        ok = CHECK(pread(fd, file, bytes, 0) == (ssize_t)bytes) && CHECK(is_whole(file));
        if (!ok) fprintf(stderr, "%s, stopped after %d instructions\n", what, steps);
        ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
        waitpid(child, &status, 0);
        done = !WIFSTOPPED(status) || WSTOPSIG(status) == SIGSTOP;
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    CHECK(steps > 50 && steps < 100000);
    printf("%s: %d instructions\n", what, steps);
    free(file);
    close(fd);
    return true;
}

int main(void) {
    if (test("enter", enter)) {
#ifndef __SANITIZE_THREAD__   /* ten times the instructions, half a minute, and what is added are none of ours */
        test("publish", publish);
        test("point", add_point);
        test("name", add_name);
        test("end", end);
#endif
    } else {
        CHECK(true);
        printf("not checked: this process may not trace its children\n");
    }
    return CHECK_DONE();
}
