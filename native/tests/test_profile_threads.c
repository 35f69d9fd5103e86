/* A profile while other threads free. */
#include <pthread.h>

#include "profile_fixture.h"

enum { FREEING_THREADS = 2, SHARED = 1024, RUN_MS = 400 };

static _Atomic bool allocated[SHARED];   /* set by the GIL's holder, taken by whoever frees */
static _Atomic bool finished;

static void *free_what_was_allocated(void *first) {
    while (!atomic_load(&finished))
        for (uint32_t i = *(uint32_t *)first; i < SHARED; i += FREEING_THREADS) {
            if (!atomic_load(&allocated[i])) continue;
            if (sh_live_table_maybe(&profile.live, address_of(i))) sh_profile_release_in_hook(&profile, address_of(i), NULL);
            atomic_store(&allocated[i], false);
        }
    return NULL;
}

/* While the holder of the GIL does all it does, other threads free without it (meant for the thread sanitizer). */
static void test_frees_on_other_threads(void) {
    pthread_t threads[FREEING_THREADS];
    uint32_t first[FREEING_THREADS];
    if (!start_profile(100.0, 300, true)) return;
    for (uint32_t i = 0; i < FREEING_THREADS; i++) {
        first[i] = i;
        if (!CHECK(pthread_create(&threads[i], NULL, free_what_was_allocated, &first[i]) == 0)) return;
    }
    int64_t end = sh_clock_ns(CLOCK_MONOTONIC) + RUN_MS * INT64_C(1000000), now = 0;
    sh_sample_ref ref = { 0, 0 };
    uint32_t span = start_span(1, 0);
    bool sums_ok = true;
    for (uint32_t step = 0; step % 64 != 0 || sh_clock_ns(CLOCK_MONOTONIC) < end; step++) {
        uint32_t i = step * 7 % SHARED;
        if (!atomic_load(&allocated[i]) && record(i, 100, SH_SPAN_STARTING, &ref)) atomic_store(&allocated[i], true);
        if (step % 4 == 0) sh_profile_retag(&profile, ref, span);
        if (step % 512 == 0) sh_profile_tick(&profile, now += 30, drop);
        if (step % 1024 == 0) {
            sh_profile_sums sums = sh_profile_sum(&profile);
            sums_ok &= sums.live_bytes <= sums.allocated_bytes;
        }
    }
    atomic_store(&finished, true);
    for (int i = 0; i < FREEING_THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(sums_ok && sh_profile_valid(&profile) && references_match() && profile.counters.recorded > 1000);
    stop_profile();
}

int main(void) {
    test_frees_on_other_threads();
    return CHECK_DONE();
}
