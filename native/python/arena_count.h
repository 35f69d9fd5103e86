/* How many bytes of arenas pymalloc has taken since the session started, and still has.
 *
 * pymalloc takes memory for small blocks in arenas (1 MiB each) and gives one back when no block is left in it: arenas far
 * above what is live in them are fragmentation, which no count of blocks can show.
 *
 * Invariant: the bytes are those of the arenas in the table. Arenas of before the start are not in it, as live blocks of before
 * are in no sample, and their release changes nothing. Past SH_ARENAS_MAX (8 GiB) arenas are not counted.
 * Thread rules: start and stop with the GIL; the wrapper is called with some interpreter's GIL, so the table is lock-free. It
 * passes every call on, stands in front of what was there, and leaves at the stop unless another tool stands in front of it. */
#ifndef SPANHEAP_ARENA_COUNT_H
#define SPANHEAP_ARENA_COUNT_H

#include "python_compat.h"

enum { SH_ARENAS_MAX = 8192 };

void sh_arenas_start_with_gil(void);
void sh_arenas_stop_with_gil(void);
uint64_t sh_arenas_bytes(void);

#endif
