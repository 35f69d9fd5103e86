/* The allocator hook: which allocations are sampled. What a sample records is in hook_sample.h.
 *
 * Two ways of hooking, chosen at install by what lies beneath (docs/decisions/0002-escape-to-raw.md):
 *
 *   escape to RAW   plain pymalloc beneath. OBJ and MEM are hooked on the alloc side only. When the countdown runs out for a
 *                   block that pymalloc would serve itself, it is asked for SH_ESCAPE_BYTES instead: so pymalloc passes it,
 *                   and later its free and realloc, to the RAW domain, whose hook keeps the live table. OBJ and MEM free are untouched.
 *   classic         anything else beneath (malloc, debug allocators, tracemalloc). All functions of all domains are hooked.
 *
 * What the hook may do: nothing that runs Python code, allocates from a Python domain, drops a reference, touches the error
 * indicator, or takes a lock that is held by anyone who allocates. Every function that runs in it says so: *_in_hook.
 *
 * Who may be here: OBJ and MEM callers hold the GIL (of some interpreter: samples are taken in the main one only); RAW callers may be
 * any thread. Hence the countdown of OBJ and MEM is one variable under the GIL, and RAW's is per thread. */
#ifndef SPANHEAP_ALLOC_HOOK_H
#define SPANHEAP_ALLOC_HOOK_H

#include "python_compat.h"
#include "spanheap/profile.h"
#include "spanheap/span_log.h"

enum {
    SH_PYMALLOC_MAX = 512,                    /* SMALL_REQUEST_THRESHOLD in obmalloc.c, all versions */
    SH_ESCAPE_BYTES = SH_PYMALLOC_MAX + 1,
};

typedef enum { SH_HOOK_NONE, SH_HOOK_ESCAPE, SH_HOOK_CLASSIC } sh_hook_mode;

/* How a countdown was drawn, which is how its sample is weighed (sampler.h). */
typedef struct { float interval, share; } sh_rate;

typedef struct {
    /* The hot line: what every small allocation touches. */
    _Alignas(64) int64_t left;     /* GIL: bytes until the next OBJ/MEM sample */
    PyMemAllocatorEx pymalloc;     /* beneath OBJ and MEM, escape mode */
    _Atomic(const PyMemAllocatorEx *) raw;   /* beneath RAW */
    sh_rate left_rate;
    sh_rng rng;                    /* GIL: OBJ/MEM countdown */
    _Atomic bool quiet;            /* an OBJ/MEM hook is inside the allocator beneath: RAW must not count its request again */
    _Atomic bool enabled;
    _Atomic bool paused;           /* no samples are taken; those there are stay tracked. Published by epoch */
    _Atomic uint32_t epoch;        /* a new one starts all countdowns anew: session start, fork, another rate */
    uint64_t seed;
    _Atomic uint32_t threads_seeded;
    _Atomic float start_interval;  /* published by epoch: for threads that cannot read the rate in force, for want of the GIL */
    PyInterpreterState *interpreter;
    uint32_t max_depth;
    int64_t window_end_ns;         /* 0: OBJ/MEM are hooked all the time */
    _Atomic uint64_t without_thread_state;   /* RAW samples that could not be taken */
    uint64_t muted, pending_overflow, samples_begun, sampling_ns;
    sh_label_table labels;
    sh_profile profile;
    sh_span_log *log;              /* GIL: where spans that end are entered; NULL: nowhere */
} sh_hook;

extern sh_hook sh_the_hook;        /* one per process, as the allocators are */

/* The functions to install. Escape: for OBJ and MEM, whose ctx must be pymalloc's own. Classic: ctx is a PyMemAllocatorEx *. */
void sh_hook_fill_escape(PyMemAllocatorEx *allocator);
void sh_hook_fill_classic(PyMemAllocatorEx *allocator);
void sh_hook_fill_raw(PyMemAllocatorEx *allocator);

/* Draws the OBJ/MEM countdown anew at the rate in force. */
void sh_hook_draw_with_gil(void);
/* Between these two, an allocation of this thread that arrives at our RAW hook (or at OBJ's and MEM's) is noticed, not sampled. */
void sh_hook_probe_begin(bool raw);
bool sh_hook_probe_end(void);
/* Blocks of other allocators that somebody tells of (got_patch.h), on any thread: counted and sampled as those of RAW are, released
 * before they are freed. Not to be counted: what this thread's last request to RAW (or a classic hook) was given. */
bool sh_hook_has_counted_in_hook(const void *address);
void sh_hook_count_foreign_in_hook(void *address, size_t size);
void sh_hook_release_foreign_in_hook(const void *address);
/* Nothing that this thread allocates is sampled until unmuted (nests). */
void sh_hook_mute(void);
void sh_hook_unmute(void);

#endif
