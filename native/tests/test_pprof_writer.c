/* The writer against bytes written by hand from the protobuf encoding, against descriptors that fail, and at its bounds. */
#include "spanheap/pprof_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

enum { GUARD = 64, GUARD_BYTE = 0xA5, CAPACITY = 8 << 20 };

/* A workspace full of rubbish between two guards: what init does not set, nobody may read. */
static uint8_t *guarded;

static void *workspace_new(void) {
    size_t bytes = sh_pprof_workspace_bytes();
    guarded = malloc(bytes + 2 * GUARD);
    memset(guarded, GUARD_BYTE, bytes + 2 * GUARD);
    return guarded + GUARD;
}

static void workspace_check_and_free(void) {
    size_t end = GUARD + sh_pprof_workspace_bytes(), intact = 0;
    for (size_t i = 0; i < GUARD; i++) intact += (guarded[i] == GUARD_BYTE) + (guarded[end + i] == GUARD_BYTE);
    CHECK(intact == 2 * GUARD);
    free(guarded);
}

/* Returns the number of bytes in out, or SIZE_MAX when it is no whole gzip stream. */
static size_t gunzip(uint8_t *in, size_t n, uint8_t *out) {
    z_stream z = { .next_in = in, .avail_in = (uInt)n, .next_out = out, .avail_out = CAPACITY };
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) return SIZE_MAX;
    int status = inflate(&z, Z_FINISH);
    size_t got = z.total_out;
    inflateEnd(&z);
    return status == Z_STREAM_END && z.avail_in == 0 ? got : SIZE_MAX;
}

static size_t read_back(FILE *file, uint8_t *out) {
    uint8_t *packed = malloc(CAPACITY);
    rewind(file);
    size_t n = gunzip(packed, fread(packed, 1, CAPACITY, file), out);
    free(packed);
    return n;
}

static uint32_t string(sh_pprof_writer *w, const char *s) { return sh_pprof_string(w, s, strlen(s)); }

/* Each kind of field becomes exactly the bytes of the protobuf encoding: no zeros, and ten bytes for a negative number. */
static void test_encoding(void) {
    static const uint8_t expected[] = {
        0x32, 0,                                            /* string_table "" */
        0x32, 1, 'a',
        0x32, 2, 'b', 'c',
        0x0a, 4, 0x08, 1, 0x10, 2,                          /* sample_type { a, bc } */
        0x5a, 2, 0x08, 1,                                   /* period_type { a, "" }: no unit */
        0x60, 0x80, 0x80, 0x20,                             /* period 2^19 */
        0x48, 0x7f,                                         /* time_nanos 127; no duration */
        0x68, 2,                                            /* comment */
        0x70, 1,                                            /* default_sample_type */
        0x1a, 10, 0x08, 1, 0x28, 2, 0x38, 1, 0x40, 1, 0x48, 1,
        0x2a, 8, 0x08, 7, 0x10, 1, 0x20, 2, 0x28, 3,        /* function 7 */
        0x22, 11, 0x08, 0x80, 1, 0x10, 1, 0x22, 4, 0x08, 7, 0x10, 5,   /* location 128, mapping 1, line { 7, 5 } */
        0x32, 1, 'd',                                       /* a string while the sample below is open */
        0x12, 34, 0x0a, 3, 0x80, 1, 7, 0x12, 11, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        0x1a, 4, 0x08, 1, 0x10, 3,                          /* label a = d */
        0x1a, 8, 0x08, 1, 0x18, 0x80, 0x80, 4, 0x20, 2,     /* label a = 65536 bc */
    };
    FILE *file = tmpfile();
    sh_pprof_writer w;
    sh_pprof_init(&w, workspace_new(), fileno(file), 6);
    CHECK(string(&w, "a") == 1);
    CHECK(string(&w, "bc") == 2);
    sh_pprof_sample_type(&w, 1, 2);
    sh_pprof_period(&w, 1, 0, 1 << 19);
    sh_pprof_time(&w, 127, 0);
    sh_pprof_comment(&w, 2);
    sh_pprof_default_sample_type(&w, 1);
    sh_pprof_mapping(&w, 1, 2);
    sh_pprof_function(&w, 7, 1, 2, 3);
    sh_pprof_location(&w, 128, 1, 7, 5);
    sh_pprof_sample_begin(&w, (uint32_t[]){ 128, 7 }, 2, (int64_t[]){ 0, -1 }, 2);
    sh_pprof_label_string(&w, 1, string(&w, "d"));
    sh_pprof_label_number(&w, 1, 65536, 2);
    sh_pprof_sample_end(&w);
    CHECK(sh_pprof_finish(&w) == 0);

    uint8_t *plain = malloc(CAPACITY);
    CHECK(read_back(file, plain) == sizeof expected);
    for (size_t i = 0; i < sizeof expected; i++)
        if (!CHECK(plain[i] == expected[i])) fprintf(stderr, "    byte %zu is %02x, not %02x\n", i, plain[i], expected[i]);
    free(plain);
    workspace_check_and_free();
    fclose(file);
}

static char *noise(size_t n) {
    char *data = malloc(n);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) data[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
    return data;
}

/* A string that neither compresses nor fits into any buffer comes back whole, at every level. */
static void test_long_string(void) {
    enum { LONG = 1 << 20 };
    char *data = noise(LONG);
    uint8_t *plain = malloc(CAPACITY);
    for (int level = 0; level <= 9; level++) {
        FILE *file = tmpfile();
        sh_pprof_writer w;
        sh_pprof_init(&w, workspace_new(), fileno(file), level);
        CHECK(sh_pprof_string(&w, data, LONG) == 1);
        CHECK(sh_pprof_finish(&w) == 0);
        CHECK(read_back(file, plain) == LONG + 2 + 4);       /* "" is 2 bytes; a tag and a length of 3 precede the other */
        CHECK(memcmp(plain + 6, data, LONG) == 0);
        workspace_check_and_free();
        fclose(file);
    }
    free(plain);
    free(data);
}

static int write_sample(size_t depth, size_t values, size_t labels) {
    FILE *file = tmpfile();
    uint32_t ids[SH_PPROF_MAX_FRAMES * 8];
    int64_t numbers[SH_PPROF_MAX_VALUES * 8];
    for (size_t i = 0; i < depth; i++) ids[i] = UINT32_MAX;
    for (size_t i = 0; i < values; i++) numbers[i] = INT64_MIN;
    sh_pprof_writer w;
    sh_pprof_init(&w, workspace_new(), fileno(file), 1);
    sh_pprof_sample_begin(&w, ids, depth, numbers, values);
    for (size_t i = 0; i < labels; i++) sh_pprof_label_number(&w, UINT32_MAX, INT64_MIN, UINT32_MAX);
    sh_pprof_sample_end(&w);
    int error = sh_pprof_finish(&w);
    workspace_check_and_free();
    fclose(file);
    return error;
}

/* The largest sample that is promised fits; larger ones are an error and leave the memory behind the workspace alone. */
static void test_sample_bounds(void) {
    enum { FRAMES = SH_PPROF_MAX_FRAMES, VALUES = SH_PPROF_MAX_VALUES, LABELS = SH_PPROF_MAX_LABELS };
    CHECK(write_sample(FRAMES, VALUES, LABELS) == 0);
    CHECK(write_sample(FRAMES * 8, VALUES, LABELS) == EMSGSIZE);
    CHECK(write_sample(FRAMES, VALUES * 8, LABELS * 2) == EMSGSIZE);
    CHECK(write_sample(FRAMES, VALUES, LABELS * 4000) == EMSGSIZE);   /* more than the whole workspace */
}

static int write_noise(int fd, int level) {
    enum { LONG = 1 << 20 };
    char *data = noise(LONG);
    sh_pprof_writer w;
    sh_pprof_init(&w, workspace_new(), fd, level);
    sh_pprof_string(&w, data, LONG);
    sh_pprof_sample_begin(&w, NULL, 0, NULL, 0);
    sh_pprof_sample_end(&w);
    int error = sh_pprof_finish(&w);
    workspace_check_and_free();
    free(data);
    return error;
}

/* What went wrong first is what finish says. */
static void test_errors(void) {
    int full = open("/dev/full", O_WRONLY), read_only = open("/dev/null", O_RDONLY);
    CHECK(write_noise(full, 6) == ENOSPC);
    CHECK(write_noise(read_only, 6) == EBADF);
    CHECK(write_noise(-1, 6) == EBADF);
    CHECK(write_noise(full, 42) == EINVAL);   /* no such level: nothing gets as far as the descriptor */

    sh_pprof_writer w;   /* so little that only finish writes it */
    sh_pprof_init(&w, workspace_new(), full, 6);
    CHECK(sh_pprof_finish(&w) == ENOSPC);
    workspace_check_and_free();

    sh_pprof_init(&w, workspace_new(), full, 0);
    char *data = noise(1 << 20);
    sh_pprof_string(&w, data, 1 << 20);
    sh_pprof_sample_begin(&w, NULL, 0, NULL, 0);
    for (int i = 0; i < SH_PPROF_MAX_LABELS * 100; i++) sh_pprof_label_string(&w, 1, 1);
    sh_pprof_sample_end(&w);
    CHECK(sh_pprof_finish(&w) == ENOSPC);   /* not EMSGSIZE, which came later */
    workspace_check_and_free();
    free(data);
    close(full);
    close(read_only);
}

static volatile sig_atomic_t signals;
static void on_signal(int number) { (void)number, signals++; }

typedef struct { int fd; uint8_t *data; size_t n; } reader;

/* Takes less than a page at a time, and its time, so that the pipe is always full and has room for a part of a write. */
static void *read_slowly(void *argument) {
    reader *r = argument;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (ssize_t n; (n = read(r->fd, r->data + r->n, 3000)) > 0;) {
        r->n += (size_t)n;
        usleep(200);
    }
    return NULL;
}

/* Writes that a signal cuts short or interrupts lose and repeat nothing. */
static void test_interrupted_writes(void) {
    int ends[2];
    if (!CHECK(pipe(ends) == 0)) return;
    uint8_t *packed = malloc(CAPACITY), *plain = malloc(CAPACITY);
    reader r = { ends[0], packed, 0 };
    pthread_t thread;
    pthread_create(&thread, NULL, read_slowly, &r);
    struct sigaction interrupt = { .sa_handler = on_signal }, before;   /* no SA_RESTART */
    sigaction(SIGALRM, &interrupt, &before);
    struct itimerval often = { { 0, 700 }, { 0, 700 } }, never = { { 0, 0 }, { 0, 0 } };
    setitimer(ITIMER_REAL, &often, NULL);
    int error = write_noise(ends[1], 0);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    close(ends[1]);
    pthread_join(thread, NULL);
    close(ends[0]);

    char *data = noise(1 << 20);
    CHECK(error == 0);
    CHECK(signals > 10);
    CHECK(gunzip(packed, r.n, plain) == (1 << 20) + 6 + 6);   /* the empty sample is a tag, a length and two empty lists */
    CHECK(memcmp(plain + 6, data, 1 << 20) == 0);
    free(data);
    free(packed);
    free(plain);
}

int main(void) {
    test_encoding();
    test_long_string();
    test_sample_bounds();
    test_errors();
    test_interrupted_writes();
    return CHECK_DONE();
}
