"""The bug classes that sampling profilers in CPython's allocators have had, and for each at least one mutant that has it."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_HOOK = "native/python/alloc_hook.c"
_SAMPLING = "native/python/hook_sample.c"
_INSTALL = "native/python/hook_install.c"
_CONTEXT = "native/python/context.c"
_PROFILE = "native/src/profile.c"
_LIVE = "native/src/live_table.c"

_RULES = "tests/bug_classes/test_hook_rules.py::test_class_"
_TABLES = "tests/bug_classes/test_table_rules.py::test_class_"
_LIBRARIES = "tests/bug_classes/test_library_rules.py::test_class_"
_PROCESS = "tests/bug_classes/test_process_rules.py::test_class_"
_TEST_HOOK = "tests/integration/test_hook.py::test_"
_TEST_FORK = "tests/integration/test_fork.py::test_"

# Where a sample is taken: after this line anything goes.
_SAMPLE = "    sh_live_table_prefetch(&p->live, address);   /* cold lines, wanted after the walk */\n"

BUG_CLASSES = {
    1: "Python code runs inside an allocation, releases the GIL and sees objects half built",
    2: "frame APIs allocate inside an allocation: garbage is collected in the middle of a realloc",
    3: "references given back inside an allocation run destructors, which allocate",
    4: "the GIL taken for a lock against callers that do not hold it",
    5: "an allocator is torn, hooked twice, or taken from another tool, at start or stop",
    6: "a fork finds tables half changed, a lock held, or loses what the child has inherited",
    7: "a free costs more the larger the heap is",
    8: "an exception that is pending is cleared or replaced",
    9: "a lock is held while the allocator beneath, which may wait for another thread, works",
    10: "thread-local state is gone while destructors of the thread still free and allocate",
    11: "greenlets switch stack and context, and what is kept by thread is another's",
    12: "pages of other libraries are left writable",
    13: "a file is mapped that the disk has no room for: a SIGBUS when it is written to",
    14: "the profiler's own state grows without bound, or is not told",
    15: "PyContextVar_Get inside an allocation leaves the variable's cache wrong for good",
    16: "a cap drops samples but not their bytes: the estimate is inflated",
    17: "all workers of a pre-fork server draw the same random sequence",
    18: "a realloc is taken for a free, or its old address is released too late",
}

MUTANTS = (
    Mutant(
        "compares-keys", 1, "looks the span up in the context by key, which calls __eq__ of another key of equal hash",
        _CONTEXT,
        ((
            """\
    for (int i = 0; i < MAX_CONTEXT_KEYS && !span && PyDict_Next(context, &position, &key, &value); i++)
        if (key == config.key) span = value;
""",
            """\
    static bool busy;   /* or it would be called for what it allocates, too */
    if (!busy) {
        busy = true;
        span = PyDict_GetItemWithError(context, config.key);
        busy = false;
    }
""",
        ),),
        (f"{_RULES}01_no_python_code_runs_inside_an_allocation[default]",),
    ),
    Mutant(
        "releases-the-gil", 1, "gives the GIL up for a moment while a sample is taken",
        _SAMPLING, ((_SAMPLE, _SAMPLE + "    Py_BEGIN_ALLOW_THREADS\n    Py_END_ALLOW_THREADS\n"),),
        (f"{_RULES}01_the_gil_is_not_released_inside_an_allocation",),
    ),
    Mutant(
        "makes-frame-objects", 2, "reads the stack through frame objects, which are allocated; guarded against recursion",
        _SAMPLING,
        ((
            _SAMPLE,
            _SAMPLE + """\
    static bool busy;
    PyFrameObject *frame = busy ? NULL : PyThreadState_GetFrame(tstate);
    if (frame) {
        busy = true;
        Py_XDECREF(PyObject_GetAttrString((PyObject *)frame, "f_lineno"));
        Py_DECREF(frame);
        busy = false;
    }
""",
        ),),
        (f"{_RULES}02_a_sample_allocates_and_frees_nothing[escape]",
         f"{_RULES}02_a_sample_allocates_and_frees_nothing[classic]"),
    ),
    Mutant(
        "boxes-line-numbers", 2, "makes an object, and drops it, for each sample; guarded against recursion",
        _SAMPLING,
        ((
            _SAMPLE,
            _SAMPLE + """\
    static bool busy;
    if (!busy) {
        busy = true;
        Py_XDECREF(PyLong_FromLong(123456));
        busy = false;
    }
""",
        ),),
        (f"{_RULES}02_a_sample_allocates_and_frees_nothing[escape]",
         f"{_RULES}02_a_sample_allocates_and_frees_nothing[classic]"),
    ),
    Mutant(
        "evicts-in-the-hook", 3, "drops stacks, and the references to their code, as soon as the table is crowded",
        _SAMPLING,
        ((
            "    uint32_t stack = sh_stack_table_intern(",
            "    if (sh_stack_table_crowded(&p->stacks)) sh_profile_evict_stacks(p, 0, 0, (sh_drop_code)Py_DecRef);\n"
            "    uint32_t stack = sh_stack_table_intern(",
        ),),
        (f"{_RULES}03_references_are_given_back_outside_of_allocations",),
    ),
    Mutant(
        "samples-without-the-gil", 4, "takes a thread's own state for a sign that the thread holds the GIL",
        "native/python/hook_sample.h",
        ((
            "    PyThreadState *tstate = SH_CURRENT_THREAD_STATE();\n#if PY_VERSION_HEX < 0x030C0000\n",
            "    PyThreadState *tstate = PyGILState_GetThisThreadState();\n#if PY_VERSION_HEX < 0x030C0000\n",
        ),),
        (f"{_TABLES}04_who_lacks_the_gil_is_counted_not_sampled[make_without_the_gil]",),
    ),
    Mutant(
        "frees-without-the-lock", 4, "relies on the GIL where a released sample leaves the table",
        _LIVE,
        (
            (
                "    sh_lock_acquire(&t->lock);\n    size_t position = index_find(t, address);\n    bool found",
                "    size_t position = index_find(t, address);\n    bool found",
            ),
            (   # another thread comes in between, even on a single core
                "    t->retired[t->retired_count++] = entry;\n",
                "    uint32_t top = t->retired_count;\n    sched_yield();\n"
                "    t->retired[top] = entry;\n    t->retired_count = top + 1;\n",
            ),
            (
                "        retire_at(t, position, entry);\n    }\n    sh_lock_release(&t->lock);\n    return found;",
                "        retire_at(t, position, entry);\n    }\n    return found;",
            ),
        ),
        (f"{_TABLES}04_frees_without_the_gil_race_with_samples",),
    ),
    Mutant(
        "hooks-itself", 5, "does not find out whether it is still in the chain, beneath a tool that came later",
        _INSTALL,
        (("        if (arrives(d)) return true;\n", "        if (arrives(d)) return false;\n"),),
        (f"{_TEST_HOOK}tracemalloc_comes_and_goes[STts-0]",),
    ),
    Mutant(
        "trusts-its-ctx", 5, "takes the allocator beneath RAW from its ctx, which a torn view of the struct may lack",
        _HOOK,
        (
            (
                "*a = (PyMemAllocatorEx){ NULL, raw_malloc_in_hook",
                "*a = (PyMemAllocatorEx){ (void *)raw_beneath(), raw_malloc_in_hook",
            ),
            (
                "static void *raw_malloc_in_hook(void *ctx, size_t size) {\n"
                "    const PyMemAllocatorEx *beneath = raw_beneath();",
                "static void *raw_malloc_in_hook(void *ctx, size_t size) {\n    const PyMemAllocatorEx *beneath = ctx;",
            ),
        ),
        (f"{_PROCESS}05_a_torn_view_of_the_raw_allocator_works[default]",),
    ),
    Mutant(
        "takes-others-out", 5, "restores pymalloc at stop without looking who else has hooked above since",
        _INSTALL,
        ((
            "if (same_functions(&current, &ours)) PyMem_SetAllocator(domains[d], &hook.pymalloc);",
            "PyMem_SetAllocator(domains[d], &hook.pymalloc);",
        ),),
        (f"{_PROCESS}05_a_tool_above_stays_in_place_when_we_stop[mem]",
         f"{_PROCESS}05_a_tool_above_stays_in_place_when_we_stop[obj]"),
    ),
    Mutant(
        "child-forgets", 6, "starts a forked child with empty tables",
        _INSTALL,
        ((
            "    sh_lock_reset(&hook.profile.live.lock);\n",
            "    sh_lock_reset(&hook.profile.live.lock);\n    sh_profile_forget_samples(&hook.profile);\n",
        ),),
        (f"{_TEST_FORK}inherited_blocks_stay_accounted_and_the_parent_is_untouched",
         f"{_PROCESS}06_a_fork_in_the_middle_of_a_change_finds_whole_tables[default]"),
    ),
    Mutant(
        "child-stays-locked", 6, "leaves the lock in a forked child to a thread that is not there",
        _INSTALL,
        (("    sh_lock_reset(&hook.profile.live.lock);\n", ""),),
        (f"{_PROCESS}06_a_fork_in_the_middle_of_a_change_finds_whole_tables[default]",),
    ),
    Mutant(
        "forks-half-changed", 6, "forks without waiting for whoever is changing the tables",
        _INSTALL,
        (
            ("static void before_fork(void) { sh_lock_acquire(&hook.profile.live.lock); }",
             "static void before_fork(void) { }"),
            ("static void after_fork_in_parent(void) { sh_lock_release(&hook.profile.live.lock); }",
             "static void after_fork_in_parent(void) { }"),
        ),
        (f"{_PROCESS}06_a_fork_in_the_middle_of_a_change_finds_whole_tables[default]",),
    ),
    Mutant(
        "filter-too-small", 7, "has a filter of one size, so that a large heap sends each free into the table",
        _LIVE,
        (("unsigned bits = sh_log2_ceil((size_t)max_live * FILTER_COUNTS_PER_ENTRY);", "unsigned bits = 10;"),),
        (f"{_TABLES}07_freeing_what_is_not_sampled_does_not_depend_on_the_heap",),
    ),
    Mutant(
        "searches-linearly", 7, "looks through all samples for the one that is freed",
        _LIVE,
        (("    return (sh_hash_address(p) * UINT64_C(0xD6E8FEB86659FD93)) >> (64 - t->index_bits);", "    return 0;"),),
        (f"{_TABLES}07_freeing_a_sample_does_not_depend_on_the_heap",),
    ),
    Mutant(
        "clears-the-error", 8, "clears whatever exception is pending, lest it disturb the sample",
        _SAMPLING, ((_SAMPLE, _SAMPLE + "    PyErr_Clear();\n"),),
        (f"{_RULES}08_a_pending_exception_survives_allocations[default]",),
    ),
    Mutant(
        "locks-over-realloc", 9, "holds the table's lock while the allocator beneath moves a block",
        _HOOK,
        ((
            "    void *p = beneath->realloc(beneath->ctx, old, size);\n    if (SH_UNLIKELY(!p",
            """\
    sh_lock_acquire(&hook.profile.live.lock);
    void *p = beneath->realloc(beneath->ctx, old, size);
    sh_lock_release(&hook.profile.live.lock);
    if (SH_UNLIKELY(!p""",
        ),),
        (f"{_RULES}09_no_lock_is_held_while_the_allocator_beneath_works[realloc]",),
    ),
    Mutant(
        "state-with-a-destructor", 10, "gives a thread's state back when the thread ends, while others still free blocks",
        _HOOK,
        ((
            "static _Thread_local thread_state self;\n",
            """\
#include <pthread.h>
static _Thread_local thread_state *own;
static pthread_key_t own_key;
static void give_back(void *state) { munmap(state, sizeof(thread_state)); }
static void make_key(void) { pthread_key_create(&own_key, give_back); }
static thread_state *own_state(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!own) {
        pthread_once(&once, make_key);
        own = sh_pages_map(sizeof(thread_state));
        pthread_setspecific(own_key, own);
    }
    return own;
}
#define self (*own_state())
""",
        ),),
        (f"{_PROCESS}10_destructors_of_thread_locals_free_and_allocate[default]",),
    ),
    Mutant(
        "context-of-the-thread", 11, "reads a thread's context once, though greenlets bring their own",
        _CONTEXT,
        ((
            "    PyObject *context = find_in_hook(tstate, config.var, config.var_hash, config.mode);\n",
            """\
    static _Thread_local PyObject *first;
    PyObject *now = tstate->context;
    if (!first) first = now;
    tstate->context = first;
    PyObject *context = find_in_hook(tstate, config.var, config.var_hash, config.mode);
    tstate->context = now;
""",
        ),),
        (f"{_PROCESS}11_greenlets_have_their_own_span_and_stack",),
    ),
    Mutant(
        "settles-by-thread", 11, "gives all that waits on a thread for its span to the next span that starts there",
        "native/python/pending_samples.c",
        (
            ("        if (self.samples[i].frame == frame) self.samples[kept++]", "        self.samples[kept++]"),
            ("        if (self.samples[i].frame == frame) sh_profile_retag(", "        sh_profile_retag("),
        ),
        (f"{_PROCESS}11_a_switch_inside_start_span_mixes_no_spans",),
    ),
    Mutant(
        "leaves-pages-writable", 12, "does not give a page of another library its protection back",
        "native/python/got_patch.c",
        (("    if (locked) mprotect((void *)page, page_size, protection);\n", ""),),
        (f"{_LIBRARIES}12_pages_have_the_protection_they_had[now]",),
    ),
    Mutant(
        "maps-what-the-disk-has-not", 13, "maps the file although its bytes could not be allocated",
        "native/src/recorder.c",
        (("    if (error) return error;\n    char *file = mmap(", "    char *file = mmap("),),
        (f"{_LIBRARIES}13_a_full_disk_is_no_bus_error",),
    ),
    Mutant(
        "keeps-old-tables", 14, "maps new tables at a start with other options, and leaves the old ones mapped",
        _PROFILE, (("    if (new_stacks) sh_stack_table_fini(&old_stacks);\n", ""),),
        (f"{_TABLES}14_restarts_leave_no_tables_behind",),
    ),
    Mutant(
        "evicts-nothing", 14, "remembers all stacks for ever, and the code they are made of",
        _PROFILE,
        (("    if (sh_stack_table_crowded(&p->stacks) || sh_totals_table_crowded(&p->totals))", "    if (false)"),),
        (f"{_TABLES}14_code_that_was_dropped_is_let_go",),
    ),
    Mutant(
        "memory-untold", 14, "leaves the live samples out of its own memory",
        _PROFILE, (("    return sh_live_table_memory(&p->live) + ", "    return "),),
        (f"{_TABLES}14_the_tables_say_what_they_hold_and_stay_within_it",),
    ),
    Mutant(
        "names-stay-cached", 14, "lets the method cache keep each name that was sampled",
        "native/python/type_cache.c", (("    if (state == ABSENT) return -1;\n", "    if (state != UNKNOWN) return -1;\n"),),
        (f"{_TEST_HOOK}sampled_names_do_not_stay_in_the_method_cache",),
    ),
    Mutant(
        "asks-the-contextvar", 15, "reads the variable through PyContextVar_Get, which refills a cache that nobody clears",
        _CONTEXT,
        ((
            "    if (mode == SH_CONTEXT_NODES) return find_by_nodes_in_hook((PyObject *)hamt->h_root, var, hash);\n",
            """\
    if (mode == SH_CONTEXT_NODES) {
        PyObject *value = NULL;
        if (PyContextVar_Get(var, NULL, &value) < 0) PyErr_Clear();
        Py_XDECREF(value);
        return value;
    }
""",
        ),),
        (f"{_TEST_HOOK}context_variables_are_what_they_were_set_to",),
    ),
    Mutant(
        "thins-nothing", 16, "weighs samples anew when there are too many, and keeps them all",
        _LIVE, (("        if (sh_rng_uniform(rng) <= keep) {\n", "        if (sh_rng_uniform(rng) <= keep + 1) {\n"),),
        (f"{_TABLES}16_at_the_cap_the_estimate_is_still_right[True]",),
    ),
    Mutant(
        "counts-what-it-drops", 16, "drops a sample and counts its bytes",
        _PROFILE,
        ((
            "        p->counters.dropped++;\n",
            "        p->counters.dropped++;\n        p->totals.bytes += sh_sample_estimate(sample).bytes;\n",
        ),),
        (f"{_TABLES}16_at_the_cap_the_estimate_is_still_right[False]",),
    ),
    Mutant(
        "children-alike", 17, "lets all forked children draw the same sequence",
        _INSTALL, (("    hook.seed = sh_hash_mix(hook.seed, (uint64_t)getpid());\n", ""),),
        (f"{_PROCESS}17_forked_children_draw_their_own_random_sequences[small]",
         f"{_PROCESS}17_forked_children_draw_their_own_random_sequences[large]"),
    ),
    Mutant(
        "threads-alike", 17, "lets all threads draw the same sequence",
        _HOOK, (("ordinal + UINT64_C(1)));", "ordinal * 0 + UINT64_C(1)));"),),
        (f"{_PROCESS}17_threads_draw_their_own_random_sequences",),
    ),
    Mutant(
        "realloc-is-a-free", 18, "does not count the block that a realloc has made",
        _HOOK,
        ((
            """\
    void *p = realloc_in_hook(raw_beneath(), old, size);
    if (SH_UNLIKELY(!p)) sh_refused_note_in_hook(size);
    note_counted_in_hook(p);
    if (raw_runs_out_in_hook(size)) raw_ran_out_in_hook(p, size);
""",
            """\
    void *p = realloc_in_hook(raw_beneath(), old, size);
    if (SH_UNLIKELY(!p)) sh_refused_note_in_hook(size);
    note_counted_in_hook(p);
""",
        ),),
        (f"{_TEST_HOOK}a_bytearray_that_grows_and_shrinks_is_counted_once",),
    ),
    Mutant(
        "forgets-a-failed-realloc", 18, "does not put the sample back when the realloc has failed",
        _HOOK,
        (("    if (SH_UNLIKELY(!p && was_sampled)) sh_live_table_restore(&hook.profile.live, ref);\n", ""),),
        (f"{_TEST_HOOK}a_realloc_that_fails_keeps_its_sample",),
    ),
    Mutant(
        "releases-after-realloc", 18, "takes the old address out of the table when others may have it already",
        _HOOK,
        ((
            """\
    bool was_sampled = old && SH_UNLIKELY(sh_live_table_maybe(&hook.profile.live, old))
        && sh_profile_release_in_hook(&hook.profile, old, &ref);
    void *p = beneath->realloc(beneath->ctx, old, size);
    if (SH_UNLIKELY(!p && was_sampled)) sh_live_table_restore(&hook.profile.live, ref);
""",
            """\
    void *p = beneath->realloc(beneath->ctx, old, size);
    if (p && old && sh_live_table_maybe(&hook.profile.live, old)) sh_profile_release_in_hook(&hook.profile, old, &ref);
""",
        ),),
        (f"{_TABLES}18_an_address_that_is_reused_during_a_realloc_keeps_its_sample",),
    ),
)
