/* The memory orders of native/src/span_ring.c under relacy, which runs it in random interleavings with the reorderings
 * that C11 allows. Two producers, one reader, one slot (where all meet), two words.
 *
 * What must hold: no reader accepts a torn record; a writer that displaces a record reads that record's word (its age), not
 * an older one; a record that is committed at the end is whole; all tickets are accounted for.
 *
 *      span_ring ITERATIONS WEAKENED      which of the orders below, 0 for none
 *
 * `python -m native.models` weakens each in turn, and each has to be found. */
#include <relacy/relacy.hpp>

enum { NOTHING, WRITER_FENCE, COMMIT, READER_FENCE, READER_FIRST_LOOK, CLAIM, STEALS };
static int weakened;

static const int WORDS = 2, PRODUCERS = 2, RECORDS = 2, SEEN = 1 << 20;

struct ring : rl::test_suite<ring, PRODUCERS + 1> {
    rl::atomic<int> head, skipped, overwritten, expired, dropped, seq, words[WORDS];

    void before() {
        head($) = 0, skipped($) = 0, overwritten($) = 0, expired($) = 0, dropped($) = 0, seq($) = 0;
        for (int i = 0; i < WORDS; i++) words[i]($) = 0;
    }

    void publish() {
        for (int attempt = 0; attempt < 2; attempt++) {
            int ticket = head($).fetch_add(1, rl::mo_relaxed), seen = seq($).load(rl::mo_relaxed);
            bool busy = false;
            while (!busy) {
                if ((seen & ~SEEN) > 2 * ticket) {
                    overwritten($).fetch_add(1, rl::mo_release);
                    return;
                }
                busy = weakened != STEALS && (seen & 1);
                rl::memory_order order = weakened == CLAIM ? rl::mo_relaxed : rl::mo_acquire;
                if (!busy && seq($).compare_exchange_strong(seen, 2 * ticket + 1, order, rl::mo_relaxed)) break;
            }
            if (busy) {
                (attempt == 0 ? skipped : dropped)($).fetch_add(1, rl::mo_release);
                continue;
            }
            if (seen && !(seen & SEEN)) {
                if (weakened != STEALS) RL_ASSERT(words[WORDS - 1]($).load(rl::mo_relaxed) == seen);
                overwritten($).fetch_add(1, rl::mo_release);
            }
            if (weakened != WRITER_FENCE) rl::atomic_thread_fence(rl::mo_release, $);
            for (int i = 0; i < WORDS; i++) words[i]($).store(2 * ticket + 2, rl::mo_relaxed);
            seq($).store(2 * ticket + 2, weakened == COMMIT ? rl::mo_relaxed : rl::mo_release);
            return;
        }
    }

    void look(bool mark) {
        int first = seq($).load(weakened == READER_FIRST_LOOK ? rl::mo_relaxed : rl::mo_acquire), found[WORDS];
        if (!first || (first & 1) || (first & SEEN)) return;
        for (int i = 0; i < WORDS; i++) found[i] = words[i]($).load(rl::mo_relaxed);
        if (weakened != READER_FENCE) rl::atomic_thread_fence(rl::mo_acquire, $);
        if (seq($).load(rl::mo_relaxed) != first) return;
        for (int i = 0; i < WORDS; i++) RL_ASSERT(found[i] == first);
        int expect = first;
        if (mark && seq($).compare_exchange_strong(expect, first | SEEN, rl::mo_relaxed, rl::mo_relaxed))
            expired($).fetch_add(1, rl::mo_release);
    }

    void thread(unsigned id) {
        if (id < (unsigned)PRODUCERS)
            for (int i = 0; i < RECORDS; i++) publish();
        else
            for (int i = 0; i < RECORDS; i++) look(i > 0);
    }

    void after() {
        int last = seq($), retained = last && !(last & SEEN);
        RL_ASSERT(!(last & 1));
        for (int i = 0; i < WORDS; i++) RL_ASSERT((int)words[i]($) == (last & ~SEEN));
        int produced = (int)head($) - (int)skipped($);
        RL_ASSERT(produced == PRODUCERS * RECORDS);
        RL_ASSERT(produced == retained + (int)overwritten($) + (int)expired($) + (int)dropped($));
    }
};

int main(int, char **arguments) {
    rl::test_params parameters;
    parameters.iteration_count = (rl::iteration_t)std::atoll(arguments[1]);
    parameters.search_type = rl::random_scheduler_type;
    weakened = std::atoi(arguments[2]);
    bool held = rl::simulate<ring>(parameters);
    std::printf("\nRESULT: %s\n", held ? "holds" : "violated");
}
