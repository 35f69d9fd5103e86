/* Numbers of names that come again and again as the same object: names of spans are constants of the code, mostly.
 *
 * Direct-mapped, so it forgets when two names share a place. It keeps its names alive: a long one is looked up each time. */
#ifndef SPANHEAP_NAME_CACHE_H
#define SPANHEAP_NAME_CACHE_H

#include "python_compat.h"
#include "spanheap/string_table.h"

enum { SH_NAME_CACHE_BITS = 6, SH_NAME_CACHE_PLACES = 1 << SH_NAME_CACHE_BITS };

typedef struct { PyObject *name; uint32_t number; } sh_cached_name;
typedef struct { sh_cached_name places[SH_NAME_CACHE_PLACES]; } sh_name_cache;   /* zeros: empty */

/* Of the table that this cache is for. SH_STRING_OTHER for what is no str or finds no room, which the table counts each time. */
uint32_t sh_name_cache_intern_with_gil(sh_name_cache *cache, sh_string_table *strings, PyObject *name);

static inline size_t sh_name_cache_place(PyObject *name) { return sh_hash_address(name) >> (64 - SH_NAME_CACHE_BITS); }

/* A miss may run a collection, hence any code: `name` must be kept alive by the caller, and nothing borrowed be used after it. */
static inline uint32_t sh_name_cache_number_with_gil(sh_name_cache *cache, sh_string_table *strings, PyObject *name) {
    const sh_cached_name *cached = &cache->places[sh_name_cache_place(name)];
    return SH_LIKELY(cached->name == name) ? cached->number : sh_name_cache_intern_with_gil(cache, strings, name);
}

void sh_name_cache_clear_with_gil(sh_name_cache *cache);

#endif
