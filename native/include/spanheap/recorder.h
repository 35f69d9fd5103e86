/* The flight recorder: what a process was doing, in one file of fixed size, to be read after any death of the process.
 *
 *      page 0       header: sizes, clocks, whose file it is; never changed. Again in the last page
 *      ends         how it ended, if it could say
 *      curve        a ring of points: resident memory, live bytes, the memory limit
 *      names        entries and bytes (name_log.h)
 *      active       spans that are active (active_slots.h)
 *      top sites    two buffers (top_sites.h)
 *      ring         spans that have ended (span_ring.h)
 *
 * All this is one region of memory at one address. It begins as private pages; attached to a file, the same addresses are pages
 * of that file, which stay with the kernel whatever becomes of the process (not of the machine). Detached, or in
 * the child of a fork, it is private pages again: those who write into it need not know.
 *
 * The header has a CRC-32, and so has every end and every point; the other sections say themselves how a reader tells a
 * whole slot from one whose writer was killed or that was damaged. All numbers are little-endian, offsets are from the
 * start of the file.
 *
 * Invariant: sections do not overlap, lie on page boundaries and end before the second header, which ends the file.
 * Thread rules: everything here needs the GIL but sh_recorder_end, which is safe in a signal handler. Nothing is allocated
 * after init. */
#ifndef SPANHEAP_RECORDER_H
#define SPANHEAP_RECORDER_H

#include "spanheap/active_slots.h"
#include "spanheap/name_log.h"
#include "spanheap/span_ring.h"
#include "spanheap/top_sites.h"

#define SH_RECORDER_MAGIC UINT64_C(0x4345525F50414853)   /* "SHAP_REC" */

enum {
    SH_RECORDER_VERSION = 1,
    SH_RECORDER_PAGE = 4096,
    SH_RECORDER_POINTS = 3600,   /* an hour of seconds */
    SH_RECORDER_TEXT = 64,
};

typedef enum {
    SH_SECTION_ENDS, SH_SECTION_CURVE, SH_SECTION_NAMES, SH_SECTION_NAME_BYTES, SH_SECTION_ACTIVE, SH_SECTION_SITES, SH_SECTION_RING,
    SH_SECTIONS
} sh_recorder_section_kind;

typedef struct { uint64_t offset, count; uint32_t slot_bytes, unused; } sh_recorder_section;

/* Whose file it is. */
typedef struct {
    uint8_t boot_id[16];
    uint64_t pid, pid_namespace;
    uint64_t process_start;          /* clock ticks after boot, as /proc says */
    int64_t realtime_ns, monotonic_ns;   /* of one moment, when the file was made */
    char program[SH_RECORDER_TEXT], service[SH_RECORDER_TEXT], python[SH_RECORDER_TEXT], spanheap[SH_RECORDER_TEXT];   /* UTF-8, zero-padded */
} sh_recorder_identity;

typedef struct {
    uint64_t magic;
    uint32_t version, section_count;
    uint64_t file_bytes;
    sh_recorder_identity identity;
    double sample_interval;
    int64_t tick_ns;                 /* 0: whenever the application wants */
    uint32_t ring_capacity, ring_stripes, ring_policy, unused;
    int64_t ring_ttl_ns, ring_epoch_ns;
    sh_recorder_section sections[SH_SECTIONS];
    uint32_t unused_too, check;
} sh_recorder_header;

/* The place of an end among the ends: each is written once at most. */
typedef enum { SH_END_CLEAN, SH_END_EXCEPTION, SH_END_SIGNAL, SH_END_REPORTED, SH_END_KINDS } sh_end_kind;

typedef struct {
    uint32_t kind;                   /* + 1; 0: it did not end so */
    int32_t code;                    /* of a signal: its number */
    int64_t realtime_ns, monotonic_ns;
    uint32_t length;
    char text[224];                  /* of an exception: the name of its type */
    uint32_t check;
} sh_recorder_end_mark;

typedef struct {
    uint64_t number;                 /* 1, 2, ...; its place is (number - 1) % SH_RECORDER_POINTS */
    int64_t realtime_ns;
    uint64_t resident_bytes, used_bytes, limit_bytes;   /* used: of the limit; 0: not known, no limit */
    double live_bytes;
    uint32_t active_spans, samples;
    uint32_t unused, check;
} sh_recorder_point;

_Static_assert(sizeof(sh_recorder_section) == 24 && sizeof(sh_recorder_identity) == 56 + 4 * SH_RECORDER_TEXT
               && sizeof(sh_recorder_header) == 24 + 312 + 48 + SH_SECTIONS * 24 + 8 && sizeof(sh_recorder_header) <= SH_RECORDER_PAGE
               && sizeof(sh_recorder_end_mark) == 256 && sizeof(sh_recorder_point) == 64, "the layout of files");

typedef struct {
    sh_ring_options ring;
    uint32_t active_capacity, name_capacity, name_bytes, stack_capacity;
    double sample_interval;
    int64_t tick_ns;
} sh_recorder_options;

typedef struct {
    sh_recorder_options options;
    char *region;
    size_t bytes;
    bool attached;
    uint64_t points;
    sh_name_log names;
    sh_active_slots active;
    sh_top_sites top;
} sh_recorder;

size_t sh_recorder_bytes(const sh_recorder_options *options);
/* At most one recorder that is in use may be attached at a time: the child of a fork detaches it by itself. False: no memory. */
bool sh_recorder_init(sh_recorder *r, const sh_recorder_options *options);
void sh_recorder_fini(sh_recorder *r);

/* Gives the file its size and makes the region pages of it, with what is in the region. Returns 0, or an errno: then the region
 * is as it was and of the file there may be a part. The descriptor stays the caller's, who may close it. */
int sh_recorder_attach(sh_recorder *r, int fd, const sh_recorder_identity *identity);
/* From here on the file is left alone. False: there is no memory for that, and it stays attached. */
bool sh_recorder_detach(sh_recorder *r);

/* Zeroed memory of sh_span_ring_bytes(&options->ring), for the ring of ended spans. */
void *sh_recorder_ring_memory(const sh_recorder *r);

void sh_recorder_add_point(sh_recorder *r, const sh_recorder_point *point);   /* number and check are filled in */
/* Longer texts are cut. */
void sh_recorder_end(sh_recorder *r, sh_end_kind kind, int32_t code, const char *text, size_t length);

bool sh_recorder_valid(const sh_recorder *r);

#endif
