/* A dump says what the profile knows: profiles are made by the profile's own operations, dumped, unpacked and compared.
 * With a path as argument, the first test's dump stays there (to be read with `go tool pprof`). */
#include "spanheap/heap_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pprof_reader.h"

/* ------------------------------------------------------------------ counting allocations */

static bool counting;
static unsigned long allocations;

/* glibc lets a program put its own malloc in front; a sanitizer has done so already. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *malloc(size_t n) { return allocations += counting, __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return allocations += counting, __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return allocations += counting, __libc_realloc(p, n); }
#endif

/* ------------------------------------------------------------------ making profiles */

static sh_label_table labels;

static uint32_t name(sh_profile *p, const char *s) { return sh_string_table_intern(&p->strings, s, strlen(s)); }

static void init(sh_profile *p, double interval) {
    sh_profile_options options = { .interval = interval, .max_samples = 8192, .span_capacity = 16384, .seed = 7, .labels = &labels };
    if (!CHECK(sh_profile_init(p, &options))) exit(1);
}

static uint32_t locate(sh_profile *p, const char *function, uint32_t line, uint32_t first_line) {
    return sh_location_table_intern(&p->locations, (sh_location){ name(p, function), name(p, "app.py"), line, first_line });
}

static uint32_t stack(sh_profile *p, const uint32_t *locations, uint32_t depth) {
    sh_frame frames[SH_MAX_DEPTH];
    bool is_new;
    for (uint32_t i = 0; i < depth; i++)   /* to the core a code object is a number, and this one stands for its location */
        frames[i] = (sh_frame){ (const void *)(uintptr_t)(locations[i] * 16), 0, SH_LOCATION_UNRESOLVED };
    uint32_t id = sh_stack_table_intern(&p->stacks, frames, depth, 1, &is_new);
    for (uint32_t i = 0; is_new && i < depth; i++) p->stacks.frames[p->stacks.stacks[id].first_frame + i].location = locations[i];
    return id;
}

static uint32_t span(sh_profile *p, uint64_t id, uint64_t parent, const char *called) {
    return sh_span_table_start(&p->spans, &(sh_span_start){
        .trace_high = 0x0123456789abcdef, .trace_low = 0x00000000000000ff, .span_id = id, .parent_span_id = parent,
        .object = (const void *)(uintptr_t)(id * 16), .name = name(p, called), .sampled = true,
    });
}

static const void *address(uint64_t block) { return (const void *)(uintptr_t)((block + 1) * 64); }

static void record(sh_profile *p, uint64_t block, uint64_t size, uint32_t in_stack, uint32_t in_span, uint32_t thread) {
    sh_sample s = { .address = address(block), .size = size, .interval = (float)p->interval, .share = 1, .stack = in_stack,
                    .span = in_span, .thread = thread };
    CHECK(sh_profile_record_in_hook(p, &s, NULL));
}

static uint32_t with_label(uint32_t set, const char *key, const char *value) {
    int number = sh_label_table_key(&labels, key, strlen(key));
    return sh_label_table_add(&labels, set, (uint32_t)number, value, strlen(value));
}

static void forget(sh_profile *p, uint64_t block) { CHECK(sh_profile_release_in_hook(p, address(block), NULL)); }

/* Dumps from a workspace of exactly the promised size, full of rubbish, between guards. */
static int write_guarded(const sh_heap_snapshot *s, const sh_heap_dump_info *info, int fd) {
    enum { GUARD = 64, BYTE = 0xA5 };
    size_t bytes = sh_heap_dump_workspace_bytes(s->strings, s->locations), intact = 0;
    uint8_t *memory = malloc(bytes + 2 * GUARD);
    memset(memory, BYTE, bytes + 2 * GUARD);
    counting = true;
    int error = sh_heap_dump_write(s, info, fd, memory + GUARD);
    counting = false;
    for (size_t i = 0; i < GUARD; i++) intact += (memory[i] == BYTE) + (memory[GUARD + bytes + i] == BYTE);
    CHECK(intact == 2 * GUARD);
    CHECK(allocations == 0);
    free(memory);
    return error;
}

static const char *const COMMENTS[] = { "service.name=shop", "", "oldest: GET /orders \xc3\xa9" };
static const sh_heap_dump_info INFO = { "python3", COMMENTS, 3, 5000000000, false };

static profile dump_and_read(const sh_heap_snapshot *s, FILE *file) {
    CHECK(write_guarded(s, &INFO, fileno(file)) == 0);
    profile p = read_profile(fileno(file));
    check_consistent(&p, s);
    return p;
}

/* ------------------------------------------------------------------ tests */

/* Blocks, live and gone, of spans, no span, an unnamed thread and no known stack have their stacks, labels and values. */
static void test_content(const char *path) {
    sh_profile p;
    init(&p, 1.0);
    uint32_t main_line = locate(&p, "<module>", 99, 1);
    uint32_t handler = stack(&p, (uint32_t[]){ locate(&p, "keep", 12, 10), locate(&p, "handle", 31, 30), main_line }, 3);
    uint32_t elsewhere = stack(&p, (uint32_t[]){ locate(&p, "keep", 14, 10), locate(&p, "handle", 51, 50), main_line }, 3);
    locate(&p, "never_seen", 1, 1);
    uint32_t thread = sh_thread_table_claim(&p.threads, 77), ended = sh_thread_table_claim(&p.threads, 78);
    sh_thread_table_name(&p.threads, 77, name(&p, "worker-1"));
    uint32_t root = span(&p, 0xa1, 0, "GET /orders"), child = span(&p, 0xb2, 0xa1, "load");
    record(&p, 1, 1000, handler, child, thread);
    record(&p, 2, 2000, handler, root, thread);
    record(&p, 3, 3000, elsewhere, SH_SPAN_NONE, ended);
    record(&p, 4, 4000, SH_STACK_OTHER, SH_SPAN_UNSAMPLED, SH_THREAD_OTHER);
    record(&p, 5, 5000, handler, child, thread);
    record(&p, 6, 6000, SH_STACK_OTHER, SH_SPAN_NONE, thread);
    CHECK(sh_label_table_init(&labels, 10));
    sh_sample labelled = { .address = address(7), .size = 7000, .interval = 1, .share = 1, .span = root, .thread = thread,
                           .labels = with_label(with_label(SH_LABELS_NONE, "job", "nightly"), "tenant", "acme") };
    CHECK(sh_profile_record_in_hook(&p, &labelled, NULL));
    sh_span_table_end(&p.spans, 0xb2, name(&p, "load orders"));
    forget(&p, 5);
    forget(&p, 6);
    sh_heap_snapshot s;
    CHECK(sh_heap_snapshot_capture(&s, &p));
    name(&p, "interned after the snapshot");

    FILE *file = path ? fopen(path, "wb+") : tmpfile();
    profile d = dump_and_read(&s, file);
    const sample *x = find(&d, 1000, 1000);
    static const char *const functions[] = { "keep", "handle", "<module>" };
    static const uint64_t lines[] = { 12, 31, 99 }, first_lines[] = { 10, 30, 1 };
    CHECK(x->depth == 3);
    for (uint32_t i = 0; i < x->depth; i++) {   /* leaf first */
        const location *l = &d.locations[x->locations[i]];
        const function *f = &d.functions[l->function];
        CHECK(l->line == lines[i] && f->first_line == first_lines[i] && l->mapping == 1);
        CHECK(is(&d, f->name, functions[i]) && is(&d, f->filename, "app.py"));
    }
    CHECK(x->values[0] == 1 && x->values[2] == 1 && x->label_count == 6);
    CHECK(has(&d, x, "trace_id", "0123456789abcdef00000000000000ff") && has(&d, x, "span_id", "00000000000000b2"));
    CHECK(has(&d, x, "span_name", "load orders") && has(&d, x, "root_span_name", "GET /orders"));
    CHECK(has(&d, x, "thread", "worker-1"));
    const label *size = label_of(&d, x, "bytes");
    CHECK(size && size->num == 1000 && is(&d, size->unit, "bytes"));

    x = find(&d, 2000, 2000);
    CHECK(has(&d, x, "span_id", "00000000000000a1") && has(&d, x, "span_name", "GET /orders"));
    x = find(&d, 3000, 3000);
    CHECK(!label_of(&d, x, "trace_id") && !label_of(&d, x, "span_id") && x->label_count == 4);
    CHECK(has(&d, x, "span_name", "<no span>") && has(&d, x, "thread", "<unnamed thread>"));
    CHECK(d.locations[x->locations[0]].line == 14);
    x = find(&d, 4000, 4000);
    CHECK(has(&d, x, "span_name", "<unsampled>") && has(&d, x, "thread", "<other threads>"));
    CHECK(x->depth == 1 && is(&d, d.functions[d.locations[x->locations[0]].function].name, "<unknown stack>"));
    CHECK(has(&d, x, "sampled", "false"));
    x = find(&d, 7000, 7000);
    CHECK(has(&d, x, "tenant", "acme") && has(&d, x, "job", "nightly") && !label_of(&d, x, "sampled") && x->label_count == 8);
    x = find(&d, 5000, 0);
    CHECK(x->depth == 3 && x->label_count == 2);
    CHECK(has(&d, x, "span_name", "load orders") && has(&d, x, "root_span_name", "GET /orders"));
    x = find(&d, 6000, 0);
    CHECK(x->depth == 1 && has(&d, x, "span_name", "<no span>"));

    CHECK(d.location_count == 6 && d.function_count == 5);   /* two lines of one keep, two handles; no never_seen */
    CHECK(d.comment_count == 3 && d.duration_ns == 5000000000 && d.period == 1 && is(&d, d.mapping_file, "python3"));
    for (uint32_t i = 0; i < 3; i++) CHECK(is(&d, d.comments[i], COMMENTS[i]));
    free_profile(&d);
    fclose(file);

    sh_heap_dump_info bare = { 0 };
    file = tmpfile();
    CHECK(write_guarded(&s, &bare, fileno(file)) == 0);
    d = read_profile(fileno(file));
    check_consistent(&d, &s);
    CHECK(d.comment_count == 0 && d.mapping_file == 0 && d.duration_ns == 0);
    for (uint32_t id = 0; id < IDS; id++) CHECK(d.locations[id].mapping == 0);
    free_profile(&d);
    fclose(file);

    bare.allocated = true;   /* the same, shown by another of its values */
    file = tmpfile();
    CHECK(write_guarded(&s, &bare, fileno(file)) == 0);
    d = read_profile(fileno(file));
    CHECK(is(&d, d.default_type, "alloc_space") && d.sample_count > 0);
    free_profile(&d);
    fclose(file);
    sh_heap_snapshot_fini(&s);
    sh_profile_fini(&p);
}

/* Thousands of estimates that are no whole numbers add up to the snapshot's sums, for all four sample types. */
static void test_rounding(double interval) {
    enum { BLOCKS = 8000 };
    sh_profile p;
    init(&p, interval);
    uint32_t at = stack(&p, (uint32_t[]){ locate(&p, "f", 2, 1) }, 1);
    for (uint32_t i = 0; i < BLOCKS; i++) record(&p, i, 16 + i * 7919 % 5000, at, SH_SPAN_NONE, SH_THREAD_OTHER);
    for (uint32_t i = 0; i < BLOCKS; i += 3) forget(&p, i);
    sh_profile_fold(&p, BLOCKS / 10);
    sh_heap_snapshot s;
    CHECK(sh_heap_snapshot_capture(&s, &p));
    FILE *file = tmpfile();
    profile d = dump_and_read(&s, file);
    CHECK(d.period == (uint64_t)llround(interval) && s.sample_count == BLOCKS - (BLOCKS + 2) / 3 && s.total_count == 1);
    uint32_t near = 0;
    for (uint32_t i = 0; i < s.sample_count; i++)
        near += fabs((double)d.samples[i].values[3] - s.samples[i].bytes) <= 1
            && fabs((double)d.samples[i].values[2] - s.samples[i].objects) <= 1;
    CHECK(near == s.sample_count);   /* the carried remainder moves no single value by more than its own rounding */
    free_profile(&d);
    fclose(file);
    sh_heap_snapshot_fini(&s);
    sh_profile_fini(&p);
}

/* Functions that differ in nothing but their first line stay apart. */
static void test_functions(void) {
    enum { LAMBDAS = 2000 };   /* enough for collisions in the table of functions */
    sh_profile p;
    init(&p, 1.0);
    for (uint32_t i = 0; i < LAMBDAS; i++)
        record(&p, i, 64, stack(&p, (uint32_t[]){ locate(&p, "<lambda>", i + 1, i + 1) }, 1), SH_SPAN_NONE, SH_THREAD_OTHER);
    sh_heap_snapshot s;
    CHECK(sh_heap_snapshot_capture(&s, &p));
    FILE *file = tmpfile();
    profile d = dump_and_read(&s, file);
    CHECK(d.location_count == LAMBDAS && d.function_count == LAMBDAS);
    free_profile(&d);
    fclose(file);
    sh_heap_snapshot_fini(&s);
    sh_profile_fini(&p);
}

/* What compresses worst, 64 frames at random and a span of its own for each sample, is written whole and not larger than its
 * limit; a descriptor that takes nothing is reported. */
static void test_big(uint32_t samples, size_t limit) {
    enum { DEPTH = 64, FUNCTIONS = 300, STACKS = 600 };
    sh_profile p;
    init(&p, 512.0 * 1024);
    uint64_t random = 1;
    uint32_t locations[FUNCTIONS], stacks[STACKS];
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        char called[64];
        snprintf(called, sizeof called, "package.module_%u.Class.method_%u", i / 20, i);
        locations[i] = locate(&p, called, i * 7 + 3, i * 7);
    }
    for (uint32_t i = 0; i < STACKS; i++) {
        uint32_t frames[DEPTH];
        for (uint32_t f = 0; f < DEPTH; f++)
            frames[f] = locations[((random = random * 6364136223846793005u + 1442695040888963407u) >> 33) % FUNCTIONS];
        stacks[i] = stack(&p, frames, DEPTH);
    }
    for (uint32_t i = 0; i < samples; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t of = sh_span_table_start(&p.spans, &(sh_span_start){
            .trace_high = sh_hash_mix(random, 1), .trace_low = sh_hash_mix(random, 2), .span_id = sh_hash_mix(random, 3),
            .object = (const void *)(uintptr_t)((i + 1) * 16), .name = name(&p, i % 2 ? "GET /a" : "GET /b"),
        });
        record(&p, i, 512 + (random >> 50), stacks[i % STACKS], of, SH_THREAD_OTHER);
    }
    sh_heap_snapshot s;
    CHECK(sh_heap_snapshot_capture(&s, &p));
    CHECK(s.sample_count == samples && s.frame_count == STACKS * DEPTH && s.span_count == samples);
    FILE *file = tmpfile();
    int64_t start = sh_clock_ns(CLOCK_MONOTONIC);
    CHECK(write_guarded(&s, &INFO, fileno(file)) == 0);
    int64_t ns = sh_clock_ns(CLOCK_MONOTONIC) - start;
    profile d = read_profile(fileno(file));
    check_consistent(&d, &s);
    printf("%u samples of %d frames: %zu bytes in %.1f ms\n", samples, DEPTH, d.packed_size, (double)ns / 1e6);
    CHECK(d.packed_size <= limit);
    CHECK(d.location_count == FUNCTIONS && d.samples[samples - 1].depth == DEPTH);
    free_profile(&d);
    fclose(file);

    int full = open("/dev/full", O_WRONLY);
    CHECK(write_guarded(&s, &INFO, full) == ENOSPC);
    close(full);
    CHECK(write_guarded(&s, &INFO, full) == EBADF);
    sh_heap_snapshot_fini(&s);
    sh_profile_fini(&p);
}

/* A profile without a sample makes a profile without a sample. */
static void test_empty(void) {
    sh_profile p;
    init(&p, 512.0 * 1024);
    sh_heap_snapshot s;
    CHECK(sh_heap_snapshot_capture(&s, &p));
    FILE *file = tmpfile();
    profile d = dump_and_read(&s, file);
    CHECK(d.sample_count == 0 && d.location_count == 0 && d.period == 512 * 1024);
    free_profile(&d);
    fclose(file);
    sh_heap_snapshot_fini(&s);
    sh_profile_fini(&p);
}

int main(int argc, char **argv) {
    test_content(argc > 1 ? argv[1] : NULL);
    test_rounding(4096.0);
    test_rounding(1234.5);
    test_rounding(512.0 * 1024);
    test_rounding(1e7);
    test_functions();
    test_big(2048, 1 << 20);   /* a heap of 1 GiB at the default interval */
    test_big(8192, 2 << 20);   /* all that a profile holds by default */
    test_empty();
    return CHECK_DONE();
}
