#include "got_patch.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc_hook.h"

/* ------------------------------------------------------------------ what the entries are pointed at */

static int track_in_hook(unsigned int domain, uintptr_t address, size_t size) {
    /* Asked first: tracemalloc's own tables come from RAW. */
    bool counted = sh_hook_has_counted_in_hook((void *)address);
    int result = PyTraceMalloc_Track(domain, address, size);
    /* -1: tracemalloc has no memory, and the caller frees the block without a further word. */
    if (result != -1 && !counted && address) sh_hook_count_foreign_in_hook((void *)address, size);
    return result;
}

static int untrack_in_hook(unsigned int domain, uintptr_t address) {
    /* Before the block is freed: from then on another thread may be given the address. */
    sh_hook_release_foreign_in_hook((void *)address);
    return PyTraceMalloc_Untrack(domain, address);
}

#if defined(__x86_64__)
enum { JUMP_SLOT = R_X86_64_JUMP_SLOT, GLOB_DAT = R_X86_64_GLOB_DAT };
#elif defined(__aarch64__)
enum { JUMP_SLOT = R_AARCH64_JUMP_SLOT, GLOB_DAT = R_AARCH64_GLOB_DAT };
#else
#define NO_ENTRIES 1   /* elsewhere arrays are not seen, and the count of entries says so */
enum { JUMP_SLOT = -1, GLOB_DAT = -1 };
#endif

typedef struct { const char *name; uintptr_t real, ours; } function;
enum { FUNCTIONS = 2 };
static function functions[FUNCTIONS];

/* A library that another thread is just loading is listed before its entries are filled in: looked at again, so many times. */
enum { LOOK_AGAIN = 5 };

static sh_got_counts counts;
static unsigned long long seen_adds;
static uint32_t look_again;

sh_got_counts sh_got_patch_counts(void) { return counts; }

/* ------------------------------------------------------------------ one entry */

/* The protection of the page at this address, from /proc/self/maps; -1: not known. No stdio: it would allocate. */
static int protection_of(uintptr_t address) {
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    enum { BEGIN, END, FLAGS, REST } field = BEGIN;
    uintptr_t begin = 0, end = 0;
    int protection = 0, found = -1;
    char buffer[4096];
    ssize_t n;
    while (found < 0 && (n = read(file, buffer, sizeof buffer)) > 0)
        for (ssize_t i = 0; i < n && found < 0; i++) {
            char c = buffer[i];
            uintptr_t digit = (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10);
            switch (field) {
            case BEGIN:
                if (c == '-') field = END;
                else begin = begin << 4 | digit;
                break;
            case END:
                if (c == ' ') field = FLAGS;
                else end = end << 4 | digit;
                break;
            case FLAGS:
                if (c == 'r') protection |= PROT_READ;
                else if (c == 'w') protection |= PROT_WRITE;
                else if (c == 'x') protection |= PROT_EXEC;
                else if (c == ' ') {
                    if (address >= begin && address < end) found = protection;
                    field = REST;
                }
                break;
            case REST:
                if (c != '\n') break;
                field = BEGIN;
                begin = end = 0;
                protection = 0;
            }
        }
    close(file);
    return found;
}

static bool write_entry(uintptr_t *entry, uintptr_t value) {
    uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE), page = (uintptr_t)entry & ~(page_size - 1);
    int protection = protection_of(page);
    if (protection < 0) return false;
    bool locked = !(protection & PROT_WRITE);
    if (locked && mprotect((void *)page, page_size, protection | PROT_WRITE) != 0) return false;
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);   /* aligned, within a page: callers see the one or the other */
    if (locked) mprotect((void *)page, page_size, protection);
    return true;
}

static bool contains(const struct dl_phdr_info *library, uintptr_t address) {
    for (int i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &library->dlpi_phdr[i];
        uintptr_t begin = library->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && address >= begin && address - begin < part->p_memsz) return true;
    }
    return false;
}

static void patch_entry(const struct dl_phdr_info *library, uintptr_t *entry, const function *f) {
    if ((uintptr_t)entry % sizeof *entry != 0 || !contains(library, (uintptr_t)entry)) return;
    uintptr_t value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
    if (value == f->ours) return;
    if (value != f->real && !contains(library, value)) counts.foreign++;
    else if (write_entry(entry, f->ours)) counts.patched++;
    else counts.failed++;
}

/* ------------------------------------------------------------------ one library */

typedef struct {
    const ElfW(Sym) *symbols;
    const char *strings;
    const ElfW(Rela) *tables[2];   /* of calls, of everything else */
    size_t bytes[2];
    size_t relative;               /* so many at the start of the second have no symbol: most of them, in large libraries */
} dynamic_part;

/* glibc has made these addresses absolute, musl has not. */
static const void *absolute(const struct dl_phdr_info *library, ElfW(Addr) address) {
    return (const void *)(address < library->dlpi_addr ? library->dlpi_addr + address : address);
}

static bool read_dynamic_part(const struct dl_phdr_info *library, dynamic_part *d) {
    *d = (dynamic_part){ 0 };
    const ElfW(Dyn) *dynamic = NULL;
    for (int i = 0; i < library->dlpi_phnum; i++)
        if (library->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = (const void *)(library->dlpi_addr + library->dlpi_phdr[i].p_vaddr);
    if (!dynamic) return false;
    bool call_table_is_rela = true;
    for (; dynamic->d_tag != DT_NULL; dynamic++)
        switch (dynamic->d_tag) {
        case DT_SYMTAB: d->symbols = absolute(library, dynamic->d_un.d_ptr); break;
        case DT_STRTAB: d->strings = absolute(library, dynamic->d_un.d_ptr); break;
        case DT_JMPREL: d->tables[0] = absolute(library, dynamic->d_un.d_ptr); break;
        case DT_PLTRELSZ: d->bytes[0] = dynamic->d_un.d_val; break;
        case DT_PLTREL: call_table_is_rela = dynamic->d_un.d_val == DT_RELA; break;
        case DT_RELA: d->tables[1] = absolute(library, dynamic->d_un.d_ptr); break;
        case DT_RELASZ: d->bytes[1] = dynamic->d_un.d_val; break;
        case DT_RELACOUNT: d->relative = dynamic->d_un.d_val; break;
        default: break;
        }
    if (!call_table_is_rela) d->tables[0] = NULL;
    return d->symbols && d->strings;
}

static void patch_library(const struct dl_phdr_info *library) {
    dynamic_part d;
    if (!read_dynamic_part(library, &d)) return;
    for (int t = 0; t < 2; t++) {
        size_t n = d.tables[t] ? d.bytes[t] / sizeof(ElfW(Rela)) : 0;
        for (size_t i = t == 1 ? d.relative : 0; i < n; i++) {
            const ElfW(Rela) *r = &d.tables[t][i];
            int type = (int)ELF64_R_TYPE(r->r_info);
            if (type != JUMP_SLOT && type != GLOB_DAT) continue;
            const char *name = d.strings + d.symbols[ELF64_R_SYM(r->r_info)].st_name;
            for (int f = 0; f < FUNCTIONS; f++)
                if (strcmp(name, functions[f].name) == 0)
                    patch_entry(library, (uintptr_t *)(library->dlpi_addr + r->r_offset), &functions[f]);
        }
    }
}

/* ------------------------------------------------------------------ all libraries */

static int look_at_count(struct dl_phdr_info *library, size_t size, void *adds) {
    *(unsigned long long *)adds = library->dlpi_adds;
    return 1;
}

static int look_at_library(struct dl_phdr_info *library, size_t size, void *adds) {
    *(unsigned long long *)adds = library->dlpi_adds;
    bool is_main = !library->dlpi_name || !library->dlpi_name[0];
    if (is_main || contains(library, functions[0].real) || contains(library, functions[0].ours)) return 0;
    patch_library(library);
    return 0;
}

void sh_got_patch_with_gil(void) {
#ifndef NO_ENTRIES
    if (!functions[0].name) {
        functions[0] = (function){ "PyTraceMalloc_Track", (uintptr_t)PyTraceMalloc_Track, (uintptr_t)track_in_hook };
        functions[1] = (function){ "PyTraceMalloc_Untrack", (uintptr_t)PyTraceMalloc_Untrack, (uintptr_t)untrack_in_hook };
    }
    unsigned long long adds = 0;
    dl_iterate_phdr(look_at_count, &adds);
    if (adds == seen_adds && look_again == 0) return;
    look_again = adds != seen_adds ? LOOK_AGAIN : look_again - 1;
    counts.foreign = counts.failed = 0;
    counts.looks++;
    dl_iterate_phdr(look_at_library, &seen_adds);
    if (counts.foreign == 0) look_again = 0;
#endif
}
