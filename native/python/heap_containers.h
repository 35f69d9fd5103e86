/* Which containers there are, and what is in them: for who wants to know which of them grow.
 *
 * A container is a dict, list, set or deque (or of a class derived from one) that is no namespace of a module, class or instance. Of those that a
 * walk from the roots meets, the widest are told, with the ways to them. What is in one is judged by entries chosen evenly: how many
 * lead, over at most SH_CONTENTS_DEPTH objects, to an ended span, and what they own.
 * Thread rules: the GIL, which is held throughout; no code of others runs. Invariant: looked_at <= entries, with_span <= looked_at. */
#ifndef SPANHEAP_HEAP_CONTAINERS_H
#define SPANHEAP_HEAP_CONTAINERS_H

#include "heap_search.h"

enum {
    SH_CONTENTS_SAMPLE = 64,       /* entries looked at */
    SH_CONTENTS_DEPTH = 3,         /* entry, its instance dict (to 3.10), a tuple in it, the span */
    SH_CONTENTS_REACH = 256,       /* objects met from one entry */
};

/* Entries of a container, or -1: it is none. */
Py_ssize_t sh_container_entries(PyObject *o);

/* Walks, and takes the ways to the `room` containers with most entries, `min_entries` at least. *total: how many there are.
 * False: no memory. options->everything is set by this function. */
bool sh_heap_containers_with_gil(const sh_heap_search_options *options, Py_ssize_t min_entries, uint32_t room, uint32_t *total,
                                 sh_heap_paths *paths, sh_heap_search_figures *figures);

typedef struct {
    PyObject *const *span_types; Py_ssize_t span_type_count;
    const char *name_field, *end_field;   /* of a span: its name; what is None until it ends */
} sh_span_look;

typedef struct {
    Py_ssize_t entries;
    uint32_t looked_at, with_span;
    size_t bytes;              /* that the entries looked at own */
    PyObject *span_name;       /* of an ended span in one of them; borrowed, or NULL */
} sh_contents;

/* False: it is no container. */
bool sh_heap_contents_with_gil(PyObject *o, const sh_span_look *look, sh_contents *out);

#endif
