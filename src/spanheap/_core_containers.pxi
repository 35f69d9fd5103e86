# Part of _core: which containers there are, and what is in them.

cdef extern from "heap_containers.h":
    enum: SH_CONTENTS_SAMPLE
    ctypedef struct sh_span_look:
        PyObject **span_types
        Py_ssize_t span_type_count
        const char *name_field
        const char *end_field
    ctypedef struct sh_contents:
        Py_ssize_t entries
        uint32_t looked_at, with_span
        size_t bytes
        PyObject *span_name
    Py_ssize_t sh_container_entries(object o)
    bint sh_heap_containers_with_gil(const sh_heap_search_options *options, Py_ssize_t min_entries, uint32_t room,
                                     uint32_t *total, sh_heap_paths *paths, sh_heap_search_figures *figures)
    bint sh_heap_contents_with_gil(object o, const sh_span_look *look, sh_contents *out)


def widest_containers(Py_ssize_t min_entries, uint32_t room, str own_folder, double budget_s, uint64_t max_nodes=0):
    """The containers with most entries, `room` at the most: ((steps, roots, hits, figures) as of walk_to_objects, how many there are).

    The GIL is held for budget_s seconds at most. Containers are dicts, lists, sets and deques, but no namespaces of modules and classes."""
    cdef sh_heap_search_options options
    cdef sh_heap_paths paths
    cdef sh_heap_search_figures f
    cdef uint32_t total = 0
    memset(&options, 0, sizeof(options))
    options.own_folder = <PyObject *>own_folder
    options.budget_ns = <int64_t>(budget_s * 1e9)
    options.max_nodes = max_nodes
    if not sh_heap_containers_with_gil(&options, min_entries, room, &total, &paths, &f):
        raise MemoryError("no memory for a walk over the heap")
    return taken_from(&paths, &f), total


def container_entries(o):
    """How many entries a container has; -1: it is none. None of its code runs."""
    return sh_container_entries(o)


def container_contents(o, tuple span_types, str name_field, str end_field):
    """(entries, of how many what follows is known, how many of those lead to an ended span, bytes that they own, a span's name).

    None: it is no container. A span's name is None where there is none. None of the container's code runs."""
    cdef sh_span_look look
    cdef sh_contents c
    cdef bytes name = name_field.encode(), end = end_field.encode()
    cdef PyObject *classes[16]
    cdef Py_ssize_t i
    look.span_types = classes
    look.span_type_count = min(<Py_ssize_t>len(span_types), 16)
    for i in range(look.span_type_count):
        if not isinstance(span_types[i], type):
            raise TypeError(f"span_types: {span_types[i]!r} is no class")
        classes[i] = <PyObject *>span_types[i]
    look.name_field, look.end_field = name, end
    if not sh_heap_contents_with_gil(o, &look, &c):
        return None
    return c.entries, c.looked_at, c.with_span, c.bytes, or_none(c.span_name)
