# Part of _core: who keeps an object alive.

cdef extern from "heap_names.h":
    PyObject *sh_key_of(object dict, object value)
    PyObject *sh_value_of(object dict, const char *key)
    PyObject *sh_instance_dict(object o)
    PyObject *sh_attribute_of(object o, object value)
    PyObject *sh_attribute(object o, const char *name)
    uint64_t sh_thread_of_local(object by_thread, object values)

cdef extern from "heap_search.h":
    uint32_t SH_PARENT_ROOT
    enum: SH_MAX_NODES
    enum: SH_MAX_BLOCKS
    ctypedef enum sh_root_kind:
        SH_ROOT_MODULE
        SH_ROOT_INTERPRETER
        SH_ROOT_TASK
        SH_ROOT_CONTEXT
        SH_ROOT_EXCEPTION
        SH_ROOT_THREAD
        SH_ROOT_FRAME
        SH_ROOT_CALLER
        SH_ROOT_C
        SH_ROOT_GARBAGE
    ctypedef struct sh_heap_search_options:
        const void **blocks
        uint32_t block_count
        bint parts
        PyObject **excluded
        uint32_t excluded_count
        PyObject **borrowed
        uint32_t borrowed_count
        PyObject *own_folder
        int64_t budget_ns
        uint64_t max_nodes
    ctypedef struct sh_path_object:
        PyObject *object
        uint32_t parent, skipped
    ctypedef struct sh_path_root:
        sh_root_kind kind
        const char *what
        uint64_t thread
        PyObject *name
        PyObject *code
        PyObject *module
    ctypedef struct sh_heap_paths:
        sh_path_object *objects
        uint32_t count
        sh_path_root *roots
        uint32_t root_count
        uint32_t *hits
        uint32_t hit_count, without_path
    ctypedef struct sh_heap_search_figures:
        int64_t pause_ns
        uint32_t visited, wanted, found
        size_t peak_bytes
        bint complete, valid
    ctypedef struct sh_heap_frame_facts:
        PyObject *code
        PyObject *module
        PyObject *name
    bint sh_heap_search_with_gil(const sh_heap_search_options *options, sh_heap_paths *paths, sh_heap_search_figures *figures)
    void sh_heap_paths_fini_with_gil(sh_heap_paths *p)
    const void *sh_heap_block_with_gil(object o)
    void sh_heap_set_deque_with_gil(object type)
    void sh_heap_set_buffer_type_with_gil(object type, Py_ssize_t block, Py_ssize_t base)
    bint sh_heap_frame_facts_with_gil(object o, object value, sh_heap_frame_facts *facts)

cdef extern from "heap_instances.h":
    ctypedef struct sh_instances:
        PyObject **objects
        uint32_t room, count
        uint64_t seen
    int sh_heap_instances_with_gil(PyObject **types, Py_ssize_t type_count, const char *field, object text,
                                   const char *end_field, int64_t deadline_ns, sh_instances *ended, sh_instances *open)


from collections import deque as _deque
sh_heap_set_deque_with_gil(_deque)

from io import BytesIO as _BytesIO, StringIO as _StringIO

_HEAD, _VAR_HEAD = sizeof(PyObject), sizeof(PyObject) + sizeof(Py_ssize_t)
sh_heap_set_buffer_type_with_gil(_BytesIO, _HEAD, 0)
sh_heap_set_buffer_type_with_gil(_StringIO, _HEAD, 0)


def know_buffers(modules):
    """Of `modules`, those whose arrays have their data outside: array, and numpy, whose views refer to what they are views of."""
    cdef Py_ssize_t p = sizeof(void *)
    for module, name, block, base in (("array", "array", _VAR_HEAD, 0), ("numpy", "ndarray", _HEAD, _HEAD + 4 * p)):
        found = modules.get(module)
        if type(found) is type(_core_module):
            array_type = attribute(found, name)
            if isinstance(array_type, type):
                sh_heap_set_buffer_type_with_gil(array_type, block, base)


import sys as _core_module

MAX_TARGETS = SH_MAX_BLOCKS
MAX_NODES = SH_MAX_NODES
ROOT_MODULE, ROOT_INTERPRETER, ROOT_TASK, ROOT_CONTEXT = SH_ROOT_MODULE, SH_ROOT_INTERPRETER, SH_ROOT_TASK, SH_ROOT_CONTEXT
ROOT_EXCEPTION, ROOT_THREAD, ROOT_FRAME, ROOT_CALLER = SH_ROOT_EXCEPTION, SH_ROOT_THREAD, SH_ROOT_FRAME, SH_ROOT_CALLER
ROOT_C, ROOT_GARBAGE = SH_ROOT_C, SH_ROOT_GARBAGE


cdef object or_none(PyObject *o):
    return <object>o if o != NULL else None


cdef object taken_from(sh_heap_paths *paths, sh_heap_search_figures *f):
    """(steps, roots, hits, figures), as walk_to_objects tells; gives the paths back."""
    cdef uint32_t i
    try:
        assert f.valid, "the invariants of the walk do not hold"
        steps = []
        for i in range(paths.count):
            parent = paths.objects[i].parent
            steps.append((<object>paths.objects[i].object,
                          -1 - <int64_t>(parent ^ SH_PARENT_ROOT) if parent & SH_PARENT_ROOT else <int64_t>parent,
                          paths.objects[i].skipped))
        roots = [(paths.roots[i].kind, paths.roots[i].what.decode() if paths.roots[i].what != NULL else "",
                  paths.roots[i].thread, or_none(paths.roots[i].name), or_none(paths.roots[i].code),
                  or_none(paths.roots[i].module)) for i in range(paths.root_count)]
        figures = (f.pause_ns / 1e9, f.visited, bool(f.complete), f.peak_bytes, f.wanted, f.found)
        return steps, roots, [paths.hits[i] for i in range(paths.hit_count)], figures
    finally:
        sh_heap_paths_fini_with_gil(paths)


cdef object walk_from(sh_heap_search_options *options, tuple objects, tuple borrowed, str own_folder, double budget_s,
                      uint64_t max_nodes):
    cdef PyObject *excluded[1]
    cdef PyObject *lent[4]
    cdef sh_heap_paths paths
    cdef sh_heap_search_figures f
    excluded[0] = <PyObject *>objects
    options.excluded = excluded
    options.excluded_count = 1
    options.borrowed = lent
    options.borrowed_count = 0
    for container in borrowed[:4]:
        if type(container) in (list, tuple, set, frozenset):
            lent[options.borrowed_count] = <PyObject *>container
            options.borrowed_count += 1
    options.own_folder = <PyObject *>own_folder
    options.budget_ns = <int64_t>(budget_s * 1e9)
    options.max_nodes = max_nodes
    if not sh_heap_search_with_gil(options, &paths, &f):
        raise MemoryError("no memory for a walk over the heap")
    return taken_from(&paths, &f)


def walk_to_objects(tuple objects, tuple borrowed, str own_folder, double budget_s, uint64_t max_nodes=0):
    """Walk the heap to these objects; returns (steps, roots, hits, figures).

    steps: [(object, place of its parent or -1 - place of its root, objects left out between the two)], parents first.
    roots: [(kind, what, thread id, name, code, module name)]. hits: [place in steps], one for each object found.
    figures: (pause in s, objects visited, complete, bytes, objects looked for, objects found).
    borrowed: lists, tuples and sets, four at most, in which the caller holds the objects; not an answer. budget_s: seconds. max_nodes: objects visited at most, 0: 2 million.
    """
    cdef sh_heap_search_options options
    cdef Py_ssize_t n = min(<Py_ssize_t>len(objects), <Py_ssize_t>SH_MAX_BLOCKS), i
    cdef const void **blocks = <const void **>malloc((n + 1) * sizeof(void *))
    if blocks == NULL:
        raise MemoryError
    memset(&options, 0, sizeof(options))
    for i in range(n):
        blocks[i] = sh_heap_block_with_gil(objects[i])
    options.blocks = blocks
    options.block_count = <uint32_t>n
    try:
        return walk_from(&options, objects, borrowed, own_folder, budget_s, max_nodes)
    finally:
        free(blocks)


def walk_to_site(tuple frames, str own_folder, double budget_s, uint64_t max_nodes=0):
    """As walk_to_objects, to the live samples that were allocated at this stack, a tuple of Frame."""
    require_tables()
    cdef sh_stack_table *stacks = &the_profile.stacks
    cdef sh_heap_search_options options
    cdef sh_sample chunk[SH_LIVE_CHUNK]
    cdef uint32_t cursor = 0, id, i, n
    cdef char *wanted
    cdef const void **blocks = NULL
    sh_symbols_resolve_with_gil(the_profile, <uint32_t>-1)
    memset(&options, 0, sizeof(options))
    high = stacks.high
    wanted = <char *>malloc(high + 1)
    blocks = <const void **>malloc(SH_MAX_BLOCKS * sizeof(void *))
    try:
        if wanted == NULL or blocks == NULL:
            raise MemoryError
        memset(wanted, 0, high + 1)
        for id in range(high):
            if stacks.stacks[id].used and stacks.stacks[id].depth == <uint32_t>len(frames):
                first = stacks.stacks[id].first_frame
                wanted[id] = all([frame_of(stacks.frames[first + i].location) == frames[i] for i in range(len(frames))])
        # From here to the walk nothing is allocated or released: an address is still the block it was.
        while True:
            n = sh_live_table_copy(&the_profile.live, &cursor, chunk)
            if n == 0:
                break
            for i in range(n):
                if (chunk[i].state == SH_SAMPLE_LIVE and chunk[i].stack < high and wanted[chunk[i].stack]
                        and options.block_count < SH_MAX_BLOCKS):
                    blocks[options.block_count] = chunk[i].address
                    options.block_count += 1
        options.blocks = blocks
        options.parts = True
        return walk_from(&options, (), (), own_folder, budget_s, max_nodes)
    finally:
        free(wanted)
        free(blocks)


def walk_to_group(key, double since, double until, str own_folder, double budget_s, uint64_t max_nodes=0):
    """As walk_to_objects, to the live samples of a group of the leak detector that were born between these times of its clock."""
    require_tables()
    cdef sh_cohort_key wanted
    cdef sh_heap_search_options options
    cdef sh_sample chunk[SH_LIVE_CHUNK]
    cdef uint32_t cursor = 0, i, n = 1, seen = 0, matching = 0, kept = 0, room = 256
    cdef const void **blocks = NULL
    wanted.function, wanted.filename, wanted.root_name = key
    memset(&options, 0, sizeof(options))
    if the_cohorts.groups == NULL:
        return walk_from(&options, (), (), own_folder, budget_s, 1)
    blocks = <const void **>malloc(room * sizeof(void *))
    if blocks == NULL:
        raise MemoryError
    try:
        # From here to the walk nothing is allocated or released: an address is still the block it was.
        while n:   # first count them, then take every so-manyth: old and young alike
            n = sh_live_table_copy(&the_profile.live, &cursor, chunk)
            for i in range(n):
                matching += (chunk[i].state == SH_SAMPLE_LIVE and since <= chunk[i].clock_s <= until
                             and sh_cohorts_match(&the_cohorts, the_profile, &chunk[i], wanted))
        cursor, n = 0, 1
        while n and matching:
            n = sh_live_table_copy(&the_profile.live, &cursor, chunk)
            for i in range(n):
                if (chunk[i].state == SH_SAMPLE_LIVE and since <= chunk[i].clock_s <= until
                        and sh_cohorts_match(&the_cohorts, the_profile, &chunk[i], wanted)):
                    if kept < room and <uint64_t>seen * room >= <uint64_t>kept * matching:
                        blocks[kept] = chunk[i].address
                        kept += 1
                    seen += 1
        options.blocks = blocks
        options.block_count = kept
        options.parts = True
        return walk_from(&options, (), (), own_folder, budget_s, max_nodes)
    finally:
        free(blocks)


def walk_to_largest(key, str own_folder, double budget_s, uint64_t max_nodes=0):
    """As walk_to_objects, to the largest block of a group of the leak detector."""
    require_tables()
    cdef sh_cohort_key wanted
    cdef sh_heap_search_options options
    cdef sh_sample chunk[SH_LIVE_CHUNK]
    cdef uint32_t cursor = 0, i, n = 1
    cdef uint64_t size = 0
    cdef const void *block[1]
    wanted.function, wanted.filename, wanted.root_name = key
    memset(&options, 0, sizeof(options))
    while n and the_cohorts.groups != NULL:
        n = sh_live_table_copy(&the_profile.live, &cursor, chunk)
        for i in range(n):
            if (chunk[i].state == SH_SAMPLE_LIVE and chunk[i].size > size
                    and sh_cohorts_match(&the_cohorts, the_profile, &chunk[i], wanted)):
                block[0], size = chunk[i].address, chunk[i].size
    options.blocks = block
    options.block_count = 1 if size else 0
    options.parts = True
    return walk_from(&options, (), (), own_folder, budget_s, max_nodes)


def instances(tuple types, str field, str text, str end_field, uint32_t room, double budget_s):
    """Objects of these types whose attribute `field` is `text`: (ended, how many there are, open, how many, complete).

    Open are those whose attribute `end_field` is None. At most `room` of each are returned, seconds: `budget_s`."""
    cdef sh_instances ended, still_open
    cdef PyObject **memory = <PyObject **>malloc(2 * (room + 1) * sizeof(PyObject *))
    cdef bytes field_name = field.encode(), end_name = end_field.encode()
    cdef int64_t deadline = sh_clock_ns(CLOCK_MONOTONIC) + <int64_t>(budget_s * 1e9)
    cdef PyObject *classes[16]
    cdef Py_ssize_t type_count = min(<Py_ssize_t>len(types), 16), i
    if memory == NULL:
        raise MemoryError
    for i in range(type_count):
        classes[i] = <PyObject *>types[i]
    memset(&ended, 0, sizeof(ended))
    memset(&still_open, 0, sizeof(still_open))
    ended.objects, still_open.objects = memory, memory + room
    ended.room = still_open.room = room
    cdef int status = sh_heap_instances_with_gil(classes, type_count, field_name, text, end_name, deadline, &ended, &still_open)
    found = ([<object>ended.objects[i] for i in range(ended.count)], ended.seen,
             [<object>still_open.objects[i] for i in range(still_open.count)], still_open.seen, status == 0)
    for i in range(ended.count):
        Py_DECREF(<object>ended.objects[i])
    for i in range(still_open.count):
        Py_DECREF(<object>still_open.objects[i])
    free(memory)
    return found


# ---------------------------------------------------------------- names; none of these runs Python code

def key_of(mapping, value):
    """The key under which a dict holds this very object, or None."""
    return or_none(sh_key_of(mapping, value)) if isinstance(mapping, dict) else None


def value_of(mapping, str key):
    """What a dict has under this text, found without hashing or comparing its keys; or None."""
    return or_none(sh_value_of(mapping, key.encode())) if isinstance(mapping, dict) else None


def instance_dict(o):
    """The __dict__ of an instance if it exists as an object; it is never made."""
    return or_none(sh_instance_dict(o))


def attribute_of(o, value):
    """The name of the instance attribute that is this very object, or None. Slots are not looked at."""
    return or_none(sh_attribute_of(o, value))


def attribute(o, str name):
    """The instance attribute of this name, or None."""
    return or_none(sh_attribute(o, name.encode()))


def frame_facts(o, value):
    """(code, module name, name of the variable that is `value`) of the frame of a generator, coroutine or frame object; or None."""
    cdef sh_heap_frame_facts facts
    if not sh_heap_frame_facts_with_gil(o, value, &facts):
        return None
    return or_none(facts.code), or_none(facts.module), or_none(facts.name)


def thread_of_local(by_thread, values):
    """threading.get_ident() of the thread whose values these are, or 0. `by_thread`: the dict of a threading.local."""
    return sh_thread_of_local(by_thread, values) if isinstance(by_thread, dict) else 0
