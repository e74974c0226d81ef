/*
 * space: which pages are free, for the one writer.
 *
 *   page:    0 .. first | wing | ring | wing | plain: used | free | pending | used ... page_count
 *
 * The ring's pages lie in the middle of a few others, the wings, which only mn_space_take gives
 * out, by number: what is often rewritten shall lie beside the slot that is written with it.
 *
 * A page is used (some page of the newest version), free (a bit in a map), or pending: dead, but
 * inside the lifetime [birth, death) of a page image that a pinned version still reads.
 *
 *   (S1) every page from the first to page_count is used, free or pending, and only one of them;
 *   (S2) a pending page waits in the bucket of the newest pin before its death, and that pin is not
 *        before its birth;
 *   (S3) `version` is the version whose used pages these are; 0: unknown, to be rebuilt from the
 * log.
 */
#ifndef MN_STORE_SPACE_H
#define MN_STORE_SPACE_H

#include "store/extents.h"

enum { MN_SPACE_HINTS = 65, MN_SPACE_RECENT = 32 };

/* Which pages a file has for data: from first on, without those of the ring. */
struct mn_layout {
    uint64_t first, ring, ring_end, plain; /* page numbers */
};

/* Are these pages for data, as far as the layout goes? */
static inline bool mn_layout_holds(const struct mn_layout *layout, uint64_t start, uint64_t pages)
{
    return start >= layout->first && (start >= layout->ring_end || start + pages <= layout->ring);
}

struct mn_bucket {
    uint64_t pin;
    struct mn_deaths deaths;
};

struct mn_space {
    uint64_t version;
    struct mn_layout layout;
    uint64_t page_count;
    uint64_t *free; /* bit i of word i / 64 */
    size_t words;
    uint64_t free_pages, pending_pages; /* the free ones of the wings count too */
    uint64_t wing_pages;                /* free ones in the wings */
    uint64_t hints[MN_SPACE_HINTS];     /* no free run of n pages begins before hints[n] */
    uint64_t recent[MN_SPACE_RECENT];   /* where runs of two and more came to be, in a ring */
    uint32_t recent_next;
    struct mn_bucket *buckets; /* by pin, ascending */
    size_t bucket_count, bucket_capacity;
};

void mn_space_release(struct mn_space *space);
/* An empty map: nothing free, nothing pending, page_count pages. */
enum mn_status mn_space_reset(struct mn_space *space, const struct mn_layout *layout,
                              uint64_t page_count);
/* Raises page_count; the new pages are used. */
enum mn_status mn_space_extend(struct mn_space *space, uint64_t page_count);

bool mn_space_is_free(const struct mn_space *space, uint64_t start, uint64_t pages);
/* Below page_count and not free: used or pending. */
bool mn_space_is_used(const struct mn_space *space, uint64_t start, uint64_t pages);
/* The first free page at or after `page`, and the first that is not; page_count where there is
 * none. */
uint64_t mn_space_next_free(const struct mn_space *space, uint64_t page);
uint64_t mn_space_next_used(const struct mn_space *space, uint64_t page);
void mn_space_free(struct mn_space *space, uint64_t start, uint64_t pages);
void mn_space_take(struct mn_space *space, uint64_t start, uint64_t pages);

/* Takes the lowest free run of that many pages. False: there is none. */
bool mn_space_alloc(struct mn_space *space, uint64_t pages, uint64_t *start);
/*
 * Takes a run of two and more pages before `end` that came to be not long ago, or that a search of
 * bounded length finds: the map of a large file has many single pages. False: there is none so.
 */
bool mn_space_alloc_recent(struct mn_space *space, uint64_t pages, uint64_t end, uint64_t *start);
/* Takes the lowest free pages there are, at most `most` of them, contiguous. False: nothing is
 * free. */
bool mn_space_alloc_some(struct mn_space *space, uint64_t most, struct mn_extent *got);
/* The same from `page` on; what would lie at `end` or behind is taken from the beginning. */
bool mn_space_alloc_near(struct mn_space *space, uint64_t page, uint64_t end, uint64_t most,
                         struct mn_extent *got);
/* Lowers page_count past free pages at the end, but not below `least` nor the plain pages. */
void mn_space_trim(struct mn_space *space, uint64_t least);

/* Pages that died now wait for `pin`. */
enum mn_status mn_space_die(struct mn_space *space, uint64_t pin, struct mn_death death);
/* These are the pins now, ascending: what none of them holds becomes free. */
enum mn_status mn_space_repin(struct mn_space *space, const uint64_t *pins, size_t count);
/* Removes pages from the buckets: they were freed and used again by another process. */
enum mn_status mn_space_unpend(struct mn_space *space, uint64_t start, uint64_t pages);

/* The newest pin before death, if it is not before birth; 0: none. */
uint64_t mn_pin_holding(const uint64_t *pins, size_t count, uint64_t birth, uint64_t death);

#endif
