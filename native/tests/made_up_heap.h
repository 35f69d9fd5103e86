/* A made-up heap: aligned addresses at irregular distances. Nothing is ever stored at them. */
#ifndef SPANHEAP_MADE_UP_HEAP_H
#define SPANHEAP_MADE_UP_HEAP_H

#include "spanheap/live_table.h"

static inline const void *address_of(uint32_t i) {
    return (const void *)(uintptr_t)(0x7f0000000000u + (uint64_t)i * 544 + (i % 7) * 16);
}

/* The sample's span is the number of its address. */
static inline sh_sample sample_at(uint32_t i, uint64_t size, double interval) {
    return (sh_sample){ .address = address_of(i), .size = size, .interval = (float)interval, .share = 1.0f, .span = i };
}

#endif
