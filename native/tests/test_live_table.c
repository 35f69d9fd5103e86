#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "spanheap/live_table.h"

enum { ADDRESSES = 1500, MAX_LIVE = 400, CAPACITY = 500, NOWHERE = -1 };

/* A made-up heap: aligned addresses at irregular distances. Nothing is ever stored at them. */
static const void *address_of(uint32_t i) {
    return (const void *)(uintptr_t)(0x7f0000000000u + (uint64_t)i * 544 + (i % 7) * 16);
}

static sh_sample sample_at(uint32_t i, uint64_t size, double interval) {
    return (sh_sample){ .address = address_of(i), .size = size, .interval = (float)interval, .share = 1.0f, .span = i };
}

/* ------------------------------------------------------------------ against a plain array */

typedef struct { sh_sample_ref ref; uint64_t size; sh_sample_state state; bool at_address; } row;

/* Every insert ever made, while its entry is live or retired; at_address: the live sample of its address. */
static row rows[CAPACITY];
static int64_t row_at[ADDRESSES];   /* row of the live sample, or NOWHERE */
static uint32_t live, retired;

static void oracle_reset(void) {
    memset(rows, 0, sizeof rows);
    for (int i = 0; i < ADDRESSES; i++) row_at[i] = NOWHERE;
    live = retired = 0;
}

static void oracle_retire(uint32_t address) {
    rows[row_at[address]].state = SH_SAMPLE_RETIRED;
    row_at[address] = NOWHERE;
    live--;
    retired++;
}

static bool copy_matches(sh_live_table *t) {
    sh_sample chunk[SH_LIVE_CHUNK];
    uint32_t seen = 0;
    bool ok = true;
    for (uint32_t cursor = 0, n; (n = sh_live_table_copy(t, &cursor, chunk)) != 0; seen += n)
        for (uint32_t i = 0; i < n; i++) {
            uint32_t entry = 0;
            while (entry < CAPACITY && !(rows[entry].state != SH_SAMPLE_FREE && rows[entry].ref.serial == chunk[i].serial))
                entry++;
            if (entry == CAPACITY) return false;
            ok &= rows[entry].state == chunk[i].state && rows[entry].size == chunk[i].size
                && chunk[i].address == address_of(chunk[i].span);
            ok &= (row_at[chunk[i].span] == (int64_t)entry) == (chunk[i].state == SH_SAMPLE_LIVE);
        }
    return ok && seen == live + retired;
}

static bool filter_never_denies(const sh_live_table *t) {
    bool ok = true;
    for (uint32_t i = 0; i < ADDRESSES; i++) ok &= row_at[i] == NOWHERE || sh_live_table_maybe(t, address_of(i));
    return ok;
}

/* Takes a random number of retired samples from both. */
static bool take_like_oracle(sh_live_table *t, uint32_t n) {
    sh_sample taken[64];
    uint32_t got = sh_live_table_take_retired(t, taken, n);
    bool ok = got == (n < retired ? n : retired);
    for (uint32_t i = 0; i < got; i++) {
        uint32_t entry = 0;
        while (entry < CAPACITY && !(rows[entry].state == SH_SAMPLE_RETIRED && rows[entry].ref.serial == taken[i].serial))
            entry++;
        if (entry == CAPACITY) return false;   /* taken twice, or never retired */
        ok &= rows[entry].size == taken[i].size;
        rows[entry].state = SH_SAMPLE_FREE;
        retired--;
    }
    return ok;
}

/* Thins both: a sample that is gone was live and of a smaller interval; what stays has the new one. */
static bool thin_like_oracle(sh_live_table *t, double interval, sh_rng *rng) {
    sh_sample removed[SH_LIVE_CHUNK];
    bool ok = true;
    for (uint32_t cursor = 0, n; sh_live_table_thin(t, &cursor, interval, rng, removed, &n);)
        for (uint32_t i = 0; i < n; i++) {
            int64_t at = row_at[removed[i].span];
            if (at == NOWHERE || rows[at].ref.serial != removed[i].serial || (double)removed[i].interval >= interval)
                return false;
            rows[at].state = SH_SAMPLE_FREE;
            row_at[removed[i].span] = NOWHERE;
            live--;
        }
    for (uint32_t entry = 0; entry < t->high; entry++)
        ok &= t->samples[entry].state != SH_SAMPLE_LIVE || (double)t->samples[entry].interval >= interval;
    return ok;
}

/* Against a plain array: insert, replace, remove, restore, fold, thin, retire all and clear in random order. */
static void test_against_a_plain_array(void) {
    sh_live_table t;
    sh_rng rng;
    sh_rng_seed(&rng, 1);
    if (!CHECK(sh_live_table_init(&t, MAX_LIVE, CAPACITY))) return;
    oracle_reset();
    sh_sample_ref last_removed = { 0, 0 };
    uint32_t last_address = 0;
    uint64_t replaced = 0, restored = 0, thinned = 0;
    for (int step = 0; step < 60000; step++) {
        uint32_t address = (uint32_t)(sh_rng_next(&rng) % ADDRESSES), what = (uint32_t)(sh_rng_next(&rng) % 10000);
        if (what < 5000) {
            bool room = live + retired < CAPACITY;
            if (!CHECK(sh_live_table_has_room(&t) == room)) break;
            if (!room) {
                if (!CHECK(take_like_oracle(&t, 64))) break;
                if (live == CAPACITY) {
                    sh_live_table_clear(&t);
                    oracle_reset();
                }
                continue;
            }
            if (row_at[address] != NOWHERE) {
                replaced++;
                oracle_retire(address);
            }
            sh_sample sample = sample_at(address, sh_rng_next(&rng) % 5000, (double)(1u << (10 + sh_rng_next(&rng) % 3)));
            sample.serial = 4711;   /* theirs is ignored, like their state */
            sample.state = SH_SAMPLE_RETIRED;
            sh_sample_ref ref = sh_live_table_insert(&t, &sample);
            if (!CHECK(ref.entry < CAPACITY && rows[ref.entry].state == SH_SAMPLE_FREE)) break;
            if (!CHECK(ref.serial != rows[ref.entry].ref.serial)) break;
            rows[ref.entry] = (row){ .ref = ref, .size = sample.size, .state = SH_SAMPLE_LIVE };
            row_at[address] = ref.entry;
            live++;
        } else if (what < 9000) {
            sh_sample_ref removed = { UINT32_MAX, 0 };
            bool found = sh_live_table_remove(&t, address_of(address), sh_rng_next(&rng) % 2 ? &removed : NULL);
            if (!CHECK(found == (row_at[address] != NOWHERE))) break;
            if (!found) {
                if (!CHECK(removed.entry == UINT32_MAX)) break;
                continue;
            }
            if (removed.entry != UINT32_MAX) {
                if (!CHECK((int64_t)removed.entry == row_at[address])) break;
                if (!CHECK(removed.serial == rows[removed.entry].ref.serial)) break;
                last_removed = removed;
                last_address = address;
            }
            oracle_retire(address);
        } else if (what < 9400) {   /* a realloc that failed; often much too late, which must do nothing */
            row *r = &rows[last_removed.entry];
            if (r->state == SH_SAMPLE_RETIRED && r->ref.serial == last_removed.serial && row_at[last_address] == NOWHERE) {
                r->state = SH_SAMPLE_LIVE;
                row_at[last_address] = last_removed.entry;
                live++;
                retired--;
                restored++;
            }
            sh_live_table_restore(&t, last_removed);
        } else if (what < 9900) {
            if (!CHECK(take_like_oracle(&t, (uint32_t)(sh_rng_next(&rng) % 16)))) break;
        } else if (what < 9990) {
            uint32_t before = live;
            if (!CHECK(thin_like_oracle(&t, (double)(1u << (10 + sh_rng_next(&rng) % 3)), &rng))) break;
            thinned += before - live;
        } else if (what < 9995) {
            for (uint32_t i = 0; i < ADDRESSES; i++)
                if (row_at[i] != NOWHERE) oracle_retire(i);
            sh_live_table_retire_all(&t);
        } else {
            sh_live_table_clear(&t);
            oracle_reset();
        }
        if (!CHECK(t.live == live && t.retired_count == retired)) break;
        if (step % 256 == 0 && !CHECK(sh_live_table_valid(&t) && copy_matches(&t) && filter_never_denies(&t))) break;
    }
    CHECK(t.replaced == replaced && replaced > 0 && restored > 0 && thinned > 0);
    sh_live_table_fini(&t);
    CHECK(t.samples == NULL && t.filter == NULL);
}

/* ------------------------------------------------------------------ single rules */

/* A full table says so, and has room again for as many as were folded. */
static void test_full_table(void) {
    sh_live_table t;
    sh_sample taken[SH_LIVE_CHUNK];
    if (!CHECK(sh_live_table_init(&t, 32, 40))) return;
    for (uint32_t i = 0; i < 40; i++) {
        sh_sample sample = sample_at(i, 1, 1);
        CHECK(sh_live_table_has_room(&t));
        CHECK(sh_live_table_insert(&t, &sample).entry == i);
    }
    CHECK(!sh_live_table_has_room(&t) && sh_live_table_valid(&t));
    for (uint32_t i = 0; i < 3; i++) CHECK(sh_live_table_remove(&t, address_of(i), NULL));
    CHECK(!sh_live_table_has_room(&t));   /* retired entries still take their places */
    CHECK(sh_live_table_take_retired(&t, taken, SH_LIVE_CHUNK) == 3 && sh_live_table_has_room(&t));
    CHECK(sh_live_table_valid(&t));
    sh_live_table_fini(&t);
}

/* A failed realloc's sample comes back only while it is still the same, retired one and nobody else has its address. */
static void test_restore_is_for_the_same_sample_only(void) {
    sh_live_table t;
    sh_sample out[SH_LIVE_CHUNK], sample = sample_at(1, 100, 1);
    sh_sample_ref ref;
    if (!CHECK(sh_live_table_init(&t, 32, 40))) return;
    sh_sample_ref inserted = sh_live_table_insert(&t, &sample);
    CHECK(sh_live_table_remove(&t, address_of(1), &ref) && ref.entry == inserted.entry && ref.serial == inserted.serial);
    CHECK(!sh_live_table_maybe(&t, address_of(1)));
    sh_live_table_restore(&t, (sh_sample_ref){ ref.entry, ref.serial + 1 });
    CHECK(t.live == 0);
    sh_live_table_restore(&t, ref);
    CHECK(t.live == 1 && t.retired_count == 0 && sh_live_table_maybe(&t, address_of(1)) && sh_live_table_valid(&t));
    sh_live_table_restore(&t, ref);   /* it is live: nothing to take back */
    CHECK(t.live == 1 && sh_live_table_valid(&t));

    CHECK(sh_live_table_remove(&t, address_of(1), &ref));
    sh_live_table_insert(&t, &sample);   /* the address has been given to another block */
    sh_live_table_restore(&t, ref);
    CHECK(t.live == 1 && t.retired_count == 1 && sh_live_table_valid(&t));

    CHECK(sh_live_table_take_retired(&t, out, SH_LIVE_CHUNK) == 1 && sh_live_table_remove(&t, address_of(1), NULL));
    sh_live_table_restore(&t, ref);      /* folded: its entry is free */
    CHECK(t.live == 0 && sh_live_table_valid(&t));
    sh_live_table_fini(&t);
}

/* A filter count that reached 255 says "maybe" until the table is cleared; one that stayed below can still say "no". */
static void test_saturated_filter_count_stays_maybe(void) {
    enum { SATURATING = 300 };
    sh_live_table t;
    if (!CHECK(sh_live_table_init(&t, 512, 512))) return;
    for (uint32_t inserts = 254; inserts <= SATURATING; inserts += SATURATING - 254) {
        uint32_t same[SATURATING], found = 0;
        uint64_t home = sh_hash_address(address_of(0)) >> (64 - t.filter_bits);
        for (uint32_t i = 0; found < inserts; i++)
            if (sh_hash_address(address_of(i)) >> (64 - t.filter_bits) == home) same[found++] = i;
        for (uint32_t i = 0; i < inserts; i++) {
            sh_sample sample = sample_at(same[i], 1, 1);
            sh_live_table_insert(&t, &sample);
        }
        CHECK(sh_live_table_valid(&t));
        bool never_denied = true;
        for (uint32_t i = 0; i < inserts; i++) {
            never_denied &= sh_live_table_maybe(&t, address_of(same[i]));
            never_denied &= sh_live_table_remove(&t, address_of(same[i]), NULL);
        }
        CHECK(never_denied && t.live == 0 && sh_live_table_valid(&t));
        CHECK(sh_live_table_maybe(&t, address_of(0)) == (inserts == SATURATING));
        sh_live_table_clear(&t);
        CHECK(!sh_live_table_maybe(&t, address_of(0)));
    }
    sh_live_table_fini(&t);
}

/* With the table at max_live the filter still answers "no" for more than nine of ten other addresses. */
static void test_filter_is_selective(void) {
    sh_live_table t;
    uint32_t maybe = 0;
    if (!CHECK(sh_live_table_init(&t, 8192, 10240))) return;
    for (uint32_t i = 0; i < 8192; i++) {
        sh_sample sample = sample_at(i, 1, 1);
        sh_live_table_insert(&t, &sample);
    }
    for (uint32_t i = 8192; i < 8192 + 100000; i++) maybe += sh_live_table_maybe(&t, address_of(i));
    CHECK(maybe < 10000);
    sh_live_table_fini(&t);
}

/* A table that has grown is empty, holds the larger number, and its filter tells the new addresses; it never shrinks. */
static void test_resize(void) {
    sh_live_table t;
    if (!CHECK(sh_live_table_init(&t, 32, 40))) return;
    for (uint32_t i = 0; i < 40; i++) {
        sh_sample sample = sample_at(i, 1, 1);
        sh_live_table_insert(&t, &sample);
    }
    if (!CHECK(sh_live_table_resize(&t, 3200, 4000))) return;
    CHECK(t.max_live == 3200 && t.live == 0 && sh_live_table_valid(&t) && !sh_live_table_maybe(&t, address_of(1)));
    for (uint32_t i = 0; i < 4000; i++) {
        sh_sample sample = sample_at(i, 1, 1);
        if (!CHECK(sh_live_table_has_room(&t))) return;
        sh_live_table_insert(&t, &sample);
    }
    CHECK(!sh_live_table_has_room(&t) && sh_live_table_valid(&t));
    if (!CHECK(sh_live_table_resize(&t, 16, 20))) return;
    CHECK(t.max_live == 16 && t.live == 0 && t.capacity == 4000 && sh_live_table_valid(&t));
    sh_live_table_fini(&t);
}

/* Starting a large table costs no memory for what is not used yet. */
static void test_unused_table_is_not_touched(void) {
    sh_live_table t;
    if (!CHECK(sh_live_table_init(&t, 4000000, 5000000))) return;
    sh_live_table_clear(&t);
    size_t index_bytes = sizeof *t.index << t.index_bits, page = 4096, touched = 0;
    unsigned char *resident = malloc(index_bytes / page);
    if (CHECK(resident && mincore(t.index, index_bytes, resident) == 0))
        for (size_t i = 0; i < index_bytes / page; i++) touched += resident[i] & 1;
    CHECK(touched == 0);
    free(resident);
    sh_live_table_fini(&t);
}

/* ------------------------------------------------------------------ thinning */

enum { KINDS = 5, OF_EACH = 60, SEEDS = 600 };

/* Raising the interval again and again leaves each size's estimate unbiased, whatever intervals the samples had. */
static void test_thinning_is_unbiased(void) {
    static const uint64_t sizes[KINDS] = { 0, 16, 700, 4000, 60000 };
    double objects[KINDS] = { 0 }, squares[KINDS] = { 0 };
    sh_live_table t;
    if (!CHECK(sh_live_table_init(&t, KINDS * OF_EACH, KINDS * OF_EACH))) return;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        sh_rng rng;
        sh_rng_seed(&rng, seed);
        sh_live_table_clear(&t);
        for (uint32_t i = 0; i < KINDS * OF_EACH; i++) {
            sh_sample sample = sample_at(i, sizes[i % KINDS], i % 2 ? 500.0 : 3000.0);   /* 3000: the rate was higher */
            sample.share = i % 3 ? 1.0f : 0.25f;
            double p = sh_sampler_probability(sample.size, (double)sample.interval, (double)sample.share);
            if (sh_rng_uniform(&rng) <= p) sh_live_table_insert(&t, &sample);
        }
        for (double interval = 1000.0; interval <= 4000.0; interval *= 2.0) {
            sh_sample removed[SH_LIVE_CHUNK];
            for (uint32_t cursor = 0, n; sh_live_table_thin(&t, &cursor, interval, &rng, removed, &n);) { }
        }
        double estimate[KINDS] = { 0 };
        for (uint32_t entry = 0; entry < t.high; entry++) {
            const sh_sample *s = &t.samples[entry];
            if (s->state == SH_SAMPLE_LIVE)
                estimate[s->span % KINDS] += 1.0 / sh_sampler_probability(s->size, (double)s->interval, (double)s->share);
        }
        for (int kind = 0; kind < KINDS; kind++) {
            objects[kind] += estimate[kind];
            squares[kind] += estimate[kind] * estimate[kind];
        }
    }
    for (int kind = 0; kind < KINDS; kind++) {
        double mean = objects[kind] / SEEDS, variance = squares[kind] / SEEDS - mean * mean;
        CHECK(fabs(mean - OF_EACH) <= 4.0 * sqrt(variance / SEEDS));
    }
    sh_live_table_fini(&t);
}

/* Of samples that were all there, thinning keeps exactly the promised share. */
static void test_thinning_keeps_the_promised_share(void) {
    enum { SAMPLES = 40000 };
    sh_live_table t;
    sh_rng rng;
    sh_rng_seed(&rng, 5);
    if (!CHECK(sh_live_table_init(&t, SAMPLES, SAMPLES))) return;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        sh_sample sample = sample_at(i, 1000, 1000.0);
        sh_live_table_insert(&t, &sample);
    }
    sh_sample removed[SH_LIVE_CHUNK];
    uint32_t gone = 0;
    for (uint32_t cursor = 0, n; sh_live_table_thin(&t, &cursor, 2000.0, &rng, removed, &n);) gone += n;
    double keep = (1.0 - exp(-0.5)) / (1.0 - exp(-1.0));
    CHECK(fabs((double)t.live / SAMPLES - keep) <= 4.0 * sqrt(keep * (1.0 - keep) / SAMPLES));
    CHECK(t.live + gone == SAMPLES && sh_live_table_valid(&t));
    sh_live_table_fini(&t);
}

/* ------------------------------------------------------------------ threads */

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
    test_against_a_plain_array();
    test_full_table();
    test_restore_is_for_the_same_sample_only();
    test_saturated_filter_count_stays_maybe();
    test_filter_is_selective();
    test_resize();
    test_unused_table_is_not_touched();
    test_thinning_is_unbiased();
    test_thinning_keeps_the_promised_share();
    test_frees_on_other_threads();
    return CHECK_DONE();
}
