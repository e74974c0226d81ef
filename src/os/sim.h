/*
 * sim: the controls of the simulated machine.
 *
 * A simulated file has two contents: `cache`, what every read and the map show, and `disk`, what
 * would survive a power loss. A write changes the cache and is remembered as pending, in pieces of
 * a 4 KiB block, until a sync applies it to the disk. mn_sim_crash makes a new machine from the
 * disk and any subset of what is pending, torn as asked; a sync that fails applies some of it,
 * forgets the rest and leaves the cache as it is: the next sync then succeeds and the lie stays, as
 * on Linux.
 *
 * A machine without a disk (mn_sim_memory) records nothing: it serves databases in memory.
 */
#ifndef MN_OS_SIM_H
#define MN_OS_SIM_H

#include "os/file.h"

enum mn_sim_op {
    MN_SIM_WRITE,
    MN_SIM_SYNC,
    MN_SIM_RESIZE,
    MN_SIM_READ,
    MN_SIM_READ_DEVICE,
    MN_SIM_PUBLISH,
    MN_SIM_LOCK,
    MN_SIM_PREWRITE /* a write of zeros that nobody waits for: its failure is nobody's */
};

struct mn_sim_loss;
struct mn_inode; /* sim_inode.h */

struct mn_sim_event {
    enum mn_sim_op op;
    uint64_t number; /* counts all events of the machine from 1 */
    struct mn_file *file;
    const struct mn_inode *inode;  /* of the file: what nobody else may change now */
    uint64_t offset, size_bytes;   /* of a write or read; size_bytes alone of a resize */
    const struct mn_slice *slices; /* of a write, also of zeros: its bytes */
    size_t slice_count;
    struct mn_sim_loss *loss; /* of a sync: what arrives if it fails; the hook may change it */
};

enum mn_sim_fault {
    MN_SIM_PASS, /* do it */
    MN_SIM_EIO,  /* do nothing, answer MN_IOERR; a sync: some pending pieces are written, all
                    forgotten */
    MN_SIM_FULL, /* do nothing, answer MN_FULL; a sync: as MN_SIM_EIO with that code */
    MN_SIM_SHORT /* a write: half of it is done, then MN_IOERR */
};

/* Called before each operation, without any lock held; the hook may crash or inspect the machine.
 */
typedef enum mn_sim_fault (*mn_sim_hook)(void *context, const struct mn_sim_event *event);

/* How the pending pieces meet their end. Pieces are numbered from 0, oldest first. */
enum mn_sim_tear {
    MN_SIM_TEAR_NONE,
    MN_SIM_TEAR_512,    /* only some of the torn piece's 512-byte sectors arrive */
    MN_SIM_TEAR_8,      /* the torn piece is cut at a multiple of 8 bytes */
    MN_SIM_TEAR_GARBAGE /* one sector of the torn piece is garbage */
};

struct mn_sim_loss {
    const uint8_t *each; /* a byte a piece, not 0: it arrives; NULL: as the next two say */
    uint64_t
        keep; /* bit i: piece i arrives; pieces from 64 on, or all with `random`: by the seed */
    bool random;
    bool sizes;     /* changes of size arrive in any case */
    bool rest_lost; /* pieces from 64 on do not arrive, whatever the seed says */
    enum mn_sim_tear tear;
    uint64_t torn; /* the piece that is torn, counted as arriving */
    uint64_t seed;
};

/* A machine with a disk. NULL: no memory. map_bytes bounds a file's size; 0: 64 MiB. */
struct mn_os *mn_machine_new(uint64_t seed, uint64_t map_bytes);
/* A machine that only serves databases in memory. */
struct mn_os *mn_sim_memory(void);
/* Microseconds since 1970 from which the clock of a machine with a disk counts its events on. */
void mn_sim_set_clock(struct mn_os *os, int64_t start_us);
/* Every file must be closed. */
void mn_machine_free(struct mn_os *os);

void mn_sim_set_hook(struct mn_os *os, mn_sim_hook hook, void *context);
/* What syncs that fail from now on leave of the pending pieces; NULL: some, by the machine's seed.
 */
void mn_sim_set_sync_loss(struct mn_os *os, const struct mn_sim_loss *loss);
/* Pending pieces of the named file, and how many events there were so far. */
size_t mn_sim_pending(struct mn_os *os, const char *path);
uint64_t mn_sim_events(struct mn_os *os);

/* The machine after a power loss: all files that had names, none open. NULL: no memory. */
struct mn_os *mn_sim_crash(struct mn_os *os, const struct mn_sim_loss *loss);
/* The process that opened this file dies: its locks are gone, every later call answers MN_IOERR. */
void mn_sim_kill(struct mn_file *file);

/* Everything about the named file (sim_inode.h), to look at; NULL: there is none. */
const struct mn_inode *mn_sim_inode(struct mn_os *os, const char *path);

/* Reads and changes a file's content as if by another program: cache and disk alike. */
enum mn_status mn_sim_peek(struct mn_os *os, const char *path, uint64_t offset, void *bytes,
                           size_t size_bytes);
enum mn_status mn_sim_poke(struct mn_os *os, const char *path, uint64_t offset, const void *bytes,
                           size_t size_bytes);
enum mn_status mn_sim_cut(struct mn_os *os, const char *path, uint64_t size_bytes);
uint64_t mn_sim_size(struct mn_os *os, const char *path);
/* Gives a new file this content. */
enum mn_status mn_sim_put(struct mn_os *os, const char *path, const void *bytes, size_t size_bytes);

/*
 * A machine that serves many states of one file. mn_sim_mark: from here on the machine remembers
 * which 4 KiB blocks of the file change. Nothing may be pending. mn_sim_rewind: file, chance and
 * clock are as they were at the mark, in time that depends on what changed; every handle of the
 * file must be closed.
 */
enum mn_status mn_sim_mark(struct mn_os *os, const char *path);
void mn_sim_rewind(struct mn_os *os, const char *path);
/* The blocks that changed since the mark, in the order of their first change. */
const uint32_t *mn_sim_changed(struct mn_os *os, const char *path, size_t *count);
/* What reads of the file see, up to mn_sim_size: borrowed until the file changes. */
const uint8_t *mn_sim_content(struct mn_os *os, const char *path);

#endif
