#include "spanheap/span_table.h"

#include <string.h>

#include "span_index.h"
#include "spanheap/string_table.h"

bool sh_span_table_init(sh_span_table *t, uint32_t max_active, uint32_t max_ended, uint32_t max_recent,
                        const uint32_t pseudo_names[SH_SPAN_FIRST]) {
    memset(t, 0, sizeof *t);
    t->max_active = max_active;
    t->max_recent = max_recent;
    t->capacity = max_active + max_ended + max_recent + SH_SPAN_FIRST;
    t->spans = sh_pages_map(t->capacity * sizeof *t->spans);
    t->recent = sh_pages_map((max_recent + 1) * sizeof *t->recent);
    t->met = sh_pages_map(SH_SPANS_MET * sizeof *t->met);
    bool ok = sh_span_index_init(&t->by_address, t->capacity);
    if (!sh_span_index_init(&t->by_id, t->capacity) || !ok || !t->spans || !t->recent || !t->met) {
        sh_span_table_fini(t);
        return false;
    }
    for (uint32_t slot = 0; slot < SH_SPAN_FIRST; slot++)
        t->spans[slot] = (sh_span){ .name = pseudo_names[slot], .root = slot, .refs = 1, .sampled = slot != SH_SPAN_UNSAMPLED && slot != SH_SPAN_STARTING };
    t->high = SH_SPAN_FIRST;
    return true;
}

void sh_span_table_fini(sh_span_table *t) {
    sh_pages_unmap(t->spans, t->capacity * sizeof *t->spans);
    sh_span_index_fini(&t->by_address);
    sh_span_index_fini(&t->by_id);
    sh_pages_unmap(t->recent, (t->max_recent + 1) * sizeof *t->recent);
    sh_pages_unmap(t->met, SH_SPANS_MET * sizeof *t->met);
    memset(t, 0, sizeof *t);
}

/* ------------------------------------------------------------------ life of a slot */

SH_HOT void sh_span_table_release(sh_span_table *t, uint32_t slot) {
    for (;;) {
        sh_span *s = &t->spans[slot];
        if (slot < SH_SPAN_FIRST || --s->refs) return;
        uint32_t root = s->root;
        s->next = t->first_free;
        t->first_free = slot;
        if (root == slot) return;
        slot = root;   /* the child was what kept its root */
    }
}

static SH_COLD uint32_t enter(const sh_span_table *t, const sh_span *s) {
    const sh_active_span span = {
        .trace_high = s->trace_high, .trace_low = s->trace_low, .span_id = s->span_id, .parent_id = s->parent_id, .start_ns = s->start_ns,
        .name = s->name, .root_name = t->spans[s->root].name, .flags = s->sampled ? SH_ACTIVE_SAMPLED : 0,
    };
    return sh_active_slots_enter(t->slots, &span);
}

static void leave(const sh_span_table *t, sh_span *s) {
    if (SH_LIKELY(!s->place)) return;
    sh_active_slots_leave(t->slots, s->place);
    s->place = 0;
}

/* A slot lives for less than 2^31 starts, or it is listed wrongly. */
static bool is_inherited(const sh_span_table *t, const sh_span *s) {
    return t->inherited && (int32_t)(s->serial - (uint32_t)t->inherited) <= 0;
}

static void leave_active(sh_span_table *t, uint32_t slot) {
    t->active_inherited -= is_inherited(t, &t->spans[slot]);
    t->spans[slot].active = false;
    t->active--;
}

static SH_COLD void deactivate(sh_span_table *t, uint32_t slot) {
    leave(t, &t->spans[slot]);
    sh_span_index_remove(t, SH_BY_ADDRESS, slot);
    sh_span_index_remove(t, SH_BY_ID, slot);
    leave_active(t, slot);
    sh_span_table_release(t, slot);
}

/* The reference that it had while active is the ring's now. */
static void retire(sh_span_table *t, uint32_t slot) {
    if (!t->max_recent) {
        deactivate(t, slot);
        return;
    }
    leave(t, &t->spans[slot]);
    sh_span_index_remove(t, SH_BY_ADDRESS, slot);
    leave_active(t, slot);
    uint32_t *place = &t->recent[t->retired++ % t->max_recent], oldest = *place;
    *place = slot;
    if (oldest) {
        sh_span_index_remove(t, SH_BY_ID, oldest);
        sh_span_table_release(t, oldest);
    }
    SH_PREFETCH(&t->spans[t->recent[t->retired % t->max_recent]]);
}

static uint32_t take_slot(sh_span_table *t) {
    uint32_t slot = t->first_free;
    if (slot) t->first_free = t->spans[slot].next;
    else if (t->high < t->capacity) slot = t->high++;
    return slot;   /* SH_SPAN_NONE: the table is full */
}

SH_HOT uint32_t sh_span_table_known(const sh_span_table *t, uint64_t span_id) {
    return span_id ? sh_span_index_get(t, SH_BY_ID, span_id) : SH_SPAN_NONE;
}

/* Freed without end(), and its address was given to another; or a second start of its id, so that it can never be ended by it. */
static SH_COLD void end_replaced(sh_span_table *t, uint32_t slot) {
    if (!t->spans[slot].active) return;
    t->replaced++;
    deactivate(t, slot);
}

SH_HOT uint32_t sh_span_table_start(sh_span_table *t, const sh_span_start *start) {
    sh_span_index_prefetch(&t->by_id, start->span_id);
    if (t->max_recent)   /* what the next end takes out of the index */
        sh_span_index_prefetch(&t->by_id, t->spans[t->recent[t->retired % t->max_recent]].span_id);
    if (SH_UNLIKELY(t->active >= t->max_active)) end_replaced(t, sh_span_index_get(t, SH_BY_ADDRESS, sh_span_address_key(start->object)));
    uint32_t slot = t->active < t->max_active ? take_slot(t) : SH_SPAN_NONE;
    if (SH_UNLIKELY(!slot)) {
        t->untracked++;
        return SH_SPAN_UNTRACKED;
    }
    uint32_t parent = start->parent_is_remote ? SH_SPAN_NONE : sh_span_table_known(t, start->parent_span_id);
    uint32_t root = parent ? t->spans[parent].root : slot;
    t->spans[slot] = (sh_span){
        .trace_high = start->trace_high, .trace_low = start->trace_low, .span_id = start->span_id, .parent_id = start->parent_span_id,
        .start_ns = start->start_ns,        .object = start->object, .type = start->type, .name = start->name, .root = root, .refs = 1, .active = true,
        .sampled = start->sampled, .serial = (uint32_t)++t->started,
    };
    if (root != slot) sh_span_table_retain(t, root);
    if (SH_UNLIKELY(t->slots != NULL)) t->spans[slot].place = enter(t, &t->spans[slot]);
    t->active++;
    uint32_t same_address = sh_span_index_enter(t, SH_BY_ADDRESS, slot), same_id = sh_span_index_enter(t, SH_BY_ID, slot);
    if (SH_UNLIKELY(same_address)) end_replaced(t, same_address);   /* of another id, or it is that of the next line */
    if (SH_UNLIKELY(same_id)) end_replaced(t, same_id);
    return slot;
}

bool sh_span_table_end(sh_span_table *t, uint64_t span_id, uint32_t name) {
    uint32_t slot = sh_span_index_get(t, SH_BY_ID, span_id);
    if (!slot || !t->spans[slot].active) return false;
    sh_span_table_end_slot(t, slot, name);
    return true;
}

SH_HOT void sh_span_table_end_slot(sh_span_table *t, uint32_t slot, uint32_t name) {
    t->spans[slot].name = name;
    t->ended++;
    retire(t, slot);
}

uint32_t sh_span_table_find_in_hook(const sh_span_table *t, const void *object, const void *type) {
    uint32_t slot = sh_span_index_get(t, SH_BY_ADDRESS, sh_span_address_key(object));
    return slot && t->spans[slot].type == type ? slot : SH_SPAN_NONE;
}

/* ------------------------------------------------------------------ spans that no processor told of */

uint32_t sh_span_table_meet_in_hook(sh_span_table *t, const void *object, const void *type, uint32_t pseudo) {
    uint32_t slot = t->met_count < SH_SPANS_MET ? take_slot(t) : SH_SPAN_NONE;
    if (!slot) {
        t->unmet++;
        return pseudo;
    }
    t->spans[slot] = (sh_span){ .object = object, .type = type, .name = t->spans[pseudo].name, .root = slot, .refs = 1,
                                .provisional = true, .sampled = t->spans[pseudo].sampled };
    t->met[t->met_count++] = slot;
    /* An active span of another type at this address was freed without end(): by id it can still be ended. */
    sh_span_index_enter(t, SH_BY_ADDRESS, slot);
    return slot;
}

/* Fills in an ended span; it owns one reference to its root when that is another slot. */
static void fill_in(sh_span_table *t, uint32_t slot, const sh_span_facts *facts) {
    uint32_t root = slot, parent = sh_span_table_known(t, facts->parent_span_id), itself = sh_span_table_known(t, facts->span_id);
    if (itself) {   /* ended lately, and still current */
        root = t->spans[itself].root;
        sh_span_table_retain(t, root);
    } else if (facts->root_name != SH_STRING_EMPTY && facts->root_name != facts->name) {
        root = take_slot(t);
        if (root) t->spans[root] = (sh_span){ .trace_high = facts->trace_high, .trace_low = facts->trace_low,
                                              .name = facts->root_name, .root = root, .refs = 1, .sampled = facts->sampled };
        else root = slot;
    } else if (facts->root_name == SH_STRING_EMPTY && facts->parent_span_id) {
        root = parent ? t->spans[parent].root : SH_SPAN_UNTRACKED;
        sh_span_table_retain(t, root);
    }
    sh_span *s = &t->spans[slot];
    *s = (sh_span){ .trace_high = facts->trace_high, .trace_low = facts->trace_low, .span_id = facts->span_id,
                    .start_ns = facts->start_ns, .name = facts->name, .root = root, .refs = s->refs, .sampled = facts->sampled };
}

bool sh_span_table_settle(sh_span_table *t, uint32_t slot, const void *object, const sh_span_facts *facts) {
    uint32_t i = t->met_count;
    while (i && t->met[i - 1] != slot) i--;   /* it was the last when it was asked; few have come since */
    if (!i || t->spans[slot].object != object) return false;
    memmove(&t->met[i - 1], &t->met[i], (t->met_count - i) * sizeof *t->met);
    t->met_count--;
    sh_span_index_remove(t, SH_BY_ADDRESS, slot);
    fill_in(t, slot, facts);
    t->settled++;
    sh_span_table_release(t, slot);
    return true;
}

uint32_t sh_span_table_note(sh_span_table *t, const sh_span_facts *facts) {
    uint32_t slot = take_slot(t);
    if (!slot) return SH_SPAN_UNSAMPLED;
    t->spans[slot] = (sh_span){ .root = slot, .refs = 1 };
    fill_in(t, slot, facts);
    return slot;
}

void sh_span_table_set_slots(sh_span_table *t, sh_active_slots *slots) {
    t->slots = slots;
    for (uint32_t slot = SH_SPAN_FIRST; slot < t->high; slot++)
        if (t->spans[slot].active)
            t->spans[slot].place = slots && sh_span_table_is_listed(t, &t->spans[slot]) ? enter(t, &t->spans[slot]) : 0;
}

void sh_span_table_clear(sh_span_table *t) {
    if (t->slots) sh_active_slots_clear(t->slots);
    sh_span_index_clear(&t->by_address);
    sh_span_index_clear(&t->by_id);
    if (t->retired) sh_pages_zero(t->recent, t->max_recent * sizeof *t->recent);
    t->retired = t->inherited = t->active_inherited = 0;
    t->high = SH_SPAN_FIRST;
    t->first_free = t->active = t->met_count = 0;
    t->started = t->ended = t->untracked = t->replaced = t->settled = t->unmet = 0;
}

/* ------------------------------------------------------------------ views */

void sh_span_table_forked(sh_span_table *t) {
    t->inherited = t->started;
    t->active_inherited = t->active;
}

bool sh_span_table_is_listed(const sh_span_table *t, const sh_span *s) { return s->active && !is_inherited(t, s); }

uint32_t sh_span_table_oldest(const sh_span_table *t, uint32_t *slots, uint32_t n) {
    uint32_t count = 0;   /* slots[0..count) is sorted; n is small, so insertion beats a heap */
    for (uint32_t slot = SH_SPAN_FIRST; slot < t->high; slot++) {
        const sh_span *s = &t->spans[slot];
        if (!sh_span_table_is_listed(t, s) || (count == n && (!n || s->start_ns >= t->spans[slots[n - 1]].start_ns))) continue;
        uint32_t i = count < n ? count++ : n - 1;
        for (; i && t->spans[slots[i - 1]].start_ns > s->start_ns; i--) slots[i] = slots[i - 1];
        slots[i] = slot;
    }
    return count;
}

size_t sh_span_table_memory(const sh_span_table *t) {
    return t->high * sizeof *t->spans + (sh_span_index_size(&t->by_address) + sh_span_index_size(&t->by_id)) * sizeof *t->by_id.entries;
}

bool sh_span_table_valid(const sh_span_table *t) {
    uint32_t active = 0, inherited = 0, recent = 0, by_id = 0, by_address = 0, free_slots = 0, in_use = 0, provisional = 0;
    for (uint32_t slot = SH_SPAN_FIRST; slot < t->high; slot++) {
        const sh_span *s = &t->spans[slot];
        if (!s->refs) continue;
        in_use++;
        active += s->active;
        inherited += s->active && !sh_span_table_is_listed(t, s);
        provisional += s->provisional;
        if (!t->spans[s->root].refs || t->spans[s->root].root != s->root) return false;
        if (s->active && sh_span_index_get(t, SH_BY_ID, s->span_id) != slot) return false;
    }
    for (size_t i = 0; i < sh_span_index_size(&t->by_id); i++) by_id += t->by_id.entries[i].slot != 0;
    for (size_t i = 0; i < sh_span_index_size(&t->by_address); i++) {
        const sh_span *s = &t->spans[t->by_address.entries[i].slot];
        by_address += t->by_address.entries[i].slot != 0;
        if (t->by_address.entries[i].slot && !s->active && !s->provisional) return false;
    }
    for (uint32_t i = 0; i < t->max_recent; i++) {
        uint32_t slot = t->recent[i];
        if (slot && (!t->spans[slot].refs || t->spans[slot].active)) return false;
        if (slot && sh_span_index_get(t, SH_BY_ID, t->spans[slot].span_id) == slot) recent++;
    }
    for (uint32_t i = 0; i < t->met_count; i++)
        if (!t->spans[t->met[i]].provisional) return false;
    for (uint32_t slot = t->first_free; slot; slot = t->spans[slot].next) free_slots++;
    if (t->slots && !t->inherited && t->slots->high - t->slots->unused_count != t->active) return false;
    return active == t->active && inherited == t->active_inherited && provisional == t->met_count && by_id == active + recent
        && by_id == t->by_id.count && by_address == t->by_address.count && t->started == t->ended + t->active + t->replaced
        && in_use + free_slots == t->high - SH_SPAN_FIRST;
}
