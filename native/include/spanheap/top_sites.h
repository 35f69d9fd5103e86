/* The largest sites and spans of a profile, as a recorder file has them: complete in itself, with names by the numbers of the
 * file's names.
 *
 * There are two buffers and each writing takes the one that is older: if the process dies meanwhile, the other is whole. What
 * is written carries the number of its writing and a CRC-32, each site and each span of its own: a reader loses those that
 * are damaged and no more, and never takes those of two writings for one.
 *
 * Invariant of what is written: sites and spans are in descending order of bytes; bytes of a site >= the sum over its names.
 * Thread rules: everything here needs the GIL. Nothing is allocated after init. */
#ifndef SPANHEAP_TOP_SITES_H
#define SPANHEAP_TOP_SITES_H

#include "spanheap/profile.h"

enum { SH_TOP_SITES = 64, SH_TOP_SPANS = 64, SH_TOP_FRAMES = 31, SH_TOP_NAMES = 4 };

typedef struct { uint32_t name, root_name, samples, unused; double bytes; } sh_top_name;
typedef struct { uint32_t function, filename, line; } sh_top_frame;   /* function SH_STRING_EMPTY: not looked up yet */

typedef struct {
    uint64_t number;                      /* of the writing */
    double bytes, objects;                /* live, estimated */
    uint32_t samples;
    uint32_t depth;                       /* of the stack; the frames next to the leaf are kept */
    uint32_t frame_count, name_count;
    sh_top_name names[SH_TOP_NAMES];      /* the spans with most of it */
    sh_top_frame frames[SH_TOP_FRAMES];   /* leaf first */
    uint32_t check;                       /* of all before it */
} sh_top_site;

typedef struct {
    uint64_t number;
    double bytes, objects;
    uint32_t samples, name, root_name;
    uint32_t check;
} sh_top_span;

typedef struct {
    uint64_t number;                      /* 1, 2, ...; 0: none, or being written */
    int64_t realtime_ns;
    double live_bytes, live_objects, interval;
    uint64_t live_samples;
    uint32_t site_count, span_count;
    uint32_t unused, check;
    sh_top_site sites[SH_TOP_SITES];
    sh_top_span spans[SH_TOP_SPANS];
} sh_top_buffer;

_Static_assert(sizeof(sh_top_site) == 512 && sizeof(sh_top_span) == 40 && offsetof(sh_top_buffer, sites) == 64
               && sizeof(sh_top_buffer) == 64 + 64 * 512 + 64 * 40, "the layout of files");

typedef struct sh_top_row sh_top_row;
typedef struct sh_top_stack sh_top_stack;

typedef struct {
    sh_top_buffer *buffers;               /* two */
    uint64_t written;
    sh_top_row *rows, *span_rows;         /* work space */
    sh_top_stack *stacks;
    uint32_t stack_capacity, row_count, span_row_count;
    uint32_t largest[SH_TOP_SITES], largest_count;   /* the stacks that were written last */
} sh_top_sites;

/* `buffers`: zeroed. stack_capacity: that of the profiles that will be written. False: no memory. */
bool sh_top_sites_init(sh_top_sites *t, sh_top_buffer *buffers, uint32_t stack_capacity);
void sh_top_sites_fini(sh_top_sites *t);
void sh_top_sites_write(sh_top_sites *t, sh_profile *p, int64_t realtime_ns);
/* The buffer that was written last and is whole; NULL: none is. */
const sh_top_buffer *sh_top_sites_last(const sh_top_buffer buffers[2]);
bool sh_top_sites_valid(const sh_top_sites *t);

#endif
