#include "spanheap/top_sites.h"

#include <zlib.h>

/* ThreadSanitizer ignores fences; readers are other processes, or see atomics. */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

enum {
    ROW_BITS = 13, ROWS = 1 << ROW_BITS,        /* stack and span names: 8,192 samples have fewer */
    SPAN_BITS = 10, SPAN_ROWS = 1 << SPAN_BITS,
};

/* What the samples of one stack under one span, or of one span, add up to. */
struct sh_top_row {
    uint32_t stack, name, root_name, samples;   /* samples = 0: free */
    double bytes, objects;
};

struct sh_top_stack {
    double bytes, objects;
    uint32_t samples, rank;                     /* rank: place among the largest, from 1 */
};

bool sh_top_sites_init(sh_top_sites *t, sh_top_buffer *buffers, uint32_t stack_capacity) {
    *t = (sh_top_sites){ .buffers = buffers, .stack_capacity = stack_capacity };
    t->rows = sh_pages_map(ROWS * sizeof *t->rows);
    t->span_rows = sh_pages_map(SPAN_ROWS * sizeof *t->span_rows);
    t->stacks = sh_pages_map(stack_capacity * sizeof *t->stacks);
    if (t->rows && t->span_rows && t->stacks) return true;
    sh_top_sites_fini(t);
    return false;
}

void sh_top_sites_fini(sh_top_sites *t) {
    sh_pages_unmap(t->rows, ROWS * sizeof *t->rows);
    sh_pages_unmap(t->span_rows, SPAN_ROWS * sizeof *t->span_rows);
    sh_pages_unmap(t->stacks, t->stack_capacity * sizeof *t->stacks);
    *t = (sh_top_sites){ 0 };
}

/* ------------------------------------------------------------------ adding up */

static void add(sh_top_row *row, sh_estimate e) {
    row->samples++;
    row->bytes += e.bytes;
    row->objects += e.objects;
}

/* The row of this key, in a table kept at most 3/4 full; NULL: there is no room. */
static sh_top_row *row_of(sh_top_row *rows, unsigned bits, uint32_t *count, uint32_t stack, uint32_t name, uint32_t root_name) {
    size_t mask = ((size_t)1 << bits) - 1;
    size_t i = sh_hash_u64(sh_hash_mix((uint64_t)name << 32 | root_name, stack)) >> (64 - bits);
    for (; rows[i].samples; i = (i + 1) & mask)
        if (rows[i].stack == stack && rows[i].name == name && rows[i].root_name == root_name) return &rows[i];
    if (*count > mask / 4 * 3) return NULL;
    ++*count;
    rows[i] = (sh_top_row){ .stack = stack, .name = name, .root_name = root_name };
    return &rows[i];
}

static void sum_up(sh_top_sites *t, sh_profile *p, sh_top_buffer *buffer) {
    if (t->row_count) memset(t->rows, 0, ROWS * sizeof *t->rows);
    if (t->span_row_count) memset(t->span_rows, 0, SPAN_ROWS * sizeof *t->span_rows);
    memset(t->stacks, 0, p->stacks.high * sizeof *t->stacks);
    t->row_count = t->span_row_count = 0;
    sh_sample chunk[SH_LIVE_CHUNK];
    for (uint32_t cursor = 0, got; (got = sh_live_table_copy(&p->live, &cursor, chunk)) != 0;)
        for (uint32_t i = 0; i < got; i++) {
            if (chunk[i].state != SH_SAMPLE_LIVE) continue;
            sh_estimate e = sh_sample_estimate(&chunk[i]);
            const sh_span *span = &p->spans.spans[chunk[i].span];
            uint32_t root_name = p->spans.spans[span->root].name;
            sh_top_stack *stack = &t->stacks[chunk[i].stack];
            stack->bytes += e.bytes;
            stack->objects += e.objects;
            stack->samples++;
            buffer->live_bytes += e.bytes;
            buffer->live_objects += e.objects;
            buffer->live_samples++;
            sh_top_row *row = row_of(t->rows, ROW_BITS, &t->row_count, chunk[i].stack, span->name, root_name);
            if (row) add(row, e);   /* else the site has it, and none of its names */
            row = row_of(t->span_rows, SPAN_BITS, &t->span_row_count, 0, span->name, root_name);
            if (row) add(row, e);
        }
}

/* ------------------------------------------------------------------ choosing */

/* The n largest stacks in descending order. Returns how many there are; n is small, so insertion beats a heap. */
static uint32_t largest_stacks(const sh_top_sites *t, uint32_t high, uint32_t *largest, uint32_t n) {
    uint32_t count = 0;
    for (uint32_t id = 0; id < high; id++) {
        if (!t->stacks[id].samples || (count == n && t->stacks[id].bytes <= t->stacks[largest[n - 1]].bytes)) continue;
        uint32_t i = count < n ? count++ : n - 1;
        for (; i && t->stacks[largest[i - 1]].bytes < t->stacks[id].bytes; i--) largest[i] = largest[i - 1];
        largest[i] = id;
    }
    return count;
}

static void copy_frames(sh_top_site *site, const sh_profile *p, uint32_t stack_id) {
    const sh_stack *stack = &p->stacks.stacks[stack_id];
    site->depth = stack->depth;
    site->frame_count = stack->depth < SH_TOP_FRAMES ? stack->depth : SH_TOP_FRAMES;
    for (uint32_t i = 0; i < site->frame_count; i++) {
        uint32_t location = p->stacks.frames[stack->first_frame + i].location;
        if (location == SH_LOCATION_UNRESOLVED) continue;   /* the hook has met it since the tick looked names up */
        const sh_location *l = &p->locations.locations[location];
        site->frames[i] = (sh_top_frame){ l->function, l->filename, l->line };
    }
}

static void insert_name(sh_top_site *site, const sh_top_row *row) {
    if (site->name_count == SH_TOP_NAMES && row->bytes <= site->names[SH_TOP_NAMES - 1].bytes) return;
    uint32_t i = site->name_count < SH_TOP_NAMES ? site->name_count++ : SH_TOP_NAMES - 1;
    for (; i && site->names[i - 1].bytes < row->bytes; i--) site->names[i] = site->names[i - 1];
    site->names[i] = (sh_top_name){ .name = row->name, .root_name = row->root_name, .samples = row->samples, .bytes = row->bytes };
}

static void insert_span(sh_top_buffer *buffer, const sh_top_row *row) {
    if (buffer->span_count == SH_TOP_SPANS && row->bytes <= buffer->spans[SH_TOP_SPANS - 1].bytes) return;
    uint32_t i = buffer->span_count < SH_TOP_SPANS ? buffer->span_count++ : SH_TOP_SPANS - 1;
    for (; i && buffer->spans[i - 1].bytes < row->bytes; i--) buffer->spans[i] = buffer->spans[i - 1];
    buffer->spans[i] = (sh_top_span){ .bytes = row->bytes, .objects = row->objects, .samples = row->samples, .name = row->name,
                                      .root_name = row->root_name };
}

/* ------------------------------------------------------------------ writing */

#define CHECK_OF(object) ((uint32_t)crc32(0, (const Bytef *)(object), offsetof(__typeof__(*(object)), check)))

static void store_number(sh_top_buffer *buffer, uint64_t number) {
    __atomic_store_n(&buffer->number, number, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

void sh_top_sites_write(sh_top_sites *t, sh_profile *p, int64_t realtime_ns) {
    uint32_t *largest = t->largest;
    uint64_t number = t->written + 1;
    sh_top_buffer *buffer = &t->buffers[number & 1];
    t->largest_count = 0;
    store_number(buffer, 0);
    memset((char *)buffer + sizeof buffer->number, 0, sizeof *buffer - sizeof buffer->number);
    buffer->realtime_ns = realtime_ns;
    buffer->interval = p->interval;
    if (p->stacks.high > t->stack_capacity) return;   /* not the profile that this was made for */
    sum_up(t, p, buffer);
    buffer->site_count = t->largest_count = largest_stacks(t, p->stacks.high, largest, SH_TOP_SITES);
    for (uint32_t i = 0; i < buffer->site_count; i++) {
        sh_top_stack *stack = &t->stacks[largest[i]];
        stack->rank = i + 1;
        buffer->sites[i].number = number;
        buffer->sites[i].bytes = stack->bytes;
        buffer->sites[i].objects = stack->objects;
        buffer->sites[i].samples = stack->samples;
        copy_frames(&buffer->sites[i], p, largest[i]);
    }
    for (uint32_t i = 0; t->row_count && i < ROWS; i++)
        if (t->rows[i].samples && t->stacks[t->rows[i].stack].rank)
            insert_name(&buffer->sites[t->stacks[t->rows[i].stack].rank - 1], &t->rows[i]);
    for (uint32_t i = 0; t->span_row_count && i < SPAN_ROWS; i++)
        if (t->span_rows[i].samples) insert_span(buffer, &t->span_rows[i]);
    for (uint32_t i = 0; i < buffer->site_count; i++) buffer->sites[i].check = CHECK_OF(&buffer->sites[i]);
    for (uint32_t i = 0; i < buffer->span_count; i++) {
        buffer->spans[i].number = number;
        buffer->spans[i].check = CHECK_OF(&buffer->spans[i]);
    }
    /* The checksum is of the header as it will be: with its number, which comes last. */
    unsigned char header[offsetof(sh_top_buffer, check)];
    memcpy(header, buffer, sizeof header);
    memcpy(header, &number, sizeof number);
    buffer->check = (uint32_t)crc32(0, header, sizeof header);
    store_number(buffer, number);
    t->written = number;
}

/* ------------------------------------------------------------------ checking */

static bool is_whole(const sh_top_buffer *b) {
    return b->number && b->site_count <= SH_TOP_SITES && b->span_count <= SH_TOP_SPANS && b->check == CHECK_OF(b);
}

const sh_top_buffer *sh_top_sites_last(const sh_top_buffer buffers[2]) {
    const sh_top_buffer *last = NULL;
    for (int i = 0; i < 2; i++)
        if (is_whole(&buffers[i]) && (!last || buffers[i].number > last->number)) last = &buffers[i];
    return last;
}

bool sh_top_sites_valid(const sh_top_sites *t) {
    const sh_top_buffer *b = sh_top_sites_last(t->buffers);
    if (!b) return t->written == 0;
    if (b->number != t->written) return false;
    for (uint32_t i = 0; i < b->site_count; i++) {
        const sh_top_site *site = &b->sites[i];
        double named = 0;
        for (uint32_t k = 0; k < site->name_count; k++) named += site->names[k].bytes;
        if (site->number != b->number || site->check != CHECK_OF(site) || site->name_count > SH_TOP_NAMES
            || site->frame_count > SH_TOP_FRAMES || named > site->bytes * 1.000001 + 1
            || (i && site->bytes > b->sites[i - 1].bytes))
            return false;
    }
    for (uint32_t i = 0; i < b->span_count; i++)
        if (b->spans[i].number != b->number || b->spans[i].check != CHECK_OF(&b->spans[i])
            || (i && b->spans[i].bytes > b->spans[i - 1].bytes))
            return false;
    return true;
}
