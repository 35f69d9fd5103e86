/* A fatal signal leaves a mark, and does what it would have done without us. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "spanheap/fatal_signals.h"

static const sh_recorder_options OPTIONS = {
    .ring = { .capacity = 1, .stripes = 1 }, .active_capacity = 1, .name_capacity = 1, .name_bytes = 1, .stack_capacity = 1,
};
static sh_recorder recorder;
/* Sanitizers have handlers of their own, which exit. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0"; }
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return __asan_default_options(); }

static int chained[2];   /* a pipe: who handled it */

static const sh_recorder_end_mark *mark(void) {
    return (const sh_recorder_end_mark *)(recorder.region + SH_RECORDER_PAGE) + SH_END_SIGNAL;
}

static void others_handler(int number) {
    char byte = (char)number;
    if (write(chained[1], &byte, 1) != 1) _exit(99);
    signal(number, SIG_DFL);
    raise(number);
}

static void fault(int number) {
    if (number == SIGABRT) abort();
    if (number == SIGSEGV) *(volatile int *)(uintptr_t)(number - SIGSEGV + 64) = 1;
    raise(number);
}

/* How a child ends that gets this signal with `prepare` done before; -1: not by a signal. The file says the same. */
static int end_by(int number, void (*prepare)(void)) {
    char path[] = "/tmp/spanheap-signals-XXXXXX";
    int fd = mkstemp(path), status;
    unlink(path);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        if (!sh_recorder_init(&recorder, &OPTIONS) || sh_recorder_attach(&recorder, fd, &(sh_recorder_identity){ 0 }) != 0) _exit(98);
        prepare();
        fault(number);
        _exit(97);
    }
    waitpid(child, &status, 0);
    char page[2 * SH_RECORDER_PAGE];
    CHECK(pread(fd, page, sizeof page, 0) == (ssize_t)sizeof page);
    close(fd);
    const sh_recorder_end_mark *m = (const sh_recorder_end_mark *)(page + SH_RECORDER_PAGE) + SH_END_SIGNAL;
    CHECK(m->kind == SH_END_SIGNAL + 1 && m->code == number && m->realtime_ns > 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static int handled(void) {
    char byte;
    int count = 0;
    while (read(chained[0], &byte, 1) == 1) count++;
    return count;
}

static int others_signal;
static void alone(void) { sh_fatal_signals_install(&recorder); }
static void above_anothers(void) {
    signal(others_signal, others_handler);
    sh_fatal_signals_install(&recorder);
}
static void twice(void) {
    sh_fatal_signals_install(&recorder);
    sh_fatal_signals_remove();
    sh_fatal_signals_install(&recorder);
    sh_fatal_signals_install(&recorder);
}

static void test_marks(void) {
    const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    for (int i = 0; i < 5; i++) {
        others_signal = numbers[i];
        CHECK(end_by(numbers[i], alone) == numbers[i] && handled() == 0);
        CHECK(end_by(numbers[i], twice) == numbers[i] && handled() == 0);
        CHECK(end_by(numbers[i], above_anothers) == numbers[i] && handled() == 1);
    }
}

/* Removed, the signals are as they were; an action that was set meanwhile stays; an ignored signal is left alone. */
static void test_remove(void) {
    struct sigaction is;
    if (!CHECK(sh_recorder_init(&recorder, &OPTIONS))) return;
    signal(SIGFPE, SIG_IGN);
    sh_fatal_signals_install(&recorder);
    CHECK(sigaction(SIGFPE, NULL, &is) == 0 && is.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGSEGV, NULL, &is) == 0 && (is.sa_flags & SA_SIGINFO));
    signal(SIGILL, others_handler);
    sh_fatal_signals_remove();
    CHECK(sigaction(SIGSEGV, NULL, &is) == 0 && is.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGILL, NULL, &is) == 0 && is.sa_handler == others_handler);
    CHECK(mark()->kind == 0);
    sh_recorder_fini(&recorder);
}

int main(void) {
    if (!CHECK(pipe(chained) == 0)) return CHECK_DONE();
    fcntl(chained[0], F_SETFL, O_NONBLOCK);
    test_marks();
    test_remove();
    return CHECK_DONE();
}
