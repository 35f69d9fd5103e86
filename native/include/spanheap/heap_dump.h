/* Writes a heap snapshot as an annotated pprof profile.
 *
 * Sample types, in this order: alloc_objects/count, alloc_space/bytes, inuse_objects/count, inuse_space/bytes. Values are
 * estimates (already unsampled), whole numbers, and rounded so that for each type
 *      |sum of the written values - the snapshot's sum| <= 1.
 * A live sample is one pprof sample, alloc = inuse, with the labels trace_id (32 hex digits), span_id (16), span_name,
 * root_span_name, thread, sampled ("false", where the trace is not exported), the application's own labels, and the number
 * `bytes`, the size of the sampled block; what is no span has no trace_id and span_id.
 * A row of the totals is one sample with inuse = 0 and the labels span_name and root_span_name.
 * Location ids are the profile's; the stack that is not known is one location more, "<unknown stack>".
 *
 * Thread rules: needs no GIL and allocates nothing; the snapshot is only read, and its tables may grow meanwhile. */
#ifndef SPANHEAP_HEAP_DUMP_H
#define SPANHEAP_HEAP_DUMP_H

#include "spanheap/heap_snapshot.h"

typedef struct {
    const char *program;           /* what was profiled, the "File:" of a viewer; NULL: not said */
    const char *const *comments;   /* UTF-8, as is all text here */
    size_t comment_count;
    int64_t duration_ns;           /* since profiling began; 0: not said */
    bool allocated;                /* what a viewer shows first: all that was allocated, instead of what is in use */
} sh_heap_dump_info;

/* Depends on the capacity of the tables only, not on what is in them: one workspace, made at start (malloc's alignment, any
 * contents), serves every dump. */
size_t sh_heap_dump_workspace_bytes(const sh_string_table *strings, const sh_location_table *locations);

/* Returns 0, or an errno: what is in the file is then of no use. Does not close, sync or rename. */
int sh_heap_dump_write(const sh_heap_snapshot *s, const sh_heap_dump_info *info, int fd, void *workspace);

#endif
