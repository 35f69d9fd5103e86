#include "heap_containers.h"

#include "heap_names.h"
#include "heap_paths.h"
#include "owned_size.h"

Py_ssize_t sh_container_entries(PyObject *o) {
    if (PyDict_Check(o)) return ((PyDictObject *)o)->ma_used;
    if (PyList_Check(o)) return PyList_GET_SIZE(o);
    if (PySet_Check(o)) return PySet_GET_SIZE(o);
    return sh_is_deque(o) ? Py_SIZE(o) : -1;
}

/* ------------------------------------------------------------------ the widest */

enum {
    WIDTHS = 65,          /* classes of width: powers of two */
    MAX_ATTRIBUTES = 256, /* of an instance; with more, its dict is used as a container */
};

static unsigned width_of(Py_ssize_t entries) { return entries ? sh_log2_ceil((size_t)entries) : 0; }

/* The namespace of a module, class or instance is no cache, and its keys are names. */
static bool is_namespace(const sh_heap_walk *w, uint32_t node) {
    uint32_t parent = w->parents[node];
    PyObject *o = w->objects[node];
    if (!PyDict_CheckExact(o) || parent >= w->count) return false;
    PyObject *holder = w->objects[parent];
    if (PyModule_Check(holder)) return PyModule_GetDict(holder) == o;
    /* A function is met before its module where the module was removed from sys.modules. */
    if (PyFunction_Check(holder)) return PyFunction_GET_GLOBALS(holder) == o;
    if (PyType_Check(holder)) return ((PyTypeObject *)holder)->tp_dict == o;
    return ((PyDictObject *)o)->ma_used <= MAX_ATTRIBUTES && sh_instance_dict(holder) == o;
}

static Py_ssize_t width_in_walk(const sh_heap_walk *w, uint32_t node, Py_ssize_t min_entries) {
    Py_ssize_t entries = sh_container_entries(w->objects[node]);
    return entries < min_entries || w->parents[node] >= SH_PARENT_EXCLUDED || is_namespace(w, node) ? -1 : entries;
}

/* Two passes: how many there are of each width; then all of the widths for which there is room, and as many of the next as fit. */
static uint32_t choose(sh_heap_walk *w, Py_ssize_t min_entries, uint32_t room) {
    uint32_t of_width[WIDTHS] = { 0 }, total = 0, left = room;
    for (uint32_t i = w->first_walked; i < w->count; i++) {
        Py_ssize_t entries = width_in_walk(w, i, min_entries);
        if (entries < 0) continue;
        of_width[width_of(entries)]++;
        total++;
    }
    unsigned whole = WIDTHS;   /* from this width on, all */
    while (whole > 0 && of_width[whole - 1] <= left) left -= of_width[--whole];
    for (uint32_t i = w->first_walked; i < w->count; i++) {
        Py_ssize_t entries = width_in_walk(w, i, min_entries);
        if (entries < 0) continue;
        unsigned width = width_of(entries);
        if (width < whole && (width + 1 < whole || left == 0)) continue;
        if (width < whole) left--;
        w->hits[w->hit_count++] = i;
    }
    return total;
}

bool sh_heap_containers_with_gil(const sh_heap_search_options *options, Py_ssize_t min_entries, uint32_t room, uint32_t *total,
                                 sh_heap_paths *paths, sh_heap_search_figures *figures) {
    sh_heap_walk w;
    sh_heap_search_options all = *options;
    all.everything = true;
    if (!sh_heap_walk_init(&w, &all)) return false;
    sh_heap_walk_run_with_gil(&w);
    bool valid = !options->max_nodes || sh_heap_walk_valid(&w);
    int64_t start = sh_clock_ns(CLOCK_MONOTONIC);
    *total = choose(&w, min_entries, room < SH_MAX_BLOCKS ? room : SH_MAX_BLOCKS);
    bool taken = sh_heap_paths_take_with_gil(paths, &w);
    *figures = (sh_heap_search_figures){
        .pause_ns = w.pause_ns + sh_clock_ns(CLOCK_MONOTONIC) - start, .visited = w.count, .found = w.hit_count,
        .peak_bytes = w.peak_bytes, .complete = w.complete, .valid = valid,
    };
    sh_heap_walk_fini(&w);
    return taken;
}

/* ------------------------------------------------------------------ what is in one */

typedef struct { PyObject *key, *value; } entry;
typedef struct { entry entries[SH_CONTENTS_SAMPLE]; uint32_t count; uint64_t seen, every; PyTypeObject *type; } sample;

static int take_every(PyObject *o, void *arg) {
    sample *s = arg;
    if ((PyTypeObject *)o == s->type) return 0;   /* types made at run time, deque since 3.12, are shown as well */
    if (s->seen++ % s->every == 0 && s->count < SH_CONTENTS_SAMPLE) s->entries[s->count++] = (entry){ NULL, o };
    return 0;
}

static void take_sample(PyObject *o, Py_ssize_t n, sample *s) {
    s->type = Py_TYPE(o);
    s->every = n > SH_CONTENTS_SAMPLE ? ((uint64_t)n + SH_CONTENTS_SAMPLE - 1) / SH_CONTENTS_SAMPLE : 1;
    if (PyDict_Check(o)) {   /* not PyDict_Next from one to the next: the place may be chosen, and a table may have a million */
        Py_ssize_t position = 0;
        for (Py_ssize_t i = 0; i < n && s->count < SH_CONTENTS_SAMPLE; i += (Py_ssize_t)s->every) {
            entry *e = &s->entries[s->count];
            if (position < i) position = i;   /* it is past i where entries were removed */
            if (!PyDict_Next(o, &position, &e->key, &e->value)) break;
            s->count++;
        }
    } else if (PyList_Check(o)) {
        for (Py_ssize_t i = 0; i < n && s->count < SH_CONTENTS_SAMPLE; i += (Py_ssize_t)s->every)
            s->entries[s->count++] = (entry){ NULL, PyList_GET_ITEM(o, i) };
    } else {
        Py_TYPE(o)->tp_traverse(o, take_every, s);
    }
}

typedef struct {
    const sh_span_look *look;
    unsigned depth, met;
    PyObject *name;    /* of the ended span found */
    bool found;
} span_search;

static bool is_span(const sh_span_look *look, PyObject *o) {
    for (Py_ssize_t i = 0; i < look->span_type_count; i++)
        if (PyType_IsSubtype(Py_TYPE(o), (PyTypeObject *)look->span_types[i])) return true;
    return false;
}

/* What is shared by everything leads to everything. */
static bool is_passage(PyObject *o) {
    return sh_heap_can_refer(o) && !PyType_Check(o) && !PyModule_Check(o) && !PyFunction_Check(o) && !PyFrame_Check(o)
        && !PyGen_Check(o) && !PyCoro_CheckExact(o);
}

static int look_for_span(PyObject *o, void *arg) {
    span_search *s = arg;
    if (s->found || ++s->met > SH_CONTENTS_REACH) return 1;
    if (is_span(s->look, o)) {
        PyObject *end = sh_attribute(o, s->look->end_field);
        if (!end || end == Py_None) return 0;   /* active: its request holds it rightly */
        s->found = true;
        s->name = sh_attribute(o, s->look->name_field);
        return 1;
    }
    if (s->depth == SH_CONTENTS_DEPTH || !is_passage(o)) return 0;
    s->depth++;
    Py_TYPE(o)->tp_traverse(o, look_for_span, s);
    s->depth--;
    return s->found;
}

bool sh_heap_contents_with_gil(PyObject *o, const sh_span_look *look, sh_contents *out) {
    memset(out, 0, sizeof *out);
    out->entries = sh_container_entries(o);
    if (out->entries < 0) return false;
    sample s = { .count = 0 };
    take_sample(o, out->entries, &s);
    for (uint32_t i = 0; i < s.count; i++) {
        span_search search = { .look = look };
        if (s.entries[i].key) look_for_span(s.entries[i].key, &search);
        look_for_span(s.entries[i].value, &search);
        out->with_span += search.found;
        if (search.name && PyUnicode_Check(search.name)) out->span_name = search.name;
        out->bytes += sh_owned_size_with_gil(s.entries[i].key, s.entries[i].value);
    }
    out->looked_at = s.count;
    return true;
}
