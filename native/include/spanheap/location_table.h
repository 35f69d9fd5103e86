/* Resolved frames: function, file, line. What a dump prints, with no code object left in it.
 *
 * Append-only and bounded like string_table.h, and with the same rules: ids are valid for the life of the table, readers of
 * ids below `count` need no lock, what does not fit becomes SH_LOCATION_OTHER and is counted. Id 0 is "not resolved yet". */
#ifndef SPANHEAP_LOCATION_TABLE_H
#define SPANHEAP_LOCATION_TABLE_H

#include "spanheap/platform.h"

enum { SH_LOCATION_OTHER = 1 };

typedef struct { uint32_t function, filename, line, first_line; } sh_location;   /* two string ids, two line numbers */

typedef struct {
    sh_location *locations;
    uint32_t *index;       /* id, 0 = empty */
    uint32_t capacity, count;
    unsigned index_bits;
    uint64_t overflowed;
} sh_location_table;

bool sh_location_table_init(sh_location_table *t, uint32_t capacity);
void sh_location_table_fini(sh_location_table *t);
uint32_t sh_location_table_intern(sh_location_table *t, sh_location location);
size_t sh_location_table_memory(const sh_location_table *t);

#endif
