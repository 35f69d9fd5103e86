#include "spanheap/fatal_signals.h"

#include <errno.h>
#include <signal.h>

static const int SIGNALS[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
enum { COUNT = sizeof SIGNALS / sizeof *SIGNALS };

static struct sigaction before[COUNT];
static bool installed[COUNT];
static _Atomic(sh_recorder *) recorder;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    int saved_errno = errno;
    sh_recorder *r = atomic_load_explicit(&recorder, memory_order_acquire);
    if (r) sh_recorder_end(r, SH_END_SIGNAL, number, "", 0);
    for (int i = 0; i < COUNT; i++)
        if (SIGNALS[i] == number) sigaction(number, &before[i], NULL);
    /* Sent by kill, raise or abort: nothing would bring it back. It is blocked here and comes when we return. */
    if (info->si_code <= 0) raise(number);
    errno = saved_errno;
}

void sh_fatal_signals_install(sh_recorder *r) {
    /* On the alternate stack, if the thread has one: the ordinary one may be what overflowed. */
    struct sigaction ours = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&ours.sa_mask);
    atomic_store_explicit(&recorder, r, memory_order_release);
    for (int i = 0; i < COUNT; i++) {
        struct sigaction current;
        /* Still there from the last time, below or above an action of another's: twice would be a circle. */
        if (installed[i] || sigaction(SIGNALS[i], NULL, &current) != 0) continue;
        if (current.sa_handler == SIG_IGN && !(current.sa_flags & SA_SIGINFO)) continue;   /* not fatal then */
        before[i] = current;
        installed[i] = sigaction(SIGNALS[i], &ours, NULL) == 0;
    }
}

void sh_fatal_signals_remove(void) {
    atomic_store_explicit(&recorder, NULL, memory_order_release);
    for (int i = 0; i < COUNT; i++) {
        struct sigaction current;
        if (!installed[i] || sigaction(SIGNALS[i], NULL, &current) != 0) continue;
        if (!(current.sa_flags & SA_SIGINFO) || current.sa_sigaction != on_signal) continue;   /* another's: it may chain to us */
        installed[i] = sigaction(SIGNALS[i], &before[i], NULL) != 0;
    }
}
