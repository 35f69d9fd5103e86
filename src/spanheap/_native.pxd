# Declarations of the C core and of the part that knows CPython. No logic here.
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "spanheap/string_table.h" nogil:
    ctypedef struct sh_string:
        const char *data
        uint32_t length
    enum: SH_STRING_OTHER
    ctypedef struct sh_name_log:
        uint32_t capacity
    ctypedef struct sh_string_table:
        uint32_t count, capacity
        uint64_t overflowed
    bint sh_string_table_init(sh_string_table *t, uint32_t capacity, uint32_t max_bytes)
    void sh_string_table_fini(sh_string_table *t)
    size_t sh_string_table_memory(const sh_string_table *t)
    sh_string sh_string_table_get(const sh_string_table *t, uint32_t id)
    uint32_t sh_string_table_intern(sh_string_table *t, const char *data, size_t length)
    void sh_string_table_set_log(sh_string_table *t, sh_name_log *log)


cdef extern from "spanheap/location_table.h" nogil:
    ctypedef struct sh_location:
        uint32_t function, filename, line, first_line
    ctypedef struct sh_location_table:
        sh_location *locations
        uint32_t count
        uint64_t overflowed


cdef extern from "spanheap/stack_table.h" nogil:
    enum: SH_MAX_DEPTH
    ctypedef struct sh_frame:
        uint32_t location
    ctypedef struct sh_stack:
        uint32_t first_frame, depth
        bint used, resolved
    ctypedef struct sh_stack_table:
        sh_stack *stacks
        sh_frame *frames
        uint32_t unresolved, high
        uint64_t overflowed, evicted
    uint32_t sh_stack_table_count(const sh_stack_table *t)


cdef extern from "spanheap/label_table.h" nogil:
    enum: SH_LABEL_KEY_BYTES
    enum: SH_LABEL_VALUE_BYTES
    ctypedef struct sh_label_value:
        uint32_t length
        const char *data
    ctypedef struct sh_label_key:
        uint32_t length
        const char *data
    ctypedef struct sh_label_table:
        void *labels
        uint32_t in_use
        uint64_t overflowed
    bint sh_label_table_init(sh_label_table *t, uint32_t capacity)
    int sh_label_table_key(sh_label_table *t, const char *data, size_t length)
    uint32_t sh_label_table_add(sh_label_table *t, uint32_t parent, uint32_t key, const char *value, size_t length)
    void sh_label_table_release(sh_label_table *t, uint32_t set)
    size_t sh_label_table_memory(const sh_label_table *t)


cdef extern from "spanheap/live_table.h" nogil:
    enum: SH_LIVE_CHUNK
    enum: SH_SAMPLE_LIVE
    ctypedef struct sh_sample:
        const void *address
        uint64_t size
        uint32_t stack, span, clock_s, state
    ctypedef struct sh_live_table:
        uint32_t live, max_live, retired_count
        uint64_t replaced
    uint32_t sh_live_table_copy(sh_live_table *t, uint32_t *cursor, sh_sample *out)


cdef extern from "spanheap/span_table.h" nogil:
    ctypedef struct sh_active_slots:
        uint32_t capacity
    ctypedef struct sh_span:
        uint64_t trace_high, trace_low, span_id
        int64_t start_ns
        const void *object
        uint32_t name, root
        bint sampled
        bint active
    ctypedef struct sh_span_table:
        sh_span *spans
        uint32_t active, met_count, high
        uint64_t started, ended, untracked, replaced, settled, unmet
    enum: SH_SPAN_NONE
    enum: SH_SPAN_FIRST
    enum: SH_SPAN_UNSAMPLED
    enum: SH_SPAN_UNTRACKED
    ctypedef struct sh_span_start:
        uint64_t trace_high, trace_low, span_id, parent_span_id
        int64_t start_ns
        const void *object
        const void *type
        uint32_t name
        bint sampled
    uint32_t sh_span_table_start(sh_span_table *t, const sh_span_start *start)
    enum: SH_SPAN_FIRST
    void sh_span_table_end_slot(sh_span_table *t, uint32_t slot, uint32_t name)
    bint sh_span_table_is_listed(const sh_span_table *t, const sh_span *s)
    uint32_t sh_span_table_listed(const sh_span_table *t)
    ctypedef struct sh_span_facts:
        uint64_t trace_high, trace_low, span_id, parent_span_id
        int64_t start_ns
        uint32_t name, root_name
        bint sampled
    uint32_t sh_span_table_last_met(const sh_span_table *t)
    bint sh_span_table_settle(sh_span_table *t, uint32_t slot, const void *object, const sh_span_facts *facts)
    uint32_t sh_span_table_note(sh_span_table *t, const sh_span_facts *facts)
    uint32_t sh_span_table_known(const sh_span_table *t, uint64_t span_id)
    void sh_span_table_release(sh_span_table *t, uint32_t slot)
    uint32_t sh_span_table_oldest(const sh_span_table *t, uint32_t *slots, uint32_t n)


cdef extern from "spanheap/watch_list.h" nogil:
    enum: SH_WATCH_READABLE
    ctypedef struct sh_watched:
        uint64_t trace_high, trace_low, span_id, ended
        void *span
        void *readable
        double since
        uint32_t name, root_name, bytes
        unsigned char alive, measured
        bint exempt
    ctypedef struct sh_watch_references:
        bint (*alive)(void *reference) noexcept nogil
        void (*release)(void *reference) noexcept nogil
    ctypedef struct sh_watch_list:
        sh_watched *entries
        uint32_t capacity, count
        unsigned level
        uint64_t seen, thinned, dropped
        double clock
    ctypedef struct sh_watch_sum:
        double spans, bytes
    bint sh_watch_list_init(sh_watch_list *w, uint32_t capacity, uint32_t budget, sh_watch_references references)
    void sh_watch_list_clear(sh_watch_list *w, uint64_t key)
    bint sh_watch_list_wants(sh_watch_list *w, uint64_t span_id)
    sh_watched *sh_watch_list_add(sh_watch_list *w, uint64_t span_id, void *span)
    sh_watched *sh_watch_list_find(const sh_watch_list *w, uint64_t span_id)
    void sh_watch_list_end(sh_watch_list *w, sh_watched *entry, void *readable, uint32_t name)
    void sh_watch_list_advance(sh_watch_list *w, double now, uint64_t collections)
    void sh_watch_list_sweep(sh_watch_list *w)
    void sh_watch_list_queued(const sh_watch_list *w, sh_watched *e)
    void sh_watch_list_exempt_last(sh_watch_list *w, double grace, double spans)
    bint sh_watched_retained(const sh_watch_list *w, const sh_watched *e, double grace)
    bint sh_watched_unended(const sh_watch_list *w, const sh_watched *e, double age)
    bint sh_watched_confirmed(const sh_watch_list *w, const sh_watched *e)
    double sh_watched_weight(const sh_watched *e)
    void sh_watch_list_sum(const sh_watch_list *w, double grace, double age, sh_watch_sum *retained, sh_watch_sum *unended)
    size_t sh_watch_list_memory(const sh_watch_list *w)
    bint sh_watch_list_valid(const sh_watch_list *w)


cdef extern from "spanheap/thread_table.h" nogil:
    ctypedef struct sh_thread_table:
        uint32_t unnamed, high
        uint64_t overflowed
    enum: SH_THREAD_CAPACITY
    void sh_thread_table_name(sh_thread_table *t, uint64_t ident, uint32_t name)
    void sh_thread_table_reap(sh_thread_table *t, const uint64_t *alive, uint32_t n)


cdef extern from "spanheap/totals_table.h" nogil:
    ctypedef struct sh_total:
        uint32_t stack, name, root_name, used
        uint64_t samples
        double bytes, objects
    ctypedef struct sh_totals_table:
        sh_total *rows
        unsigned bits
        uint64_t overflowed


cdef extern from "spanheap/profile.h" nogil:
    enum: SH_PROFILE_STRINGS
    enum: SH_PROFILE_STRING_BYTES
    enum: SH_PROFILE_MAX_STACKS
    ctypedef struct sh_profile_options:
        double interval
        uint32_t max_samples, span_capacity
        bint adaptive
        uint64_t seed
        sh_label_table *labels
    ctypedef struct sh_profile_counters:
        uint64_t recorded, folded, thinned, dropped, rate_raised, rate_lowered
    ctypedef struct sh_profile:
        sh_live_table live
        sh_stack_table stacks
        sh_span_table spans
        sh_totals_table totals
        sh_thread_table threads
        sh_string_table strings
        sh_location_table locations
        sh_profile_counters counters
        double interval
        uint32_t clock_s
    ctypedef struct sh_profile_sums:
        double live_bytes, live_objects, allocated_bytes, allocated_objects
        uint64_t live_samples
    ctypedef struct sh_name_sum:
        uint32_t name
        double bytes, objects
        uint64_t samples
    ctypedef struct sh_estimate:
        double bytes, objects
    sh_estimate sh_sample_estimate(const sh_sample *s)
    sh_profile_sums sh_profile_sum(sh_profile *p)
    uint32_t sh_profile_live_by_root(sh_profile *p, sh_name_sum *rows, uint32_t n)
    size_t sh_profile_memory(const sh_profile *p)
    bint sh_profile_valid(sh_profile *p)


cdef extern from "spanheap/cohorts.h" nogil:
    enum: SH_COHORT_EPOCHS
    ctypedef struct sh_cohort_key:
        uint32_t function, filename, root_name
    ctypedef struct sh_cohort_group:
        sh_cohort_key key
        uint32_t samples
        uint64_t traces
        uint16_t *alive
        float *lost
        float *bytes
    ctypedef struct sh_cohorts:
        sh_cohort_group *groups
        uint32_t group_count, count, waiting
        unsigned char *slot
        double *start
        double *spans_ended
        double *live_bytes
        double updated, total_bytes
        uint64_t overflowed
    bint sh_cohorts_init(sh_cohorts *c, const sh_profile *p)
    void sh_cohorts_fini(sh_cohorts *c)
    void sh_cohorts_update(sh_cohorts *c, sh_profile *p)
    uint32_t sh_cohorts_unknown_file(sh_cohorts *c, const sh_profile *p)
    void sh_cohorts_set_origin(sh_cohorts *c, uint32_t filename, unsigned char origin, unsigned char module_origin)
    bint sh_cohorts_match(const sh_cohorts *c, const sh_profile *p, const sh_sample *s, sh_cohort_key key)
    bint sh_cohorts_group_of(const sh_cohorts *c, const sh_profile *p, const sh_sample *s, sh_cohort_key *key)
    size_t sh_cohorts_memory(const sh_cohorts *c)
    bint sh_cohorts_valid(const sh_cohorts *c)


cdef extern from "spanheap/cohort_selection.h" nogil:
    ctypedef enum sh_cohort_pooling:
        SH_COHORT_EACH
        SH_COHORT_BY_SITE
        SH_COHORT_BY_ROOT
    uint32_t sh_cohorts_select(const sh_cohorts *c, sh_cohort_pooling pooling, uint32_t min_epochs, uint32_t min_samples,
                               sh_cohort_group *out, uint32_t n)


cdef extern from "spanheap/heap_snapshot.h" nogil:
    ctypedef struct sh_snapshot_sample:
        uint32_t stack, span, thread, labels, born_s
        uint64_t size
        double bytes, objects
    ctypedef struct sh_snapshot_stack:
        uint32_t first, depth
    ctypedef struct sh_snapshot_span:
        uint64_t trace_high, trace_low, span_id
        int64_t start_ns
        uint32_t name, root_name
        bint active, sampled
    ctypedef struct sh_snapshot_label:
        uint32_t parent, key
        sh_label_value value
    ctypedef struct sh_heap_snapshot:
        sh_snapshot_sample *samples
        sh_total *totals
        sh_snapshot_stack *stacks
        uint32_t *frames
        sh_snapshot_span *spans
        uint32_t *thread_names
        sh_snapshot_label *labels
        sh_label_key *label_keys
        uint32_t sample_count, total_count, stack_count, span_count, thread_count, label_count
        sh_profile_sums sums
        double interval
        uint32_t active_spans
        int64_t realtime_ns, monotonic_ns
        const sh_string_table *strings
        const sh_location_table *locations
    bint sh_heap_snapshot_capture(sh_heap_snapshot *s, sh_profile *p)
    bint sh_heap_snapshot_capture_into(sh_heap_snapshot *s, sh_profile *p, void *memory, size_t bytes)
    size_t sh_heap_snapshot_memory_bytes(const sh_profile *p, uint32_t label_capacity)
    void sh_heap_snapshot_fini(sh_heap_snapshot *s)


cdef extern from "spanheap/heap_dump.h" nogil:
    ctypedef struct sh_heap_dump_info:
        const char *program
        const char **comments
        size_t comment_count
        int64_t duration_ns
        bint allocated
    size_t sh_heap_dump_workspace_bytes(const sh_string_table *strings, const sh_location_table *locations)
    int sh_heap_dump_write(const sh_heap_snapshot *s, const sh_heap_dump_info *info, int fd, void *workspace)


cdef extern from "spanheap/dump_file.h" nogil:
    int sh_dump_file_write(const sh_heap_snapshot *s, const sh_heap_dump_info *info, int folder, const char *temporary,
                           const char *name, void *workspace)


cdef extern from "spanheap/span_ring.h" nogil:
    enum: SH_RING_MAX_STRIPES, SH_RING_MAX_THREAD
    int64_t SH_RING_MAX_TTL_NS
    ctypedef struct sh_span_record:
        uint64_t trace_high, trace_low, span_id, parent_id
        int64_t start_ns, duration_ns
        uint32_t name
        uint16_t thread, flags
    ctypedef enum sh_ring_policy:
        SH_RING_OVERWRITE
        SH_RING_DROP
    ctypedef struct sh_ring_options:
        uint32_t capacity, stripes
        sh_ring_policy policy
        int64_t ttl_ns, epoch_ns
    ctypedef struct sh_span_ring:
        sh_ring_options options
        bint wiped_on_fork
    ctypedef struct sh_ring_counts:
        uint64_t produced, retained, overwritten, expired, dropped, in_flight
    size_t sh_span_ring_bytes(const sh_ring_options *options)
    bint sh_span_ring_init(sh_span_ring *ring, const sh_ring_options *options)
    void sh_span_ring_fini(sh_span_ring *ring)
    void sh_span_ring_clear(sh_span_ring *ring)
    bint sh_span_ring_publish(sh_span_ring *ring, uint32_t stripe, const sh_span_record *record, int64_t now_ns)
    uint32_t sh_span_ring_copy(sh_span_ring *ring, int64_t now_ns, sh_span_record *out, uint64_t *tickets, uint32_t room)
    uint32_t sh_span_ring_copy_newest(sh_span_ring *ring, int64_t now_ns, uint32_t n, sh_span_record *out, uint64_t *tickets,
                                      uint32_t room)
    uint32_t sh_span_ring_copy_trace(sh_span_ring *ring, int64_t now_ns, uint64_t trace_high, uint64_t trace_low,
                                     sh_span_record *out, uint64_t *tickets, uint32_t room)
    sh_ring_counts sh_span_ring_count(sh_span_ring *ring, int64_t now_ns)
    bint sh_span_ring_valid(sh_span_ring *ring, int64_t now_ns)


cdef extern from "spanheap/span_log.h" nogil:
    enum: SH_SPAN_FLAG_SAMPLED
    enum: SH_SPAN_FLAG_ERROR
    enum: SH_SPAN_FLAG_ROOT
    enum: SH_SPAN_FLAG_TRACKED
    enum: SH_SPAN_LOG_ROWS
    ctypedef struct sh_span_name_row:
        uint32_t name
        bint root
        uint64_t ended, failed
        int64_t duration_ns
    ctypedef struct sh_span_log_counts:
        uint64_t ended_twice, unannounced, names_overflowed
        sh_span_name_row *rows
    ctypedef struct sh_span_log:
        sh_span_ring ring
        sh_span_log_counts *counts
    bint sh_span_log_init(sh_span_log *log, uint32_t capacity, int64_t ttl_ns, int64_t epoch_ns, void *memory)
    void sh_span_log_fini(sh_span_log *log)
    void sh_span_log_forked(sh_span_log *log)
    bint sh_span_log_wiped_on_fork(const sh_span_log *log)
    void sh_span_log_publish(sh_span_log *log, const sh_span_record *record, int64_t now_ns)
    size_t sh_span_log_memory(const sh_span_log *log)
    bint sh_span_log_valid(sh_span_log *log, int64_t now_ns)


cdef extern from "spanheap/recorder.h" nogil:
    enum: SH_RECORDER_TEXT
    ctypedef struct sh_recorder_identity:
        uint8_t boot_id[16]
        uint64_t pid, pid_namespace, process_start
        int64_t realtime_ns, monotonic_ns
        char program[64]
        char service[64]
        char python[64]
        char spanheap[64]
    ctypedef struct sh_recorder_point:
        int64_t realtime_ns
        uint64_t resident_bytes, used_bytes, limit_bytes
        double live_bytes
        uint32_t active_spans, samples
    ctypedef struct sh_recorder_options:
        sh_ring_options ring
        uint32_t active_capacity, name_capacity, name_bytes, stack_capacity
        double sample_interval
        int64_t tick_ns
    ctypedef struct sh_top_buffer:
        double live_bytes
        uint64_t live_samples
    ctypedef struct sh_top_sites:
        sh_top_buffer *buffers
        uint32_t largest[64]
        uint32_t largest_count
    ctypedef struct sh_recorder:
        sh_recorder_options options
        bint attached
        uint64_t points
        size_t bytes
        sh_name_log names
        sh_active_slots active
        sh_top_sites top
    ctypedef enum sh_end_kind:
        SH_END_CLEAN
        SH_END_EXCEPTION
        SH_END_SIGNAL
        SH_END_REPORTED
    size_t sh_recorder_bytes(const sh_recorder_options *options)
    bint sh_recorder_init(sh_recorder *r, const sh_recorder_options *options)
    void sh_recorder_fini(sh_recorder *r)
    int sh_recorder_attach(sh_recorder *r, int fd, const sh_recorder_identity *identity)
    bint sh_recorder_detach(sh_recorder *r)
    void *sh_recorder_ring_memory(const sh_recorder *r)
    void sh_recorder_add_point(sh_recorder *r, const sh_recorder_point *point)
    void sh_recorder_end(sh_recorder *r, sh_end_kind kind, int32_t code, const char *text, size_t length)
    bint sh_recorder_valid(const sh_recorder *r)
    void sh_active_slots_clear(sh_active_slots *a)
    void sh_span_table_set_slots(sh_span_table *t, sh_active_slots *slots)
    void sh_top_sites_write(sh_top_sites *t, sh_profile *p, int64_t realtime_ns)
    const sh_top_buffer *sh_top_sites_last(const sh_top_buffer *buffers)


cdef extern from "spanheap/fatal_signals.h" nogil:
    void sh_fatal_signals_install(sh_recorder *r)
    void sh_fatal_signals_remove()


cdef extern from "spanheap/pprof_writer.h" nogil:
    ctypedef struct sh_pprof_writer:
        int error
    enum: SH_PPROF_MAX_FRAMES
    size_t sh_pprof_workspace_bytes()
    void sh_pprof_init(sh_pprof_writer *w, void *workspace, int fd, int level)
    int sh_pprof_finish(sh_pprof_writer *w)
    uint32_t sh_pprof_string(sh_pprof_writer *w, const char *data, size_t length)
    void sh_pprof_sample_type(sh_pprof_writer *w, uint32_t type, uint32_t unit)
    void sh_pprof_default_sample_type(sh_pprof_writer *w, uint32_t type)
    void sh_pprof_period(sh_pprof_writer *w, uint32_t type, uint32_t unit, int64_t period)
    void sh_pprof_time(sh_pprof_writer *w, int64_t time_ns, int64_t duration_ns)
    void sh_pprof_comment(sh_pprof_writer *w, uint32_t comment)
    void sh_pprof_function(sh_pprof_writer *w, uint32_t id, uint32_t name, uint32_t filename, uint32_t first_line)
    void sh_pprof_location(sh_pprof_writer *w, uint32_t id, uint32_t mapping_id, uint32_t function_id, uint32_t line)
    void sh_pprof_sample_begin(sh_pprof_writer *w, const uint32_t *location_ids, size_t depth, const int64_t *values, size_t count)
    void sh_pprof_label_string(sh_pprof_writer *w, uint32_t key, uint32_t value)
    void sh_pprof_label_number(sh_pprof_writer *w, uint32_t key, int64_t value, uint32_t unit)
    void sh_pprof_sample_end(sh_pprof_writer *w)


cdef extern from "spanheap/platform.h" nogil:
    int64_t sh_clock_ns(int id)
    enum: CLOCK_REALTIME_COARSE   # of time.h
    void *sh_pages_map(size_t bytes)
    void sh_pages_unmap(void *p, size_t bytes)


cdef extern from "python_compat.h":
    ctypedef struct PyThreadState:
        uint64_t id
    PyThreadState *SH_CURRENT_THREAD_STATE()
    int sh_trace_id_halves(object number, uint64_t *high, uint64_t *low) except -1


cdef extern from "whole_numbers.h":
    bint sh_uint64_of_int(object number, uint64_t *value)
    bint sh_uint128_of_int(object number, uint64_t *high, uint64_t *low)


cdef extern from "alloc_hook.h":
    ctypedef struct sh_hook:
        bint enabled, paused
        uint64_t without_thread_state, muted, pending_overflow, sampling_ns
        sh_label_table labels
        sh_profile profile
        sh_span_log *log
    sh_hook sh_the_hook
    void sh_hook_mute()
    void sh_hook_unmute()


cdef extern from "pending_samples.h":
    void sh_pending_settle_with_gil(uint32_t span)
    bint sh_pending_exist()


cdef extern from "refused_requests.h":
    bint sh_refused_take(size_t below)


cdef extern from "arena_count.h":
    uint64_t sh_arenas_bytes()


cdef extern from "got_patch.h":
    ctypedef struct sh_got_counts:
        uint32_t patched
        uint32_t foreign
        uint32_t failed
        uint32_t looks
    sh_got_counts sh_got_patch_counts()


cdef extern from "hook_install.h":
    ctypedef enum sh_hook_mode:
        SH_HOOK_NONE
        SH_HOOK_ESCAPE
        SH_HOOK_CLASSIC
    ctypedef struct sh_hook_options:
        sh_profile_options profile
        uint32_t max_depth
        double window_share
    const char *sh_hook_start_with_gil(const sh_hook_options *options)
    void sh_hook_stop_with_gil()
    void sh_hook_set_rate_with_gil(double interval, bint paused)
    void sh_hook_tick_with_gil()
    sh_hook_mode sh_hook_check_with_gil()
    sh_hook_mode sh_hook_get_mode()
    uint64_t sh_hook_lost_count()
    void sh_hook_open_window_with_gil(int64_t length_ns)


cdef extern from "frames.h":
    void sh_frames_mark_with_gil(void *code)


cdef extern from "context.h":
    ctypedef enum sh_context_mode:
        SH_CONTEXT_OFF
        SH_CONTEXT_NODES
        SH_CONTEXT_TRAVERSE
    void sh_context_set_types_with_gil(object hamt, object bitmap, object array, object collision)
    int sh_context_bind_with_gil(object var, object key, object non_recording_type, object invalid_span) except -1
    int sh_context_bind_labels_with_gil(object var, object type, size_t offset) except -1
    void sh_context_set_mode_with_gil(sh_context_mode mode)
    sh_context_mode sh_context_get_mode()
    void sh_context_when_met_with_gil(int (*call)(void *) noexcept)
    void *sh_context_current_span_with_gil()
    void *sh_context_walk_with_gil(object var, sh_context_mode mode)
    int sh_context_force_hash_with_gil(object var, Py_hash_t hash) except -1


cdef extern from "symbols.h":
    uint32_t sh_symbols_resolve_with_gil(sh_profile *p, uint32_t max_frames)
    bint sh_symbols_resolve_stacks_with_gil(sh_profile *p, const uint32_t *ids, uint32_t n)
    void sh_symbols_release_codes_with_gil(sh_profile *p)
    uint32_t sh_symbols_intern_with_gil(sh_string_table *strings, object text)


cdef extern from "span_events.h":
    enum: SH_SPAN_FIELDS, SH_SPAN_FIELDS_AT_START
    void sh_span_events_bind_with_gil(PyObject **names, object status_code)
    void sh_span_events_bind_error_code_with_gil(object code)
    ctypedef void (*sh_long_way)(PyObject *processor, PyObject *span, bint ended)
    int sh_span_events_add_methods_with_gil(object processor, sh_long_way long_way) except -1
    void sh_span_events_go_the_long_way_with_gil(bint wanted)
    bint sh_span_started_as_with_gil(object span, object context, object parent, object name, object start_time)
    bint sh_span_ended_as_with_gil(object readable, object context, object parent, object name, object start_time, object end_time,
                                   bint failed)
    void sh_span_events_forget_names_with_gil()
    int64_t sh_span_events_now() nogil
    void sh_span_events_set_time(int64_t now_ns)


cdef extern from "span_watch.h":
    sh_watch_list sh_the_watch


cdef extern from "name_cache.h":
    ctypedef struct sh_name_cache:
        pass
    uint32_t sh_name_cache_number_with_gil(sh_name_cache *cache, sh_string_table *strings, object name)
    void sh_name_cache_clear_with_gil(sh_name_cache *cache)


cdef extern from "type_cache.h":
    int sh_type_cache_release_with_gil(sh_live_table *live)


cdef extern from "weak_reference.h" nogil:   # with the GIL held all the same: they are called from C as well
    enum: SH_WEAK_REFERENCE_BYTES
    void *sh_weak_reference_new_with_gil(object o)
    void *sh_weak_reference_object_with_gil(void *reference)
    bint sh_weak_reference_alive_with_gil(void *reference)
    void sh_weak_reference_release_with_gil(void *reference)


cdef extern from "owned_size.h":
    size_t sh_owned_size_with_gil(void *first, void *second)
