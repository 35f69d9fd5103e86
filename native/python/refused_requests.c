#include "refused_requests.h"

static _Atomic size_t smallest;   /* bytes; 0: none */

void sh_refused_note_in_hook(size_t size) {
    size_t before = atomic_load_explicit(&smallest, memory_order_relaxed);
    if (!before || size < before) atomic_store_explicit(&smallest, size | (size == 0), memory_order_relaxed);
}

bool sh_refused_take(size_t below) {
    size_t size = atomic_load_explicit(&smallest, memory_order_relaxed);
    if (size) atomic_store_explicit(&smallest, 0, memory_order_relaxed);
    return size && size < below;
}
