#include "spanheap/pprof_writer.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <unistd.h>

/* Field numbers of profile.proto. */
enum {
    PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE = 2, PROFILE_MAPPING = 3, PROFILE_LOCATION = 4, PROFILE_FUNCTION = 5,
    PROFILE_STRING_TABLE = 6, PROFILE_TIME_NANOS = 9, PROFILE_DURATION_NANOS = 10, PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12, PROFILE_COMMENT = 13, PROFILE_DEFAULT_SAMPLE_TYPE = 14,
    VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2,
    SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3,
    LABEL_KEY = 1, LABEL_STR = 2, LABEL_NUM = 3, LABEL_NUM_UNIT = 4,
    MAPPING_ID = 1, MAPPING_FILENAME = 5, MAPPING_HAS_FUNCTIONS = 7, MAPPING_HAS_FILENAMES = 8, MAPPING_HAS_LINE_NUMBERS = 9,
    LOCATION_ID = 1, LOCATION_MAPPING_ID = 2, LOCATION_LINE = 4, LINE_FUNCTION_ID = 1, LINE_LINE = 2,
    FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_FILENAME = 4, FUNCTION_START_LINE = 5,
};

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

enum {
    VARINT_32 = 5, VARINT_64 = 10,   /* the longest encodings */
    LABEL_BYTES = 2 + 2 * (1 + VARINT_32) + 1 + VARINT_64,   /* key, number and unit */
    PACKED_HEADER = 1 + VARINT_32,
    MESSAGE_BYTES = 2 * PACKED_HEADER + SH_PPROF_MAX_FRAMES * VARINT_32 + SH_PPROF_MAX_VALUES * VARINT_64
        + SH_PPROF_MAX_LABELS * LABEL_BYTES,
    INPUT_BYTES = 16 << 10, OUTPUT_BYTES = 16 << 10,
    GZIP = 16, WINDOW_BITS = 15, MEM_LEVEL = 8,   /* zlib's defaults */
    /* zlib.h: 2^(windowBits + 2) + 2^(memLevel + 9) and a few KiB. Twice that, since a zlib-ng in its place takes more; on
     * fresh pages the part that is not used costs nothing. */
    ZLIB_BYTES = 2 * ((1 << (WINDOW_BITS + 2)) + (1 << (MEM_LEVEL + 9))),
    ALIGNMENT = alignof(max_align_t),
};

static size_t aligned(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

size_t sh_pprof_workspace_bytes(void) { return INPUT_BYTES + OUTPUT_BYTES + ZLIB_BYTES + aligned(MESSAGE_BYTES); }

static void fail(sh_pprof_writer *w, int error) {
    if (!w->error) w->error = error;
}

/* ------------------------------------------------------------------ bytes -> gzip -> descriptor */

static voidpf take_workspace(voidpf writer, uInt items, uInt size) {
    sh_pprof_writer *w = writer;
    size_t bytes = aligned((size_t)items * size);
    if (bytes > (size_t)(w->end - w->spare)) return Z_NULL;
    w->spare += bytes;
    return w->spare - bytes;
}

static void keep_workspace(voidpf writer, voidpf memory) { (void)writer, (void)memory; }   /* it is the caller's */

static void drain(sh_pprof_writer *w) {
    const uint8_t *from = w->output;
    size_t n = OUTPUT_BYTES - w->stream.avail_out;
    while (n && !w->error) {
        ssize_t written = write(w->fd, from, n);
        if (written < 0) {
            if (errno != EINTR) fail(w, errno);
            continue;
        }
        from += written;
        n -= (size_t)written;
    }
    w->stream.next_out = w->output;
    w->stream.avail_out = OUTPUT_BYTES;
}

static void compress_input(sh_pprof_writer *w, int flush) {
    w->stream.next_in = w->input;
    w->stream.avail_in = (uInt)w->input_used;
    w->input_used = 0;
    int status;
    do {
        status = deflate(&w->stream, flush);
        if (w->stream.avail_out && status != Z_STREAM_END) break;   /* all of the input is taken */
        drain(w);
    } while (status != Z_STREAM_END && !w->error);
}

static void stream_bytes(sh_pprof_writer *w, const void *data, size_t n) {
    const uint8_t *from = data;
    while (n && !w->error) {
        size_t room = INPUT_BYTES - w->input_used, part = n < room ? n : room;
        memcpy(w->input + w->input_used, from, part);
        w->input_used += part;
        from += part;
        n -= part;
        if (w->input_used == INPUT_BYTES) compress_input(w, Z_NO_FLUSH);
    }
}

void sh_pprof_init(sh_pprof_writer *w, void *workspace, int fd, int level) {
    memset(w, 0, sizeof *w);
    w->fd = fd;
    w->input = workspace;
    w->output = w->input + INPUT_BYTES;
    w->message = w->output + OUTPUT_BYTES;
    w->spare = w->message + aligned(MESSAGE_BYTES);
    w->end = w->spare + ZLIB_BYTES;
    w->stream.zalloc = take_workspace;
    w->stream.zfree = keep_workspace;
    w->stream.opaque = w;
    w->stream.next_out = w->output;
    w->stream.avail_out = OUTPUT_BYTES;
    int status = deflateInit2(&w->stream, level, Z_DEFLATED, WINDOW_BITS + GZIP, MEM_LEVEL, Z_DEFAULT_STRATEGY);
    if (status != Z_OK) fail(w, status == Z_MEM_ERROR ? ENOMEM : EINVAL);
    sh_pprof_string(w, "", 0);
}

int sh_pprof_finish(sh_pprof_writer *w) {
    if (!w->error) compress_input(w, Z_FINISH);
    deflateEnd(&w->stream);
    return w->error;
}

/* ------------------------------------------------------------------ fields of Profile itself */

static size_t encode_varint(uint8_t to[VARINT_64], uint64_t v) {
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) to[n++] = (uint8_t)(v | 0x80);
    to[n++] = (uint8_t)v;
    return n;
}

static void stream_varint(sh_pprof_writer *w, uint64_t v) {
    uint8_t bytes[VARINT_64];
    stream_bytes(w, bytes, encode_varint(bytes, v));
}

/* Zero is what a reader assumes, so it is not written: here and in every message. */
static void stream_field(sh_pprof_writer *w, unsigned field, uint64_t v) {
    if (!v) return;
    stream_varint(w, field << 3 | WIRE_VARINT);
    stream_varint(w, v);
}

static void stream_block(sh_pprof_writer *w, unsigned field, const void *data, size_t n) {
    stream_varint(w, field << 3 | WIRE_BYTES);
    stream_varint(w, n);
    stream_bytes(w, data, n);
}

uint32_t sh_pprof_string(sh_pprof_writer *w, const char *data, size_t length) {
    stream_block(w, PROFILE_STRING_TABLE, data, length);
    return w->strings++;
}

void sh_pprof_default_sample_type(sh_pprof_writer *w, uint32_t type) { stream_field(w, PROFILE_DEFAULT_SAMPLE_TYPE, type); }

void sh_pprof_comment(sh_pprof_writer *w, uint32_t comment) { stream_field(w, PROFILE_COMMENT, comment); }

void sh_pprof_time(sh_pprof_writer *w, int64_t time_ns, int64_t duration_ns) {
    stream_field(w, PROFILE_TIME_NANOS, (uint64_t)time_ns);
    stream_field(w, PROFILE_DURATION_NANOS, (uint64_t)duration_ns);
}

/* ------------------------------------------------------------------ messages */

static void put(sh_pprof_writer *w, uint8_t byte) {
    if (w->message_used < MESSAGE_BYTES) w->message[w->message_used] = byte;
    w->message_used++;
}

static void put_varint(sh_pprof_writer *w, uint64_t v) {
    uint8_t bytes[VARINT_64];
    size_t n = encode_varint(bytes, v);
    for (size_t i = 0; i < n; i++) put(w, bytes[i]);
}

static void put_field(sh_pprof_writer *w, unsigned field, uint64_t v) {
    if (!v) return;
    put_varint(w, field << 3 | WIRE_VARINT);
    put_varint(w, v);
}

/* A message within a message holds a few varints, less than 128 bytes: so its length is one byte, filled in at its end. */
static size_t nested_begin(sh_pprof_writer *w, unsigned field) {
    put_varint(w, field << 3 | WIRE_BYTES);
    put(w, 0);
    return w->message_used;
}

static void nested_end(sh_pprof_writer *w, size_t start) {
    if (start <= MESSAGE_BYTES) w->message[start - 1] = (uint8_t)(w->message_used - start);
}

static void message_end(sh_pprof_writer *w, unsigned field) {
    if (w->message_used > MESSAGE_BYTES) fail(w, EMSGSIZE);
    else stream_block(w, field, w->message, w->message_used);
    w->message_used = 0;
}

static void value_type(sh_pprof_writer *w, unsigned field, uint32_t type, uint32_t unit) {
    put_field(w, VALUE_TYPE_TYPE, type);
    put_field(w, VALUE_TYPE_UNIT, unit);
    message_end(w, field);
}

void sh_pprof_sample_type(sh_pprof_writer *w, uint32_t type, uint32_t unit) {
    value_type(w, PROFILE_SAMPLE_TYPE, type, unit);
}

void sh_pprof_period(sh_pprof_writer *w, uint32_t type, uint32_t unit, int64_t period) {
    value_type(w, PROFILE_PERIOD_TYPE, type, unit);
    stream_field(w, PROFILE_PERIOD, (uint64_t)period);
}

void sh_pprof_mapping(sh_pprof_writer *w, uint32_t id, uint32_t filename) {
    put_field(w, MAPPING_ID, id);
    put_field(w, MAPPING_FILENAME, filename);
    put_field(w, MAPPING_HAS_FUNCTIONS, 1);   /* or a viewer opens the file to look for symbols */
    put_field(w, MAPPING_HAS_FILENAMES, 1);
    put_field(w, MAPPING_HAS_LINE_NUMBERS, 1);
    message_end(w, PROFILE_MAPPING);
}

/* No system_name: where it equals the name, go tool pprof takes both for C++ and strips what stands in <>. */
void sh_pprof_function(sh_pprof_writer *w, uint32_t id, uint32_t name, uint32_t filename, uint32_t first_line) {
    put_field(w, FUNCTION_ID, id);
    put_field(w, FUNCTION_NAME, name);
    put_field(w, FUNCTION_FILENAME, filename);
    put_field(w, FUNCTION_START_LINE, first_line);
    message_end(w, PROFILE_FUNCTION);
}

void sh_pprof_location(sh_pprof_writer *w, uint32_t id, uint32_t mapping_id, uint32_t function_id, uint32_t line) {
    put_field(w, LOCATION_ID, id);
    put_field(w, LOCATION_MAPPING_ID, mapping_id);
    size_t start = nested_begin(w, LOCATION_LINE);
    put_field(w, LINE_FUNCTION_ID, function_id);
    put_field(w, LINE_LINE, line);
    nested_end(w, start);
    message_end(w, PROFILE_LOCATION);
}

/* ------------------------------------------------------------------ samples */

void sh_pprof_sample_begin(sh_pprof_writer *w, const uint32_t *location_ids, size_t depth,
                           const int64_t *values, size_t count) {
    uint8_t scratch[VARINT_64];
    size_t length = 0;
    for (size_t i = 0; i < depth; i++) length += encode_varint(scratch, location_ids[i]);
    put_varint(w, SAMPLE_LOCATION_ID << 3 | WIRE_BYTES);
    put_varint(w, length);
    for (size_t i = 0; i < depth; i++) put_varint(w, location_ids[i]);

    length = 0;
    for (size_t i = 0; i < count; i++) length += encode_varint(scratch, (uint64_t)values[i]);
    put_varint(w, SAMPLE_VALUE << 3 | WIRE_BYTES);
    put_varint(w, length);
    for (size_t i = 0; i < count; i++) put_varint(w, (uint64_t)values[i]);
}

void sh_pprof_label_string(sh_pprof_writer *w, uint32_t key, uint32_t value) {
    size_t start = nested_begin(w, SAMPLE_LABEL);
    put_field(w, LABEL_KEY, key);
    put_field(w, LABEL_STR, value);
    nested_end(w, start);
}

void sh_pprof_label_number(sh_pprof_writer *w, uint32_t key, int64_t value, uint32_t unit) {
    size_t start = nested_begin(w, SAMPLE_LABEL);
    put_field(w, LABEL_KEY, key);
    put_field(w, LABEL_NUM, (uint64_t)value);
    put_field(w, LABEL_NUM_UNIT, unit);
    nested_end(w, start);
}

void sh_pprof_sample_end(sh_pprof_writer *w) { message_end(w, PROFILE_SAMPLE); }
