/* The variables of frames, of running functions and suspended generators alike, read without making frame objects.
 *
 * Thread rules: the GIL, which makes the frames of all threads stand still. Everything returned is borrowed. */
#ifndef SPANHEAP_HEAP_FRAMES_H
#define SPANHEAP_HEAP_FRAMES_H

#include "python_compat.h"
#include <stdbool.h>

#if PY_VERSION_HEX >= 0x030B0000
#include "internal/pycore_frame.h"
typedef _PyInterpreterFrame sh_python_frame;
#else
#include <frameobject.h>
typedef PyFrameObject sh_python_frame;
#endif

/* The frame of a generator, coroutine, asynchronous generator or frame object; NULL when it has ended, or o is something else. */
sh_python_frame *sh_frame_of(PyObject *o);
/* Its code; NULL for a frame without (a trampoline). */
PyCodeObject *sh_frame_code(sh_python_frame *f);
PyObject *sh_frame_globals(sh_python_frame *f);
/* The variables, cells and free variables: slots that are NULL or valid, also while the frame runs. */
PyObject **sh_frame_locals(sh_python_frame *f, int *n);
/* The caller; NULL at the bottom. */
sh_python_frame *sh_frame_previous(sh_python_frame *f);
sh_python_frame *sh_frame_innermost(PyThreadState *tstate);
/* The variable that is this value, or is a cell that holds it. */
PyObject *sh_frame_local_name(sh_python_frame *f, PyObject *value);

#endif
