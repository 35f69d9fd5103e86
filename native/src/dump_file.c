#include "spanheap/dump_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int sh_dump_file_write(const sh_heap_snapshot *s, const sh_heap_dump_info *info, int folder, const char *temporary,
                       const char *name, void *workspace) {
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    int error = sh_heap_dump_write(s, info, fd, workspace);
    if (!error && fsync(fd) != 0) error = errno;
    if (close(fd) != 0 && !error) error = errno;   /* where a network file system says that it is full */
    if (!error && renameat(folder, temporary, folder, name) != 0) error = errno;
    if (error) unlinkat(folder, temporary, 0);
    else (void)fsync(folder);   /* some cannot; the file is there all the same */
    return error;
}
