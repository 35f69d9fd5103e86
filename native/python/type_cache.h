/* Undoing the one place where being sampled changes how long an object lives.
 *
 * CPython's method cache holds a reference to the attribute name of each of its 4,096 entries, in a slot that depends on the name's
 * *address*. A name made on the fly (getattr(x, "do_" + verb)) usually gets the address of the one before, and so its slot, which
 * lets the one before go. A sampled one stands elsewhere, in a slot of its own, and would stay: a leak of our own making, and
 * each such sample would count for a whole interval. So the tick, and each snapshot, lets go of sampled names that nothing but the
 * cache holds.
 *
 * Where the cache lies is an offset in a structure private to the interpreter, so it is looked for by a name put there on purpose, and
 * nothing is touched when that is not found. */
#ifndef SPANHEAP_TYPE_CACHE_H
#define SPANHEAP_TYPE_CACHE_H

#include "python_compat.h"
#include "spanheap/live_table.h"

/* Returns how many were let go, or -1 if the cache cannot be found. */
int sh_type_cache_release_with_gil(sh_live_table *live);

#endif
