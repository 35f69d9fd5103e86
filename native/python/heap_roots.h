/* Where a walk begins, in the order in which the answers are useful: all that a group leads to is walked before the next.
 *
 *   modules       sys.modules, the last imported first: who defines a thing is usually imported after, and by, who uses it
 *   interpreter   its dict, codecs, what is registered with atexit and for forks
 *   tasks         asyncio tasks that are not done, found as asyncio.all_tasks() does, without running it
 *   threads       each thread's context, exceptions, dict, and the variables of its frames
 *
 * The frame that asked is left out: it usually has what it asks about in a variable. heap_unreached.h comes back to it.
 * What a frame has on its evaluation stack is not known while it runs, and is not seen. */
#ifndef SPANHEAP_HEAP_ROOTS_H
#define SPANHEAP_HEAP_ROOTS_H

#include "heap_walk.h"

void sh_heap_roots_walk_with_gil(sh_heap_walk *w);

#endif
