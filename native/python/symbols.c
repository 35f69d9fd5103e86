#include "symbols.h"

typedef uint32_t intern_bytes(sh_string_table *strings, const char *data, size_t length);

static uint32_t intern_by(intern_bytes *intern, sh_string_table *strings, PyObject *text) {
    Py_ssize_t length;
    const char *data = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
    if (!data) {   /* lone surrogates, or no memory for the UTF-8 copy */
        PyErr_Clear();
        strings->overflowed++;
        return SH_STRING_OTHER;
    }
    return intern(strings, data, (size_t)length);
}

uint32_t sh_symbols_intern_with_gil(sh_string_table *strings, PyObject *text) {
    return intern_by(sh_string_table_intern_open, strings, text);
}

static uint32_t resolve_frame(sh_profile *p, const sh_frame *frame) {
    PyCodeObject *code = (PyCodeObject *)frame->code;
#if PY_VERSION_HEX >= 0x030B0000
    PyObject *function = code->co_qualname;
#else
    PyObject *function = code->co_name;
#endif
    int line = PyCode_Addr2Line(code, frame->offset);
    sh_location location = {
        .function = intern_by(sh_string_table_intern, &p->strings, function),
        .filename = intern_by(sh_string_table_intern, &p->strings, code->co_filename),
        .line = line > 0 ? (uint32_t)line : 0,
        .first_line = code->co_firstlineno > 0 ? (uint32_t)code->co_firstlineno : 0,
    };
    return sh_location_table_intern(&p->locations, location);
}

/* The frames looked up last, by a hash of theirs: stacks share most of their frames, and PyCode_Addr2Line reads a table from its
 * beginning. Of one call only: between calls code objects may go. */
enum { RECENT_BITS = 9, LOOKUPS_A_HIT = 8 };
typedef struct { sh_frame frame[1 << RECENT_BITS]; } recent_frames;

static sh_frame *recent_place(recent_frames *recent, const sh_frame *frame) {
    return &recent->frame[sh_hash_u64((uintptr_t)frame->code + (uint32_t)frame->offset) >> (64 - RECENT_BITS)];
}

/* Returns what it has cost, in frames looked up. */
static uint32_t resolve_stack(sh_profile *p, uint32_t id, recent_frames *recent) {
    if (!p->stacks.stacks[id].used || p->stacks.stacks[id].resolved) return 0;
    uint32_t looked_up = 0, depth = p->stacks.stacks[id].depth;
    for (uint32_t i = 0; i < depth; i++) {
        /* Read anew each time: encoding a name may allocate, and an allocation may be sampled and add a stack. */
        sh_frame frame = p->stacks.frames[p->stacks.stacks[id].first_frame + i], *known = recent_place(recent, &frame);
        if (known->code != frame.code || known->offset != frame.offset) {
            frame.location = resolve_frame(p, &frame);
            *known = frame;
            looked_up++;
        }
        p->stacks.frames[p->stacks.stacks[id].first_frame + i].location = known->location;
    }
    p->stacks.stacks[id].resolved = true;
    p->stacks.unresolved--;
    return looked_up + depth / LOOKUPS_A_HIT;
}

bool sh_symbols_resolve_stacks_with_gil(sh_profile *p, const uint32_t *ids, uint32_t n) {
    uint32_t done = 0;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    recent_frames recent = { 0 };
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] < p->stacks.high) done += resolve_stack(p, ids[i], &recent);
    PyErr_Restore(type, value, traceback);
    return done > 0;
}

uint32_t sh_symbols_resolve_with_gil(sh_profile *p, uint32_t max_frames) {
    uint32_t done = 0;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    recent_frames recent = { 0 };
    uint32_t before = p->ticks ? p->ticks - 1 : 0;   /* the last tick, where this is one */
    for (int others = 0; others <= 1; others++)
        for (uint32_t id = 1; id < p->stacks.high && p->stacks.unresolved && done < max_frames; id++)
            if (others || p->stacks.stacks[id].last_used >= before) done += resolve_stack(p, id, &recent);
    PyErr_Restore(type, value, traceback);
    return p->stacks.unresolved;
}

void sh_symbols_release_codes_with_gil(sh_profile *p) {
    sh_symbols_resolve_with_gil(p, UINT32_MAX);
    size_t bytes = (p->stacks.frames_used + 1) * sizeof(void *);
    const void **codes = sh_pages_map(bytes);
    uint32_t count = codes ? sh_stack_table_release_codes(&p->stacks, codes) : 0;
    for (uint32_t i = 0; i < count; i++) Py_DECREF((PyObject *)codes[i]);   /* may run code that comes back here: all is whole */
    sh_pages_unmap(codes, bytes);
}
