#include "heap_frames.h"

#include "heap_names.h"
#include "heap_search.h"

#if PY_VERSION_HEX < 0x030B0000

sh_python_frame *sh_frame_of(PyObject *o) {
    if (PyGen_CheckExact(o) || PyCoro_CheckExact(o) || PyAsyncGen_CheckExact(o)) return ((PyGenObject *)o)->gi_frame;
    return PyFrame_Check(o) ? (PyFrameObject *)o : NULL;
}
PyCodeObject *sh_frame_code(sh_python_frame *f) { return f->f_code; }
PyObject *sh_frame_globals(sh_python_frame *f) { return f->f_globals; }
PyObject **sh_frame_locals(sh_python_frame *f, int *n) {
    *n = (int)(f->f_valuestack - f->f_localsplus);
    return f->f_localsplus;
}
sh_python_frame *sh_frame_previous(sh_python_frame *f) { return f->f_back; }
sh_python_frame *sh_frame_innermost(PyThreadState *tstate) { return tstate->frame; }

static PyObject *local_name(PyCodeObject *code, int i) {
    PyObject *names[] = { code->co_varnames, code->co_cellvars, code->co_freevars };
    for (int kind = 0; kind < 3; kind++) {
        if (i < PyTuple_GET_SIZE(names[kind])) return PyTuple_GET_ITEM(names[kind], i);
        i -= (int)PyTuple_GET_SIZE(names[kind]);
    }
    return NULL;
}

#else

sh_python_frame *sh_frame_of(PyObject *o) {
    if (PyGen_CheckExact(o) || PyCoro_CheckExact(o) || PyAsyncGen_CheckExact(o)) {
        PyGenObject *gen = (PyGenObject *)o;
        return gen->gi_frame_state >= FRAME_COMPLETED ? NULL : (_PyInterpreterFrame *)gen->gi_iframe;
    }
    return PyFrame_Check(o) ? ((PyFrameObject *)o)->f_frame : NULL;
}

PyCodeObject *sh_frame_code(sh_python_frame *f) {
#if PY_VERSION_HEX < 0x030D0000
    PyObject *code = (PyObject *)f->f_code;
#else
    PyObject *code = f->f_executable;
#endif
#if PY_VERSION_HEX >= 0x030C0000
    if (f->owner == FRAME_OWNED_BY_CSTACK) return NULL;
#endif
    return code && PyCode_Check(code) ? (PyCodeObject *)code : NULL;
}

PyObject *sh_frame_globals(sh_python_frame *f) { return f->f_globals; }
PyObject **sh_frame_locals(sh_python_frame *f, int *n) {
    PyCodeObject *code = sh_frame_code(f);
    *n = code ? code->co_nlocalsplus : 0;
    return f->localsplus;
}
sh_python_frame *sh_frame_previous(sh_python_frame *f) { return f->previous; }
sh_python_frame *sh_frame_innermost(PyThreadState *tstate) {
#if PY_VERSION_HEX < 0x030D0000
    return tstate->cframe ? tstate->cframe->current_frame : NULL;
#else
    return tstate->current_frame;
#endif
}

static PyObject *local_name(PyCodeObject *code, int i) {
    return i < PyTuple_GET_SIZE(code->co_localsplusnames) ? PyTuple_GET_ITEM(code->co_localsplusnames, i) : NULL;
}

#endif

PyObject *sh_frame_local_name(sh_python_frame *f, PyObject *value) {
    PyCodeObject *code = sh_frame_code(f);
    int n;
    PyObject **locals = sh_frame_locals(f, &n);
    for (int i = 0; code && i < n; i++)
        if (locals[i] == value || (locals[i] && PyCell_Check(locals[i]) && PyCell_GET(locals[i]) == value))
            return local_name(code, i);
    return NULL;
}

bool sh_heap_frame_facts_with_gil(PyObject *o, PyObject *value, sh_heap_frame_facts *facts) {
    sh_python_frame *f = sh_frame_of(o);
    if (!f || !sh_frame_code(f)) return false;
    PyObject *globals = sh_frame_globals(f);
    *facts = (sh_heap_frame_facts){
        .code = (PyObject *)sh_frame_code(f), .name = sh_frame_local_name(f, value),
        .module = globals && PyDict_Check(globals) ? sh_value_of(globals, "__name__") : NULL,
    };
    return true;
}
