/* What a publish costs from C to C: one thread, and two with a stripe each, on one stripe, and under one mutex.
 *
 *      span_ring ROUNDS      prints for each case, in ns a record: name, tenth percentile, median of the rounds
 *
 * All cases are sampled in turns with pauses, since a machine that is shared slows down for seconds at a time. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "spanheap/span_ring.h"

enum { RECORDS = 50000, CAPACITY = 16384, MAX_ROUNDS = 1000, PAUSE_US = 5000 };

typedef struct { const char *name; uint32_t threads, stripes; bool locked; } bench_case;

static const bench_case CASES[] = {
    { "one thread", 1, 1, false },
    { "two threads, a stripe each", 2, 2, false },
    { "two threads, one stripe", 2, 1, false },
    { "two threads, one mutex", 2, 1, true },
};
enum { CASE_COUNT = sizeof CASES / sizeof *CASES };

static sh_span_ring ring;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;

typedef struct { uint32_t stripe; bool locked; double ns; } job;

static void *publish(void *argument) {
    job *j = argument;
    sh_span_record record = { .trace_high = 1, .trace_low = 2, .parent_id = 3, .name = 4, .duration_ns = 5 };
    pthread_barrier_wait(&barrier);
    int64_t start = sh_clock_ns(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < RECORDS; i++) {
        record.span_id = i;
        if (j->locked) pthread_mutex_lock(&mutex);
        sh_span_ring_publish(&ring, j->stripe, &record, (int64_t)i * 1000);
        if (j->locked) pthread_mutex_unlock(&mutex);
    }
    j->ns = (double)(sh_clock_ns(CLOCK_MONOTONIC) - start) / RECORDS;
    return NULL;
}

static double sample(const bench_case *c) {
    sh_ring_options options = { .capacity = CAPACITY, .stripes = c->stripes, .ttl_ns = INT64_C(300000000000) };
    if (!sh_span_ring_init(&ring, &options)) exit(1);
    memset(ring.slots, 0, CAPACITY * sizeof(sh_ring_slot));   /* page faults are not what is measured */
    pthread_barrier_init(&barrier, NULL, c->threads);
    job jobs[2];
    pthread_t threads[2];
    double slowest = 0;
    for (uint32_t i = 0; i < c->threads; i++) {
        jobs[i] = (job){ .stripe = i % c->stripes, .locked = c->locked };
        if (pthread_create(&threads[i], NULL, publish, &jobs[i]) != 0) exit(1);
    }
    for (uint32_t i = 0; i < c->threads; i++) {
        pthread_join(threads[i], NULL);
        if (jobs[i].ns > slowest) slowest = jobs[i].ns;
    }
    pthread_barrier_destroy(&barrier);
    if (!sh_span_ring_valid(&ring, RECORDS * INT64_C(1000))) exit(1);
    sh_span_ring_fini(&ring);
    return slowest;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    static double samples[CASE_COUNT][MAX_ROUNDS];
    int rounds = count > 1 ? atoi(arguments[1]) : 50;
    if (rounds < 1 || rounds > MAX_ROUNDS) return 2;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < CASE_COUNT; i++) {
            samples[i][round] = sample(&CASES[i]);
            nanosleep(&(struct timespec){ .tv_nsec = PAUSE_US * 1000 }, NULL);
        }
    for (int i = 0; i < CASE_COUNT; i++) {
        qsort(samples[i], (size_t)rounds, sizeof(double), by_value);
        printf("%s\t%.2f\t%.2f\n", CASES[i].name, samples[i][rounds / 10], samples[i][rounds / 2]);
    }
    return 0;
}
