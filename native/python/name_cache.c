#include "name_cache.h"

#include "symbols.h"

enum { MAX_LENGTH = 256 };

uint32_t sh_name_cache_intern_with_gil(sh_name_cache *cache, sh_string_table *strings, PyObject *name) {
    uint32_t number = sh_symbols_intern_with_gil(strings, name);
    if (PyUnicode_CheckExact(name) && PyUnicode_GET_LENGTH(name) <= MAX_LENGTH && number != SH_STRING_OTHER) {
        sh_cached_name *place = &cache->places[sh_name_cache_place(name)], before = *place;
        Py_INCREF(name);
        *place = (sh_cached_name){ name, number };
        Py_XDECREF(before.name);   /* a str, whose end runs no code */
    }
    return number;
}

void sh_name_cache_clear_with_gil(sh_name_cache *cache) {
    for (size_t i = 0; i < SH_NAME_CACHE_PLACES; i++) Py_CLEAR(cache->places[i].name);
}
