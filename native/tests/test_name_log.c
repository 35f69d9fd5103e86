/* The log of names: what a string table has, complete under the same ids. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "spanheap/string_table.h"

enum { CAPACITY = 64, BYTES = 512 };

static sh_name_entry entries[CAPACITY];
static char bytes[BYTES];
static sh_name_log log_ = { entries, bytes, CAPACITY, BYTES };

static void reset(void) {
    memset(entries, 0, sizeof entries);
    memset(bytes, 0, sizeof bytes);
}

static bool has(const sh_string_table *t, uint32_t id) {
    sh_string s = sh_string_table_get(t, id);
    return entries[id].number == id + 1 && entries[id].length == s.length
        && memcmp(bytes + entries[id].offset, s.data, s.length) == 0;
}

/* Names that were there before the log, and those that come while it is on; none of those that come when it is off. */
static void test_in_step(void) {
    sh_string_table t;
    reset();
    if (!CHECK(sh_string_table_init(&t, CAPACITY, BYTES))) return;
    sh_string_table_intern(&t, "before", 6);
    sh_string_table_set_log(&t, &log_);
    CHECK(has(&t, 0) && has(&t, 1) && has(&t, 2));
    char name[16];
    for (int i = 0; i < 100; i++) sh_string_table_intern(&t, name, (size_t)snprintf(name, sizeof name, "name-%d", i));
    CHECK(t.overflowed > 0);
    for (uint32_t id = 0; id < t.count; id++) CHECK(has(&t, id));
    CHECK(sh_name_log_valid(&log_));
    uint32_t count = t.count;
    sh_string_table_fini(&t);

    reset();
    if (!CHECK(sh_string_table_init(&t, CAPACITY, BYTES))) return;
    sh_string_table_set_log(&t, &log_);
    sh_string_table_set_log(&t, NULL);
    uint32_t id = sh_string_table_intern(&t, "after", 5);
    CHECK(count > 3 && entries[id].number == 0 && sh_name_log_valid(&log_));
    sh_string_table_fini(&t);
}

/* What does not fit is left out, and nothing beside it is written. */
static void test_bounds(void) {
    reset();
    sh_name_log small = { entries, bytes, 2, 8 };
    sh_name_log_add(&small, 0, 0, "12345678", 8);
    sh_name_log_add(&small, 1, 1, "12345678", 8);
    sh_name_log_add(&small, 1, UINT32_MAX, "1", 1);
    sh_name_log_add(&small, 2, 0, "x", 1);
    CHECK(entries[0].number == 1 && entries[1].number == 0 && entries[2].number == 0 && bytes[8] == 0 && bytes[0] == '1');
    CHECK(sh_name_log_valid(&small));
}

/* A damaged byte, length or number is noticed. */
static void test_damage(void) {
    reset();
    sh_name_log_add(&log_, 0, 0, "GET /orders", 11);
    CHECK(sh_name_log_valid(&log_));
    bytes[3] ^= 1;
    CHECK(!sh_name_log_valid(&log_));
    bytes[3] ^= 1;
    entries[0].length = BYTES + 1;
    CHECK(!sh_name_log_valid(&log_));
    entries[0].length = 11;
    entries[0].number = 2;
    CHECK(!sh_name_log_valid(&log_));
    entries[0].number = 1;
    CHECK(sh_name_log_valid(&log_));
}

int main(void) {
    test_in_step();
    test_bounds();
    test_damage();
    return CHECK_DONE();
}
