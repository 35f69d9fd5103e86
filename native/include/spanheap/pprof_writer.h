/* Streams a perftools.profiles.Profile (pprof), gzip-compressed, to a file descriptor.
 *
 * All memory is one workspace that the caller gives, zlib's included: nothing is allocated while a profile is written, so
 * one can be written when no memory is to be had. The workspace needs malloc's alignment and no particular contents.
 *
 *      fields ──► message (one nested message) ──► input ──deflate──► output ──write──► fd
 *      strings ──────────────────────────────────► input
 *
 * Protobuf lets fields come in any order, and a string's index is its place among the strings: so whatever is needed is
 * written when it is needed, and nothing is kept. Between sample_begin and sample_end come only labels and strings.
 *
 * Errors: the first one is kept, what follows it is thrown away, and finish returns it; calls need no checks of their own.
 * Thread rules: a writer belongs to one thread. No Python, no locks; write() may block. */
#ifndef SPANHEAP_PPROF_WRITER_H
#define SPANHEAP_PPROF_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

/* What one sample may have; more is the error EMSGSIZE. */
enum { SH_PPROF_MAX_FRAMES = 256, SH_PPROF_MAX_VALUES = 8, SH_PPROF_MAX_LABELS = 16 };

typedef struct {
    z_stream stream;
    uint8_t *spare, *end;              /* what zlib may still take of the workspace */
    uint8_t *input, *output, *message;
    size_t input_used, message_used;   /* message_used > its size: the message does not fit */
    uint32_t strings;
    int fd, error;                     /* error: an errno, 0 = none */
} sh_pprof_writer;

size_t sh_pprof_workspace_bytes(void);
/* `level` is zlib's, 0 to 9. Writes string 0, which is "". */
void sh_pprof_init(sh_pprof_writer *w, void *workspace, int fd, int level);
/* Writes what is still buffered. Returns 0 or the errno of what went wrong first. The descriptor stays open. */
int sh_pprof_finish(sh_pprof_writer *w);

/* Returns the string's index, which is what every uint32_t below is that is not called an id. UTF-8 of any length. */
uint32_t sh_pprof_string(sh_pprof_writer *w, const char *data, size_t length);

void sh_pprof_sample_type(sh_pprof_writer *w, uint32_t type, uint32_t unit);   /* in the order of a sample's values */
void sh_pprof_default_sample_type(sh_pprof_writer *w, uint32_t type);
void sh_pprof_period(sh_pprof_writer *w, uint32_t type, uint32_t unit, int64_t period);
void sh_pprof_time(sh_pprof_writer *w, int64_t time_ns, int64_t duration_ns);
void sh_pprof_comment(sh_pprof_writer *w, uint32_t comment);

/* Ids are the caller's: unique among their kind and not 0; mapping_id 0 is "none". */
void sh_pprof_mapping(sh_pprof_writer *w, uint32_t id, uint32_t filename);
void sh_pprof_function(sh_pprof_writer *w, uint32_t id, uint32_t name, uint32_t filename, uint32_t first_line);
void sh_pprof_location(sh_pprof_writer *w, uint32_t id, uint32_t mapping_id, uint32_t function_id, uint32_t line);

/* location_ids: leaf first. One label per key. */
void sh_pprof_sample_begin(sh_pprof_writer *w, const uint32_t *location_ids, size_t depth,
                           const int64_t *values, size_t count);
void sh_pprof_label_string(sh_pprof_writer *w, uint32_t key, uint32_t value);
void sh_pprof_label_number(sh_pprof_writer *w, uint32_t key, int64_t value, uint32_t unit);
void sh_pprof_sample_end(sh_pprof_writer *w);

#endif
