/* The largest sites and spans, against sums made the plain way. */
#include <math.h>
#include <stdlib.h>

#include "profile_fixture.h"
#include "spanheap/top_sites.h"

static sh_top_buffer buffers[2];
static sh_top_sites top;

static bool start(uint32_t samples) {
    memset(buffers, 0, sizeof buffers);
    return start_profile(512, samples, false) && CHECK(sh_top_sites_init(&top, buffers, profile.stacks.capacity));
}

static void stop(void) {
    sh_top_sites_fini(&top);
    stop_profile();
}

static const sh_top_buffer *last(void) { return sh_top_sites_last(buffers); }

static void resolve_all(void) {
    for (uint32_t id = 1; id < profile.stacks.high; id++)
        for (uint32_t i = 0; i < profile.stacks.stacks[id].depth; i++) {
            sh_frame *frame = &profile.stacks.frames[profile.stacks.stacks[id].first_frame + i];
            sh_location l = { intern_name("function", id), intern_name("file", 1), id, 1 };
            frame->location = sh_location_table_intern(&profile.locations, l);
        }
}

static void record_at(uint32_t address, uint64_t size, uint32_t stack, uint32_t span) {
    sh_sample s = { .address = address_of(address), .size = size, .interval = 512, .share = 1, .stack = stack, .span = span };
    sh_profile_record_in_hook(&profile, &s, NULL);
}

static void test_nothing(void) {
    if (!start(1000)) return;
    CHECK(last() == NULL && sh_top_sites_valid(&top));
    sh_top_sites_write(&top, &profile, 5);
    CHECK(last() && last()->number == 1 && last()->realtime_ns == 5 && last()->site_count == 0 && last()->live_bytes == 0);
    CHECK(sh_top_sites_valid(&top));
    stop();
}

/* Descending, complete when there are few, with the spans' names and the frames' places. */
static void test_few(void) {
    if (!start(1000)) return;
    uint32_t stacks[3], spans[3];
    for (uint32_t i = 0; i < 3; i++) {
        stacks[i] = intern_stack(i);
        spans[i] = start_span(10 + i, i ? 10 : 0);
    }
    for (uint32_t i = 0; i < 60; i++) record_at(i, 100000, stacks[i % 6 < 3 ? 0 : i % 6 < 5 ? 1 : 2], spans[i % 3]);
    resolve_all();
    stacks[0] = intern_stack(40);
    record_at(100, 500, stacks[0], SH_SPAN_NONE);   /* not looked up yet */
    sh_top_sites_write(&top, &profile, 1);
    const sh_top_buffer *b = last();
    if (!CHECK(b && b->site_count == 4 && b->span_count == 4 && b->live_samples == 61)) return;
    CHECK(b->sites[0].samples == 30 && b->sites[1].samples == 20 && b->sites[2].samples == 10 && b->sites[3].samples == 1);
    CHECK(b->sites[0].frame_count == 2 && b->sites[0].frames[0].line == 1 && b->sites[0].frames[0].function == intern_name("function", 1));
    CHECK(b->sites[3].frames[0].function == SH_STRING_EMPTY && b->sites[3].frame_count == 2);
    CHECK(b->sites[0].name_count == 3 && b->sites[0].names[0].root_name == intern_name("span", 10));
    double sum = 0, spans_sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += b->sites[i].bytes;
        spans_sum += b->spans[i].bytes;
    }
    CHECK(fabs(sum - b->live_bytes) < 1 && fabs(spans_sum - b->live_bytes) < 1);
    CHECK(fabs(b->live_bytes - sh_profile_sum(&profile).live_bytes) < 1 && sh_top_sites_valid(&top));
    /* Released: gone the next time. */
    for (uint32_t i = 0; i < 60; i++) sh_profile_release_in_hook(&profile, address_of(i), NULL);
    sh_top_sites_write(&top, &profile, 2);
    CHECK(last()->number == 2 && last()->site_count == 1 && last()->live_samples == 1 && sh_top_sites_valid(&top));
    stop();
}

/* More than fit: the largest are there, and what is left out is in the sums. */
static void test_many(void) {
    if (!start(2000)) return;
    for (uint32_t i = 0; i < 2000; i++) record_at(i, 600 + i * 50, intern_stack(i % 500), start_span(1 + i, 0));
    for (int writing = 1; writing <= 3; writing++) {
        sh_top_sites_write(&top, &profile, writing);
        const sh_top_buffer *b = last();
        CHECK(b->number == (uint64_t)writing && b->site_count == SH_TOP_SITES && b->span_count == SH_TOP_SPANS);
        CHECK(sh_top_sites_valid(&top) && fabs(b->live_bytes - sh_profile_sum(&profile).live_bytes) < 1);
        CHECK(b->sites[0].samples == 4 && b->sites[0].name_count == 4);
        double smallest = b->sites[SH_TOP_SITES - 1].bytes, sums[4096] = { 0 };
        sh_sample chunk[SH_LIVE_CHUNK];
        for (uint32_t cursor = 0, n; (n = sh_live_table_copy(&profile.live, &cursor, chunk)) != 0;)
            for (uint32_t i = 0; i < n; i++) sums[chunk[i].stack] += sh_sample_estimate(&chunk[i]).bytes;
        int larger = 0;
        for (int i = 0; i < 4096; i++) larger += sums[i] > smallest;
        CHECK(larger == SH_TOP_SITES - 1);
    }
    stop();
}

/* While one buffer is being written, wherever the writing stops, the other is what a reader gets. */
static void test_killed_writer(void) {
    if (!start(1000)) return;
    for (uint32_t i = 0; i < 100; i++) record_at(i, 5000, intern_stack(i), SH_SPAN_NONE);
    sh_top_sites_write(&top, &profile, 1);
    sh_top_sites_write(&top, &profile, 2);
    sh_top_buffer second = buffers[0];
    sh_top_sites_write(&top, &profile, 3);
    sh_top_buffer whole[2] = { buffers[0], buffers[1] };
    CHECK(last()->number == 3 && second.number == 2);
    for (size_t stored = sizeof(uint64_t); stored < sizeof *buffers; stored += 251) {   /* the third over the first */
        memcpy(&buffers[1], &whole[1], stored);
        memset((char *)&buffers[1] + stored, 0xA5, sizeof *buffers - stored);
        buffers[1].number = 0;
        CHECK(last() && last()->number == 2);
    }
    buffers[1] = whole[1];
    buffers[1].site_count ^= 1;
    CHECK(last()->number == 2);
    stop();
}

int main(void) {
    test_nothing();
    test_few();
    test_many();
    test_killed_writer();
    return CHECK_DONE();
}
