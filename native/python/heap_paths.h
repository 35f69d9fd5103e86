/* The paths from roots to what a walk has found, taken out of it: with references of their own, so that they can be
 * looked at once Python code may run again.
 *
 * All paths together are a tree: each object once, with the place of its parent in the same array. Parents stand before their children.
 * A long chain (a linked list) keeps its two ends; `skipped` says how many objects are left out between an object and its parent.
 * Invariant: parent < own place or is a root; every object has one reference more, which fini gives back. */
#ifndef SPANHEAP_HEAP_PATHS_H
#define SPANHEAP_HEAP_PATHS_H

#include "heap_walk.h"

enum {
    SH_PATH_END = 24,              /* objects kept at each end of a path */
    SH_MAX_PATH_OBJECTS = 1 << 16, /* of all paths; targets past it are counted as hits without a path */
};

/* False: no memory. Neither allocates from a Python domain nor runs Python code. */
bool sh_heap_paths_take_with_gil(sh_heap_paths *p, const sh_heap_walk *w);

#endif
