/* A dump gets to its place whole or not at all, and neither the copy of the tables nor the file needs one allocation. */
#include "spanheap/dump_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "pprof_reader.h"

enum { BLOCKS = 4000 };

static bool counting;
static unsigned long allocations;

/* glibc lets a program put its own malloc in front; a sanitizer has done so already. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *malloc(size_t n) { return allocations += counting, __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return allocations += counting, __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return allocations += counting, __libc_realloc(p, n); }
#endif

static sh_profile the_profile;
static sh_label_table labels;
static char place[] = "/tmp/spanheap-test-XXXXXX";
static int folder;
static void *memory, *workspace;
static size_t memory_bytes;

static const sh_heap_dump_info INFO = { "python3", NULL, 0, 1, false };

static bool make(void) {
    const sh_profile_options options = {
        .interval = 1.0, .max_samples = BLOCKS, .span_capacity = 16, .seed = 1, .labels = &labels,
    };
    if (!CHECK(sh_profile_init(&the_profile, &options)) || !CHECK(sh_label_table_init(&labels, 100))) return false;
    for (uint32_t n = 0; n < BLOCKS; n++) {
        sh_sample sample = {
            .address = (const void *)(uintptr_t)(64 * (uint64_t)(n + 1)), .size = n + 1, .interval = 1.0f, .share = 1.0f,
        };
        CHECK(sh_profile_record_in_hook(&the_profile, &sample, NULL));
    }
    memory_bytes = sh_heap_snapshot_memory_bytes(&the_profile, 100);
    memory = malloc(memory_bytes);
    workspace = malloc(sh_heap_dump_workspace_bytes(&the_profile.strings, &the_profile.locations));
    folder = mkdtemp(place) ? open(place, O_RDONLY | O_DIRECTORY) : -1;
    return CHECK(memory && workspace && folder >= 0);
}

static unsigned files(void) {
    unsigned n = 0;
    DIR *d = opendir(place);
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.' || e->d_name[1] == 't';
    if (d) closedir(d);
    return n;
}

static int write_it(const char *temporary, const char *name) {
    sh_heap_snapshot s;
    counting = true;
    bool captured = sh_heap_snapshot_capture_into(&s, &the_profile, memory, memory_bytes);
    int error = captured ? sh_dump_file_write(&s, &INFO, folder, temporary, name, workspace) : ENOMEM;
    sh_heap_snapshot_fini(&s);
    counting = false;
    return error;
}

/* It says what the snapshot does, is private, and is alone in the folder. */
static void test_whole(void) {
    CHECK(write_it(".t", "dump") == 0);
    CHECK(allocations == 0);
    int fd = openat(folder, "dump", O_RDONLY);
    struct stat found;
    if (!CHECK(fd >= 0 && fstat(fd, &found) == 0)) return;
    CHECK((found.st_mode & 07777) == 0600 && files() == 1);
    sh_heap_snapshot s;
    if (!CHECK(sh_heap_snapshot_capture(&s, &the_profile))) return;
    profile d = read_profile(fd);
    s.realtime_ns = (int64_t)d.time_ns;   /* of another capture */
    check_consistent(&d, &s);
    CHECK(d.sample_count == BLOCKS);
    free_profile(&d);
    sh_heap_snapshot_fini(&s);
    close(fd);
    unlinkat(folder, "dump", 0);
}

/* The earlier dump stays as it was, and nothing half is left. */
static void test_failures(void) {
    CHECK(symlinkat("/dev/null", folder, "tlink") == 0 && write_it("tlink", "dump") == EEXIST);
    unlinkat(folder, "tlink", 0);
    CHECK(mkdirat(folder, "directory", 0700) == 0 && write_it(".t", "directory") == EISDIR);
    unlinkat(folder, "directory", AT_REMOVEDIR);
    CHECK(write_it(".t", "no/such") == ENOENT);
    CHECK(write_it("no/such", "dump") == ENOENT);
    CHECK(files() == 0);
}

/* Whatever there is less memory than: nothing is captured, nothing is written beyond it. */
static void test_too_little_memory(void) {
    size_t all = memory_bytes, refused = 0;
    for (memory_bytes = 0; memory_bytes < all; memory_bytes += all / 50) {
        void *given = memory;
        memory = malloc(memory_bytes ? memory_bytes : 1);   /* a sanitizer sees what is beyond */
        int error = write_it(".t", "dump");
        refused += error == ENOMEM;
        CHECK(error == 0 || error == ENOMEM);
        unlinkat(folder, "dump", 0);
        free(memory);
        memory = given;
    }
    memory_bytes = all;
    CHECK(refused >= 1);
}

int main(void) {
    if (make()) {
        test_whole();
        test_failures();
        test_too_little_memory();
    }
    free(memory);
    free(workspace);
    rmdir(place);
    sh_label_table_fini(&labels);
    sh_profile_fini(&the_profile);
    return CHECK_DONE();
}
