#include <pthread.h>
#include <string.h>

#include "check.h"
#include "spanheap/sampler.h"
#include "spanheap/string_table.h"

enum { ORACLE_CAPACITY = 2048, ORACLE_LENGTH = 64 };

/* The plain table: strings in order of their ids, searched from the start. */
static struct { char data[ORACLE_LENGTH]; size_t length; } oracle[ORACLE_CAPACITY];
static uint32_t oracle_count;
static size_t oracle_bytes;

static void oracle_add(const char *data, size_t length) {
    memcpy(oracle[oracle_count].data, data, length);
    oracle[oracle_count++].length = length;
    oracle_bytes += length;
}

static void oracle_reset(void) {
    oracle_count = 0;
    oracle_bytes = 0;
    oracle_add("", 0);
    oracle_add("<other>", 7);
}

static uint32_t oracle_find(const char *data, size_t length) {
    uint32_t id = 0;
    while (id < oracle_count && (oracle[id].length != length || memcmp(oracle[id].data, data, length) != 0)) id++;
    return id;
}

static bool holds(const sh_string_table *t, uint32_t id, const char *data, size_t length) {
    sh_string s = sh_string_table_get(t, id);
    return s.length == length && memcmp(s.data, data, length) == 0;
}

/* Against the plain table, with whichever bound is hit first: ids are dense and stable, the excess is counted. */
static void run_against_oracle(uint32_t capacity, uint32_t max_bytes, uint64_t seed) {
    sh_string_table t;
    sh_rng rng;
    sh_rng_seed(&rng, seed);
    oracle_reset();
    if (!CHECK(sh_string_table_init(&t, capacity, max_bytes))) return;
    uint64_t overflowed = 0;
    for (int step = 0; step < 8000; step++) {
        char data[ORACLE_LENGTH] = { 0 };
        size_t length = sh_rng_next(&rng) % 24;
        for (size_t i = 0; i < length; i++) data[i] = (char)("ab\0\xC3"[sh_rng_next(&rng) % 4]);   /* few letters: repeats */
        uint32_t known = oracle_find(data, length), expected = known;
        if (known == oracle_count) {
            if (oracle_count < capacity && oracle_bytes + length <= max_bytes) {
                oracle_add(data, length);
            } else {
                expected = SH_STRING_OTHER;
                overflowed++;
            }
        }
        if (!CHECK(sh_string_table_intern(&t, data, length) == expected)) break;
        if (step % 64 == 0 && !CHECK(sh_string_table_valid(&t))) break;
    }
    CHECK(t.count == oracle_count && t.overflowed == overflowed && overflowed > 0);
    CHECK(t.count == capacity || t.offset[t.count] > max_bytes - 24);
    for (uint32_t id = 0; id < oracle_count; id++) CHECK(holds(&t, id, oracle[id].data, oracle[id].length));
    CHECK(sh_string_table_valid(&t));
    sh_string_table_fini(&t);
}

/* Id 0 is "", id 1 is "<other>", and they are found like any other string. */
static void test_fixed_ids(void) {
    sh_string_table t;
    if (!CHECK(sh_string_table_init(&t, 16, 256))) return;
    CHECK(sh_string_table_intern(&t, "", 0) == SH_STRING_EMPTY && holds(&t, SH_STRING_EMPTY, "", 0));
    CHECK(sh_string_table_intern(&t, "<other>", 7) == SH_STRING_OTHER && holds(&t, SH_STRING_OTHER, "<other>", 7));
    CHECK(t.overflowed == 0);
    CHECK(holds(&t, 12345, "<other>", 7));   /* an id that was never given */
    sh_string_table_fini(&t);
    CHECK(t.bytes == NULL && t.offset == NULL && t.index == NULL);
}

/* The last free byte can be used, and the last free id. */
static void test_exact_fit(void) {
    sh_string_table t;
    if (!CHECK(sh_string_table_init(&t, 4, 7 + 5))) return;   /* "<other>" and five bytes more */
    CHECK(sh_string_table_intern(&t, "abcdef", 6) == SH_STRING_OTHER);
    CHECK(sh_string_table_intern(&t, "abcde", 5) == 2 && t.overflowed == 1);
    sh_string_table_fini(&t);
    if (!CHECK(sh_string_table_init(&t, 3, 100))) return;
    CHECK(sh_string_table_intern(&t, "a", 1) == 2 && sh_string_table_intern(&t, "b", 1) == SH_STRING_OTHER);
    CHECK(sh_string_table_valid(&t));
    sh_string_table_fini(&t);
}

/* What is reserved, of count and bytes, is not the application's: code has its names however many ids there were. */
static void test_the_reserve_is_for_code(void) {
    sh_string_table t;
    if (!CHECK(sh_string_table_init(&t, 64, 1 << 16))) return;
    sh_string_table_reserve(&t);
    for (uint32_t i = 0; i < 1000; i++) sh_string_table_intern_open(&t, (const char *)&i, sizeof i);
    CHECK(t.count == 48 && t.overflowed == 1000 - 46);
    uint32_t first = sh_string_table_intern(&t, "code", 4);
    CHECK(first == 48 && sh_string_table_intern_open(&t, "code", 4) == first);   /* known: whoever asks */
    for (uint32_t i = 1000; i < 2000; i++) sh_string_table_intern(&t, (const char *)&i, sizeof i);
    CHECK(t.count == 64 && sh_string_table_valid(&t));
    sh_string_table_fini(&t);

    char text[20] = "name";
    if (!CHECK(sh_string_table_init(&t, 1000, 400))) return;
    sh_string_table_reserve(&t);
    for (text[4] = 'A'; text[4] <= 'Z'; text[4]++) sh_string_table_intern_open(&t, text, sizeof text);
    CHECK(t.offset[t.count] == 7 + 14 * sizeof text && t.overflowed == 26 - 14);
    for (text[4] = 'a'; text[4] <= 'z'; text[4]++) sh_string_table_intern(&t, text, sizeof text);
    CHECK(t.offset[t.count] == 7 + 19 * sizeof text && sh_string_table_valid(&t));
    CHECK(sh_string_table_intern_open(&t, "more", 4) == SH_STRING_OTHER);   /* beyond its bytes */
    sh_string_table_fini(&t);

    if (!CHECK(sh_string_table_init(&t, 4, 100))) return;   /* nothing is reserved unless somebody says so */
    CHECK(sh_string_table_intern_open(&t, "a", 1) == 2 && sh_string_table_intern_open(&t, "b", 1) == 3 && t.overflowed == 0);
    sh_string_table_fini(&t);
}

/* Long strings are cut at the limit, before a character that would be split, and equal prefixes share an id. */
static void test_long_strings_are_cut_between_characters(void) {
    static const char *const characters[] = { "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x8D" };
    sh_string_table t;
    if (!CHECK(sh_string_table_init(&t, 64, 1 << 16))) return;
    char data[SH_STRING_MAX_BYTES + 64];
    for (size_t width = 1; width <= 4; width++)
        for (size_t split = 0; split < width; split++) {   /* `split` bytes of the character lie below the limit */
            memset(data, 'x', sizeof data);
            memcpy(data + SH_STRING_MAX_BYTES - split, characters[width - 1], width);
            sh_string s = sh_string_table_get(&t, sh_string_table_intern(&t, data, sizeof data));
            CHECK(s.length == SH_STRING_MAX_BYTES - split && memcmp(s.data, data, s.length) == 0);
        }
    memset(data, 'y', sizeof data);
    uint32_t exact = sh_string_table_intern(&t, data, SH_STRING_MAX_BYTES);
    CHECK(sh_string_table_get(&t, exact).length == SH_STRING_MAX_BYTES);
    CHECK(sh_string_table_intern(&t, data, SH_STRING_MAX_BYTES + 1) == exact);
    CHECK(sh_string_table_intern(&t, data, SH_STRING_MAX_BYTES - 1) != exact);
    sh_string_table_fini(&t);
}

/* The memory reported grows with the content and stays below what the two bounds allow. */
static void test_memory_follows_the_content(void) {
    sh_string_table t;
    if (!CHECK(sh_string_table_init(&t, 1024, 4096))) return;
    size_t before = sh_string_table_memory(&t);
    for (uint32_t i = 0; i < 100000; i++) sh_string_table_intern(&t, (const char *)&i, sizeof i);
    CHECK(sh_string_table_memory(&t) > before);
    CHECK(sh_string_table_memory(&t) <= 4096 + 1025 * sizeof(uint32_t) + 2048 * sizeof(uint32_t));
    sh_string_table_fini(&t);
}

enum { SHARED_STRINGS = 20000 };

typedef struct { sh_string_table table; _Atomic uint32_t published; bool intact; } shared_table;

static void *read_published(void *argument) {
    shared_table *shared = argument;
    shared->intact = true;
    for (uint32_t seen = 0; seen < SHARED_STRINGS;) {
        seen = atomic_load(&shared->published);
        for (uint32_t i = seen > 8 ? seen - 8 : 0; i < seen; i++)
            shared->intact &= holds(&shared->table, i + 2, (const char *)&i, sizeof i);
    }
    return NULL;
}

/* Ids that were handed over can be read without a lock while the table grows (for the thread sanitizer). */
static void test_readers_need_no_lock(void) {
    static shared_table shared;
    pthread_t reader;
    if (!CHECK(sh_string_table_init(&shared.table, SHARED_STRINGS + 2, 1 << 20))) return;
    if (!CHECK(pthread_create(&reader, NULL, read_published, &shared) == 0)) return;
    for (uint32_t i = 0; i < SHARED_STRINGS; i++) {
        sh_string_table_intern(&shared.table, (const char *)&i, sizeof i);
        atomic_store(&shared.published, i + 1);
    }
    pthread_join(reader, NULL);
    CHECK(shared.intact);
    CHECK(sh_string_table_valid(&shared.table));
    sh_string_table_fini(&shared.table);
}

int main(void) {
    run_against_oracle(500, 1 << 20, 1);    /* the count runs out */
    run_against_oracle(2000, 6000, 2);      /* the bytes run out, then only shorter strings still fit */
    test_fixed_ids();
    test_exact_fit();
    test_the_reserve_is_for_code();
    test_long_strings_are_cut_between_characters();
    test_memory_follows_the_content();
    test_readers_need_no_lock();
    return CHECK_DONE();
}
