#include "spanheap/thread_table.h"
#include "spanheap/string_table.h"

void sh_thread_table_reset(sh_thread_table *t, uint32_t other_name, uint32_t ended_name) {
    for (uint32_t slot = 0; slot < SH_THREAD_CAPACITY; slot++)
        t->threads[slot] = (sh_thread){ .generation = t->threads[slot].generation };
    t->threads[SH_THREAD_OTHER].name = other_name;
    t->threads[SH_THREAD_OTHER].used = true;
    t->threads[SH_THREAD_OTHER].generation = 1;
    t->high = 1;
    t->unnamed = 0;
    t->ended_name = ended_name;
    t->overflowed = 0;
}

uint32_t sh_thread_table_claim(sh_thread_table *t, uint64_t ident) {
    uint32_t slot = t->high;
    if (slot == SH_THREAD_CAPACITY)
        for (slot = SH_THREAD_CAPACITY - 1; slot > 0 && t->threads[slot].used; slot--) { }
    else
        t->high++;
    if (slot == SH_THREAD_OTHER) {
        t->overflowed++;
        return SH_THREAD_OTHER;
    }
    sh_thread_table_name(t, ident, t->ended_name);   /* the ident was another thread's before: the name to come is not that one's */
    sh_thread *thread = &t->threads[slot];
    *thread = (sh_thread){ .ident = ident, .generation = thread->generation + 1, .used = true };
    t->unnamed++;
    return slot;
}

void sh_thread_table_name(sh_thread_table *t, uint64_t ident, uint32_t name) {
    if (name == SH_STRING_EMPTY) name = SH_STRING_OTHER;
    for (uint32_t slot = 1; slot < t->high; slot++) {
        sh_thread *thread = &t->threads[slot];
        if (!thread->used || thread->name || thread->ident != ident) continue;
        thread->name = name;
        t->unnamed--;
    }
}

void sh_thread_table_reap(sh_thread_table *t, const uint64_t *alive, uint32_t n) {
    for (uint32_t slot = 1; slot < t->high; slot++) {
        sh_thread *thread = &t->threads[slot];
        if (!thread->used || thread->refs) continue;
        bool living = false;
        for (uint32_t i = 0; i < n && !living; i++) living = alive[i] == thread->ident;
        if (living) continue;
        if (!thread->name) t->unnamed--;
        *thread = (sh_thread){ .generation = thread->generation };
    }
}

bool sh_thread_table_valid(const sh_thread_table *t) {
    uint32_t unnamed = 0;
    for (uint32_t slot = 1; slot < t->high; slot++) unnamed += t->threads[slot].used && !t->threads[slot].name;
    return unnamed == t->unnamed && t->high <= SH_THREAD_CAPACITY;
}
