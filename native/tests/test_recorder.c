/* The recorder's file: its layout, what survives a kill, and whose it is after a fork. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "spanheap/recorder.h"

static char path[] = "/tmp/spanheap-recorder-XXXXXX";
static const sh_recorder_options OPTIONS = {
    .ring = { .capacity = 100, .stripes = 2, .ttl_ns = 5000000000, .epoch_ns = 1 },
    .active_capacity = 50, .name_capacity = 200, .name_bytes = 3000, .stack_capacity = 100, .sample_interval = 512, .tick_ns = 1000,
};
static const sh_recorder_identity IDENTITY = { .pid = 42, .process_start = 7, .program = "a program", .service = "a service" };
static sh_recorder recorder;

typedef struct { size_t size; char *data; } file;

static file read_file(void) {
    file f = { 0 };
    struct stat s;
    int fd = open(path, O_RDONLY);
    if (fd >= 0 && fstat(fd, &s) == 0) {
        f = (file){ (size_t)s.st_size, malloc((size_t)s.st_size + 1) };
        if (read(fd, f.data, f.size) != (ssize_t)f.size) f.size = 0;
    }
    close(fd);
    return f;
}

static void *section(const file *f, sh_recorder_section_kind kind) {
    return f->data + ((sh_recorder_header *)f->data)->sections[kind].offset;
}

static bool start(void) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    bool ok = CHECK(fd >= 0) && CHECK(sh_recorder_init(&recorder, &OPTIONS)) && CHECK(sh_recorder_attach(&recorder, fd, &IDENTITY) == 0);
    close(fd);
    return ok;
}

static uint32_t enter(uint64_t span_id) {
    return sh_active_slots_enter(&recorder.active, &(sh_active_span){ .span_id = span_id });
}

static uint64_t points_in(const file *f) {
    uint64_t last = 0;
    const sh_recorder_point *points = section(f, SH_SECTION_CURVE);
    for (uint64_t i = 0; i < SH_RECORDER_POINTS; i++)
        if (points[i].number > last && (points[i].number - 1) % SH_RECORDER_POINTS == i) last = points[i].number;
    return last;
}

static uint32_t active_in(const file *f) {
    uint32_t count = 0;
    sh_active_span span;
    const sh_active_slot *slots = section(f, SH_SECTION_ACTIVE);
    for (uint32_t i = 0; i < OPTIONS.active_capacity; i++) count += sh_active_slot_read(&slots[i], &span);
    return count;
}

static uint64_t ring_in(const file *f) {
    sh_span_ring ring;
    void *memory = aligned_alloc(64, sh_span_ring_bytes(&OPTIONS.ring));
    memcpy(memory, section(f, SH_SECTION_RING), sh_span_ring_bytes(&OPTIONS.ring));
    sh_span_ring_init_at(&ring, &OPTIONS.ring, memory);
    uint64_t retained = sh_span_ring_count(&ring, 1).retained;
    free(memory);
    return retained;
}

static void fill(sh_span_ring *ring) {
    sh_span_ring_init_at(ring, &OPTIONS.ring, sh_recorder_ring_memory(&recorder));
    for (uint64_t i = 0; i < 10; i++) sh_span_ring_publish(ring, i & 1, &(sh_span_record){ .span_id = i + 1 }, 1);
    enter(1);
    enter(2);
    sh_name_log_add(&recorder.names, 0, 0, "name", 4);
    for (int i = 0; i < 5; i++) sh_recorder_add_point(&recorder, &(sh_recorder_point){ .resident_bytes = 1000 });
}

/* Before attaching and after, in the same memory: what is there comes along, both headers say the same, and the size is fixed. */
static void test_attach(void) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    sh_span_ring ring;
    if (!CHECK(sh_recorder_init(&recorder, &OPTIONS))) return;
    char *region = recorder.region;
    fill(&ring);
    CHECK(sh_recorder_valid(&recorder) && !recorder.attached);
    CHECK(sh_recorder_attach(&recorder, fd, &IDENTITY) == 0 && recorder.region == region && sh_recorder_valid(&recorder));
    close(fd);
    enter(3);
    sh_span_ring_publish(&ring, 0, &(sh_span_record){ .span_id = 11 }, 1);
    sh_recorder_add_point(&recorder, &(sh_recorder_point){ 0 });
    file f = read_file();
    CHECK(f.size == sh_recorder_bytes(&OPTIONS) && f.size % SH_RECORDER_PAGE == 0);
    const sh_recorder_header *header = (sh_recorder_header *)f.data;
    CHECK(header->magic == SH_RECORDER_MAGIC && header->file_bytes == f.size && memcmp(f.data, "SHAP_REC", 8) == 0);
    CHECK(memcmp(&header->identity, &IDENTITY, sizeof IDENTITY) == 0 && header->ring_ttl_ns == OPTIONS.ring.ttl_ns);
    CHECK(memcmp(header, f.data + f.size - SH_RECORDER_PAGE, sizeof *header) == 0);
    CHECK(points_in(&f) == 6 && active_in(&f) == 3 && ring_in(&f) == 11);
    free(f.data);

    /* Detached, the memory goes on and the file does not. */
    CHECK(sh_recorder_detach(&recorder) && recorder.region == region && sh_recorder_detach(&recorder));
    enter(4);
    sh_recorder_end(&recorder, SH_END_CLEAN, 0, "", 0);
    sh_span_ring_publish(&ring, 0, &(sh_span_record){ .span_id = 12 }, 1);
    CHECK(sh_span_ring_count(&ring, 1).retained == 12 && sh_recorder_valid(&recorder));
    f = read_file();
    CHECK(active_in(&f) == 3 && ring_in(&f) == 11 && ((sh_recorder_end_mark *)section(&f, SH_SECTION_ENDS))->kind == 0);
    free(f.data);
    sh_recorder_fini(&recorder);
}

/* What cannot be attached to says why, and leaves the recorder as it was. */
static void test_attach_errors(void) {
    sh_recorder another;
    if (!start() || !CHECK(sh_recorder_init(&another, &OPTIONS))) return;
    int fd = open(path, O_RDWR);
    CHECK(sh_recorder_attach(&another, fd, &IDENTITY) == EBUSY && !another.attached);
    close(fd);
    sh_recorder_fini(&recorder);
    CHECK(sh_recorder_attach(&another, -1, &IDENTITY) == EBADF && sh_recorder_valid(&another));
    fd = open(path, O_RDONLY);
    CHECK(sh_recorder_attach(&another, fd, &IDENTITY) == EBADF && sh_recorder_valid(&another));
    close(fd);
    sh_recorder_fini(&another);
}

/* An hour of seconds: the newest points take the place of the oldest. */
static void test_curve(void) {
    if (!start()) return;
    for (uint64_t i = 1; i <= SH_RECORDER_POINTS + 10; i++) sh_recorder_add_point(&recorder, &(sh_recorder_point){ .resident_bytes = i });
    CHECK(sh_recorder_valid(&recorder));
    file f = read_file();
    const sh_recorder_point *points = section(&f, SH_SECTION_CURVE);
    CHECK(points_in(&f) == SH_RECORDER_POINTS + 10 && points[9].resident_bytes == SH_RECORDER_POINTS + 10);
    CHECK(points[10].number == 11);
    free(f.data);
    recorder.region[SH_RECORDER_PAGE * 2 + 20] ^= 1;
    CHECK(!sh_recorder_valid(&recorder));
    sh_recorder_fini(&recorder);
}

/* An end is written once, whatever is said later; a text that is too long is cut. */
static void test_ends(void) {
    char text[300];
    memset(text, 'x', sizeof text);
    if (!start()) return;
    sh_recorder_end(&recorder, SH_END_EXCEPTION, 0, text, sizeof text);
    sh_recorder_end(&recorder, SH_END_EXCEPTION, 0, "another", 7);
    sh_recorder_end(&recorder, SH_END_SIGNAL, 11, "", 0);
    file f = read_file();
    const sh_recorder_end_mark *ends = section(&f, SH_SECTION_ENDS);
    CHECK(ends[SH_END_CLEAN].kind == 0 && ends[SH_END_EXCEPTION].kind == SH_END_EXCEPTION + 1);
    CHECK(ends[SH_END_EXCEPTION].length == sizeof ends->text && ends[SH_END_EXCEPTION].text[223] == 'x');
    CHECK(ends[SH_END_SIGNAL].code == 11 && ends[SH_END_SIGNAL].realtime_ns > 0);
    free(f.data);
    sh_recorder_fini(&recorder);
}

/* The child of a fork finds an empty recorder of its own at the same addresses, and can attach it to a file of its own. */
static void test_fork(void) {
    sh_span_ring ring;
    if (!start()) return;
    fill(&ring);
    pid_t child = fork();
    if (child == 0) {
        bool ok = !recorder.attached && sh_span_ring_count(&ring, 1).produced == 0;
        sh_span_ring_publish(&ring, 0, &(sh_span_record){ .span_id = 99 }, 1);
        sh_active_slots_clear(&recorder.active);
        for (uint64_t i = 0; i < 20; i++) ok &= enter(100 + i) != 0;
        sh_recorder_add_point(&recorder, &(sh_recorder_point){ 0 });
        sh_recorder_end(&recorder, SH_END_CLEAN, 0, "", 0);
        char own[sizeof path + 8];
        snprintf(own, sizeof own, "%s.child", path);
        int fd = open(own, O_RDWR | O_CREAT | O_TRUNC, 0600);
        ok &= sh_recorder_attach(&recorder, fd, &IDENTITY) == 0 && sh_recorder_valid(&recorder);
        unlink(own);
        _exit(ok && recorder.points == 1 && sh_span_ring_count(&ring, 1).retained == 1 ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    file f = read_file();
    CHECK(active_in(&f) == 2 && ring_in(&f) == 10 && points_in(&f) == 5);
    CHECK(((sh_recorder_end_mark *)section(&f, SH_SECTION_ENDS))->kind == 0 && sh_recorder_valid(&recorder));
    free(f.data);
    sh_recorder_fini(&recorder);
}

/* Killed at a random moment: every active slot, point and record that a reader takes is one that was written. */
static void test_kill(void) {
    for (int round = 0; round < 30; round++) {
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        pid_t child = fork();
        if (child == 0) {
            sh_span_ring ring;
            if (!sh_recorder_init(&recorder, &OPTIONS) || sh_recorder_attach(&recorder, fd, &IDENTITY) != 0) _exit(1);
            sh_span_ring_init_at(&ring, &OPTIONS.ring, sh_recorder_ring_memory(&recorder));
            for (uint64_t i = 1;; i++) {
                uint32_t place = sh_active_slots_enter(&recorder.active, &(sh_active_span){
                    .trace_high = i * 3, .trace_low = i * 5, .span_id = i, .parent_id = i * 7, .start_ns = (int64_t)i * 11 });
                sh_span_record record = { .trace_high = i * 3, .trace_low = i * 5, .span_id = i, .parent_id = i * 7, .start_ns = (int64_t)i * 11 };
                sh_span_ring_publish(&ring, i & 1, &record, 1);
                sh_recorder_add_point(&recorder, &(sh_recorder_point){ .resident_bytes = i, .used_bytes = i * 3 });
                sh_active_slots_leave(&recorder.active, place);
            }
        }
        usleep((useconds_t)(2000 + rand() % 3000));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        close(fd);
        CHECK(WIFSIGNALED(status));
        file f = read_file();
        if (f.size != sh_recorder_bytes(&OPTIONS) || ((sh_recorder_header *)f.data)->magic != SH_RECORDER_MAGIC) {
            free(f.data);   /* killed before there was a file */
            continue;
        }
        CHECK(active_in(&f) <= 1);
        sh_active_span span;
        for (uint32_t i = 0; i < OPTIONS.active_capacity; i++)
            if (sh_active_slot_read((sh_active_slot *)section(&f, SH_SECTION_ACTIVE) + i, &span))
                CHECK(span.trace_high == span.span_id * 3 && span.parent_id == span.span_id * 7 && span.start_ns == (int64_t)span.span_id * 11);
        sh_span_ring ring;
        sh_span_record records[100];
        uint64_t tickets[100];
        void *memory = aligned_alloc(64, sh_span_ring_bytes(&OPTIONS.ring));
        memcpy(memory, section(&f, SH_SECTION_RING), sh_span_ring_bytes(&OPTIONS.ring));
        sh_span_ring_init_at(&ring, &OPTIONS.ring, memory);
        uint32_t n = sh_span_ring_copy(&ring, 1, records, tickets, 100);
        for (uint32_t i = 0; i < n; i++)
            CHECK(records[i].trace_high == records[i].span_id * 3 && records[i].trace_low == records[i].span_id * 5
                  && records[i].parent_id == records[i].span_id * 7 && records[i].start_ns == (int64_t)records[i].span_id * 11);
        CHECK(sh_span_ring_count(&ring, 1).in_flight <= 2);
        free(memory);
        free(f.data);
    }
}

int main(void) {
    int fd = mkstemp(path);
    close(fd);
    test_attach();
    test_attach_errors();
    test_curve();
    test_ends();
    test_fork();
    test_kill();
    unlink(path);
    return CHECK_DONE();
}
