/* What no root leads to: held by C, or garbage.
 *
 * As the collector does it: of the tracked objects that the walk from the roots did not meet, the references among themselves
 * are counted. Who has more references than that is held by something that is not seen: an extension's variable, an evaluation stack, a
 * container without tp_traverse; what they lead to is walked from them. Then comes the frame that asked. The rest is held by itself
 * alone, and waits for the collector. Usually this is a small part of the heap; it is skipped when the budget was used up before. */
#ifndef SPANHEAP_HEAP_UNREACHED_H
#define SPANHEAP_HEAP_UNREACHED_H

#include "heap_walk.h"

void sh_heap_unreached_walk_with_gil(sh_heap_walk *w);

#endif
