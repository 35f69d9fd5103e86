/* Assertions for the C tests. A failed CHECK is printed and counted and the test goes on, so one run shows every failure.
 *
 *      int main(void) { CHECK(1 + 1 == 2); return CHECK_DONE(); }
 *
 * Not assert(): that is compiled out of release builds, and stops at the first failure. */
#ifndef SPANHEAP_TESTS_CHECK_H
#define SPANHEAP_TESTS_CHECK_H

#include <stdbool.h>
#include <stdio.h>

static unsigned long check_passed, check_failed;

static inline bool check_that(bool holds, const char *condition, const char *file, int line) {
    if (holds) {
        check_passed++;
    } else {
        check_failed++;
        fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, condition);
    }
    return holds;
}

/* A test that checked nothing has not passed. */
static inline int check_done(const char *file) {
    printf("%s: %lu checks, %lu failed\n", file, check_passed + check_failed, check_failed);
    return check_failed != 0 || check_passed == 0;
}

/* Yields whether it held, for what must not go on without it: if (!CHECK(p != NULL)) return CHECK_DONE(); */
#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_DONE() check_done(__FILE__)

#endif
