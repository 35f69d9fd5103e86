/* A reader of pprof for the tests of the writer: unpacks the gzip, walks the protobuf, checks what it finds on the way. */
#ifndef SPANHEAP_TESTS_PPROF_READER_H
#define SPANHEAP_TESTS_PPROF_READER_H

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "check.h"
#include "spanheap/stack_table.h"

enum { FRAMES = SH_MAX_DEPTH, LABELS = 8, IDS = 1 << 16 };

typedef struct { const uint8_t *at, *end; } range;
typedef struct { uint64_t key, str, num, unit; } label;
typedef struct {
    uint64_t locations[FRAMES], values[4];
    label labels[LABELS];
    uint32_t depth, value_count, label_count;
} sample;
typedef struct { uint64_t mapping, function, line; bool used; } location;
typedef struct { uint64_t name, filename, first_line; bool used; } function;
typedef struct {
    uint8_t *plain;
    size_t packed_size;
    range *strings;
    sample *samples;
    location *locations;
    function *functions;
    uint64_t types[4][2], period_type[2], period, default_type, time_ns, duration_ns, mapping_file;
    uint64_t comments[16];
    uint32_t string_count, sample_count, type_count, comment_count, location_count, function_count;
} profile;

static uint64_t varint(range *r) {
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *r->at++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return v;
    }
}

/* The next field: a number in *v, or bytes in *body. False at the end. */
static bool next_field(range *r, unsigned *number, uint64_t *v, range *body) {
    if (r->at >= r->end) return false;
    uint64_t tag = varint(r), n = varint(r);
    *number = (unsigned)(tag >> 3);
    *v = n;
    *body = (range){ r->at, r->at };
    if ((tag & 7) == 2) r->at = body->end = body->at + n;
    return true;
}

static uint32_t unpack(range r, uint64_t *out, uint32_t room) {
    uint32_t n = 0;
    while (r.at < r.end && n < room) out[n++] = varint(&r);
    return CHECK(r.at == r.end) ? n : 0;
}

/* Fields 1 to n of a message that has numbers only; those inside a nested message follow from n + 1 on. */
static void read_numbers(range r, uint64_t *out, unsigned n) {
    unsigned number;
    uint64_t v;
    for (range body; next_field(&r, &number, &v, &body);) {
        if (body.at != body.end) read_numbers(body, out + n, n);
        else out[number] = v;
    }
}

static void read_sample(range r, sample *s) {
    unsigned number;
    uint64_t v;
    for (range body; next_field(&r, &number, &v, &body);) {
        uint64_t f[8] = { 0 };
        if (number == 1) s->depth = unpack(body, s->locations, FRAMES);
        if (number == 2) s->value_count = unpack(body, s->values, 4);
        if (number != 3 || !CHECK(s->label_count < LABELS)) continue;
        read_numbers(body, f, 4);
        s->labels[s->label_count++] = (label){ f[1], f[2], f[3], f[4] };
    }
}

static void read_field(profile *p, unsigned number, uint64_t v, range body) {
    uint64_t f[16] = { 0 };
    if (number != 2 && number != 6) read_numbers(body, f, 5);
    switch (number) {
    case 1: if (CHECK(p->type_count < 4)) memcpy(p->types[p->type_count++], f + 1, sizeof p->types[0]); break;
    case 2: read_sample(body, &p->samples[p->sample_count++]); break;
    case 3: CHECK(f[1] == 1); p->mapping_file = f[5]; break;
    case 4:
        if (!CHECK(f[1] && f[1] < IDS && !p->locations[f[1]].used)) break;
        p->locations[f[1]] = (location){ f[2], f[6], f[7], true };
        p->location_count++;
        break;
    case 5:
        if (!CHECK(f[1] && f[1] < IDS && !p->functions[f[1]].used)) break;
        p->functions[f[1]] = (function){ f[2], f[4], f[5], true };
        p->function_count++;
        break;
    case 6: p->strings[p->string_count++] = body; break;
    case 9: p->time_ns = v; break;
    case 10: p->duration_ns = v; break;
    case 11: memcpy(p->period_type, f + 1, sizeof p->period_type); break;
    case 12: p->period = v; break;
    case 13: if (CHECK(p->comment_count < 16)) p->comments[p->comment_count++] = v; break;
    case 14: p->default_type = v; break;
    default: CHECK(!"a field that a heap profile has");
    }
}

static profile read_profile(int fd) {
    enum { PLAIN = 32 << 20, STRINGS = 1 << 16, SAMPLES = 1 << 15 };
    profile p = { .plain = malloc(PLAIN) };
    p.packed_size = (size_t)lseek(fd, 0, SEEK_END);
    uint8_t *packed = malloc(p.packed_size + 1);
    CHECK(pread(fd, packed, p.packed_size, 0) == (ssize_t)p.packed_size);
    z_stream z = { .next_in = packed, .avail_in = (uInt)p.packed_size, .next_out = p.plain, .avail_out = PLAIN };
    inflateInit2(&z, 16 + MAX_WBITS);
    CHECK(inflate(&z, Z_FINISH) == Z_STREAM_END);
    inflateEnd(&z);
    free(packed);
    p.strings = calloc(STRINGS, sizeof *p.strings);
    p.samples = calloc(SAMPLES, sizeof *p.samples);
    p.locations = calloc(IDS, sizeof *p.locations);
    p.functions = calloc(IDS, sizeof *p.functions);
    range all = { p.plain, p.plain + z.total_out };
    unsigned number;
    uint64_t v;
    for (range body; next_field(&all, &number, &v, &body);) read_field(&p, number, v, body);
    CHECK(p.string_count && p.strings[0].at == p.strings[0].end);
    return p;
}

static void free_profile(profile *p) {
    free(p->plain);
    free(p->strings);
    free(p->samples);
    free(p->locations);
    free(p->functions);
}

static bool is(const profile *p, uint64_t string, const char *expected) {
    range r = string < p->string_count ? p->strings[string] : (range){ NULL, NULL };
    size_t n = (size_t)(r.end - r.at);
    if (r.at && n == strlen(expected) && memcmp(r.at, expected, n) == 0) return true;
    fprintf(stderr, "    \"%.*s\" is not \"%s\"\n", (int)n, r.at ? (const char *)r.at : "", expected);
    return false;
}

static const label *label_of(const profile *p, const sample *s, const char *key) {
    for (uint32_t i = 0; i < s->label_count; i++) {
        range r = p->strings[s->labels[i].key];
        if ((size_t)(r.end - r.at) == strlen(key) && memcmp(r.at, key, strlen(key)) == 0) return &s->labels[i];
    }
    return NULL;
}

static bool has(const profile *p, const sample *s, const char *key, const char *expected) {
    const label *l = label_of(p, s, key);
    return l && l->str && is(p, l->str, expected);
}

/* The one sample with these in use and alloc bytes. */
static const sample *find(const profile *p, uint64_t alloc_bytes, uint64_t inuse_bytes) {
    const sample *found = NULL;
    for (uint32_t i = 0; i < p->sample_count; i++) {
        const sample *s = &p->samples[i];
        if (s->values[1] != alloc_bytes || s->values[3] != inuse_bytes) continue;
        CHECK(!found);
        found = s;
    }
    CHECK(found);
    return found;
}

/* Types, totals and references, true of every dump. */
static void check_consistent(const profile *p, const sh_heap_snapshot *s) {
    static const char *const types[4][2] = {
        { "alloc_objects", "count" }, { "alloc_space", "bytes" }, { "inuse_objects", "count" }, { "inuse_space", "bytes" },
    };
    CHECK(p->type_count == 4);
    for (int i = 0; i < 4; i++) CHECK(is(p, p->types[i][0], types[i][0]) && is(p, p->types[i][1], types[i][1]));
    CHECK(is(p, p->default_type, "inuse_space"));
    CHECK(is(p, p->period_type[0], "space") && is(p, p->period_type[1], "bytes"));
    CHECK(p->time_ns == (uint64_t)s->realtime_ns);
    CHECK(p->sample_count == s->sample_count + s->total_count);

    double sums[4] = { 0 };
    uint32_t live = 0, used = 0;
    bool *is_used = calloc(IDS, 1), ok = true;
    for (uint32_t i = 0; i < p->sample_count; i++) {
        const sample *x = &p->samples[i];
        ok &= x->value_count == 4 && x->depth > 0;
        for (int v = 0; v < 4; v++) sums[v] += (double)x->values[v];
        live += x->values[2] != 0;
        ok &= x->values[2] == 0 ? x->values[3] == 0 : x->values[0] == x->values[2] && x->values[1] == x->values[3];
        for (uint32_t f = 0; f < x->depth; f++) {
            ok &= p->locations[x->locations[f]].used;
            is_used[x->locations[f]] = true;
        }
    }
    for (uint32_t id = 0; id < IDS; id++) {
        used += is_used[id];
        if (p->locations[id].used) ok &= p->functions[p->locations[id].function].used;
    }
    CHECK(ok);
    CHECK(live == s->sample_count);
    CHECK(p->location_count == used);
    const double half = 0.501;   /* and what doubles lose when they are added in another order */
    CHECK(fabs(sums[0] - s->sums.allocated_objects) <= half && fabs(sums[1] - s->sums.allocated_bytes) <= half);
    CHECK(fabs(sums[2] - s->sums.live_objects) <= half && fabs(sums[3] - s->sums.live_bytes) <= half);
    free(is_used);
}

#endif
