#define _GNU_SOURCE   /* mremap */
#include "spanheap/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <zlib.h>

#define CHECK_OF(object) ((uint32_t)crc32(0, (const Bytef *)(object), offsetof(__typeof__(*(object)), check)))

/* ------------------------------------------------------------------ layout */

static size_t whole_pages(size_t bytes) { return (bytes + SH_RECORDER_PAGE - 1) & ~(size_t)(SH_RECORDER_PAGE - 1); }

/* Returns the size of the file. */
static size_t lay_out(const sh_recorder_options *o, sh_recorder_section sections[SH_SECTIONS]) {
    const sh_recorder_section kinds[SH_SECTIONS] = {
        [SH_SECTION_ENDS] = { .count = SH_END_KINDS, .slot_bytes = sizeof(sh_recorder_end_mark) },
        [SH_SECTION_CURVE] = { .count = SH_RECORDER_POINTS, .slot_bytes = sizeof(sh_recorder_point) },
        [SH_SECTION_NAMES] = { .count = o->name_capacity, .slot_bytes = sizeof(sh_name_entry) },
        [SH_SECTION_NAME_BYTES] = { .count = o->name_bytes, .slot_bytes = 1 },
        [SH_SECTION_ACTIVE] = { .count = o->active_capacity, .slot_bytes = sizeof(sh_active_slot) },
        [SH_SECTION_SITES] = { .count = 2, .slot_bytes = sizeof(sh_top_buffer) },
        [SH_SECTION_RING] = { .count = sh_span_ring_bytes(&o->ring), .slot_bytes = 1 },
    };
    size_t offset = SH_RECORDER_PAGE;
    for (int i = 0; i < SH_SECTIONS; i++) {
        sections[i] = kinds[i];
        sections[i].offset = offset;
        offset += whole_pages(kinds[i].count * kinds[i].slot_bytes);
    }
    return offset + SH_RECORDER_PAGE;
}

size_t sh_recorder_bytes(const sh_recorder_options *options) {
    sh_recorder_section sections[SH_SECTIONS];
    return lay_out(options, sections);
}

static void *section_of(const sh_recorder *r, sh_recorder_section_kind kind) {
    sh_recorder_section sections[SH_SECTIONS];
    lay_out(&r->options, sections);
    return r->region + sections[kind].offset;
}

void *sh_recorder_ring_memory(const sh_recorder *r) { return section_of(r, SH_SECTION_RING); }

/* ------------------------------------------------------------------ fork */

static sh_recorder *attached;   /* the one whose region must not stay the parent's file in a child */

/* The same addresses, zeroed and private: whoever writes there next writes for the child alone. Before anything else runs in
 * the child, and only by a system call. */
static void leave_file_to_parent(void) {
    sh_recorder *r = attached;
    if (!r) return;
    mmap(r->region, r->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    r->attached = false;
    r->points = r->top.written = 0;
    attached = NULL;
}

/* ------------------------------------------------------------------ life */

bool sh_recorder_init(sh_recorder *r, const sh_recorder_options *options) {
    static bool forks_known;
    *r = (sh_recorder){ .options = *options, .bytes = sh_recorder_bytes(options) };
    r->region = sh_pages_map(r->bytes);
    if (!r->region) return false;
    r->names = (sh_name_log){
        .entries = section_of(r, SH_SECTION_NAMES), .bytes = section_of(r, SH_SECTION_NAME_BYTES),
        .capacity = options->name_capacity, .max_bytes = options->name_bytes,
    };
    if (!sh_active_slots_init(&r->active, section_of(r, SH_SECTION_ACTIVE), options->active_capacity)
        || !sh_top_sites_init(&r->top, section_of(r, SH_SECTION_SITES), options->stack_capacity)
        || (!forks_known && pthread_atfork(NULL, NULL, leave_file_to_parent) != 0)) {
        sh_recorder_fini(r);
        return false;
    }
    forks_known = true;
    return true;
}

void sh_recorder_fini(sh_recorder *r) {
    if (attached == r) attached = NULL;
    sh_pages_unmap(r->region, r->bytes);
    sh_active_slots_fini(&r->active);
    sh_top_sites_fini(&r->top);
    *r = (sh_recorder){ 0 };
}

/* ------------------------------------------------------------------ to a file and back */

/* Pages of nothing but zeros are as they should be in fresh memory, and cost none if they are not touched. */
static void copy_pages(char *to, const char *from, size_t bytes) {
    static const char zeros[SH_RECORDER_PAGE];
    for (size_t at = 0; at < bytes; at += SH_RECORDER_PAGE)
        if (memcmp(from + at, zeros, SH_RECORDER_PAGE) != 0) memcpy(to + at, from + at, SH_RECORDER_PAGE);
}

static bool move_to(void *pages, size_t bytes, void *place) {
    return mremap(pages, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place;
}

static void write_headers(const sh_recorder *r, char *file, const sh_recorder_identity *identity) {
    sh_recorder_header header = {
        .magic = SH_RECORDER_MAGIC, .version = SH_RECORDER_VERSION, .section_count = SH_SECTIONS, .file_bytes = r->bytes,
        .identity = *identity, .sample_interval = r->options.sample_interval, .tick_ns = r->options.tick_ns,
        .ring_capacity = r->options.ring.capacity, .ring_stripes = r->options.ring.stripes,
        .ring_policy = r->options.ring.policy, .ring_ttl_ns = r->options.ring.ttl_ns, .ring_epoch_ns = r->options.ring.epoch_ns,
    };
    lay_out(&r->options, header.sections);
    header.check = CHECK_OF(&header);
    memcpy(file + r->bytes - SH_RECORDER_PAGE, &header, sizeof header);
    memcpy(file, &header, sizeof header);
}

int sh_recorder_attach(sh_recorder *r, int fd, const sh_recorder_identity *identity) {
    if (attached) return EBUSY;
    /* Every byte of it now: a page that finds no room on the disk later would be a SIGBUS in the service. */
    int error = posix_fallocate(fd, 0, (off_t)r->bytes);
    if (error) return error;
    char *file = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED) return errno;
    copy_pages(file, r->region, r->bytes);
    write_headers(r, file, identity);
    if (!move_to(file, r->bytes, r->region)) {
        error = errno;
        munmap(file, r->bytes);
        return error;
    }
    r->attached = true;
    attached = r;
    return 0;
}

bool sh_recorder_detach(sh_recorder *r) {
    if (!r->attached) return true;
    char *pages = sh_pages_map(r->bytes);
    if (!pages) return false;
    copy_pages(pages, r->region, r->bytes);
    if (!move_to(pages, r->bytes, r->region)) {
        sh_pages_unmap(pages, r->bytes);
        return false;
    }
    r->attached = false;
    attached = NULL;
    return true;
}

/* ------------------------------------------------------------------ points and ends */

void sh_recorder_add_point(sh_recorder *r, const sh_recorder_point *point) {
    sh_recorder_point *slot = (sh_recorder_point *)section_of(r, SH_SECTION_CURVE) + r->points % SH_RECORDER_POINTS;
    sh_recorder_point whole = *point;
    whole.number = ++r->points;
    whole.check = CHECK_OF(&whole);
    *slot = whole;   /* one that is cut short by a kill has a wrong checksum */
}

/* A signal may come in between, and end it again: a mark is only ever written once. */
void sh_recorder_end(sh_recorder *r, sh_end_kind kind, int32_t code, const char *text, size_t length) {
    sh_recorder_end_mark *slot = (sh_recorder_end_mark *)section_of(r, SH_SECTION_ENDS) + kind;
    if (!r->region || slot->kind) return;
    sh_recorder_end_mark mark = {
        .kind = kind + 1, .code = code, .realtime_ns = sh_clock_ns(CLOCK_REALTIME), .monotonic_ns = sh_clock_ns(CLOCK_MONOTONIC),
        .length = length < sizeof mark.text ? (uint32_t)length : sizeof mark.text,
    };
    memcpy(mark.text, text, mark.length);
    mark.check = CHECK_OF(&mark);
    *slot = mark;
}

/* ------------------------------------------------------------------ checking */

bool sh_recorder_valid(const sh_recorder *r) {
    sh_recorder_section sections[SH_SECTIONS];
    size_t bytes = lay_out(&r->options, sections), end = SH_RECORDER_PAGE;
    for (int i = 0; i < SH_SECTIONS; i++) {
        if (sections[i].offset % SH_RECORDER_PAGE || sections[i].offset < end) return false;
        end = sections[i].offset + sections[i].count * sections[i].slot_bytes;
    }
    if (bytes != r->bytes || end > bytes - SH_RECORDER_PAGE) return false;
    const sh_recorder_header *first = (const sh_recorder_header *)r->region;
    if (r->attached && (first->magic != SH_RECORDER_MAGIC || first->check != CHECK_OF(first) || first->file_bytes != bytes
                        || memcmp(first, r->region + bytes - SH_RECORDER_PAGE, sizeof *first) != 0))
        return false;
    const sh_recorder_point *points = section_of(r, SH_SECTION_CURVE);
    for (uint64_t number = r->points > SH_RECORDER_POINTS ? r->points - SH_RECORDER_POINTS + 1 : 1; number <= r->points; number++) {
        const sh_recorder_point *point = &points[(number - 1) % SH_RECORDER_POINTS];
        if (point->number != number || point->check != CHECK_OF(point)) return false;
    }
    return sh_name_log_valid(&r->names) && sh_active_slots_valid(&r->active) && sh_top_sites_valid(&r->top);
}
