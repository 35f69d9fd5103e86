# Part of _core: survivors by birth, for the leak detector.

cdef sh_cohorts the_cohorts
memset(&the_cohorts, 0, sizeof(the_cohorts))

cdef enum:
    GROUPS_A_LOOK = 20   # of 2,048: those that grew most. Decoding and judging one takes 30 us
    POOLS_A_LOOK = 4
    BLOCKS_A_LOOK = 16
    MIN_GROUP_EPOCHS = 3
    MIN_GROUP_SAMPLES = 5


def start_cohorts():
    """Follow survivors from now on. False: no memory for it."""
    require_tables()
    sh_cohorts_fini(&the_cohorts)
    return bool(sh_cohorts_init(&the_cohorts, the_profile))


def stop_cohorts():
    sh_cohorts_fini(&the_cohorts)


def set_clock(uint32_t seconds):
    """The session's clock: what is born from here on is born then. Never goes back."""
    if seconds > the_profile.clock_s:
        the_profile.clock_s = seconds


def unknown_file():
    """(id, name) of a source file whose origin the cohorts want to know, or None."""
    cdef uint32_t filename = sh_cohorts_unknown_file(&the_cohorts, the_profile) if the_cohorts.groups != NULL else 0
    return (filename, text(filename)) if filename else None


def set_file_origin(uint32_t filename, unsigned char origin, unsigned char module_origin):
    if the_cohorts.groups != NULL:
        sh_cohorts_set_origin(&the_cohorts, filename, origin, module_origin)


cdef object group_from(const sh_cohort_group *g, uint32_t epochs):
    cdef uint32_t e
    cdef unsigned char *slot = the_cohorts.slot
    cdef int traces = 0
    cdef uint64_t bits = g.traces
    while bits:
        bits &= bits - 1
        traces += 1
    return Group(GroupKey(g.key.function, g.key.filename, g.key.root_name),
                 tuple([g.alive[slot[e]] for e in range(epochs)]), tuple([g.lost[slot[e]] for e in range(epochs)]),
                 tuple([g.bytes[slot[e]] for e in range(epochs)]), traces,
                 g.key.root_name != the_profile.spans.spans[SH_SPAN_NONE].name)


cdef list groups_by(sh_cohort_pooling pooling, uint32_t n, uint32_t epochs):
    cdef sh_cohort_group groups[GROUPS_A_LOOK]
    cdef uint32_t count = sh_cohorts_select(&the_cohorts, pooling, MIN_GROUP_EPOCHS, MIN_GROUP_SAMPLES, groups, n), i
    return [group_from(&groups[i], epochs) for i in range(count)]


def look_at_cohorts(uint64_t rss_bytes, double collected_at):
    """Count the survivors as of the clock; the Aggregate, or None while the clock stands or nothing is followed."""
    cdef double before = the_cohorts.updated
    if the_cohorts.groups == NULL:
        return None
    sh_cohorts_update(&the_cohorts, the_profile)
    if the_cohorts.updated == before:
        return None
    # The epoch opened last is empty: it begins now.
    cdef uint32_t n = the_cohorts.count, e
    return Aggregate(tuple([the_cohorts.start[e] for e in range(n)]), tuple([the_cohorts.spans_ended[e] for e in range(n)]),
                     tuple([the_cohorts.live_bytes[e] for e in range(n)]),
                     groups_by(SH_COHORT_EACH, GROUPS_A_LOOK, n - 1), groups_by(SH_COHORT_BY_SITE, POOLS_A_LOOK, n - 1),
                     groups_by(SH_COHORT_BY_ROOT, POOLS_A_LOOK, n - 1), rss_bytes, collected_at,
                     tuple(largest_samples(1 << 20, BLOCKS_A_LOOK)), sh_arenas_bytes())


def largest_samples(uint64_t min_size, uint32_t limit):
    """The largest live samples of single blocks of so many bytes, at most `limit`, 32 or less: (group's key, bytes, clock, in a span)."""
    cdef sh_sample chunk[SH_LIVE_CHUNK]
    cdef sh_sample largest[32]
    cdef uint32_t cursor = 0, got = 1, i, k, used = 0, room = min(limit, 32)
    cdef sh_cohort_key key
    while the_cohorts.groups != NULL and got:
        got = sh_live_table_copy(&the_profile.live, &cursor, chunk)
        for i in range(got):
            if chunk[i].state != SH_SAMPLE_LIVE or chunk[i].size < min_size:
                continue
            if used == room and (room == 0 or chunk[i].size <= largest[used - 1].size):
                continue
            k = used if used < room else room - 1
            used = k + 1
            while k > 0 and largest[k - 1].size < chunk[i].size:
                largest[k] = largest[k - 1]
                k -= 1
            largest[k] = chunk[i]
    found = []
    for i in range(used):
        if sh_cohorts_group_of(&the_cohorts, the_profile, &largest[i], &key):
            found.append((GroupKey(key.function, key.filename, key.root_name), largest[i].size, largest[i].clock_s,
                          key.root_name != the_profile.spans.spans[SH_SPAN_NONE].name))
    return found


cdef object described(const sh_sample *s):
    """(address, stack id, estimated bytes, clock, span name id, root name id, trace halves or None)"""
    cdef sh_span *span = &the_profile.spans.spans[s.span]
    return (<uint64_t>s.address, s.stack, sh_sample_estimate(s).bytes, s.clock_s, span.name, the_profile.spans.spans[span.root].name,
            (span.trace_high, span.trace_low) if span.span_id and span.sampled else None)


cdef list spread(list found, uint32_t limit):
    """At most `limit` of them, evenly over their births, with their names."""
    found.sort(key=by_clock)
    if len(found) > limit:
        found = [found[i * len(found) // limit] for i in range(limit)]
    return [(address, stack, size, clock, text(name), text(root), hex_trace_id(trace[0], trace[1]) if trace else "")
            for address, stack, size, clock, name, root, trace in found]


def group_samples(key, double since, double until, uint32_t limit):
    """Live samples of a group born between these times (seconds of the clock), spread over them, at most `limit`.

    [(address, stack id, estimated bytes, clock, span name, root name, trace id in hex or "")]"""
    cdef sh_cohort_key wanted
    cdef sh_sample chunk[SH_LIVE_CHUNK]
    cdef uint32_t cursor = 0, got = 1, i
    wanted.function, wanted.filename, wanted.root_name = key
    found = []
    while the_cohorts.groups != NULL and got:
        got = sh_live_table_copy(&the_profile.live, &cursor, chunk)
        for i in range(got):
            if (chunk[i].state == SH_SAMPLE_LIVE and since <= chunk[i].clock_s <= until
                    and sh_cohorts_match(&the_cohorts, the_profile, &chunk[i], wanted)):
                found.append(described(&chunk[i]))
    return spread(found, limit)


def span_samples(str name, uint32_t limit):
    """The same of the live samples of all spans of this name."""
    cdef sh_sample chunk[SH_LIVE_CHUNK]
    cdef uint32_t cursor = 0, got = 1, i, wanted
    require_tables()
    wanted = sh_symbols_intern_with_gil(&the_profile.strings, name)
    found = []
    while got:
        got = sh_live_table_copy(&the_profile.live, &cursor, chunk)
        for i in range(got):
            if chunk[i].state == SH_SAMPLE_LIVE and the_profile.spans.spans[chunk[i].span].name == wanted:
                found.append(described(&chunk[i]))
    return spread(found, limit)


def gone_bytes(stacks):
    """Of all that was made at these stacks, a set of ids: estimated bytes that were given back."""
    cdef sh_totals_table *t = &the_profile.totals
    cdef size_t i
    cdef double found = 0
    for i in range(<size_t>1 << t.bits):
        if t.rows[i].used and t.rows[i].stack in stacks:
            found += t.rows[i].bytes
    return found


def by_clock(sample):
    return sample[3]


def stack_frames(uint32_t stack):
    """The frames of a stack id that group_samples has just given, leaf first."""
    cdef uint32_t k
    cdef sh_stack *s
    require_tables()
    s = &the_profile.stacks.stacks[stack]
    if not s.resolved or s.depth == 0:
        return UNKNOWN_STACK
    return tuple([frame_of(the_profile.stacks.frames[s.first_frame + k].location) for k in range(s.depth)])


def string_of(uint32_t string_id):
    return text(string_id)


def cohorts_valid():
    return the_cohorts.groups == NULL or bool(sh_cohorts_valid(&the_cohorts))


def cohorts_memory():
    return sh_cohorts_memory(&the_cohorts)
