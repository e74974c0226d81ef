/*
 * salvage: what is still sound in a damaged file, page by page.
 *
 * The file is only read, by copies, never through the map, and nobody may have it open for writing.
 * Pages are believed by their own checksum; the pages of the newest version that can be told are
 * marked used. Whatever is lost of superblock, slots, log and checkpoint, the rest is made do with.
 */
#ifndef MN_STORE_SALVAGE_H
#define MN_STORE_SALVAGE_H

#include "store/store.h"

struct mn_salvage;

/* A tree page whose checksum, number and shape hold. */
struct mn_salvage_page {
    uint64_t page, birth, sum;
    uint8_t kind;
    uint16_t label; /* 0: not known */
    bool used;      /* by the version; true for all where that cannot be told */
};

struct mn_salvage_facts {
    uint64_t version;     /* that is salvaged; without a slot the newest birth */
    uint64_t pages;       /* in the file */
    bool superblock_lost; /* its values come from a copy */
    bool slots_lost;      /* no slot is whole: roots and counts are guesses */
    bool space_lost;      /* which pages are used cannot be told */
};

/*
 * MN_NOTADB: nothing of a database is in the file. MN_CORRUPT: its secret is lost with every copy.
 * MN_BUSY: some process has it open. `os` NULL: the machine.
 */
enum mn_status mn_salvage_open(const char *path, struct mn_os *os, struct mn_store_hooks hooks,
                               struct mn_salvage **out);
void mn_salvage_close(struct mn_salvage *salvage); /* NULL is harmless */

const struct mn_salvage_facts *mn_salvage_facts(const struct mn_salvage *salvage);
/* Reads any page of the file; its roots are those of the slot, none without one. */
struct mn_view *mn_salvage_view(struct mn_salvage *salvage);
/* Sorted by page. */
struct mn_salvage_page *mn_salvage_pages(struct mn_salvage *salvage, size_t *count);
/* NULL: it is not sound, or no tree page. */
struct mn_salvage_page *mn_salvage_find(struct mn_salvage *salvage, uint64_t page);
/* Another view of the same, with copies of its own; given back before the salvage is closed. */
enum mn_status mn_salvage_view_new(struct mn_salvage *salvage, struct mn_view **out);
void mn_salvage_view_free(struct mn_view *view); /* NULL is harmless */
/* Bytes that the view handed out before may be gone: keeps the memory of a long walk small. */
void mn_salvage_view_forget(struct mn_view *view);

#endif
