/*
 * sim_inode: one file's content on a simulated machine, before and after a power loss.
 */
#ifndef MN_OS_SIM_INODE_H
#define MN_OS_SIM_INODE_H

#include "os/sim.h"

struct mn_pending {
    uint64_t offset, size_bytes; /* a resize: size_bytes is the new size, bytes is NULL */
    uint8_t *bytes;
};

struct mn_held {
    struct mn_file *owner;
    struct mn_range at;
    enum mn_lock kind;
};

/* The file as it was when it was marked, and the blocks that changed since. */
struct mn_mark {
    uint64_t size, blocks;
    uint8_t *bytes; /* room for the inode's capacity */
    uint8_t *flags; /* one a block: it is in `changed` */
    uint32_t *changed;
    size_t count;
};

struct mn_inode {
    char *path;
    bool named, memory;
    uint8_t *cache;
    uint64_t capacity, size;
    uint8_t *disk;
    uint64_t disk_size;
    size_t disk_capacity;
    struct mn_mark *mark; /* NULL: none was set */
    struct mn_pending *pending;
    size_t pending_count, pending_capacity;
    struct mn_held *locks;
    size_t lock_count, lock_capacity;
    unsigned open_files;
    struct mn_inode *next;
};

/* NULL: no memory. */
struct mn_inode *mn_inode_new(const char *path, uint64_t capacity, bool memory);
void mn_inode_free(struct mn_inode *inode);
/* The size that reads see. MN_FULL: over the capacity. */
enum mn_status mn_inode_resize(struct mn_inode *inode, uint64_t size_bytes);
enum mn_status mn_inode_disk_resize(struct mn_inode *inode, uint64_t size_bytes);
/* Copies into the cache. */
void mn_inode_show(uint8_t *to, const uint8_t *from, size_t size_bytes);
/* Remembers a write as pending, or with bytes NULL a new size. */
enum mn_status mn_inode_remember(struct mn_inode *inode, uint64_t offset, const uint8_t *bytes,
                                 uint64_t size_bytes);
void mn_inode_forget(struct mn_inode *inode);
/* These bytes, of cache or disk, are about to change. */
void mn_inode_touch(struct mn_inode *inode, uint64_t offset, uint64_t size_bytes);
enum mn_status mn_inode_mark(struct mn_inode *inode);
void mn_inode_rewind(struct mn_inode *inode);
/* All pending pieces arrive on the disk; or those that the loss spares. They stay pending. */
enum mn_status mn_inode_sync(struct mn_inode *inode);
enum mn_status mn_inode_lose(struct mn_inode *inode, const struct mn_sim_loss *loss);
/* What the device answers to a read past the cache: without the lies of a failed sync. */
void mn_inode_device(const struct mn_inode *inode, uint8_t *bytes, struct mn_range at);
/* `to` becomes what is left of `from` after a power loss. */
enum mn_status mn_inode_survive(struct mn_inode *to, const struct mn_inode *from,
                                const struct mn_sim_loss *loss);
uint64_t mn_sim_random(uint64_t *seed);

#endif
