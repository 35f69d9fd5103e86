/* CPython with its internal headers, and the few names that differ between 3.10 and 3.13. Included first, everywhere here. */
#ifndef SPANHEAP_PYTHON_COMPAT_H
#define SPANHEAP_PYTHON_COMPAT_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_BUILD_CORE_MODULE
#define Py_BUILD_CORE_MODULE 1   /* the interpreter frames and the context's tree are internal */
#endif
#include <Python.h>
#include <stdint.h>
#include <string.h>

#ifdef Py_GIL_DISABLED
#error "spanheap relies on the GIL; free-threaded builds are not supported"
#endif
#if PY_VERSION_HEX < 0x030A0000 || PY_VERSION_HEX >= 0x030E0000
#error "spanheap knows the structures of CPython 3.10 to 3.13"
#endif

#if PY_VERSION_HEX >= 0x030D0000
#define SH_CURRENT_THREAD_STATE() PyThreadState_GetUnchecked()
#else
#define SH_CURRENT_THREAD_STATE() _PyThreadState_UncheckedGet()
#endif

/* The 128 bits of a trace id. -1 with an exception when it is no int of that range. */
static inline int sh_trace_id_halves(PyObject *number, uint64_t *high, uint64_t *low) {
    unsigned char bytes[16];
    if (!PyLong_Check(number)) {
        PyErr_SetString(PyExc_TypeError, "a trace id is an int");
        return -1;
    }
#if PY_VERSION_HEX >= 0x030D0000
    if (_PyLong_AsByteArray((PyLongObject *)number, bytes, sizeof bytes, 1, 0, 1) < 0) return -1;
#else
    if (_PyLong_AsByteArray((PyLongObject *)number, bytes, sizeof bytes, 1, 0) < 0) return -1;
#endif
    memcpy(low, bytes, 8);   /* little endian, as every machine we build for */
    memcpy(high, bytes + 8, 8);
    return 0;
}

#endif
