/* The protocol of native/src/span_ring.c, every access to shared memory a step of its own: PRODUCERS append APPENDS
 * records each to a ring of SLOTS, while a reader looks at all slots ROUNDS times and marks what it finds expired, and the
 * clock goes on once. With STALL, one writer may stop for good at any point after its claim.
 *
 * Spin visits every interleaving, in sequential consistency (weaker orders are for relacy, span_ring.cpp). What must hold:
 *   a slot is written by its claimant only; its ticket only grows; no reader accepts a torn record;
 *   at the end produced = retained + overwritten + expired + dropped, but for what a stalled writer has not settled;
 *   a ring that drops overwrites nothing.
 *
 * Each MUTANT_* breaks one rule, and one of these assertions has to fail then: `python -m native.models` runs them all. */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef APPENDS
#define APPENDS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define ATTEMPTS 2

#define SEEN 128
#define STAMP 64              /* in the last word: appended after the clock went on */
#define BUSY(t) (2 * (t) + 1)
#define COMMITTED(t) (2 * (t) + 2)
#define TICKETS(seq) ((seq) & 127)
#define IS_BUSY(seq) ((seq) & 1)
#ifdef MUTANT_COUNTS_SEEN_AGAIN
#define IS_RETAINED(seq) ((seq) != 0 && !IS_BUSY(seq))
#else
#define IS_RETAINED(seq) ((seq) != 0 && !IS_BUSY(seq) && !((seq) & SEEN))
#endif
#define IS_AGED(last_word, now) ((now) == 1 && !((last_word) & STAMP))

byte clock, head, skipped, overwritten, expired, dropped, refused;
byte seq[SLOTS], first_word[SLOTS], last_word[SLOTS];
byte done, stalled;

/* Compare and swap: `seen` has what was there. */
inline cas(slot, seen, expect, want) {
    d_step { seen = seq[slot]; if :: seen == expect -> seq[slot] = want :: else fi }
}

/* What a local variable had is no state to tell apart: a third of the states. */
inline forget() { d_step { attempt = 0; ticket = 0; slot = 0; seen = 0; expect = 0; now = 0 } }

inline may_stall() {
#ifdef STALL
    if :: atomic { stalled == 0 -> stalled = 1; goto gone } :: skip fi
#else
    skip
#endif
}

inline count_displaced() {
    if
    :: IS_RETAINED(seen) ->
        if :: IS_AGED(last_word[slot], now) -> expired++
#ifdef MUTANT_FORGETS_THE_DISPLACED
        :: else
#else
        :: else -> overwritten++
#endif
        fi
    :: else
    fi
}

inline write_record() {
    may_stall();
    count_displaced();
    may_stall();
#ifdef MUTANT_COMMITS_BEFORE_IT_WRITES
    seq[slot] = COMMITTED(ticket);
#endif
    first_word[slot] = COMMITTED(ticket);
    may_stall();
    last_word[slot] = COMMITTED(ticket) + now * STAMP;
#ifndef MUTANT_COMMITS_BEFORE_IT_WRITES
    d_step { assert(seq[slot] == BUSY(ticket)); seq[slot] = COMMITTED(ticket) }
#endif
}

#ifdef DROP
proctype producer() {
    byte appends, attempt, ticket, slot, seen, expect, now;
    bit got;
    do
    :: appends == APPENDS -> break
    :: else ->
        attempt = 0; now = clock;
look:   if :: attempt == ATTEMPTS -> refused++; goto next :: else fi;
        ticket = head; slot = ticket % SLOTS;
        expect = seq[slot];
        if :: TICKETS(expect) > 2 * ticket -> goto look :: else fi;
#ifndef MUTANT_DROPS_NOTHING
        if :: IS_RETAINED(expect) -> if :: !IS_AGED(last_word[slot], now) ->
#ifndef MUTANT_FORGETS_THE_REFUSED
            refused++;
#endif
            goto next :: else fi :: else fi;
#endif
        d_step { got = (head == ticket); if :: got -> head++ :: else fi };
        if :: !got -> goto look :: else fi;
        seen = expect;
#ifdef MUTANT_STEALS_A_BUSY_SLOT
        cas(slot, seen, expect, BUSY(ticket));
        if
        :: seen != expect ->
#else
        if
        :: !IS_BUSY(expect) -> cas(slot, seen, expect, BUSY(ticket))
        :: else
        fi;
        if
        :: IS_BUSY(expect) || seen != expect ->
#endif
#ifndef MUTANT_FORGETS_THE_SKIPPED
            skipped++;
#endif
            attempt++; goto look
        :: else
        fi;
        assert(TICKETS(expect) <= 2 * ticket);
        write_record();
next:   forget(); appends++
    od;
gone: done++
}
#else
proctype producer() {
    byte appends, attempt, ticket, slot, seen, expect, now;
    do
    :: appends == APPENDS -> break
    :: else ->
        attempt = 1; now = clock;
draw:   atomic { ticket = head; head++ };
        slot = ticket % SLOTS;
        seen = seq[slot];
claim:  if
#ifndef MUTANT_OVERTAKES_A_LATER_TICKET
        :: TICKETS(seen) > 2 * ticket -> overwritten++; goto next
#endif
#ifndef MUTANT_STEALS_A_BUSY_SLOT
        :: TICKETS(seen) <= 2 * ticket && IS_BUSY(seen) ->
            if
            :: attempt == ATTEMPTS -> dropped++; goto next
            :: else ->
#ifndef MUTANT_FORGETS_THE_SKIPPED
                skipped++;
#endif
                attempt++; goto draw
            fi
#endif
        :: else
        fi;
        expect = seen;
        cas(slot, seen, expect, BUSY(ticket));
        if :: seen != expect -> goto claim :: else fi;
        assert(TICKETS(seen) <= 2 * ticket);
        write_record();
next:   forget(); appends++
    od;
gone: done++
}
#endif

proctype reader() {
    byte round, slot, before, after, first, last, now;
    do
    :: round == ROUNDS -> break
    :: else ->
        slot = 0;
        do
        :: slot == SLOTS -> break
        :: else ->
            now = clock;
            before = seq[slot];
            if
            :: IS_RETAINED(before) ->
                first = first_word[slot];
                last = last_word[slot];
                after = before;
#ifndef MUTANT_LOOKS_ONCE
                after = seq[slot];
#endif
                if
                :: before == after ->
                    assert(first == TICKETS(before) && (last & 63) == TICKETS(before));
                    if
                    :: IS_AGED(last, now) ->
#ifdef MUTANT_COUNTS_WITHOUT_A_MARK
                        expired++
#else
                        cas(slot, after, before, before + SEEN);
                        if :: after == before -> expired++ :: else fi
#endif
                    :: else
                    fi
                :: else
                fi
            :: else
            fi;
            d_step { before = 0; after = 0; first = 0; last = 0; now = 0; slot++ }
        od;
        round++
    od;
    done++
}

proctype time() { clock = 1; done++ }

init {
    byte i, retained, busy, in_flight;
    atomic {
        do :: i == PRODUCERS -> break :: else -> run producer(); i++ od;
        run reader();
        run time()
    };
    done == PRODUCERS + 2;
    d_step {
        i = 0;
        do
        :: i == SLOTS -> break
        :: else ->
            if :: IS_BUSY(seq[i]) -> busy++ :: seq[i] != 0 && !IS_BUSY(seq[i]) && !(seq[i] & SEEN) -> retained++ :: else fi;
            i++
        od
    };
    assert(head + refused >= skipped + retained + overwritten + expired + dropped + refused);
    in_flight = head - skipped - retained - overwritten - expired - dropped;
    assert(busy == stalled && in_flight >= stalled && in_flight <= 2 * stalled);
    assert(stalled || head - skipped + refused == PRODUCERS * APPENDS);
#ifdef DROP
    assert(overwritten == 0)
#endif
}
