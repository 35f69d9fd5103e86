#include "pending_samples.h"

#include "alloc_hook.h"
#include "frames.h"

#define hook sh_the_hook

enum { MAX_PENDING = 32 };

typedef struct {
    uint32_t count;
    int32_t offset;   /* how far start_span had come at the last of them */
    struct { sh_sample_ref sample; const void *frame; } samples[MAX_PENDING];
} pending_samples;

static _Thread_local pending_samples self;

void sh_pending_add_in_hook(sh_sample_ref sample, const void *frame, int32_t offset) {
    /* Samples of another call are settled by now: that call has returned, or this one is nested in it (a sampler or processor
     * that starts spans), and then it is the outer call's turn to wait. */
    uint32_t kept = 0;
    /* The next call may have its frame at the same address: start_span has no loops, so one that has gone back is another. */
    if (offset < self.offset) self.count = 0;
    self.offset = offset;
    for (uint32_t i = 0; i < self.count; i++)
        if (self.samples[i].frame == frame) self.samples[kept++] = self.samples[i];
    self.count = kept;
    if (kept == MAX_PENDING) {   /* those released meanwhile need no span */
        kept = 0;
        for (uint32_t i = 0; i < MAX_PENDING; i++)
            if (sh_live_table_is_live(&hook.profile.live, self.samples[i].sample)) self.samples[kept++] = self.samples[i];
        self.count = kept;
    }
    if (kept == MAX_PENDING) {
        hook.pending_overflow++;
        return;
    }
    self.samples[self.count].sample = sample;
    self.samples[self.count++].frame = frame;
}

void sh_pending_forget_in_hook(void) { self.count = 0; }

SH_HOT void sh_pending_settle_with_gil(uint32_t span) {
    if (SH_LIKELY(self.count == 0)) return;
    const void *frame = sh_frames_find_marked_in_hook(PyThreadState_Get(), SH_START_SPAN_DEPTH);
    for (uint32_t i = 0; frame && i < self.count; i++)
        if (self.samples[i].frame == frame) sh_profile_retag(&hook.profile, self.samples[i].sample, span);
    self.count = 0;   /* what remains was made for spans that never started: it keeps SH_SPAN_STARTING, "<unsampled>" */
}

bool sh_pending_exist(void) { return self.count != 0; }
