/* Fatal signals leave their number in the recorder's file, then go the way they would have gone.
 *
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT. A handler writes one mark, puts the action back that was there before
 * (faulthandler's, the application's, the default) and lets the signal come again: a fault by returning to the instruction that
 * faulted, a signal that was sent by raising it. Actions that are set after ours are chained by whoever sets them, or replace
 * ours: then there is no mark, and nothing else is lost. SIGTERM and other requests to end are the application's: it
 * is not for us to handle them.
 *
 * Thread rules: install and remove need the GIL. The handler only stores into the file, reads clocks, and calls sigaction and raise,
 * which POSIX allows in handlers. */
#ifndef SPANHEAP_FATAL_SIGNALS_H
#define SPANHEAP_FATAL_SIGNALS_H

#include "spanheap/recorder.h"

/* The recorder must stay in place until the removal. */
void sh_fatal_signals_install(sh_recorder *r);
/* Puts back the actions of before, but where another has been set since: that stays, and may call our handler for all times. */
void sh_fatal_signals_remove(void);

#endif
