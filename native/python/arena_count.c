#include "arena_count.h"

#include <stdatomic.h>

#include "spanheap/platform.h"

/* Twice the slots, so that probes are short; a slot that was used never becomes empty again, only free. */
enum { BITS = 14, SLOTS = 1 << BITS, PROBES = 64, EMPTY = 0, FREE = 1 };
_Static_assert(SLOTS == 2 * SH_ARENAS_MAX, "twice the slots");

static _Atomic uintptr_t slots[SLOTS];   /* the address; pages that were never touched take no memory */
static _Atomic uint64_t bytes;
static PyObjectArenaAllocator beneath;
static bool in_front_of_it;              /* our wrapper is in the chain */

static uint32_t first_slot(const void *p) { return (uint32_t)(sh_hash_address(p) >> (64 - BITS)); }

static bool enter(const void *p) {
    for (uint32_t i = 0, at = first_slot(p); i < PROBES; i++, at = (at + 1) % SLOTS) {
        uintptr_t found = atomic_load_explicit(&slots[at], memory_order_relaxed);
        if (found <= FREE && atomic_compare_exchange_strong(&slots[at], &found, (uintptr_t)p)) return true;
    }
    return false;
}

static bool leave(const void *p) {
    for (uint32_t i = 0, at = first_slot(p); i < PROBES; i++, at = (at + 1) % SLOTS) {
        uintptr_t found = atomic_load_explicit(&slots[at], memory_order_relaxed);
        if (found == EMPTY) return false;
        if (found == (uintptr_t)p) {
            atomic_store_explicit(&slots[at], FREE, memory_order_relaxed);
            return true;
        }
    }
    return false;
}

static void *alloc_in_hook(void *ctx, size_t size) {
    void *p = beneath.alloc(beneath.ctx, size);
    if (p && enter(p)) atomic_fetch_add_explicit(&bytes, size, memory_order_relaxed);
    return p;
}

static void free_in_hook(void *ctx, void *p, size_t size) {
    if (leave(p)) atomic_fetch_sub_explicit(&bytes, size, memory_order_relaxed);   /* first: the address may be taken at once */
    beneath.free(beneath.ctx, p, size);
}

static bool is_first(void) {
    PyObjectArenaAllocator current;
    PyObject_GetArenaAllocator(&current);
    return current.alloc == alloc_in_hook;
}

void sh_arenas_start_with_gil(void) {
    if (!in_front_of_it) {
        PyObject_GetArenaAllocator(&beneath);
        PyObjectArenaAllocator ours = { NULL, alloc_in_hook, free_in_hook };
        PyObject_SetArenaAllocator(&ours);
        in_front_of_it = true;
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        if (slots[i] != EMPTY) slots[i] = EMPTY;   /* reads alone touch no page for good */
    bytes = 0;
}

void sh_arenas_stop_with_gil(void) {
    if (!in_front_of_it || !is_first()) return;   /* who stands in front calls us: nobody could take us out */
    PyObject_SetArenaAllocator(&beneath);
    in_front_of_it = false;
}

uint64_t sh_arenas_bytes(void) { return atomic_load_explicit(&bytes, memory_order_relaxed); }
