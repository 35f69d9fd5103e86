#include "frames.h"

#if PY_VERSION_HEX >= 0x030B0000
#include "internal/pycore_frame.h"
#else
#include <frameobject.h>
#endif

static PyObject *marked_code;

void sh_frames_mark_with_gil(PyObject *code) {
    PyObject *old = marked_code;
    Py_XINCREF(code);
    marked_code = code;
    Py_XDECREF(old);
}

/* One step: *frame is moved on to the next frame that Python code would see as its caller. False at the end of the stack. */
typedef struct {
    const void *identity;
    PyCodeObject *code;
    int32_t offset;
} visible_frame;

#if PY_VERSION_HEX < 0x030B0000

typedef PyFrameObject interpreter_frame;

static interpreter_frame *innermost_in_hook(PyThreadState *tstate) { return tstate->frame; }

static bool next_in_hook(interpreter_frame **frame, visible_frame *out) {
    interpreter_frame *f = *frame;
    if (!f) return false;
    *out = (visible_frame){ f, f->f_code, f->f_lasti * 2 };   /* f_lasti counts instructions of two bytes */
    *frame = f->f_back;
    return true;
}

#else

typedef _PyInterpreterFrame interpreter_frame;

static interpreter_frame *innermost_in_hook(PyThreadState *tstate) {
#if PY_VERSION_HEX < 0x030D0000
    return tstate->cframe ? tstate->cframe->current_frame : NULL;
#else
    return tstate->current_frame;
#endif
}

static bool next_in_hook(interpreter_frame **frame, visible_frame *out) {
    for (interpreter_frame *f = *frame; f; f = f->previous) {
#if PY_VERSION_HEX >= 0x030C0000
        if (f->owner == FRAME_OWNED_BY_CSTACK) continue;   /* the trampoline under a C call: no code of its own */
#endif
#if PY_VERSION_HEX < 0x030D0000
        PyObject *executable = (PyObject *)f->f_code;
        _Py_CODEUNIT *at = f->prev_instr;
#else
        PyObject *executable = f->f_executable;
        _Py_CODEUNIT *at = f->instr_ptr;
#endif
        if (!executable || !PyCode_Check(executable)) continue;
        PyCodeObject *code = (PyCodeObject *)executable;
        _Py_CODEUNIT *start = (_Py_CODEUNIT *)code->co_code_adaptive;
        /* A frame that is still being set up (its cells and arguments are being made) is not running yet: the caller is the
         * one who allocates. _co_firsttraceable counts code units. */
        if (f->owner != FRAME_OWNED_BY_GENERATOR && at < start + code->_co_firsttraceable) continue;
        *out = (visible_frame){ f, code, (int32_t)((at - start) * (Py_ssize_t)sizeof(_Py_CODEUNIT)) };
        *frame = f->previous;
        return true;
    }
    return false;
}

#endif

sh_frames_walk sh_frames_walk_in_hook(PyThreadState *tstate, sh_frame *frames, uint32_t max) {
    sh_frames_walk walk = { 0, NULL, 0 };
    interpreter_frame *frame = innermost_in_hook(tstate);
    visible_frame visible;
    while (walk.depth < max && next_in_hook(&frame, &visible)) {
        if (SH_UNLIKELY((PyObject *)visible.code == marked_code) && !walk.marked_frame) {
            walk.marked_frame = visible.identity;
            walk.marked_offset = visible.offset;
        }
        frames[walk.depth++] = (sh_frame){ visible.code, visible.offset, SH_LOCATION_UNRESOLVED };
    }
    return walk;
}

const void *sh_frames_find_marked_in_hook(PyThreadState *tstate, uint32_t max) {
    interpreter_frame *frame = innermost_in_hook(tstate);
    visible_frame visible;
    while (max-- && next_in_hook(&frame, &visible))
        if ((PyObject *)visible.code == marked_code) return visible.identity;
    return NULL;
}
