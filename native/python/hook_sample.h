/* What a sample records: the stack, the span, the labels and the thread of an allocation that alloc_hook.h has chosen.
 *
 * The only references taken are those to the code of a stack that is new. What the hook may do (alloc_hook.h) holds here:
 * nothing is allocated, released or run.
 * Thread rules: the GIL of the main interpreter, which sh_hook_sampling_state_in_hook tells. */
#ifndef SPANHEAP_HOOK_SAMPLE_H
#define SPANHEAP_HOOK_SAMPLE_H

#include "alloc_hook.h"

/* The thread state of the caller if samples may be taken for it: it holds the GIL of the main interpreter. Inline: once the
 * countdown has run out, every allocation of another interpreter asks this. */
static inline PyThreadState *sh_hook_sampling_state_in_hook(void) {
    PyThreadState *tstate = SH_CURRENT_THREAD_STATE();
#if PY_VERSION_HEX < 0x030C0000
    /* There the "current" state is that of whoever holds the GIL, which need not be this thread. */
    if (tstate && PyGILState_GetThisThreadState() != tstate) return NULL;
#endif
    return tstate && tstate->interp == sh_the_hook.interpreter ? tstate : NULL;
}

/* Records this block, drawn at this rate. */
void sh_hook_sample_in_hook(PyThreadState *tstate, const void *address, size_t size, sh_rate rate);

#endif
