/* Python ints as machine words: what is not an int, negative or too large is told, not raised, and nothing is allocated.
 * (The public conversions raise, and go through a byte array for more than one digit; ids are random and have several.) */
#ifndef SPANHEAP_WHOLE_NUMBERS_H
#define SPANHEAP_WHOLE_NUMBERS_H

#include <stdbool.h>

#include "python_compat.h"

#if PyLong_SHIFT != 30
#error "spanheap reads ints of 30-bit digits, which is what CPython uses on 64-bit machines unless told otherwise"
#endif

/* The digits, lowest first, of an int that is not negative. */
static inline bool sh_digits_of_int(PyObject *number, const digit **digits, size_t *count) {
    if (!PyLong_Check(number)) return false;
#if PY_VERSION_HEX >= 0x030C0000
    uintptr_t tag = ((PyLongObject *)number)->long_value.lv_tag;
    *digits = ((PyLongObject *)number)->long_value.ob_digit;
    *count = tag >> 3;
    return (tag & 3) != 2;   /* 0: positive, 1: zero, 2: negative */
#else
    Py_ssize_t size = Py_SIZE(number);
    *digits = ((PyLongObject *)number)->ob_digit;
    *count = (size_t)size;
    return size >= 0;
#endif
}

static inline bool sh_uint64_of_int(PyObject *number, uint64_t *value) {
    const digit *d;
    size_t n;
    if (!sh_digits_of_int(number, &d, &n) || n > 3 || (n == 3 && d[2] >> 4)) return false;
    *value = n ? d[0] : 0;
    if (n > 1) *value |= (uint64_t)d[1] << 30;
    if (n > 2) *value |= (uint64_t)d[2] << 60;
    return true;
}

static inline bool sh_uint128_of_int(PyObject *number, uint64_t *high, uint64_t *low) {
    const digit *d;
    size_t n;
    if (!sh_digits_of_int(number, &d, &n) || n > 5 || (n == 5 && d[4] >> 8)) return false;
    *low = n ? d[0] : 0;
    *high = 0;
    if (n > 1) *low |= (uint64_t)d[1] << 30;
    if (n > 2) {
        *low |= (uint64_t)d[2] << 60;
        *high = d[2] >> 4;
    }
    if (n > 3) *high |= (uint64_t)d[3] << 26;
    if (n > 4) *high |= (uint64_t)d[4] << 56;
    return true;
}

#endif
