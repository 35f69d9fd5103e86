/* The memory of arrays: what extensions tell tracemalloc of, seen without tracemalloc.
 *
 * numpy takes an array's data from malloc itself, past Python's allocators, and tells of it by PyTraceMalloc_Track and
 * PyTraceMalloc_Untrack, which it calls whether tracemalloc is on or not. Such a call goes through an entry of the calling
 * library's global offset table (GOT). Here each loaded library's entries for the two are pointed at functions of ours,
 * which count what passes and then call the real ones.
 *
 * Invariants: an entry is changed only when it holds the real function's address or is still to be resolved (it points into
 * its own library); what another tool has put there stays. A page has the protection afterwards that it had before.
 * Entries stay changed for the life of the process, as the RAW hook does: after a stop they pass everything through, and
 * so nothing is ever written into a library that may have been unloaded.
 * Not changed: the library or program that has the two functions, the main program, and this library.
 * Thread rules: sh_got_patch_with_gil from the start and the tick only. It holds the dynamic linker's list lock while it
 * looks, and under it takes no lock, allocates nothing and calls no Python. Our functions are called on any thread. */
#ifndef SPANHEAP_GOT_PATCH_H
#define SPANHEAP_GOT_PATCH_H

#include "python_compat.h"

typedef struct {
    uint32_t patched;   /* entries changed so far */
    uint32_t foreign;   /* at the last look: entries that hold something else, left alone */
    uint32_t failed;    /* at the last look: entries that could not be written (no /proc, or the kernel forbids it) */
    uint32_t looks;     /* times that all libraries were looked through */
} sh_got_counts;

/* Changes the entries of libraries that were loaded since the last call; when there are none, this is one look at a count. */
void sh_got_patch_with_gil(void);
sh_got_counts sh_got_patch_counts(void);

#endif
