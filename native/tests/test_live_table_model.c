/* The live table against a plain array. */
#include <string.h>

#include "check.h"
#include "made_up_heap.h"

enum { ADDRESSES = 1500, MAX_LIVE = 400, CAPACITY = 500, NOWHERE = -1 };

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

int main(void) {
    test_against_a_plain_array();
    return CHECK_DONE();
}
