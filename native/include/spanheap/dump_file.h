/* A dump that gets to its place whole, without one allocation: what works when no memory is to be had.
 *
 *      open temporary (new, 0600, no links) ──► sh_heap_dump_write ──► fsync ──► rename to name ──► fsync the folder
 *
 * Invariant: `name` is absent, what it was before, or complete; whatever fails, `temporary` is removed.
 * Thread rules: needs no GIL; a workspace serves one dump at a time. */
#ifndef SPANHEAP_DUMP_FILE_H
#define SPANHEAP_DUMP_FILE_H

#include "spanheap/heap_dump.h"

/* folder: a descriptor of the directory that both names are in. Returns 0 or an errno. */
int sh_dump_file_write(const sh_heap_snapshot *s, const sh_heap_dump_info *info, int folder, const char *temporary,
                       const char *name, void *workspace);

#endif
