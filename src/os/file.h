/*
 * file: the seam between the engine and the machine.
 *
 * Everything that the store asks of the system goes through two tables of functions: mn_os (names,
 * clock, chance) and mn_file (one open file). Two implementations stand beside each other: posix
 * (file_posix.c) and simulated (file_sim.c, with its controls in sim.h), where writes are only
 * promises until a sync, power can fail, and a whole database can live in memory.
 *
 * Errors are typed once, here: no space is MN_FULL, no right to write is MN_READONLY_DB, a name
 * that is not there is MN_NOTFOUND, a lock that somebody else holds is MN_BUSY, anything else is
 * MN_IOERR.
 */
#ifndef MN_OS_FILE_H
#define MN_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct mn_file;

/* A piece of a gathered write. */
struct mn_slice {
    const void *data;
    size_t size_bytes;
};

enum { MN_SLICES_MAX = 1024 };   /* pieces in one write */
enum { MN_DEVICE_BLOCK = 4096 }; /* alignment of reads past the cache */

enum mn_lock { MN_LOCK_NONE, MN_LOCK_SHARED, MN_LOCK_EXCLUSIVE };

/* A range of lock bytes. The bytes need not exist in the file. */
struct mn_range {
    uint64_t start, length; /* length 0: to the end of all offsets */
};

enum mn_open_flags {
    MN_OPEN_READONLY = 1 /* a descriptor that cannot write */
};

struct mn_os;

struct mn_os_ops {
    /* Opens an existing file. */
    enum mn_status (*open)(struct mn_os *os, const char *path, unsigned flags,
                           struct mn_file **out);
    /* A new, empty file beside path that has no name yet; publish gives it its name. */
    enum mn_status (*create)(struct mn_os *os, const char *path, struct mn_file **out);
    /* A new, empty file in the folder of path that never has a name: with its last handle, or its
     * process, it is gone. */
    enum mn_status (*scratch)(struct mn_os *os, const char *path, struct mn_file **out);
    int64_t (*now_us)(struct mn_os *os);  /* wall clock, microseconds since 1970 */
    int64_t (*tick_us)(struct mn_os *os); /* monotonic */
    void (*sleep_us)(struct mn_os *os, int64_t us);
    enum mn_status (*random)(struct mn_os *os, void *bytes, size_t size_bytes);
};

struct mn_os {
    const struct mn_os_ops *ops;
};

struct mn_file_ops {
    bool concurrent; /* pwritev and begin_sync may run in a thread beside the owner's calls */
    void (*close)(struct mn_file *file);
    /* Gives a file made by create its name, durably. MN_EXISTS: the name is taken, nothing changed.
     */
    enum mn_status (*publish)(struct mn_file *file);

    enum mn_status (*size)(struct mn_file *file, uint64_t *size_bytes);
    /* Reads up to size bytes; *got is less only at the end of the file. */
    enum mn_status (*pread)(struct mn_file *file, void *bytes, struct mn_range at, size_t *got);
    /* The same from the device, past the page cache; start and length are multiples of
     * MN_DEVICE_BLOCK. */
    enum mn_status (*read_device)(struct mn_file *file, void *bytes, struct mn_range at,
                                  size_t *got);
    /* Writes all slices one behind the other from offset on. On failure any part may be written. */
    enum mn_status (*pwritev)(struct mn_file *file, uint64_t offset, const struct mn_slice *slices,
                              size_t count);
    /* Content and size reach the device. After a failure nothing is known of what was written. */
    enum mn_status (*sync)(struct mn_file *file);
    /* Larger: the space is allocated and reads as zeros. Smaller: the tail is cut. */
    enum mn_status (*resize)(struct mn_file *file, uint64_t size_bytes);
    /*
     * Writes zeros where nothing lies that anybody needs: a block that was allocated and never
     * written costs its first sync a change of metadata. Advice: NULL or failing, only time is
     * lost.
     */
    void (*prewrite)(struct mn_file *file, struct mn_range at);
    /* The device may begin with what was written to a range: a sync will follow. Advice, as above.
     */
    void (*begin_sync)(struct mn_file *file, struct mn_range at);
    /* Asks the system to forget its clean copies of a range. Advice: it may not follow. */
    void (*drop_cached)(struct mn_file *file, struct mn_range at);
    /*
     * Reserves up to `reserve_bytes` of addresses, or as much as there is, in which the file's
     * content appears and grows, readable only. Bytes past the file's size must not be touched.
     * *base is NULL where no map is to be had. Lives until close.
     */
    enum mn_status (*map)(struct mn_file *file, uint64_t reserve_bytes, const uint8_t **base,
                          uint64_t *reserved_bytes);
    void (*advise_random)(struct mn_file *file, struct mn_range at, bool random);

    /*
     * Locks, converts or unlocks a range. Locks belong to this open file: threads of one handle do
     * not exclude each other. MN_BUSY: still held by others after wait_us (0: one try).
     */
    enum mn_status (*lock)(struct mn_file *file, struct mn_range at, enum mn_lock kind,
                           int64_t wait_us);
    /*
     * A range that others hold within `at` and that would conflict with `kind`: any one of them,
     * not always the lowest. *held is MN_LOCK_NONE if there is none. The handle's own are not seen.
     */
    enum mn_status (*lock_query)(struct mn_file *file, struct mn_range at, enum mn_lock kind,
                                 struct mn_range *found, enum mn_lock *held);

    /* Sleeps until another handle wakes the word at a mapped address, if it still is `value`. */
    void (*wait)(struct mn_file *file, const uint8_t *word, uint32_t value, int64_t wait_us);
    void (*wake)(struct mn_file *file, const uint8_t *word);
};

struct mn_file {
    const struct mn_file_ops *ops;
    bool forked; /* this is a child of the process that opened it: every use is refused */
};

/* The machine itself. */
struct mn_os *mn_os_posix(void);

/* Reads exactly size bytes, MN_CORRUPT when the file ends before. `what` names them in the message.
 */
enum mn_status mn_file_read(struct mn_file *file, void *bytes, struct mn_range at,
                            const char *what);
enum mn_status mn_file_write(struct mn_file *file, uint64_t offset, const void *bytes,
                             size_t size_bytes);

/* Zeroed address space that takes memory only where it is touched; NULL: none. */
void *mn_reserve(size_t size_bytes);
void mn_unreserve(void *memory, size_t size_bytes);

#endif
