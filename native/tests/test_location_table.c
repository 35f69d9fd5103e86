#include <string.h>

#include "check.h"
#include "spanheap/location_table.h"
#include "spanheap/sampler.h"
#include "spanheap/string_table.h"

enum { CAPACITY = 300 };

/* Against a plain array: ids are dense from 2 on and stable, the excess becomes "<other>" and is counted. */
static void test_against_a_plain_array(void) {
    static sh_location oracle[CAPACITY];
    uint32_t count = SH_LOCATION_OTHER + 1;
    uint64_t overflowed = 0;
    sh_location_table t;
    sh_rng rng;
    sh_rng_seed(&rng, 1);
    if (!CHECK(sh_location_table_init(&t, CAPACITY))) return;
    for (int step = 0; step < 20000; step++) {
        sh_location l = {   /* 3 * 3 * 12 * 7 = 756 different ones; each field alone can be the difference */
            .function = 2 + (uint32_t)(sh_rng_next(&rng) % 3), .filename = 2 + (uint32_t)(sh_rng_next(&rng) % 3),
            .line = (uint32_t)(sh_rng_next(&rng) % 12), .first_line = (uint32_t)(sh_rng_next(&rng) % 7),
        };
        uint32_t expected = SH_LOCATION_OTHER + 1;
        while (expected < count && memcmp(&oracle[expected], &l, sizeof l) != 0) expected++;
        if (expected == count) {
            if (count < CAPACITY) {
                oracle[count++] = l;
            } else {
                expected = SH_LOCATION_OTHER;
                overflowed++;
            }
        }
        if (!CHECK(sh_location_table_intern(&t, l) == expected)) break;
    }
    CHECK(t.count == CAPACITY && t.overflowed == overflowed && overflowed > 0);
    CHECK(memcmp(&oracle[2], &t.locations[2], (CAPACITY - 2) * sizeof *oracle) == 0);
    sh_location_table_fini(&t);
    CHECK(t.locations == NULL && t.index == NULL);
}

/* "<other>" exists from the start and prints as such; id 0 is nobody's. */
static void test_fixed_ids(void) {
    sh_location_table t;
    if (!CHECK(sh_location_table_init(&t, 16))) return;
    CHECK(t.locations[SH_LOCATION_OTHER].function == SH_STRING_OTHER);
    CHECK(sh_location_table_intern(&t, (sh_location){ 0 }) > SH_LOCATION_OTHER);
    sh_location_table_fini(&t);
}

/* The memory reported grows with the content and stays below what the capacity allows. */
static void test_memory_is_bounded(void) {
    sh_location_table t;
    if (!CHECK(sh_location_table_init(&t, CAPACITY))) return;
    size_t before = sh_location_table_memory(&t);
    for (uint32_t i = 0; i < 10 * CAPACITY; i++) sh_location_table_intern(&t, (sh_location){ .line = i });
    CHECK(sh_location_table_memory(&t) > before);
    CHECK(sh_location_table_memory(&t) <= CAPACITY * sizeof(sh_location) + 1024 * sizeof(uint32_t));
    sh_location_table_fini(&t);
}

int main(void) {
    test_against_a_plain_array();
    test_fixed_ids();
    test_memory_is_bounded();
    return CHECK_DONE();
}
