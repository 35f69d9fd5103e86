/* The Python stack of a thread, read from the interpreter's own frames: no frame object is made, nothing is allocated. */
#ifndef SPANHEAP_FRAMES_H
#define SPANHEAP_FRAMES_H

#include "python_compat.h"
#include "spanheap/stack_table.h"

/* The code of the SDK's Tracer.start_span: a sample below it is made for a span that does not exist yet. */
void sh_frames_mark_with_gil(PyObject *code);   /* NULL: none */

typedef struct {
    uint32_t depth;
    const void *marked_frame;   /* the innermost frame that runs the marked code, or NULL */
    int32_t marked_offset;      /* how far it has come */
} sh_frames_walk;

/* Writes at most `max` frames, leaf first; the code objects are borrowed. Needs the thread's own state and the GIL. */
sh_frames_walk sh_frames_walk_in_hook(PyThreadState *tstate, sh_frame *frames, uint32_t max);

/* The innermost frame that runs the marked code among the `max` innermost ones, or NULL. */
const void *sh_frames_find_marked_in_hook(PyThreadState *tstate, uint32_t max);

#endif
