/*
 * ghost: what must be true of a file that many processes use (see ghost.h).
 */
#include "support/ghost.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "os/sim_inode.h"
#include "store/inside.h"

void ghost_init(struct ghost *ghost)
{
    memset(ghost, 0, sizeof *ghost);
    ghost->count = 1;
    ghost->commits[0].version = 1;
    ghost->commits[0].slot_written = true;
}

void ghost_fail(struct ghost *ghost, const char *format, ...)
{
    va_list list;

    if (ghost->violation[0]) return;
    va_start(list, format);
    vsnprintf(ghost->violation, sizeof ghost->violation, format, list);
    va_end(list);
}

uint64_t ghost_hash(const struct ghost *ghost)
{
    uint64_t hash = ghost->count;

    for (unsigned i = 0; i < ghost->count; i++) {
        const struct ghost_commit *one = &ghost->commits[i];

        hash = mn_hash_mix(hash, one->version << 16 | one->parent);
        hash = mn_hash_mix(hash, (uint64_t)one->slot_written << 1 | one->rejected);
        hash = mn_hash(one->pages, sizeof one->pages, hash);
    }
    hash = mn_hash_mix(hash, (uint64_t)ghost->acked << 32 | ghost->seen << 16 | ghost->published);
    hash = mn_hash_mix(hash, (uint64_t)ghost->durable << 32 | ghost->settling);
    hash = mn_hash_mix(hash, (uint64_t)ghost->stopped << 3 | (uint64_t)ghost->doubt << 2 |
                                 (uint64_t)ghost->sync_failed << 1 | ghost->writing);
    hash = mn_hash_mix(hash, (uint64_t)ghost->writer << 32 | ghost->flying);
    return mn_hash(ghost->reading, sizeof ghost->reading, hash);
}

/* ---- the order of commits ---- */

static bool is_below(const struct ghost *ghost, unsigned low, unsigned high)
{
    while (high > low) high = ghost->commits[high].parent;
    return high == low;
}

unsigned ghost_floor(const struct ghost *ghost)
{
    return is_below(ghost, ghost->acked, ghost->seen) ? ghost->seen : ghost->acked;
}

/* Everything that is not below c is rejected from now on. */
static void settle_on(struct ghost *ghost, unsigned c)
{
    for (unsigned i = 0; i < ghost->count; i++) {
        if (!is_below(ghost, i, c)) ghost->commits[i].rejected = true;
    }
}

unsigned ghost_meet(struct ghost *ghost, uint64_t version, const struct raw_model *content)
{
    uint64_t c = content->leaf[0];
    const struct ghost_commit *commit;

    if (c >= ghost->count) {
        ghost_fail(ghost, "version %" PRIu64 " shows content that no commit made", version);
        return 0;
    }
    commit = &ghost->commits[c];
    if (memcmp(&commit->content, content, sizeof *content) != 0) {
        ghost_fail(ghost, "version %" PRIu64 " shows a mix", version);
    } else if (commit->version != version) {
        ghost_fail(ghost, "commit %" PRIu64 " was version %" PRIu64 ", is met as %" PRIu64, c,
                   commit->version, version);
    } else if (commit->rejected) {
        ghost_fail(ghost, "commit %" PRIu64 " (version %" PRIu64 ") returns after it was rejected",
                   c, version);
    } else if (!is_below(ghost, ghost->acked, (unsigned)c)) {
        ghost_fail(ghost, "acknowledged commit %u is lost: version %" PRIu64 " is met",
                   ghost->acked, version);
    } else if (!is_below(ghost, ghost->seen, (unsigned)c)) {
        ghost_fail(ghost, "commit %u, which a reader saw, is lost: version %" PRIu64 " is met",
                   ghost->seen, version);
    }
    return (unsigned)c;
}

/* ---- readers ---- */

unsigned ghost_read(struct ghost *ghost, unsigned fiber, unsigned before, uint64_t version,
                    const struct raw_model *content)
{
    unsigned acked = ghost->acked, seen = ghost->seen, c;

    /* An open snapshot may be older than what was acknowledged since it began. */
    ghost->acked = ghost->seen = before;
    c = ghost_meet(ghost, version, content);
    ghost->acked = acked;
    ghost->seen = is_below(ghost, seen, c) ? c : seen;
    if (!ghost->commits[c].slot_written) ghost_fail(ghost, "commit %u is read, it has no slot", c);
    if (ghost->reading[fiber] && ghost->reading[fiber] != c + 1) {
        ghost_fail(ghost, "a snapshot of commit %u became one of commit %u",
                   ghost->reading[fiber] - 1, c);
    }
    ghost->reading[fiber] = c + 1;
    return c;
}

void ghost_read_end(struct ghost *ghost, unsigned fiber)
{
    ghost->reading[fiber] = 0;
}

/* ---- writers ---- */

void ghost_write(struct ghost *ghost, unsigned process, uint64_t version,
                 const struct raw_model *content)
{
    unsigned base = ghost_meet(ghost, version, content);

    if (ghost->writing) {
        ghost_fail(ghost, "processes %u and %u write at once", ghost->writer, process);
    }
    if (ghost->stopped) ghost_fail(ghost, "process %u writes over a failed sync", process);
    settle_on(ghost, base);
    ghost->seen = base;
    ghost->writing = true;
    ghost->writer = process;
    ghost->flying = 0;
}

unsigned ghost_commit(struct ghost *ghost, uint64_t version, bool runs, struct raw_model *content)
{
    unsigned c = ghost->count++;
    struct ghost_commit *commit = &ghost->commits[c];

    memset(commit, 0, sizeof *commit);
    commit->version = version;
    commit->parent = (unsigned)content->leaf[0];
    content->leaf[0] = c;
    content->leaf[1 + c % 3] = UINT64_C(0x10001) * c;
    if (runs) {
        content->run[0] = c % 3 == 2 ? UINT64_C(0x0101010101010101) * c : 0;
        content->run_bytes[0] = content->run[0] ? GHOST_RUN_BYTES : 0;
    }
    commit->content = *content;
    ghost->flying = c;
    return c;
}

void ghost_committed(struct ghost *ghost, enum mn_status status, uint64_t version)
{
    unsigned c = ghost->flying;

    if (status == MN_OK) {
        if (version != ghost->commits[c].version) {
            ghost_fail(ghost, "commit %u became version %" PRIu64 " instead of %" PRIu64, c,
                       version, ghost->commits[c].version);
        }
        if (ghost->commits[c].rejected) ghost_fail(ghost, "commit %u was rejected", c);
        ghost->acked = c;
    } else if (status != MN_UNCERTAIN) {
        ghost->commits[c].rejected = true;
    } else {
        ghost_stopped(ghost);
    }
    ghost_write_end(ghost);
}

void ghost_promise(struct ghost *ghost, unsigned commit)
{
    if (is_below(ghost, ghost->durable, commit)) ghost->durable = commit;
}

void ghost_sync_failed(struct ghost *ghost)
{
    ghost->sync_failed = ghost->doubt = true;
}

void ghost_stopped(struct ghost *ghost)
{
    if (ghost->published != ghost->durable) ghost->stopped = true;
}

/* From now on only what is durable must be there. */
static void forget_weak(struct ghost *ghost)
{
    if (ghost->weak) ghost->acked = ghost->seen = ghost->durable;
}

void ghost_write_end(struct ghost *ghost)
{
    ghost->writing = false;
    ghost->flying = 0;
    ghost->writer = 0;
}

void ghost_process_died(struct ghost *ghost, unsigned process)
{
    if (ghost->writing && ghost->writer == process) ghost_write_end(ghost);
    if (ghost->settling == process + 1) ghost->settling = 0;
    for (unsigned i = 0; i < steps_count(); i++) {
        if (fiber_process(i) == process) ghost->reading[i] = 0;
    }
}

void ghost_power_lost(struct ghost *ghost)
{
    ghost_write_end(ghost);
    ghost->sync_failed = ghost->doubt = ghost->stopped = false;
    ghost->settling = 0;
    forget_weak(ghost);
    if (ghost->weak) ghost->published = ghost->durable;
    memset(ghost->reading, 0, sizeof ghost->reading);
}

/* ---- at the seam ---- */

static void page_mark(uint64_t pages[GHOST_PAGE_WORDS], uint64_t page)
{
    if (page / 64 < GHOST_PAGE_WORDS) pages[page / 64] |= UINT64_C(1) << page % 64;
}

static bool page_is_marked(const uint64_t pages[GHOST_PAGE_WORDS], uint64_t page)
{
    return page / 64 < GHOST_PAGE_WORDS && (pages[page / 64] >> page % 64 & 1) != 0;
}

/* The first run of a raw root: page, birth, sum, size (support/raw.c). */
static void run_mark(struct ghost_commit *commit, const uint8_t *root, uint32_t page_size)
{
    struct mn_run run;

    memcpy(&run, root + MN_PAGE_HEADER + RAW_LEAVES * 12, sizeof run);
    if (run.page == 0) return;
    for (uint64_t page = 0; page * page_size < run.size_bytes; page++) {
        page_mark(commit->pages, run.page + page);
    }
}

/* Which pages the version reaches, in the file as it is now: its root may come behind its slot. */
static void pages_find(struct ghost_commit *commit, const struct mn_inode *inode,
                       const struct mn_superblock *superblock)
{
    const uint8_t *root = inode->cache + commit->root * superblock->page_size;

    memset(commit->pages, 0, sizeof commit->pages);
    if (commit->log) page_mark(commit->pages, commit->log);
    if (commit->checkpoint) page_mark(commit->pages, commit->checkpoint);
    if (commit->root == 0 || (commit->root + 1) * superblock->page_size > inode->size) return;
    page_mark(commit->pages, commit->root);
    for (unsigned leaf = 0; leaf < RAW_LEAVES; leaf++) {
        struct mn_ref ref = mn_get_ref(root + MN_PAGE_HEADER + leaf * 12);

        if (ref.page) page_mark(commit->pages, ref.page);
    }
    run_mark(commit, root, superblock->page_size);
}

static void page_written(struct ghost *ghost, uint64_t page)
{
    for (unsigned i = 0; i < STEPS_FIBERS; i++) {
        unsigned c = ghost->reading[i];

        if (c && page_is_marked(ghost->commits[c - 1].pages, page)) {
            ghost_fail(ghost, "page %" PRIu64 " is written while fiber %u reads commit %u", page, i,
                       c - 1);
        }
    }
    if (page_is_marked(ghost->commits[ghost->published].pages, page)) {
        ghost_fail(ghost, "page %" PRIu64 " of the published commit %u is written", page,
                   ghost->published);
    }
    if (page_is_marked(ghost->commits[ghost->durable].pages, page)) {
        ghost_fail(ghost, "page %" PRIu64 " of the durable commit %u is written", page,
                   ghost->durable);
    }
}

static void slot_written(struct ghost *ghost, const struct mn_superblock *superblock,
                         const uint8_t *bytes)
{
    struct ghost_commit *commit = &ghost->commits[ghost->flying];
    struct mn_meta meta;

    if (!ghost->flying || !mn_meta_decode(bytes, superblock->secret, &meta)) return;
    if (meta.version != commit->version) return;
    commit->slot_written = true;
    commit->root = meta.roots.count ? meta.roots.list[0].ref.page : 0;
    commit->log = meta.log.page;
    commit->checkpoint = meta.checkpoint.page;
}

/* The newest commit that the notice may mean by a version; `before` where there is none. */
static unsigned commit_of(const struct ghost *ghost, uint64_t version, unsigned before)
{
    for (unsigned i = ghost->count; i-- > 0;) {
        const struct ghost_commit *commit = &ghost->commits[i];

        if (commit->version == version && !commit->rejected && commit->slot_written) return i;
    }
    return before;
}

static void notice_written(struct ghost *ghost, unsigned process, const uint8_t *bytes)
{
    ghost->published = commit_of(ghost, mn_get_u64(bytes), ghost->published);
    ghost->durable = commit_of(ghost, mn_get_u64(bytes + 8), ghost->durable);
    if (ghost->settling != process + 1 || ghost->published != ghost->durable) return;
    settle_on(ghost, ghost->durable);
    ghost->doubt = ghost->stopped = false;
}

/* Who is alone with the file may find that what was not durable is not there. */
void ghost_locked(struct ghost *ghost, unsigned process, struct mn_range at, enum mn_lock kind)
{
    if (at.start != MN_LOCK_PRESENCE) return;
    if (kind == MN_LOCK_EXCLUSIVE) {
        ghost->settling = process + 1;
        if (ghost->doubt) forget_weak(ghost);
    } else if (ghost->settling == process + 1) {
        ghost->settling = 0;
    }
}

/* Where slots and notice lie is not asked: the one is known by its content, the other by its size.
 */
void ghost_wrote(struct ghost *ghost, struct mn_os *os, unsigned process, uint64_t offset,
                 const struct mn_slice *slices, size_t count)
{
    const struct mn_inode *inode = mn_sim_inode(os, STEPS_PATH);
    struct mn_superblock superblock;
    uint64_t end = offset;
    bool readonly;

    if (!inode || mn_superblock_decode(inode->cache, inode->size, &superblock, &readonly)) return;
    if (count == 1 && slices[0].size_bytes == MN_NOTICE_BYTES) {
        notice_written(ghost, process, slices[0].data);
        return;
    }
    for (size_t i = 0; i < count; i++) end += slices[i].size_bytes;
    for (uint64_t at = offset; at < end; at += superblock.page_size) {
        page_written(ghost, at / superblock.page_size);
    }
    for (size_t i = 0; i < count; i++) {
        if (slices[i].size_bytes == MN_META_BYTES) {
            slot_written(ghost, &superblock, slices[i].data);
        }
    }
    if (ghost->flying && ghost->commits[ghost->flying].slot_written) {
        pages_find(&ghost->commits[ghost->flying], inode, &superblock);
    }
}
