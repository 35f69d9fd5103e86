/* Getting the hook into the allocators and out again.
 *
 * RAW is installed once and stays: its callers need no GIL, so it can never be taken out safely; stopping gates it by a flag.
 * OBJ and MEM (all callers hold a GIL) come out at stop when they hook by escape: the functions differ from pymalloc's only in
 * three pointers with the same ctx, so that even a torn view of the struct is right. Classic hooks stay, gated.
 * Others may hook above us (tracemalloc), and on leaving may take us out with them: sh_hook_check_with_gil finds out by
 * allocating and looking whether the call arrived here, never by comparing pointers alone. Installing on top of ourselves
 * would be endless recursion; so only an allocator that was just seen not to reach us is ever hooked. */
#ifndef SPANHEAP_HOOK_INSTALL_H
#define SPANHEAP_HOOK_INSTALL_H

#include "alloc_hook.h"

typedef struct {
    sh_profile_options profile;
    uint32_t max_depth;
    double window_share;     /* part of the time in which small allocations are watched; 1 = always */
} sh_hook_options;

/* Starts sampling. NULL, or what went wrong, in words (static storage): nothing has changed then. */
const char *sh_hook_start_with_gil(const sh_hook_options *options);
/* Stops sampling and forgets all samples. Blocks that were sampled live on as ordinary blocks. */
void sh_hook_stop_with_gil(void);
/* From here on at this mean interval, or not at all; samples there are stay as they are, with the interval of their own. */
void sh_hook_set_rate_with_gil(double interval, bool paused);
/* Once a second: sh_profile_tick. */
void sh_hook_tick_with_gil(void);
/* Still in the chain of every domain? If not: forget the samples (frees were missed), install again. Returns what is in force. */
sh_hook_mode sh_hook_check_with_gil(void);
sh_hook_mode sh_hook_get_mode(void);
uint64_t sh_hook_lost_count(void);

/* Windows (docs/decisions/0003-sampling-windows.md): watch small allocations for so long, then take the hook out from inside. */
void sh_hook_open_window_with_gil(int64_t length_ns);
float sh_hook_window_share(void);
bool sh_hook_window_check_in_hook(void);

#endif
