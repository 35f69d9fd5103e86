/* The live table while other threads free. */
#include <pthread.h>

#include "check.h"
#include "made_up_heap.h"

enum { FREEING_THREADS = 3, SHARED_ADDRESSES = 4096, RUN_MS = 600 };

/* Addresses wait here for their next owner; the mutex orders "allocated" before "freed", as a service's own queue would. */
typedef struct { pthread_mutex_t mutex; uint32_t items[SHARED_ADDRESSES], count; bool closed; } queue;

static void put(queue *q, uint32_t item) {
    pthread_mutex_lock(&q->mutex);
    q->items[q->count++] = item;
    pthread_mutex_unlock(&q->mutex);
}

static bool take(queue *q, uint32_t *item, bool *closed) {
    pthread_mutex_lock(&q->mutex);
    bool any = q->count > 0;
    if (any) *item = q->items[--q->count];
    *closed = q->closed;
    pthread_mutex_unlock(&q->mutex);
    return any;
}

static struct {
    sh_live_table table;
    queue allocated, unused;
    _Atomic uint64_t denied_live;   /* the filter said "no" where a live sample was */
} shared;

static void *free_what_was_allocated(void *unused) {
    (void)unused;
    uint32_t item, turn = 0;
    for (bool closed = false;;) {
        if (!take(&shared.allocated, &item, &closed)) {
            if (closed) return NULL;
            sched_yield();
            continue;
        }
        sh_sample_ref ref;
        bool maybe = sh_live_table_maybe(&shared.table, address_of(item));
        bool found = sh_live_table_remove(&shared.table, address_of(item), &ref);
        if (found && !maybe) shared.denied_live++;
        if (found && ++turn % 8 == 0) {   /* a realloc that fails, then the free; either may find it folded or thinned */
            sh_live_table_restore(&shared.table, ref);
            sh_live_table_remove(&shared.table, address_of(item), NULL);
        }
        put(&shared.unused, item);
    }
}

/* While one thread with the GIL inserts, folds, copies and thins, others free: nothing is lost, nothing is counted twice. */
static void test_frees_on_other_threads(void) {
    pthread_t threads[FREEING_THREADS];
    sh_rng rng;
    sh_rng_seed(&rng, 6);
    if (!CHECK(sh_live_table_init(&shared.table, 1024, 1280))) return;
    pthread_mutex_init(&shared.allocated.mutex, NULL);
    pthread_mutex_init(&shared.unused.mutex, NULL);
    for (uint32_t i = 0; i < SHARED_ADDRESSES; i++) put(&shared.unused, i);
    for (int i = 0; i < FREEING_THREADS; i++)
        if (!CHECK(pthread_create(&threads[i], NULL, free_what_was_allocated, NULL) == 0)) return;

    uint64_t inserted = 0, folded = 0, thinned = 0;
    bool copies_ok = true, closed;
    sh_sample chunk[SH_LIVE_CHUNK];
    double interval = 1000.0;
    int64_t end = sh_clock_ns(CLOCK_MONOTONIC) + RUN_MS * INT64_C(1000000);
    for (uint32_t step = 0; step % 64 != 0 || sh_clock_ns(CLOCK_MONOTONIC) < end; step++) {
        uint32_t item;
        if (!sh_live_table_has_room(&shared.table))
            folded += sh_live_table_take_retired(&shared.table, chunk, SH_LIVE_CHUNK);
        if (sh_live_table_has_room(&shared.table) && take(&shared.unused, &item, &closed)) {
            sh_sample sample = sample_at(item, 500, interval);
            sh_live_table_insert(&shared.table, &sample);
            inserted++;
            put(&shared.allocated, item);
        }
        if (step % 256 == 0)
            for (uint32_t cursor = 0, n; (n = sh_live_table_copy(&shared.table, &cursor, chunk)) != 0;)
                for (uint32_t i = 0; i < n; i++)
                    copies_ok &= chunk[i].address == address_of(chunk[i].span) && chunk[i].size == 500
                        && (chunk[i].state == SH_SAMPLE_LIVE || chunk[i].state == SH_SAMPLE_RETIRED);
        if (step % 1024 == 0) {
            interval = interval < 1e6 ? interval * 2.0 : 1000.0;
            for (uint32_t cursor = 0, n; sh_live_table_thin(&shared.table, &cursor, interval, &rng, chunk, &n);)
                thinned += n;
        }
    }
    pthread_mutex_lock(&shared.allocated.mutex);
    shared.allocated.closed = true;
    pthread_mutex_unlock(&shared.allocated.mutex);
    for (int i = 0; i < FREEING_THREADS; i++) pthread_join(threads[i], NULL);
    for (uint32_t n; (n = sh_live_table_take_retired(&shared.table, chunk, SH_LIVE_CHUNK)) != 0;) folded += n;
    CHECK(copies_ok && shared.denied_live == 0);
    CHECK(shared.table.live == 0 && sh_live_table_valid(&shared.table));   /* all has been freed */
    CHECK(inserted == folded + thinned && inserted > 1000 && thinned > 0);
    CHECK(shared.table.replaced == 0);
    sh_live_table_fini(&shared.table);
}

int main(void) {
    test_frees_on_other_threads();
    return CHECK_DONE();
}
