/* A dump says what the profile knows: profiles are made by the profile's own operations, dumped, unpacked and compared.
 * With a path as argument, the first test's dump stays there (to be read with `go tool pprof`). */
#include "spanheap/heap_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "check.h"

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

/* ------------------------------------------------------------------ reading pprof */

enum { FRAMES = SH_MAX_DEPTH, LABELS = 8, IDS = 1 << 16 };

typedef struct { const uint8_t *at, *end; } range;
typedef struct { uint64_t key, str, num, unit; } label;
typedef struct {
    uint64_t locations[FRAMES], values[4];
    label labels[LABELS];
    uint32_t depth, value_count, label_count;
} sample;
typedef struct { uint64_t mapping, function, line; bool used; } location;
typedef struct { uint64_t name, filename, first_line; bool used; } function;
typedef struct {
    uint8_t *plain;
    size_t packed_size;
    range *strings;
    sample *samples;
    location *locations;
    function *functions;
    uint64_t types[4][2], period_type[2], period, default_type, time_ns, duration_ns, mapping_file;
    uint64_t comments[16];
    uint32_t string_count, sample_count, type_count, comment_count, location_count, function_count;
} profile;

static uint64_t varint(range *r) {
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *r->at++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return v;
    }
}

/* The next field: a number in *v, or bytes in *body. False at the end. */
static bool next_field(range *r, unsigned *number, uint64_t *v, range *body) {
    if (r->at >= r->end) return false;
    uint64_t tag = varint(r), n = varint(r);
    *number = (unsigned)(tag >> 3);
    *v = n;
    *body = (range){ r->at, r->at };
    if ((tag & 7) == 2) r->at = body->end = body->at + n;
    return true;
}

static uint32_t unpack(range r, uint64_t *out, uint32_t room) {
    uint32_t n = 0;
    while (r.at < r.end && n < room) out[n++] = varint(&r);
    return CHECK(r.at == r.end) ? n : 0;
}

/* Fields 1 to n of a message that has numbers only; those inside a nested message follow from n + 1 on. */
static void read_numbers(range r, uint64_t *out, unsigned n) {
    unsigned number;
    uint64_t v;
    for (range body; next_field(&r, &number, &v, &body);) {
        if (body.at != body.end) read_numbers(body, out + n, n);
        else out[number] = v;
    }
}

static void read_sample(range r, sample *s) {
    unsigned number;
    uint64_t v;
    for (range body; next_field(&r, &number, &v, &body);) {
        uint64_t f[8] = { 0 };
        if (number == 1) s->depth = unpack(body, s->locations, FRAMES);
        if (number == 2) s->value_count = unpack(body, s->values, 4);
        if (number != 3 || !CHECK(s->label_count < LABELS)) continue;
        read_numbers(body, f, 4);
        s->labels[s->label_count++] = (label){ f[1], f[2], f[3], f[4] };
    }
}

static void read_field(profile *p, unsigned number, uint64_t v, range body) {
    uint64_t f[16] = { 0 };
    if (number != 2 && number != 6) read_numbers(body, f, 5);
    switch (number) {
    case 1: if (CHECK(p->type_count < 4)) memcpy(p->types[p->type_count++], f + 1, sizeof p->types[0]); break;
    case 2: read_sample(body, &p->samples[p->sample_count++]); break;
    case 3: CHECK(f[1] == 1); p->mapping_file = f[5]; break;
    case 4:
        if (!CHECK(f[1] && f[1] < IDS && !p->locations[f[1]].used)) break;
        p->locations[f[1]] = (location){ f[2], f[6], f[7], true };
        p->location_count++;
        break;
    case 5:
        if (!CHECK(f[1] && f[1] < IDS && !p->functions[f[1]].used)) break;
        p->functions[f[1]] = (function){ f[2], f[4], f[5], true };
        p->function_count++;
        break;
    case 6: p->strings[p->string_count++] = body; break;
    case 9: p->time_ns = v; break;
    case 10: p->duration_ns = v; break;
    case 11: memcpy(p->period_type, f + 1, sizeof p->period_type); break;
    case 12: p->period = v; break;
    case 13: if (CHECK(p->comment_count < 16)) p->comments[p->comment_count++] = v; break;
    case 14: p->default_type = v; break;
    default: CHECK(!"a field that a heap profile has");
    }
}

static profile read_profile(int fd) {
    enum { PLAIN = 32 << 20, STRINGS = 1 << 16, SAMPLES = 1 << 15 };
    profile p = { .plain = malloc(PLAIN) };
    p.packed_size = (size_t)lseek(fd, 0, SEEK_END);
    uint8_t *packed = malloc(p.packed_size + 1);
    CHECK(pread(fd, packed, p.packed_size, 0) == (ssize_t)p.packed_size);
    z_stream z = { .next_in = packed, .avail_in = (uInt)p.packed_size, .next_out = p.plain, .avail_out = PLAIN };
    inflateInit2(&z, 16 + MAX_WBITS);
    CHECK(inflate(&z, Z_FINISH) == Z_STREAM_END);
    inflateEnd(&z);
    free(packed);
    p.strings = calloc(STRINGS, sizeof *p.strings);
    p.samples = calloc(SAMPLES, sizeof *p.samples);
    p.locations = calloc(IDS, sizeof *p.locations);
    p.functions = calloc(IDS, sizeof *p.functions);
    range all = { p.plain, p.plain + z.total_out };
    unsigned number;
    uint64_t v;
    for (range body; next_field(&all, &number, &v, &body);) read_field(&p, number, v, body);
    CHECK(p.string_count && p.strings[0].at == p.strings[0].end);
    return p;
}

static void free_profile(profile *p) {
    free(p->plain);
    free(p->strings);
    free(p->samples);
    free(p->locations);
    free(p->functions);
}

static bool is(const profile *p, uint64_t string, const char *expected) {
    range r = string < p->string_count ? p->strings[string] : (range){ NULL, NULL };
    size_t n = (size_t)(r.end - r.at);
    if (r.at && n == strlen(expected) && memcmp(r.at, expected, n) == 0) return true;
    fprintf(stderr, "    \"%.*s\" is not \"%s\"\n", (int)n, r.at ? (const char *)r.at : "", expected);
    return false;
}

static const label *label_of(const profile *p, const sample *s, const char *key) {
    for (uint32_t i = 0; i < s->label_count; i++) {
        range r = p->strings[s->labels[i].key];
        if ((size_t)(r.end - r.at) == strlen(key) && memcmp(r.at, key, strlen(key)) == 0) return &s->labels[i];
    }
    return NULL;
}

static bool has(const profile *p, const sample *s, const char *key, const char *expected) {
    const label *l = label_of(p, s, key);
    return l && l->str && is(p, l->str, expected);
}

/* The one sample with these in use and alloc bytes. */
static const sample *find(const profile *p, uint64_t alloc_bytes, uint64_t inuse_bytes) {
    const sample *found = NULL;
    for (uint32_t i = 0; i < p->sample_count; i++) {
        const sample *s = &p->samples[i];
        if (s->values[1] != alloc_bytes || s->values[3] != inuse_bytes) continue;
        CHECK(!found);
        found = s;
    }
    CHECK(found);
    return found;
}

/* Types, totals and references, true of every dump. */
static void check_consistent(const profile *p, const sh_heap_snapshot *s) {
    static const char *const types[4][2] = {
        { "alloc_objects", "count" }, { "alloc_space", "bytes" }, { "inuse_objects", "count" }, { "inuse_space", "bytes" },
    };
    CHECK(p->type_count == 4);
    for (int i = 0; i < 4; i++) CHECK(is(p, p->types[i][0], types[i][0]) && is(p, p->types[i][1], types[i][1]));
    CHECK(is(p, p->default_type, "inuse_space"));
    CHECK(is(p, p->period_type[0], "space") && is(p, p->period_type[1], "bytes"));
    CHECK(p->time_ns == (uint64_t)s->realtime_ns);
    CHECK(p->sample_count == s->sample_count + s->total_count);

    double sums[4] = { 0 };
    uint32_t live = 0, used = 0;
    bool *is_used = calloc(IDS, 1), ok = true;
    for (uint32_t i = 0; i < p->sample_count; i++) {
        const sample *x = &p->samples[i];
        ok &= x->value_count == 4 && x->depth > 0;
        for (int v = 0; v < 4; v++) sums[v] += (double)x->values[v];
        live += x->values[2] != 0;
        ok &= x->values[2] == 0 ? x->values[3] == 0 : x->values[0] == x->values[2] && x->values[1] == x->values[3];
        for (uint32_t f = 0; f < x->depth; f++) {
            ok &= p->locations[x->locations[f]].used;
            is_used[x->locations[f]] = true;
        }
    }
    for (uint32_t id = 0; id < IDS; id++) {
        used += is_used[id];
        if (p->locations[id].used) ok &= p->functions[p->locations[id].function].used;
    }
    CHECK(ok);
    CHECK(live == s->sample_count);
    CHECK(p->location_count == used);
    const double half = 0.501;   /* and what doubles lose when they are added in another order */
    CHECK(fabs(sums[0] - s->sums.allocated_objects) <= half && fabs(sums[1] - s->sums.allocated_bytes) <= half);
    CHECK(fabs(sums[2] - s->sums.live_objects) <= half && fabs(sums[3] - s->sums.live_bytes) <= half);
    free(is_used);
}

/* ------------------------------------------------------------------ making profiles */

static uint32_t name(sh_profile *p, const char *s) { return sh_string_table_intern(&p->strings, s, strlen(s)); }

static void init(sh_profile *p, double interval) {
    sh_profile_options options = { .interval = interval, .max_samples = 8192, .span_capacity = 16384, .seed = 7 };
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
        .object = (const void *)(uintptr_t)(id * 16), .name = name(p, called),
    });
}

static const void *address(uint64_t block) { return (const void *)(uintptr_t)((block + 1) * 64); }

static void record(sh_profile *p, uint64_t block, uint64_t size, uint32_t in_stack, uint32_t in_span, uint32_t thread) {
    sh_sample s = { .address = address(block), .size = size, .interval = (float)p->interval, .share = 1, .stack = in_stack,
                    .span = in_span, .thread = thread };
    CHECK(sh_profile_record_in_hook(p, &s, NULL));
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
static const sh_heap_dump_info INFO = { "python3", COMMENTS, 3, 5000000000 };

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
