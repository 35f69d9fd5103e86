/* Cohorts: each survivor counted in its group and epoch, deaths and nothing else as losses, within the bounds. */
#include "spanheap/cohort_selection.h"

#include <math.h>
#include <stdlib.h>

#include "profile_fixture.h"

static sh_cohorts cohorts;

/* Two frames: innermost in a library, then in file `n % files` of the application. */
static uint32_t resolved_stack(uint32_t n, uint32_t files) {
    uint32_t id = intern_stack(n);
    sh_stack *s = &profile.stacks.stacks[id];
    if (s->resolved) return id;
    const sh_location library = { .function = intern_name("call", n), .filename = intern_name("library", 0), .line = n };
    const sh_location own = { .function = intern_name("handler", n), .filename = intern_name("file", n % files), .line = n };
    profile.stacks.frames[s->first_frame].location = sh_location_table_intern(&profile.locations, library);
    profile.stacks.frames[s->first_frame + 1].location = sh_location_table_intern(&profile.locations, own);
    s->resolved = true;
    profile.stacks.unresolved--;
    return id;
}

static void record_at(uint32_t address, uint32_t stack, uint32_t span) {
    sh_sample sample = sample_at(address, 1000);
    sample.stack = stack;
    sample.span = span;
    sample.clock_s = profile.clock_s;
    CHECK(sh_profile_record_in_hook(&profile, &sample, NULL));
}

static bool release(uint32_t address) { return sh_profile_release_in_hook(&profile, address_of(address), NULL); }

static void update_at(uint32_t clock_s) {
    profile.clock_s = clock_s;
    sh_profile_fold(&profile, UINT32_MAX);
    for (uint32_t file; (file = sh_cohorts_unknown_file(&cohorts, &profile)) != SH_STRING_EMPTY;) {
        char first = sh_string_table_get(&profile.strings, file).data[0];   /* library-0, script-0, file-0 */
        sh_cohorts_set_origin(&cohorts, file, first == 'l', first == 's' ? 2 : first == 'l');
    }
    sh_cohorts_update(&cohorts, &profile);
    CHECK(sh_cohorts_valid(&cohorts) && cohorts.waiting == 0);
}

static const sh_cohort_group *find_group(const char *function, const char *root) {
    for (uint32_t i = 0; i < cohorts.group_count; i++) {
        const sh_cohort_group *g = &cohorts.groups[i];
        sh_string f = sh_string_table_get(&profile.strings, g->key.function), r = sh_string_table_get(&profile.strings, g->key.root_name);
        if (f.length == strlen(function) && !memcmp(f.data, function, f.length) && r.length == strlen(root) && !memcmp(r.data, root, r.length))
            return g;
    }
    return NULL;
}

static double lost(const sh_cohort_group *g) {
    double sum = 0;
    for (uint32_t e = 0; e < SH_COHORT_EPOCHS; e++) sum += (double)g->lost[e];
    return sum;
}

static void start(double interval, uint32_t max_samples) {
    CHECK(start_profile(interval, max_samples, true) && sh_cohorts_init(&cohorts, &profile));
}

static void stop(void) {
    sh_cohorts_fini(&cohorts);
    stop_profile();
}

static void test_each_survivor_counts_in_its_group_and_epoch(void) {
    start(1.0, 4096);
    update_at(1);
    uint32_t span = start_span(7, 0), stack = resolved_stack(3, 8);
    for (uint32_t t = 2, a = 0; t < 12; t++) {   /* t blocks a second under the span, one without */
        for (uint32_t k = 0; k < t; k++) record_at(a++, stack, span);
        record_at(a++, stack, SH_SPAN_NONE);
        update_at(t);
    }
    const sh_cohort_group *g = find_group("handler-3", "span-7"), *none = find_group("handler-3", "<no span>");
    if (CHECK(g && none)) {
        CHECK(__builtin_popcountll(g->traces) == 1 && __builtin_popcountll(none->traces) >= 7);   /* one trace; ten seconds, 64 classes */
        CHECK(g->samples == 65 && none->samples == 10 && lost(g) == 0);
        for (uint32_t e = 1; e + 1 < cohorts.count; e++)   /* epoch e began at second e */
            CHECK(g->alive[cohorts.slot[e]] == e + 1 && g->bytes[cohorts.slot[e]] == 1000.0f * (float)(e + 1));
    }
    stop();
}

/* A function of a script that launches others is the application's, its module level says less than a library. */
static void test_module_level_of_a_launcher(void) {
    start(1.0, 4096);
    update_at(1);
    for (uint32_t n = 1; n <= 2; n++) {
        uint32_t stack = resolved_stack(n, 1);
        const sh_location outer = {
            .function = n == 1 ? sh_string_table_intern(&profile.strings, "<module>", 8) : intern_name("task", 0),
            .filename = intern_name("script", 0), .line = n,
        };
        sh_stack *s = &profile.stacks.stacks[stack];
        profile.stacks.frames[s->first_frame + 1].location = sh_location_table_intern(&profile.locations, outer);
        record_at(n, stack, SH_SPAN_NONE);
    }
    update_at(2);
    CHECK(find_group("call-1", "<no span>") && find_group("task-0", "<no span>") && !find_group("<module>", "<no span>"));
    stop();
}

static void test_deaths_after_the_epoch_are_losses_that_fade_by_its_age(void) {
    start(1.0, 4096);
    update_at(1);
    uint32_t stack = resolved_stack(1, 8);
    for (uint32_t a = 0; a < 100; a++) record_at(a, stack, SH_SPAN_NONE);
    for (uint32_t a = 0; a < 50; a++) release(a);   /* dead before they were ever seen */
    update_at(10);
    const sh_cohort_group *g = find_group("handler-1", "<no span>");
    if (!CHECK(g)) return;
    CHECK(g->samples == 50 && lost(g) == 0);
    for (uint32_t a = 50; a < 70; a++) release(a);
    update_at(11);
    CHECK(g->samples == 30 && lost(g) == 20);
    update_at(21);   /* it is 20 seconds old, and fades thrice in that time */
    CHECK(fabs(lost(g) - 20 * exp(-3 * 10 / 20.0)) < 1e-4);
    stop();
}

static void test_thinning_is_no_death(void) {
    start(1.0, 2000);
    update_at(1);
    uint32_t stack = resolved_stack(1, 8);
    for (uint32_t a = 0; a < 1500; a++) record_at(a, stack, SH_SPAN_NONE);
    update_at(2);
    for (uint32_t a = 1500; a < 1999; a++) record_at(a, stack, SH_SPAN_NONE);
    profile.interval = 1000.0;   /* R = 1 stays so for long when doubled: begin where thinning bites */
    record_at(1999, stack, SH_SPAN_NONE);
    sh_sample extra = sample_at(0, 1000);
    extra.address = address_of(ADDRESSES + 1);
    extra.stack = stack;
    CHECK(sh_profile_record_in_hook(&profile, &extra, NULL));
    CHECK(profile.counters.thinned > 0);
    update_at(3);
    const sh_cohort_group *g = find_group("handler-1", "<no span>");
    CHECK(g && lost(g) == 0 && g->samples == profile.live.live);
    stop();
}

static void test_epochs_grow_with_their_age_and_nothing_is_lost_in_them(void) {
    start(1.0, 4096);
    uint32_t stack = resolved_stack(1, 8);
    for (uint32_t t = 2; t <= 2000; t++) {
        update_at(t);
        record_at(t % ADDRESSES, stack, SH_SPAN_NONE);
    }
    update_at(2001);
    const sh_cohort_group *g = find_group("handler-1", "<no span>");
    if (!CHECK(g && cohorts.count == SH_COHORT_EPOCHS)) return;
    CHECK(g->samples == profile.live.live && lost(g) == 0);
    double now = 2001, worst = 0;
    for (uint32_t e = 1; e + 2 < cohorts.count; e++) {
        double length = cohorts.start[e + 1] - cohorts.start[e], age = now - cohorts.start[e];
        CHECK(g->alive[cohorts.slot[e]] == length);   /* one a second */
        if (age > 20) worst = fmax(worst, length / age);
    }
    CHECK(worst < 0.6);   /* even spacing by ratio would be 0.3; pairs merge, so some are twice as long */
    CHECK(cohorts.start[0] == -1);
    stop();
}

static void test_groups_are_bounded_and_the_rest_is_counted(void) {
    start(1.0, 4096);
    update_at(1);
    uint32_t library_only = resolved_stack(5, 8);
    char name[16];
    for (uint32_t n = 0; n < ADDRESSES; n++) record_at(n, library_only, start_span(n + 1, 0));
    /* Spans are fewer than groups here; their names are changed between the passes, as update_name does. */
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t slot = SH_SPAN_FIRST; slot < profile.spans.high; slot++) {
            int length = snprintf(name, sizeof name, "r%u-%u", round, slot);
            profile.spans.spans[slot].name = sh_string_table_intern(&profile.strings, name, (size_t)length);
        }
        update_at(2 + round);
        uint64_t samples = cohorts.groups[SH_COHORT_GROUPS].samples;
        for (uint32_t i = 0; i < cohorts.group_count; i++) samples += cohorts.groups[i].samples;
        CHECK(samples == profile.live.live);
    }
    CHECK(cohorts.overflowed > 0 && cohorts.group_count <= SH_COHORT_GROUPS);
    CHECK(sh_cohorts_memory(&cohorts) < 1 << 20);
    stop();
}

static void test_selection_by_group_site_and_root(void) {
    start(1.0, 4096);
    update_at(1);
    uint32_t roots[4] = { start_span(1, 0), start_span(2, 0), start_span(3, 0), start_span(4, 0) }, a = 0;
    for (uint32_t t = 2; t < 10; t++) {
        for (uint32_t r = 0; r < 4; r++) record_at(a++, resolved_stack(1, 8), roots[r]);   /* one site, four endpoints */
        for (uint32_t n = 10; n < 13; n++) record_at(a++, resolved_stack(n, 8), roots[0]); /* three sites, one endpoint */
        update_at(t);
    }
    sh_cohort_group out[3];
    CHECK(sh_cohorts_select(&cohorts, SH_COHORT_EACH, 4, 8, out, 3) == 3 && out[0].samples == 8);
    CHECK(sh_cohorts_select(&cohorts, SH_COHORT_EACH, 4, 9, out, 3) == 0);
    CHECK(sh_cohorts_select(&cohorts, SH_COHORT_BY_SITE, 4, 9, out, 3) == 1 && out[0].samples == 32 && out[0].key.root_name == 0);
    CHECK(sh_cohorts_select(&cohorts, SH_COHORT_BY_ROOT, 4, 9, out, 3) == 1 && out[0].samples == 32 && out[0].key.function == 0);
    uint32_t matching = 0;
    for (uint32_t entry = 0; entry < profile.live.high; entry++)
        matching += sh_cohorts_match(&cohorts, &profile, &profile.live.samples[entry], out[0].key);
    CHECK(matching == 32);
    stop();
}

int main(void) {
    test_each_survivor_counts_in_its_group_and_epoch();
    test_module_level_of_a_launcher();
    test_deaths_after_the_epoch_are_losses_that_fade_by_its_age();
    test_thinning_is_no_death();
    test_epochs_grow_with_their_age_and_nothing_is_lost_in_them();
    test_groups_are_bounded_and_the_rest_is_counted();
    test_selection_by_group_site_and_root();
    return CHECK_DONE();
}
