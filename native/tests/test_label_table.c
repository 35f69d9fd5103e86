#include <stdio.h>
#include <string.h>

#include "check.h"
#include "spanheap/label_table.h"
#include "spanheap/sampler.h"

enum { CAPACITY = 32, RESERVED = 2, HOLDERS = 64, KEYS = 3, VALUES = 6, MAX_PAIRS = 4 };

static sh_label_table t;

static uint32_t add(uint32_t parent, int key, const char *value) {
    return sh_label_table_add(&t, parent, (uint32_t)key, value, strlen(value));
}

/* The pairs of a set, outermost last, as text: "key=value;…". */
static void describe(uint32_t set, char *out, size_t size) {
    size_t used = 0;
    out[0] = '\0';
    for (; set; set = t.labels[set].parent) {
        const sh_label *l = &t.labels[set];
        int n = snprintf(out + used, size - used, "%.*s=%.*s;", t.keys[l->key].length, t.keys[l->key].data, l->value.length,
                         l->value.data);
        used += (size_t)n;
    }
}

/* ------------------------------------------------------------------ against what each holder was given */

static struct { uint32_t set; char text[256]; } holders[HOLDERS];

/* Whatever comes and goes: each holder's set says what it was made of, equal sets are one node, and nothing is left at the end. */
static void test_against_its_holders(void) {
    sh_rng rng;
    sh_rng_seed(&rng, 3);
    if (!CHECK(sh_label_table_init(&t, 4 * HOLDERS * MAX_PAIRS))) return;
    char names[KEYS][8];
    for (int key = 0; key < KEYS; key++) {
        int length = snprintf(names[key], sizeof names[key], "key%d", key);
        CHECK(sh_label_table_key(&t, names[key], (size_t)length) == key);
        CHECK(sh_label_table_key(&t, names[key], (size_t)length) == key);
    }
    for (int step = 0; step < 20000; step++) {
        int i = (int)(sh_rng_next(&rng) % HOLDERS);
        sh_label_table_release(&t, holders[i].set);
        uint32_t set = SH_LABELS_NONE;
        char text[256] = "";
        for (int pairs = (int)(sh_rng_next(&rng) % (MAX_PAIRS + 1)); pairs > 0; pairs--) {
            int key = (int)(sh_rng_next(&rng) % KEYS);
            char value[32], longer[256];
            snprintf(value, sizeof value, "a value of %d", (int)(sh_rng_next(&rng) % VALUES));
            uint32_t more = add(set, key, value);
            sh_label_table_release(&t, set);   /* the new set keeps it */
            set = more;
            snprintf(longer, sizeof longer, "%s=%s;%.200s", names[key], value, text);
            memcpy(text, longer, sizeof text);
        }
        holders[i].set = set;
        memcpy(holders[i].text, text, sizeof text);
        if (step % 100) continue;
        if (!CHECK(sh_label_table_valid(&t))) break;
        for (int a = 0; a < HOLDERS; a++) {
            char said[256];
            describe(holders[a].set, said, sizeof said);
            if (!CHECK(strcmp(said, holders[a].text) == 0)) return;
            for (int b = 0; b < a; b++)
                if (!CHECK((holders[a].set == holders[b].set) == (strcmp(holders[a].text, holders[b].text) == 0))) return;
        }
    }
    CHECK(t.overflowed == 0);
    for (int i = 0; i < HOLDERS; i++) sh_label_table_release(&t, holders[i].set);
    CHECK(t.in_use == 0 && sh_label_table_valid(&t));
    sh_label_table_fini(&t);
}

/* ------------------------------------------------------------------ bounds */

/* Past the capacity a value is "<other>", past that too the set stays as it was; both are counted, and room comes back. */
static void test_full_of_values(void) {
    if (!CHECK(sh_label_table_init(&t, CAPACITY))) return;
    int key = sh_label_table_key(&t, "tenant", 6);
    uint32_t sets[CAPACITY] = { 0 }, base = add(SH_LABELS_NONE, key, "base"), other;
    for (int i = 0; i < CAPACITY - RESERVED - 1; i++) {
        char value[32];
        snprintf(value, sizeof value, "tenant %d", i);
        sets[i] = add(SH_LABELS_NONE, key, value);
    }
    CHECK(t.in_use == CAPACITY - RESERVED && t.overflowed == 0);
    other = add(SH_LABELS_NONE, key, "one more");
    CHECK(other != SH_LABELS_NONE && t.labels[other].value.length == 7 && t.overflowed == 1);
    CHECK(add(SH_LABELS_NONE, key, "and another") == other && t.overflowed == 2 && t.labels[other].refs == 2);
    CHECK(add(sets[0], key, "one more") != sets[0] && t.overflowed == 3);   /* the last place */
    CHECK(add(base, key, "one more") == base && t.overflowed == 4 && t.labels[base].refs == 2);
    CHECK(sh_label_table_valid(&t));
    for (int i = 5; i < 5 + RESERVED + 1; i++) sh_label_table_release(&t, sets[i]);
    uint32_t again = add(SH_LABELS_NONE, key, "one more");
    CHECK(again == sets[5 + RESERVED] && t.overflowed == 4 && sh_label_table_valid(&t));
    sh_label_table_fini(&t);
}

/* Keys are few: past the bound, or too long, they have no number; values are cut. */
static void test_keys_and_long_values(void) {
    if (!CHECK(sh_label_table_init(&t, CAPACITY))) return;
    char text[SH_LABEL_VALUE_BYTES + 2];
    memset(text, 'k', sizeof text);
    CHECK(sh_label_table_key(&t, text, SH_LABEL_KEY_BYTES) == 0);
    CHECK(sh_label_table_key(&t, text, SH_LABEL_KEY_BYTES + 1) == -1 && t.overflowed == 1);
    for (int key = 1; key < SH_LABEL_KEYS; key++) {
        char name[16];
        int length = snprintf(name, sizeof name, "key%d", key);
        CHECK(sh_label_table_key(&t, name, (size_t)length) == key);
    }
    CHECK(sh_label_table_key(&t, "one more", 8) == -1 && t.overflowed == 2);
    CHECK(sh_label_table_key(&t, "key5", 4) == 5);
    uint32_t set = sh_label_table_add(&t, SH_LABELS_NONE, 0, text, sizeof text);
    CHECK(t.labels[set].value.length == SH_LABEL_VALUE_BYTES && memcmp(t.labels[set].value.data, text, SH_LABEL_VALUE_BYTES) == 0);
    CHECK(sh_label_table_add(&t, SH_LABELS_NONE, 0, text, SH_LABEL_VALUE_BYTES) == set && sh_label_table_valid(&t));
    sh_label_table_fini(&t);
}

int main(void) {
    test_against_its_holders();
    test_full_of_values();
    test_keys_and_long_values();
    return CHECK_DONE();
}
