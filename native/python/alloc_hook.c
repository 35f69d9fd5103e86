#include "alloc_hook.h"

#include "hook_install.h"
#include "hook_sample.h"
#include "refused_requests.h"

sh_hook sh_the_hook;
#define hook sh_the_hook

/* No destructors: frees that come after a thread's teardown still find its zeroed or last state. */
typedef struct {
    int64_t left;               /* bytes until this thread's next RAW sample */
    sh_rate rate;
    sh_rng rng;
    uint32_t epoch;             /* of `left`; 0 = never drawn */
    const void *counted;        /* what RAW's or a classic hook gave out last, and has not taken back */
    uint32_t muted;
    enum { PROBE_NONE, PROBE_RAW, PROBE_OBJ_MEM, PROBE_SEEN } probe;
} thread_state;

static _Thread_local thread_state self;

/* ------------------------------------------------------------------ probes */

/* Both countdowns are made to run out, and are left as if nothing had been counted. */
static int64_t left_before_probe, self_left_before_probe;

void sh_hook_probe_begin(bool raw) {
    left_before_probe = hook.left;
    self_left_before_probe = self.left;
    self.probe = raw ? PROBE_RAW : PROBE_OBJ_MEM;   /* pymalloc may ask RAW for an arena: that is not what was asked */
    hook.left = self.left = 0;
}

bool sh_hook_probe_end(void) {
    hook.left = left_before_probe;
    self.left = self_left_before_probe;
    bool seen = self.probe == PROBE_SEEN;
    self.probe = PROBE_NONE;
    return seen;
}

void sh_hook_mute(void) { self.muted++; }
void sh_hook_unmute(void) { self.muted--; }

/* ------------------------------------------------------------------ countdowns */

static sh_rate rate_in_force(void) { return (sh_rate){ (float)hook.profile.interval, 1.0f }; }

void sh_hook_draw_with_gil(void) {
    if (hook.paused) {
        hook.left = INT64_MAX;
        return;
    }
    hook.left_rate = rate_in_force();
    if (hook.window_end_ns) hook.left_rate.share = sh_hook_window_share();
    hook.left = sh_sampler_draw(&hook.rng, (double)hook.left_rate.interval * (double)hook.left_rate.share);
}

/* The OBJ/MEM countdown has run out. Returns the thread state to sample with, or NULL; *rate is what to weigh it with. */
static SH_COLD PyThreadState *ran_out_in_hook(size_t size, size_t max_size, sh_rate *rate) {
    if (self.probe) {
        if (self.probe == PROBE_OBJ_MEM) self.probe = PROBE_SEEN;
        return NULL;
    }
    PyThreadState *tstate = sh_hook_sampling_state_in_hook();
    if (!tstate) return NULL;   /* another interpreter: the countdown stays as it is, for the main one */
    if (!hook.enabled || hook.paused) {
        hook.left = INT64_MAX;
        return NULL;
    }
    *rate = hook.left_rate;
    bool still_open = sh_hook_window_check_in_hook();
    sh_hook_draw_with_gil();
    if (!still_open || size > max_size) return NULL;
    if (self.muted) {
        hook.muted++;
        return NULL;
    }
    return tstate;
}

/* RAW's countdown of this thread has run out, or was never drawn. */
static SH_COLD void raw_ran_out_in_hook(void *address, size_t size) {
    if (self.probe) {
        if (self.probe == PROBE_RAW) self.probe = PROBE_SEEN;
        return;
    }
    uint32_t epoch = atomic_load_explicit(&hook.epoch, memory_order_acquire);
    if (hook.paused) {   /* as if the next sample were 8 EiB away; what resumes begins a new epoch */
        self.epoch = epoch;
        self.left = INT64_MAX;
        return;
    }
    if (self.epoch != epoch) {
        /* By order of arrival, not by address: a given seed then gives a single thread the same samples again. */
        uint32_t ordinal = atomic_fetch_add_explicit(&hook.threads_seeded, 1, memory_order_relaxed);
        /* Mixed twice: one mix begins with seed ^ ordinal, which gives neighbouring seeds each other's streams. */
        sh_rng_seed(&self.rng, sh_hash_mix(sh_hash_mix(0, hook.seed), ordinal + UINT64_C(1)));
        self.epoch = epoch;
        self.rate = (sh_rate){ atomic_load_explicit(&hook.start_interval, memory_order_relaxed), 1.0f };
        self.left = sh_sampler_draw(&self.rng, (double)self.rate.interval) - (int64_t)(size | (size == 0));
        if (self.left >= 0) return;
    }
    sh_rate rate = self.rate;
    PyThreadState *tstate = sh_hook_sampling_state_in_hook();
    if (tstate) self.rate = rate_in_force();
    self.left = sh_sampler_draw(&self.rng, (double)self.rate.interval);
    if (!hook.enabled || !address) return;
    if (!tstate) atomic_fetch_add_explicit(&hook.without_thread_state, 1, memory_order_relaxed);
    else if (self.muted) hook.muted++;
    else sh_hook_sample_in_hook(tstate, address, size, rate);
}

static inline bool raw_runs_out_in_hook(size_t size) {
    /* An interpreter with a GIL of its own may be quiet while this thread probes. */
    if (atomic_load_explicit(&hook.quiet, memory_order_relaxed)) return SH_UNLIKELY(self.probe != PROBE_NONE);
    self.left -= (int64_t)(size | (size == 0));   /* a block of no bytes is drawn, and weighed, as one byte */
    return SH_UNLIKELY(self.left < 0) || SH_UNLIKELY(self.epoch != atomic_load_explicit(&hook.epoch, memory_order_relaxed));
}

/* ------------------------------------------------------------------ RAW. ctx is ignored: a torn install is harmless */

static const PyMemAllocatorEx *raw_beneath(void) { return atomic_load_explicit(&hook.raw, memory_order_acquire); }

/* The block passed a hook that counts it, should its owner tell of it once more. */
static inline void note_counted_in_hook(const void *p) { self.counted = p; }

static inline void note_freed_in_hook(const void *p) {
    if (SH_UNLIKELY(self.counted == p)) self.counted = NULL;
}

static void *raw_malloc_in_hook(void *ctx, size_t size) {
    const PyMemAllocatorEx *beneath = raw_beneath();
    void *p = beneath->malloc(beneath->ctx, size);
    if (SH_UNLIKELY(!p)) sh_refused_note_in_hook(size);
    note_counted_in_hook(p);
    if (raw_runs_out_in_hook(size)) raw_ran_out_in_hook(p, size);
    return p;
}

static void *raw_calloc_in_hook(void *ctx, size_t count, size_t size) {
    const PyMemAllocatorEx *beneath = raw_beneath();
    void *p = beneath->calloc(beneath->ctx, count, size);
    if (SH_UNLIKELY(!p)) sh_refused_note_in_hook(count * size);
    note_counted_in_hook(p);
    if (raw_runs_out_in_hook(count * size)) raw_ran_out_in_hook(p, count * size);
    return p;
}

/* The old entry leaves the table before the allocator can give its address to another thread, and comes back if it fails. */
static void *realloc_in_hook(const PyMemAllocatorEx *beneath, void *old, size_t size) {
    sh_sample_ref ref;
    bool was_sampled = old && SH_UNLIKELY(sh_live_table_maybe(&hook.profile.live, old))
        && sh_profile_release_in_hook(&hook.profile, old, &ref);
    void *p = beneath->realloc(beneath->ctx, old, size);
    if (SH_UNLIKELY(!p && was_sampled)) sh_live_table_restore(&hook.profile.live, ref);
    return p;
}

static void *raw_realloc_in_hook(void *ctx, void *old, size_t size) {
    void *p = realloc_in_hook(raw_beneath(), old, size);
    if (SH_UNLIKELY(!p)) sh_refused_note_in_hook(size);
    note_counted_in_hook(p);
    if (raw_runs_out_in_hook(size)) raw_ran_out_in_hook(p, size);
    return p;
}

static void raw_free_in_hook(void *ctx, void *p) {
    note_freed_in_hook(p);
    if (SH_UNLIKELY(sh_live_table_maybe(&hook.profile.live, p)) && p) sh_profile_release_in_hook(&hook.profile, p, NULL);
    const PyMemAllocatorEx *beneath = raw_beneath();
    beneath->free(beneath->ctx, p);
}

void sh_hook_fill_raw(PyMemAllocatorEx *a) {
    *a = (PyMemAllocatorEx){ NULL, raw_malloc_in_hook, raw_calloc_in_hook, raw_realloc_in_hook, raw_free_in_hook };
}

/* ------------------------------------------------------------------ blocks of other allocators */

bool sh_hook_has_counted_in_hook(const void *address) { return address && self.counted == address; }

/* One countdown for these and RAW's: pieces of a Poisson stream are one. `quiet` does not concern them: no hook is on the way. */
void sh_hook_count_foreign_in_hook(void *address, size_t size) {
    sh_hook_release_foreign_in_hook(address);   /* told of again: with another size, or the free was not told of */
    self.left -= (int64_t)(size | (size == 0));
    if (SH_UNLIKELY(self.left < 0) || SH_UNLIKELY(self.epoch != atomic_load_explicit(&hook.epoch, memory_order_relaxed)))
        raw_ran_out_in_hook(address, size);
}

void sh_hook_release_foreign_in_hook(const void *address) {
    /* numpy 2.5 takes its blocks from RAW, and takes them off tracemalloc's list of Python's blocks to put them on its own; after
     * a realloc it takes off the old address, though it may be the new one. What RAW has given out, RAW's free releases. */
    if (self.counted == address) return;
    if (SH_UNLIKELY(sh_live_table_maybe(&hook.profile.live, address)) && address)
        sh_profile_release_in_hook(&hook.profile, address, NULL);
}

/* ------------------------------------------------------------------ OBJ and MEM, escape to RAW */

static void set_quiet(bool quiet) { atomic_store_explicit(&hook.quiet, quiet, memory_order_relaxed); }

static SH_COLD void *escape_malloc_sampled_in_hook(void *ctx, size_t size) {
    sh_rate rate;
    PyThreadState *tstate = ran_out_in_hook(size, SH_PYMALLOC_MAX, &rate);
    if (!tstate) return hook.pymalloc.malloc(ctx, size);
    set_quiet(true);
    void *p = hook.pymalloc.malloc(ctx, SH_ESCAPE_BYTES);
    set_quiet(false);
    if (!p) return hook.pymalloc.malloc(ctx, size);
    sh_hook_sample_in_hook(tstate, p, size, rate);
    return p;
}

static SH_COLD void *escape_calloc_sampled_in_hook(void *ctx, size_t count, size_t size) {
    sh_rate rate;
    PyThreadState *tstate = ran_out_in_hook(count * size, SH_PYMALLOC_MAX, &rate);
    if (!tstate) return hook.pymalloc.calloc(ctx, count, size);
    set_quiet(true);
    void *p = hook.pymalloc.calloc(ctx, 1, SH_ESCAPE_BYTES);
    set_quiet(false);
    if (!p) return hook.pymalloc.calloc(ctx, count, size);
    sh_hook_sample_in_hook(tstate, p, count * size, rate);
    return p;
}

static SH_COLD void *escape_realloc_sampled_in_hook(void *ctx, void *old, size_t size) {
    sh_rate rate;
    PyThreadState *tstate = ran_out_in_hook(size, SH_PYMALLOC_MAX, &rate);
    set_quiet(size <= SH_PYMALLOC_MAX);
    void *p = tstate ? hook.pymalloc.realloc(ctx, old, SH_ESCAPE_BYTES) : NULL;
    bool sampled = p != NULL;
    if (!p) p = hook.pymalloc.realloc(ctx, old, size);
    set_quiet(false);
    if (sampled) sh_hook_sample_in_hook(tstate, p, size, rate);
    return p;
}

/* The hot path: what every small allocation of the process pays. Requests above SH_PYMALLOC_MAX pass on to RAW, which counts
 * them; that they run this countdown down too does no harm, since a Poisson stream may be cut into pieces. */
static void *escape_malloc_in_hook(void *ctx, size_t size) {
    if (SH_UNLIKELY((hook.left -= (int64_t)size) < 0)) return escape_malloc_sampled_in_hook(ctx, size);
    return hook.pymalloc.malloc(ctx, size);
}

static void *escape_calloc_in_hook(void *ctx, size_t count, size_t size) {
    if (SH_UNLIKELY((hook.left -= (int64_t)(count * size)) < 0)) return escape_calloc_sampled_in_hook(ctx, count, size);
    return hook.pymalloc.calloc(ctx, count, size);
}

/* A small realloc of a block that stands in RAW (a list that shrank, a sample) is RAW's to do but not to count. */
static void *escape_realloc_in_hook(void *ctx, void *old, size_t size) {
    if (SH_UNLIKELY((hook.left -= (int64_t)size) < 0)) return escape_realloc_sampled_in_hook(ctx, old, size);
    if (size > SH_PYMALLOC_MAX) return hook.pymalloc.realloc(ctx, old, size);
    set_quiet(true);
    void *p = hook.pymalloc.realloc(ctx, old, size);
    set_quiet(false);
    return p;
}

void sh_hook_fill_escape(PyMemAllocatorEx *a) {
    *a = hook.pymalloc;   /* ctx and free stay pymalloc's */
    a->malloc = escape_malloc_in_hook;
    a->calloc = escape_calloc_in_hook;
    a->realloc = escape_realloc_in_hook;
}

/* ------------------------------------------------------------------ OBJ and MEM, classic */

static void classic_count_in_hook(void *p, size_t size) {
    sh_rate rate;
    if (SH_UNLIKELY(!p)) sh_refused_note_in_hook(size);
    note_counted_in_hook(p);
    if (SH_LIKELY((hook.left -= (int64_t)(size | (size == 0))) >= 0)) return;
    PyThreadState *tstate = ran_out_in_hook(size, SIZE_MAX, &rate);
    if (tstate && p) sh_hook_sample_in_hook(tstate, p, size, rate);
}

static void *classic_malloc_in_hook(void *ctx, size_t size) {
    const PyMemAllocatorEx *beneath = ctx;
    set_quiet(true);
    void *p = beneath->malloc(beneath->ctx, size);
    set_quiet(false);
    classic_count_in_hook(p, size);
    return p;
}

static void *classic_calloc_in_hook(void *ctx, size_t count, size_t size) {
    const PyMemAllocatorEx *beneath = ctx;
    set_quiet(true);
    void *p = beneath->calloc(beneath->ctx, count, size);
    set_quiet(false);
    classic_count_in_hook(p, count * size);
    return p;
}

static void *classic_realloc_in_hook(void *ctx, void *old, size_t size) {
    set_quiet(true);
    void *p = realloc_in_hook(ctx, old, size);
    set_quiet(false);
    classic_count_in_hook(p, size);
    return p;
}

static void classic_free_in_hook(void *ctx, void *p) {
    note_freed_in_hook(p);
    const PyMemAllocatorEx *beneath = ctx;
    if (SH_UNLIKELY(sh_live_table_maybe(&hook.profile.live, p)) && p) sh_profile_release_in_hook(&hook.profile, p, NULL);
    beneath->free(beneath->ctx, p);
}

void sh_hook_fill_classic(PyMemAllocatorEx *a) {
    a->malloc = classic_malloc_in_hook;
    a->calloc = classic_calloc_in_hook;
    a->realloc = classic_realloc_in_hook;
    a->free = classic_free_in_hook;
}
