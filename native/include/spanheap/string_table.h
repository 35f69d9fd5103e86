/* Interned strings: span names, function names, file names, thread names.
 *
 * Append-only and bounded twice, by count and by bytes. An id, once given, stays valid for the life of the table, so
 * snapshots and the dump writer may read it without a lock while it grows. What does not fit gets SH_STRING_OTHER and is
 * counted in `overflowed`: a service that puts ids into span names loses names, never memory. Part of the table may be
 * reserved for names that nobody makes of ids, those of code: such a service keeps its lines.
 *
 * Invariant: strings lie back to back: offset[i + 1] = offset[i] + length[i]; ids 0 and 1 are "" and "<other>".
 * Thread rules: writers hold the GIL; readers of ids below `count` need nothing. */
#ifndef SPANHEAP_STRING_TABLE_H
#define SPANHEAP_STRING_TABLE_H

#include "spanheap/name_log.h"
#include "spanheap/platform.h"

enum { SH_STRING_EMPTY = 0, SH_STRING_OTHER = 1, SH_STRING_MAX_BYTES = 1024 };

typedef struct {
    char *bytes;
    uint32_t *offset;      /* capacity + 1 entries; offset[count] is the first free byte */
    uint32_t *index;       /* open addressing: id + 1, 0 = empty */
    uint32_t capacity, max_bytes;
    uint32_t open_capacity, open_bytes;   /* for names of the application: all of it, unless reserved */
    _Atomic uint32_t count;
    unsigned index_bits;
    uint64_t overflowed;
    sh_name_log *log;      /* every string is entered there as well; NULL: nowhere */
} sh_string_table;

typedef struct { const char *data; uint32_t length; } sh_string;

bool sh_string_table_init(sh_string_table *t, uint32_t capacity, uint32_t max_bytes);
void sh_string_table_fini(sh_string_table *t);
/* The last quarter, of count and bytes, is for sh_string_table_intern alone. */
void sh_string_table_reserve(sh_string_table *t);
/* Longer strings are cut at SH_STRING_MAX_BYTES (at a UTF-8 boundary). */
uint32_t sh_string_table_intern(sh_string_table *t, const char *data, size_t length);
/* The same for names that the application makes, of ids maybe: what is reserved is not theirs. */
uint32_t sh_string_table_intern_open(sh_string_table *t, const char *data, size_t length);
/* Enters the strings that there are, and from now on every new one; NULL: no more. */
void sh_string_table_set_log(sh_string_table *t, sh_name_log *log);
sh_string sh_string_table_get(const sh_string_table *t, uint32_t id);
size_t sh_string_table_memory(const sh_string_table *t);
bool sh_string_table_valid(const sh_string_table *t);

#endif
