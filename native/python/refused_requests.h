/* Requests that the system refused: what an emergency dump is written for.
 *
 * Of all since the last look only the smallest is kept, as one that is larger than the machine says nothing about the heap.
 * Thread rules: any thread, with or without the GIL. Two at once may leave the larger of theirs. */
#ifndef SPANHEAP_REFUSED_REQUESTS_H
#define SPANHEAP_REFUSED_REQUESTS_H

#include "spanheap/platform.h"

/* The allocator beneath has given NULL for so many bytes. */
SH_COLD void sh_refused_note_in_hook(size_t size);
/* Whether the system has refused memory since the last call, and for less than so many bytes. */
bool sh_refused_take(size_t below);

#endif
