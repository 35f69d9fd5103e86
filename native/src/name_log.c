#include "spanheap/name_log.h"

#include <zlib.h>

static uint32_t checksum(const char *data, uint32_t length) { return (uint32_t)crc32(0, (const Bytef *)data, length); }

void sh_name_log_add(sh_name_log *log, uint32_t id, uint32_t offset, const char *data, uint32_t length) {
    if (id >= log->capacity || offset > log->max_bytes || length > log->max_bytes - offset) return;
    sh_name_entry *entry = &log->entries[id];
    memcpy(log->bytes + offset, data, length);
    entry->offset = offset;
    entry->length = length;
    entry->check = checksum(data, length);
    atomic_store_explicit(&entry->number, id + 1, memory_order_release);
}

bool sh_name_log_valid(const sh_name_log *log) {
    for (uint32_t id = 0; id < log->capacity; id++) {
        const sh_name_entry *entry = &log->entries[id];
        uint32_t number = atomic_load_explicit(&entry->number, memory_order_acquire);
        if (!number) continue;
        if (number != id + 1 || entry->offset > log->max_bytes || entry->length > log->max_bytes - entry->offset) return false;
        if (entry->check != checksum(log->bytes + entry->offset, entry->length)) return false;
    }
    return true;
}
