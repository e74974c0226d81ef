/*
 * file: what both implementations of the seam share.
 */
#include "os/file.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"

enum { RESERVE_SMALL = 64 << 10 }; /* bytes: mapping so little costs more than clearing it */

enum mn_status mn_file_read(struct mn_file *file, void *bytes, struct mn_range at, const char *what)
{
    size_t got;
    enum mn_status status = file->ops->pread(file, bytes, at, &got);

    if (status) return status;
    if (got < at.length) {
        return mn_fail(MN_CORRUPT,
                       "%s at byte %" PRIu64 " is cut: %zu of %" PRIu64 " bytes are there", what,
                       at.start, got, at.length);
    }
    return MN_OK;
}

enum mn_status mn_file_write(struct mn_file *file, uint64_t offset, const void *bytes,
                             size_t size_bytes)
{
    struct mn_slice slice = {bytes, size_bytes};

    return file->ops->pwritev(file, offset, &slice, 1);
}

void *mn_reserve(size_t size_bytes)
{
    void *memory;

    if (size_bytes <= RESERVE_SMALL) {
        memory = mn_alloc_aligned(size_bytes);
        if (memory) memset(memory, 0, size_bytes);
        return memory;
    }
    memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void mn_unreserve(void *memory, size_t size_bytes)
{
    if (!memory) return;
    if (size_bytes <= RESERVE_SMALL) {
        mn_release_aligned(memory);
    } else {
        munmap(memory, size_bytes);
    }
}
