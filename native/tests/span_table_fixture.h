/* Made-up spans, for the tests of sh_span_table. */
#ifndef SPANHEAP_SPAN_TABLE_FIXTURE_H
#define SPANHEAP_SPAN_TABLE_FIXTURE_H

#include "check.h"
#include "spanheap/span_table.h"

enum { CAPACITY = 24, OBJECTS = 40 };

static const uint32_t pseudo_names[SH_SPAN_FIRST] = { 10, 11, 12, 13 };
static const char types[2];                   /* their addresses stand for type objects */
static _Alignas(16) const char objects[OBJECTS + 1][16];   /* … and these for Span objects */

static inline sh_span_start start_of(uint64_t span_id, uint64_t parent, int object, uint32_t name) {
    return (sh_span_start){
        .trace_high = 1, .trace_low = 2, .span_id = span_id, .parent_span_id = parent, .start_ns = (int64_t)span_id,
        .object = objects[object], .type = &types[0], .name = name,
    };
}

#endif
