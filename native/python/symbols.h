/* Names for frames: (code, offset) -> function, file, line. Run by the tick, in small portions, and by a dump for the rest. */
#ifndef SPANHEAP_SYMBOLS_H
#define SPANHEAP_SYMBOLS_H

#include "python_compat.h"
#include "spanheap/profile.h"

/* Resolves stacks until about max_frames frames are looked up, those used since the last tick first: what a service has
 * imported can wait for what it does. Returns the number of stacks that still wait. Never raises. */
uint32_t sh_symbols_resolve_with_gil(sh_profile *p, uint32_t max_frames);
/* Resolves these stacks. False: they were already. Never raises. */
bool sh_symbols_resolve_stacks_with_gil(sh_profile *p, const uint32_t *ids, uint32_t n);
/* Resolves all stacks, and gives back the code objects that they are known by. The same stacks are new ones from here on. */
void sh_symbols_release_codes_with_gil(sh_profile *p);
/* The string id of a name that the application makes, a str; what has no UTF-8 form is "<other>", and counted as what finds no
 * room. Never raises. */
uint32_t sh_symbols_intern_with_gil(sh_string_table *strings, PyObject *text);

#endif
