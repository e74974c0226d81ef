/*
 * ghost: what must be true of a file that many processes use, known without the engine.
 *
 * The ghost sees what scripts did and were told, and what was written and locked at the seam; it
 * knows each commit's content, parent and pages. A raw file (support/raw.h) serves as content: leaf
 * 0 holds the number of the commit that wrote it.
 *
 *   (G1) nobody meets content that no commit made, nor a commit under another version's number;
 *   (G2) an acknowledged commit, and one that a reader saw, is below everything met later. Where
 *        commits are acknowledged before they are durable (`weak`) that holds until the power goes,
 *        and until somebody alone with the file settles what a failed sync left: from then on it
 *        holds of the newest commit that is durable;
 *   (G3) a commit that was rejected is never met again: rejected is what a call said did not
 *        happen, what is not below the version from which a later writer began, and what is not
 *        below the version on which whoever was alone with the file settled;
 *   (G4) a page of a version that somebody reads, of the published one and of the durable one is
 *        not written;
 *   (G5) one writer at a time;
 *   (G6) a snapshot does not change while it is open;
 *   (G7) nobody writes over published versions of which a call said that they may not be on the
 *        device, until somebody alone with the file settled it.
 *
 * Durable is what the notice says is, what a full commit, a sync, or the close of the last writer
 * promised, and what was read by somebody who chose it on the device.
 */
#ifndef MN_TESTS_SUPPORT_GHOST_H
#define MN_TESTS_SUPPORT_GHOST_H

#include "os/sim.h"
#include "support/raw.h"
#include "support/steps.h"

enum { GHOST_COMMITS = 176, GHOST_PAGE_WORDS = 8, GHOST_RUN_BYTES = 12000 };
/* Pages below 64 * GHOST_PAGE_WORDS are watched. */

struct ghost_commit {
    uint64_t version;
    struct raw_model content;
    unsigned parent;
    bool slot_written, rejected;
    uint64_t root, log, checkpoint;   /* pages that its slot names */
    uint64_t pages[GHOST_PAGE_WORDS]; /* reached by the version, once its slot is written */
};

struct ghost {
    struct ghost_commit commits[GHOST_COMMITS]; /* 0: the empty version 1 */
    unsigned count;
    unsigned acked, seen;        /* the newest of them */
    unsigned published, durable; /* by the notice, or as it was promised */
    bool weak;                   /* some commits are acknowledged before they are durable */
    bool sync_failed;            /* somewhere, since the power was on */
    bool doubt;                  /* the same, since somebody alone with the file settled it */
    bool stopped;                /* (G7) */
    unsigned settling;           /* process + 1 that is alone with the file, 0: nobody */
    bool writing;
    unsigned writer;                /* process */
    unsigned flying;                /* commit, 0: none yet */
    unsigned reading[STEPS_FIBERS]; /* commit + 1 that a fiber's snapshot shows, 0: none */
    char violation[512];            /* the first one; empty: none */
};

void ghost_init(struct ghost *ghost);
void ghost_fail(struct ghost *ghost, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Everything in it that the future depends on. */
uint64_t ghost_hash(const struct ghost *ghost);

/* The newest commit that whoever begins now must find, or a later one. */
unsigned ghost_floor(const struct ghost *ghost);
/* A snapshot of this version shows this content: the commit's number, 0 where there is none. */
unsigned ghost_meet(struct ghost *ghost, uint64_t version, const struct raw_model *content);
/* The same for a snapshot that began when ghost_floor was `before`, and stays open. */
unsigned ghost_read(struct ghost *ghost, unsigned fiber, unsigned before, uint64_t version,
                    const struct raw_model *content);
void ghost_read_end(struct ghost *ghost, unsigned fiber);
/* A writer begins from this version and content and will write version `next`. */
void ghost_write(struct ghost *ghost, unsigned process, uint64_t version,
                 const struct raw_model *content);
/*
 * The new commit's number; *content is what it will be, for the caller to write. With runs, every
 * third has a run and the others have none.
 */
unsigned ghost_commit(struct ghost *ghost, uint64_t version, bool runs, struct raw_model *content);
void ghost_committed(struct ghost *ghost, enum mn_status status, uint64_t version);
/* That commit and all below it survive a power loss from now on. */
void ghost_promise(struct ghost *ghost, unsigned commit);
void ghost_sync_failed(struct ghost *ghost);
/* A call said that what was published may not be durable. */
void ghost_stopped(struct ghost *ghost);
void ghost_write_end(struct ghost *ghost);
void ghost_process_died(struct ghost *ghost, unsigned process);
void ghost_power_lost(struct ghost *ghost);

/* At the seam. */
void ghost_wrote(struct ghost *ghost, struct mn_os *os, unsigned process, uint64_t offset,
                 const struct mn_slice *slices, size_t count);
void ghost_locked(struct ghost *ghost, unsigned process, struct mn_range at, enum mn_lock kind);

#endif
