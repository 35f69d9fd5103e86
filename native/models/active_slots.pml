/* The protocol of native/src/active_slots.c, every access to shared memory a step of its own: WRITERS threads that take
 * turns (the GIL) enter and leave spans, SPANS each, in SLOTS slots, while a reader of the file looks at all slots ROUNDS
 * times. With KILL, the process may die at any step, and the reader goes on with what is there.
 *
 * Spin visits every interleaving, in sequential consistency; the orders are those of the ring's slots (span_ring.cpp). What
 * must hold:
 *   a reader accepts the span that was active there when it looked first, whole, or none;
 *   no place is handed out twice, nor emptied by another; at the end all slots are empty, and each place is given back.
 *
 * Each MUTANT_* breaks one rule, and one of these assertions has to fail then: `python -m native.models` runs them all. */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef SPANS
#define SPANS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif

#define IS_EMPTY(seq) (((seq) & 3) == 0)
#define HOLDS(seq) (((seq) & 3) == 2)

byte seq[SLOTS], first_word[SLOTS], last_word[SLOTS];
byte unused[SLOTS], unused_count, high;
bool taken[SLOTS];             /* places that are handed out */
byte spans;                    /* numbers of spans, from 1 */
byte held[SLOTS];              /* the number of the span there, while it is committed */
bool locked, dead;
byte done;

/* Whoever has the GIL may be the one that is running when the process dies; those who wait for it find it dead. */
inline may_die() {
#ifdef KILL
    if :: dead = true; goto gone :: skip fi
#else
    skip
#endif
}

#ifdef MUTANT_TAKES_NO_TURNS
#define lock() skip
#else
#define lock() if :: atomic { !locked && !dead -> locked = true } :: dead -> goto gone fi
#endif
#define unlock() locked = false

inline enter() {
    if
    :: unused_count > 0 -> at = unused_count - 1; slot = unused[at]; unused_count = at
    :: else -> assert(high < SLOTS); slot = high; at = high + 1; high = at
    fi;
    d_step { at = 0; assert(!taken[slot]); taken[slot] = true; spans++; span = spans }
    next = (seq[slot] | 3) + 1;
#ifdef MUTANT_USES_A_NUMBER_AGAIN
    next = 0;
#endif
    may_die();
    seq[slot] = next | 1;
    may_die();
#ifdef MUTANT_COMMITS_BEFORE_IT_WRITES
    d_step { seq[slot] = next | 2; held[slot] = span }
#endif
    first_word[slot] = span;
    may_die();
    last_word[slot] = span;
    may_die();
    d_step { seq[slot] = next | 2; held[slot] = span; next = 0 }
}

inline give_back() {
    at = unused_count;
    unused[at] = slot;
    d_step { unused_count = at + 1; at = 0; taken[slot] = false }
}

inline leave() {
#ifdef MUTANT_GIVES_BACK_BEFORE_IT_EMPTIES
    give_back();
    unlock();
    lock();
#endif
    may_die();
    d_step { assert(held[slot] == span); seq[slot] = seq[slot] & 252; held[slot] = 0; span = 0 }
    may_die();
#ifndef MUTANT_GIVES_BACK_BEFORE_IT_EMPTIES
    give_back();
#endif
    slot = 0
}

proctype Writer() {
    byte left = SPANS, slot, at, next, span;
    do
    :: left == 0 -> break
    :: left > 0 ->
        left--;
        lock();
        enter();
        unlock();
        lock();
        leave();
        unlock()
    od;
gone:
    done++
}

proctype Reader() {
    byte round, slot, look, first, last, before;
    do
    :: round == ROUNDS -> break
    :: round < ROUNDS ->
        slot = 0;
        do
        :: slot == SLOTS -> break
        :: slot < SLOTS ->
            d_step { look = seq[slot]; before = held[slot] }
            first = first_word[slot];
            last = last_word[slot];
#ifndef MUTANT_LOOKS_ONCE
            if :: look != seq[slot] -> look = 0 :: else fi;
#endif
            if
            :: HOLDS(look) ->
                assert(first == last && first == before)   /* the span that was there when its seq was read */
            :: else
            fi;
            d_step { look = 0; first = 0; last = 0; before = 0 }
            slot++
        od;
        round++
    od;
    done++
}

init {
    byte i;
    atomic {
        i = 0;
        do :: i < WRITERS -> run Writer(); i++ :: else -> break od;
        run Reader()
    }
    done == WRITERS + 1;
    if
    :: dead -> skip
    :: else ->
        i = 0;
        do
        :: i < SLOTS -> assert(IS_EMPTY(seq[i]) && !taken[i]); i++
        :: else -> break
        od;
        assert(unused_count == high)
    fi
}
