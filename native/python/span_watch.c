#include "span_watch.h"

#include "alloc_hook.h"
#include "weak_reference.h"

sh_watch_list sh_the_watch;

/* Not the service's memory, so it is not sampled. */
static void *new_reference(PyObject *object) {
    sh_hook_mute();
    void *reference = sh_weak_reference_new_with_gil(object);
    sh_hook_unmute();
    return reference;
}

static uint32_t root_name_of(uint32_t slot) {
    const sh_span *spans = sh_the_hook.profile.spans.spans;
    return spans[spans[slot].root].name;
}

void sh_span_watch_started_with_gil(PyObject *span, const sh_span_start *start, uint32_t slot) {
    uint32_t root_name = slot < SH_SPAN_FIRST ? start->name : root_name_of(slot);
    void *reference = new_reference(span);
    if (!reference) {
        sh_the_watch.dropped++;
        return;
    }
    /* Other threads may have run, and ended the session. */
    sh_watched *entry = sh_the_hook.enabled ? sh_watch_list_add(&sh_the_watch, start->span_id, reference) : NULL;
    if (!entry) {
        sh_weak_reference_release_with_gil(reference);
        return;
    }
    entry->trace_high = start->trace_high;
    entry->trace_low = start->trace_low;
    entry->name = start->name;
    entry->root_name = root_name;
}

void sh_span_watch_ended_with_gil(PyObject *readable, uint64_t span_id, uint32_t name) {
    void *reference = new_reference(readable);
    sh_watched *entry = sh_watch_list_find(&sh_the_watch, span_id);   /* only now: it may have moved meanwhile */
    uint32_t slot = sh_span_table_known(&sh_the_hook.profile.spans, span_id);
    if (!entry) {
        if (reference) sh_weak_reference_release_with_gil(reference);
        return;
    }
    if (slot >= SH_SPAN_FIRST) entry->root_name = root_name_of(slot);   /* the root may have got another name since */
    sh_watch_list_end(&sh_the_watch, entry, reference, name);
}
