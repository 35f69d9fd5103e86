/* The strings of a string table, written a second time where they outlive the process: the names in a recorder file.
 *
 * Append-only, under the ids of the string table, and in step with it: an id that a span or a site is recorded with is
 * always there already. Every entry carries a checksum of its text, so that a reader loses a damaged name and no more.
 *
 * Invariant: entry i is zero, or whole: number = i + 1, offset + length <= max_bytes, check = CRC-32 of the text.
 * Thread rules: writers hold the GIL. */
#ifndef SPANHEAP_NAME_LOG_H
#define SPANHEAP_NAME_LOG_H

#include "spanheap/platform.h"

typedef struct {
    uint32_t offset, length, check;
    _Atomic uint32_t number;   /* id + 1, stored last; 0 = not there */
} sh_name_entry;

_Static_assert(sizeof(sh_name_entry) == 16, "the layout of files");

typedef struct {
    sh_name_entry *entries;    /* `capacity` of them */
    char *bytes;
    uint32_t capacity, max_bytes;
} sh_name_log;

/* Text at this offset of the log's bytes, which is the caller's to choose: it does not overlap with others. What has no
 * room is not entered. */
void sh_name_log_add(sh_name_log *log, uint32_t id, uint32_t offset, const char *data, uint32_t length);
bool sh_name_log_valid(const sh_name_log *log);

#endif
