/* Samples made inside a call of start_span: the span they are made for does not exist yet, so they wait for it.
 *
 * Each thread has its own, of one call at a time, told by its frame. Until that call's span has started, and for good if it
 * never does, a sample names SH_SPAN_STARTING.
 *
 * Bounds: 32 a thread; more are counted in sh_hook.pending_overflow, and wait for nothing. Nothing is allocated.
 * Thread rules: the GIL, and each thread its own. No destructors: whoever ends a thread may still allocate. */
#ifndef SPANHEAP_PENDING_SAMPLES_H
#define SPANHEAP_PENDING_SAMPLES_H

#include "python_compat.h"
#include "spanheap/live_table.h"

enum { SH_START_SPAN_DEPTH = 16 };   /* start_span is at most so many frames above what it calls, or is not under way */

/* A sample of the call that runs in this frame and has come so far. */
void sh_pending_add_in_hook(sh_sample_ref sample, const void *frame, int32_t offset);
/* No call of this thread is under way: what waits was made for spans that never started. */
void sh_pending_forget_in_hook(void);
/* A span has started on this thread, in this slot: samples of its start_span call belong to it, older ones to none. */
void sh_pending_settle_with_gil(uint32_t span);
bool sh_pending_exist(void);

#endif
