#include "hook_sample.h"

#include "context.h"
#include "frames.h"
#include "pending_samples.h"

#define hook sh_the_hook

enum { TIMED_EVERY = 16 };

/* Of this thread in the thread table. No destructor: allocations that come after a thread's teardown still have it. */
static _Thread_local struct { uint32_t slot, generation; } self;

static uint32_t thread_slot_in_hook(void) {
    if (!sh_thread_table_owns(&hook.profile.threads, self.slot, self.generation)) {
        self.slot = sh_thread_table_claim(&hook.profile.threads, (uint64_t)PyThread_get_thread_ident());
        self.generation = hook.profile.threads.threads[self.slot].generation;
    }
    return self.slot;
}

void sh_hook_sample_in_hook(PyThreadState *tstate, const void *address, size_t size, sh_rate rate) {
    sh_profile *p = &hook.profile;
    sh_live_table_prefetch(&p->live, address);   /* cold lines, wanted after the walk */
    /* One sample in 16 is timed for all: two readings of the clock are a tenth of a sample. */
    bool timed = hook.samples_begun++ % TIMED_EVERY == 0;
    int64_t start_ns = sh_clock_ns(timed ? CLOCK_MONOTONIC : CLOCK_MONOTONIC_COARSE);
    sh_frame frames[SH_MAX_DEPTH];
    sh_frames_walk walk = sh_frames_walk_in_hook(tstate, frames, hook.max_depth);
    bool is_new;
    uint32_t stack = sh_stack_table_intern(&p->stacks, frames, walk.depth, p->ticks, &is_new);
    if (is_new)
        for (uint32_t i = 0; i < walk.depth; i++) Py_INCREF((PyObject *)frames[i].code);

    sh_sample sample = {
        .address = address, .size = size, .interval = rate.interval, .share = rate.share, .stack = stack,
        .span = walk.marked_frame ? SH_SPAN_STARTING : sh_context_span_in_hook(tstate, &p->spans),
        .thread = thread_slot_in_hook(), .labels = sh_context_labels_in_hook(tstate),
        .born_s = (uint32_t)(start_ns / 1000000000), .clock_s = p->clock_s,
    };
    sh_sample_ref ref;
    if (sh_profile_record_in_hook(p, &sample, &ref) && walk.marked_frame)
        sh_pending_add_in_hook(ref, walk.marked_frame, walk.marked_offset);
    /* Outside: no call of this thread is under way, so what is pending was made for spans that never started. */
    if (!walk.marked_frame && (walk.depth < hook.max_depth || walk.depth >= SH_START_SPAN_DEPTH)) sh_pending_forget_in_hook();
    if (timed) hook.sampling_ns += (uint64_t)(sh_clock_ns(CLOCK_MONOTONIC) - start_ns) * TIMED_EVERY;
}
