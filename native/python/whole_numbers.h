/* Python ints as machine words: what is not an int, negative or too large is told, not raised, and nothing is allocated.
 * (The public conversions raise, and go through a byte array for more than one digit: ids are random, so they have several.) */
#ifndef SPANHEAP_WHOLE_NUMBERS_H
#define SPANHEAP_WHOLE_NUMBERS_H

#include <stdbool.h>

#include "python_compat.h"

static inline bool sh_digits_of_int(PyObject *number, const digit **digits, Py_ssize_t *count) {
    if (!PyLong_Check(number)) return false;
#if PY_VERSION_HEX >= 0x030C0000
    uintptr_t tag = ((PyLongObject *)number)->long_value.lv_tag;
    *digits = ((PyLongObject *)number)->long_value.ob_digit;
    *count = (Py_ssize_t)(tag >> 3);
    return (tag & 3) != 2;   /* 0: positive, 1: zero, 2: negative */
#else
    *digits = ((PyLongObject *)number)->ob_digit;
    *count = Py_SIZE(number);
    return *count >= 0;
#endif
}

static inline bool sh_uint64_of_int(PyObject *number, uint64_t *value) {
    const digit *digits;
    Py_ssize_t count;
    if (!sh_digits_of_int(number, &digits, &count)) return false;
    uint64_t sum = 0;
    while (count--) {
        if (sum >> (64 - PyLong_SHIFT)) return false;
        sum = sum << PyLong_SHIFT | digits[count];
    }
    *value = sum;
    return true;
}

static inline bool sh_uint128_of_int(PyObject *number, uint64_t *high, uint64_t *low) {
    const digit *digits;
    Py_ssize_t count;
    if (!sh_digits_of_int(number, &digits, &count)) return false;
    unsigned __int128 sum = 0;
    while (count--) {
        if (sum >> (128 - PyLong_SHIFT)) return false;
        sum = sum << PyLong_SHIFT | digits[count];
    }
    *high = (uint64_t)(sum >> 64);
    *low = (uint64_t)sum;
    return true;
}

#endif
