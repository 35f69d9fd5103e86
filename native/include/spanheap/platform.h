/* What every table of the core shares: branch hints, the leaf lock, hashing, pages, the clock.
 *
 * Lock rule: sh_lock is a leaf. Whoever holds it calls nothing that allocates, blocks or takes another lock,
 * so it can be taken inside an allocator hook, with or without the GIL, and across fork (see sh_lock_reset). */
#ifndef SPANHEAP_PLATFORM_H
#define SPANHEAP_PLATFORM_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define SH_LIKELY(x) __builtin_expect(!!(x), 1)
#define SH_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Into the cache for what comes some microseconds later: a record or a slot that nobody has touched for thousands of spans. Any
 * address may be given. */
#define SH_PREFETCH(address) __builtin_prefetch((address), 1)
#define SH_COLD __attribute__((noinline, cold))
/* Laid next to each other, so that they share lines and pages: what a span runs through. */
#define SH_HOT __attribute__((hot))

/* ------------------------------------------------------------------ lock */

typedef struct { atomic_flag held; } sh_lock;

static inline void sh_lock_acquire(sh_lock *lock) {
    for (unsigned spins = 0; atomic_flag_test_and_set_explicit(&lock->held, memory_order_acquire); spins++)
        if (spins >= 64) sched_yield();   /* the holder may be preempted: give it the core */
}

static inline void sh_lock_release(sh_lock *lock) { atomic_flag_clear_explicit(&lock->held, memory_order_release); }

/* For the child of a fork: the holder, if any, does not exist there. */
static inline void sh_lock_reset(sh_lock *lock) { atomic_flag_clear_explicit(&lock->held, memory_order_relaxed); }

/* ------------------------------------------------------------------ hashing */

/* Fibonacci hashing; take the *high* bits of the result (`>> (64 - bits)`). */
static inline uint64_t sh_hash_u64(uint64_t key) { return key * UINT64_C(0x9E3779B97F4A7C15); }

/* Heap addresses are 16-byte aligned: drop the bits that are always zero. */
static inline uint64_t sh_hash_address(const void *p) { return sh_hash_u64((uint64_t)(uintptr_t)p >> 4); }

static inline uint64_t sh_hash_mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0xff51afd7ed558ccd);
    return h ^ (h >> 32);
}

/* Smallest b with 2^b >= n. */
static inline unsigned sh_log2_ceil(size_t n) {
    unsigned b = 0;
    while (((size_t)1 << b) < n) b++;
    return b;
}

/* ------------------------------------------------------------------ pages */

/* Zeroed address space whose pages cost memory only once touched; NULL when the kernel refuses.
 * Tables are made of these, never of malloc: a hook must not enter the allocator it watches. */
static inline void *sh_pages_map(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static inline void sh_pages_unmap(void *p, size_t bytes) {
    if (p) munmap(p, bytes);
}

/* Zeroes mapped pages. Many are given back to the system; few are written, which is cheaper than faulting them in again. */
static inline void sh_pages_zero(void *p, size_t bytes) {
    if (bytes > (size_t)1 << 20) madvise(p, bytes, MADV_DONTNEED);
    else memset(p, 0, bytes);
}

/* ------------------------------------------------------------------ clock */

static inline int64_t sh_clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
