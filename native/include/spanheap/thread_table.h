/* The threads that samples name.
 *
 * A thread claims a slot at its first sample and remembers {slot, generation} itself; the tick finds the name, while the thread
 * lives or later. Idents are reused by the system, slots are not until no sample names them and their thread is known to be gone.
 * Thread rules: everything here needs the GIL. Slot 0 stands for all threads that found no room. */
#ifndef SPANHEAP_THREAD_TABLE_H
#define SPANHEAP_THREAD_TABLE_H

#include "spanheap/platform.h"

enum { SH_THREAD_OTHER = 0, SH_THREAD_CAPACITY = 1024 };

typedef struct {
    uint64_t ident;        /* what threading.Thread.ident says */
    uint32_t name;         /* string id, SH_STRING_EMPTY until known */
    uint32_t refs, generation;
    bool used;
} sh_thread;

typedef struct {
    sh_thread threads[SH_THREAD_CAPACITY];
    uint32_t high, unnamed;
    uint32_t ended_name;   /* of a thread that was gone before anyone could ask for its name */
    uint64_t overflowed;
} sh_thread_table;

/* Forgets all threads (also the first initialisation of a zeroed table); generations go on, so that a thread that still has a
 * {slot, generation} of before owns nothing. */
void sh_thread_table_reset(sh_thread_table *t, uint32_t other_name, uint32_t ended_name);
/* Still this thread's slot? */
static inline bool sh_thread_table_owns(const sh_thread_table *t, uint32_t slot, uint32_t generation) {
    return slot < t->high && t->threads[slot].used && t->threads[slot].generation == generation;
}
uint32_t sh_thread_table_claim(sh_thread_table *t, uint64_t ident);
/* Names the unnamed slots of this ident. */
void sh_thread_table_name(sh_thread_table *t, uint64_t ident, uint32_t name);
/* Frees the slots without samples whose ident is not among the n living ones. */
void sh_thread_table_reap(sh_thread_table *t, const uint64_t *alive, uint32_t n);
bool sh_thread_table_valid(const sh_thread_table *t);

#endif
