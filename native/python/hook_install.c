#include "hook_install.h"

#include "arena_count.h"
#include "got_patch.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define hook sh_the_hook

#if PY_VERSION_HEX >= 0x030D0000
extern const char *_PyMem_GetCurrentAllocatorName(void);   /* exported, but its header moved to internal/ */
#endif

enum { DOMAINS = 3, MAX_BENEATH = 16 };
static const PyMemAllocatorDomain domains[DOMAINS] = { PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ };

/* What was found beneath us. A record never changes: a thread may still be on its way through an older link. There are only so
 * many allocators in a process (plain, debug, tracemalloc's, an extension's), however often they come and go. */
static PyMemAllocatorEx beneath[MAX_BENEATH];
static unsigned beneath_count;

static bool pymalloc_known;             /* hook.pymalloc holds the functions of plain pymalloc */
static sh_hook_mode mode[DOMAINS];
static uint64_t lost;
static float window_share = 1.0f;
static bool windows_now;                /* OBJ and MEM are hooked in windows only */

/* Called with the GIL, from the tick or a start or stop: never from a hook. */
static void drop_code(const void *code) { Py_DECREF((PyObject *)code); }

/* ------------------------------------------------------------------ are we in the chain? */

/* A request of this domain arrives at our hook. */
static bool arrives(int d) {
    sh_hook_probe_begin(domains[d] == PYMEM_DOMAIN_RAW);
    void *p;
    switch (domains[d]) {
    case PYMEM_DOMAIN_RAW: p = PyMem_RawMalloc(1); PyMem_RawFree(p); break;
    case PYMEM_DOMAIN_MEM: p = PyMem_Malloc(1); PyMem_Free(p); break;
    default: p = PyObject_Malloc(1); PyObject_Free(p); break;
    }
    return sh_hook_probe_end();
}

/* Interpreters with a GIL of their own count down beside us and may overwrite what a probe has set: one miss proves nothing. */
static bool reached(int d) {
    for (int attempt = 0; attempt < 5; attempt++)
        if (arrives(d)) return true;
    return false;
}

static bool same_functions(const PyMemAllocatorEx *a, const PyMemAllocatorEx *b) {
    return a->malloc == b->malloc && a->free == b->free && a->ctx == b->ctx;
}

static void learn_pymalloc(void) {
    if (pymalloc_known) return;
    const char *name = _PyMem_GetCurrentAllocatorName();
    if (!name || strcmp(name, "pymalloc") != 0) return;
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &hook.pymalloc);
    pymalloc_known = true;
}

/* ------------------------------------------------------------------ install */

static bool is_ours(const PyMemAllocatorEx *allocator) {
    PyMemAllocatorEx raw, escape, classic;
    sh_hook_fill_raw(&raw);
    sh_hook_fill_escape(&escape);
    sh_hook_fill_classic(&classic);
    return allocator->malloc == raw.malloc || allocator->malloc == escape.malloc || allocator->malloc == classic.malloc;
}

static const PyMemAllocatorEx *record_beneath(const PyMemAllocatorEx *allocator) {
    for (unsigned i = 0; i < beneath_count; i++)
        if (memcmp(&beneath[i], allocator, sizeof *allocator) == 0) return &beneath[i];
    if (beneath_count == MAX_BENEATH) return NULL;
    beneath[beneath_count] = *allocator;
    return &beneath[beneath_count++];
}

static bool install(int d) {
    PyMemAllocatorEx current, ours;
    PyMem_GetAllocator(domains[d], &current);
    if (is_ours(&current)) return true;   /* a probe that was missed all the same: never on top of ourselves */
    if (domains[d] != PYMEM_DOMAIN_RAW && pymalloc_known && same_functions(&current, &hook.pymalloc)) {
        sh_hook_fill_escape(&ours);
        mode[d] = SH_HOOK_ESCAPE;
    } else {
        const PyMemAllocatorEx *record = record_beneath(&current);
        if (!record) return false;
        if (domains[d] == PYMEM_DOMAIN_RAW) {
            atomic_store_explicit(&hook.raw, record, memory_order_release);
            sh_hook_fill_raw(&ours);
            mode[d] = SH_HOOK_ESCAPE;
        } else {
            ours.ctx = (void *)record;
            sh_hook_fill_classic(&ours);
            mode[d] = SH_HOOK_CLASSIC;
        }
    }
    PyMem_SetAllocator(domains[d], &ours);
    return true;
}

/* Takes OBJ and MEM out, where they hook by escape and nobody stands above. */
static void remove_escapes(void) {
    for (int d = 0; d < DOMAINS; d++) {
        if (domains[d] == PYMEM_DOMAIN_RAW || mode[d] != SH_HOOK_ESCAPE) continue;
        PyMemAllocatorEx current, ours;
        PyMem_GetAllocator(domains[d], &current);
        sh_hook_fill_escape(&ours);
        if (same_functions(&current, &ours)) PyMem_SetAllocator(domains[d], &hook.pymalloc);
    }
}

static bool install_missing(void) {
    bool ok = true;
    learn_pymalloc();
    for (int d = 0; d < DOMAINS; d++)
        if (!reached(d)) ok &= install(d);
    return ok;
}

sh_hook_mode sh_hook_get_mode(void) {
    if (!hook.enabled) return SH_HOOK_NONE;
    for (int d = 0; d < DOMAINS; d++)
        if (mode[d] != SH_HOOK_ESCAPE) return mode[d];
    return SH_HOOK_ESCAPE;
}

uint64_t sh_hook_lost_count(void) { return lost; }

/* ------------------------------------------------------------------ windows */

float sh_hook_window_share(void) { return window_share; }

static bool only_interpreter(void) { return PyInterpreterState_Next(PyInterpreterState_Head()) == NULL; }

static void close_window(void) {
    hook.window_end_ns = 0;
    remove_escapes();
}

bool sh_hook_window_check_in_hook(void) {
    if (!hook.window_end_ns || sh_clock_ns(CLOCK_MONOTONIC_COARSE) <= hook.window_end_ns) return true;
    close_window();
    return false;
}

void sh_hook_open_window_with_gil(int64_t length_ns) {
    if (!hook.enabled || !windows_now) return;
    if (!only_interpreter() || !install_missing()) {
        /* From here on always: a window must be closed by the interpreter that opened it. */
        windows_now = false;
        hook.window_end_ns = 0;
    } else {
        hook.window_end_ns = sh_clock_ns(CLOCK_MONOTONIC_COARSE) + length_ns;
    }
    sh_hook_draw_with_gil();
}

/* ------------------------------------------------------------------ start, stop, check */

static void before_fork(void) { sh_lock_acquire(&hook.profile.live.lock); }

static void after_fork_in_parent(void) { sh_lock_release(&hook.profile.live.lock); }

/* The tables are whole (the lock was held), so inherited blocks stay accounted for; the random sequences must part. */
static void after_fork_in_child(void) {
    sh_lock_reset(&hook.profile.live.lock);
    sh_span_table_forked(&hook.profile.spans);
    if (hook.log) sh_span_log_forked(hook.log);
    hook.seed = sh_hash_mix(hook.seed, (uint64_t)getpid());
    atomic_fetch_add_explicit(&hook.epoch, 1, memory_order_release);
    sh_rng_seed(&hook.rng, hook.seed);
    if (hook.enabled) sh_hook_draw_with_gil();
}

const char *sh_hook_start_with_gil(const sh_hook_options *options) {
    static bool initialised;
    if (SH_CURRENT_THREAD_STATE()->interp != PyInterpreterState_Main())
        return "it must be started in the main interpreter, and this is a subinterpreter";
    if (!initialised) {
        if (!sh_profile_init(&hook.profile, &options->profile)) return "there is no memory for its tables";
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
        hook.interpreter = PyInterpreterState_Main();
        initialised = true;
    } else if (!sh_profile_restart(&hook.profile, &options->profile, drop_code)) {
        return "there is no memory for its tables";
    }
    hook.max_depth = options->max_depth;
    hook.seed = options->profile.seed;
    sh_rng_seed(&hook.rng, hook.seed);
    atomic_store_explicit(&hook.threads_seeded, 0, memory_order_relaxed);
    atomic_store_explicit(&hook.start_interval, (float)options->profile.interval, memory_order_relaxed);
    hook.paused = false;
    hook.muted = hook.pending_overflow = hook.samples_begun = hook.sampling_ns = 0;
    atomic_store_explicit(&hook.without_thread_state, 0, memory_order_relaxed);
    lost = 0;
    atomic_fetch_add_explicit(&hook.epoch, 1, memory_order_release);   /* publishes start_interval and seed */
    if (!install_missing()) return "too many different allocators were put beneath it since it was first started";
    window_share = (float)options->window_share;
    windows_now = window_share < 1.0f && mode[1] == SH_HOOK_ESCAPE && mode[2] == SH_HOOK_ESCAPE;
    hook.window_end_ns = 0;
    hook.enabled = true;
    if (windows_now) remove_escapes();
    else sh_hook_draw_with_gil();
    sh_got_patch_with_gil();
    sh_arenas_start_with_gil();
    return NULL;
}

/* Memoryless: countdowns may be thrown away, and each sample is weighed with what its own was drawn with (sampler.h). */
void sh_hook_set_rate_with_gil(double interval, bool paused) {
    if (!hook.enabled) return;
    sh_profile_set_interval(&hook.profile, interval);
    atomic_store_explicit(&hook.start_interval, (float)interval, memory_order_relaxed);
    hook.paused = paused;
    atomic_fetch_add_explicit(&hook.epoch, 1, memory_order_release);   /* for RAW's countdowns, of other threads, too */
    if (!windows_now || hook.window_end_ns) sh_hook_draw_with_gil();
}

void sh_hook_tick_with_gil(void) {
    sh_profile_tick(&hook.profile, sh_clock_ns(CLOCK_MONOTONIC) / 1000000000, drop_code);
    if (hook.enabled) sh_got_patch_with_gil();   /* libraries loaded since */
}

void sh_hook_stop_with_gil(void) {
    if (!hook.enabled) return;
    hook.enabled = false;
    sh_arenas_stop_with_gil();
    close_window();
    windows_now = false;
    hook.left = INT64_MAX;
    sh_profile_clear(&hook.profile, drop_code);
}

sh_hook_mode sh_hook_check_with_gil(void) {
    if (!hook.enabled) return SH_HOOK_NONE;
    bool whole = true;
    for (int d = 0; d < DOMAINS; d++)
        if (!(windows_now && domains[d] != PYMEM_DOMAIN_RAW)) whole &= reached(d);
    if (!whole) {
        lost++;
        sh_profile_forget_samples(&hook.profile);
        if (!install_missing()) hook.enabled = false;
    }
    return sh_hook_get_mode();
}
