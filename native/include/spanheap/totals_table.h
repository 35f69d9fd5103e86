/* What was allocated and is gone: sums per (stack, span name, local root name).
 *
 * Samples are added when they are folded (released and past the tick), so by then most spans have their final name.
 * Bounded: a combination that finds no room is added to the row of SH_STACK_OTHER with the name "<other>" and counted; a stack that
 * is evicted gives its rows to SH_STACK_OTHER too. The sum over all rows is always complete.
 * Thread rules: everything here needs the GIL. */
#ifndef SPANHEAP_TOTALS_TABLE_H
#define SPANHEAP_TOTALS_TABLE_H

#include "spanheap/platform.h"

typedef struct {
    uint32_t stack, name, root_name, used;
    uint64_t samples;
    double bytes, objects;   /* estimates */
} sh_total;

typedef struct {
    sh_total *rows;          /* open addressing; row `1 << bits` is the overflow row */
    unsigned bits;
    uint32_t count;
    uint64_t overflowed;
    double bytes, objects;   /* sums over all rows */
    uint64_t samples;
} sh_totals_table;

bool sh_totals_table_init(sh_totals_table *t, unsigned bits);
void sh_totals_table_fini(sh_totals_table *t);
void sh_totals_table_clear(sh_totals_table *t);
void sh_totals_table_add(sh_totals_table *t, uint32_t stack, uint32_t name, uint32_t root_name, double bytes, double objects);
/* Before the ids of these stacks are used again. `gone` has a bit per stack id. */
void sh_totals_table_forget_stacks(sh_totals_table *t, const uint8_t *gone, uint32_t stack_count);
/* Copies the used rows; room for sh_totals_table_count. Returns their number. */
uint32_t sh_totals_table_copy(const sh_totals_table *t, sh_total *out);
uint32_t sh_totals_table_count(const sh_totals_table *t);
bool sh_totals_table_crowded(const sh_totals_table *t);   /* more than half of the rows are in use */
size_t sh_totals_table_memory(const sh_totals_table *t);
bool sh_totals_table_valid(const sh_totals_table *t);

#endif
