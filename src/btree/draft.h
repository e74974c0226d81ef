/*
 * draft: a dense leaf in the making, from keys in ascending order.
 *
 *   bytes   | ... free ... | value n | ... | value 1 | value 0 |
 *
 * The values lie as the leaf will have them, so that it is made by one copy of them all; keys and
 * ends are kept beside them until it is known how many bytes the keys have in common.
 */
#ifndef MN_BTREE_DRAFT_H
#define MN_BTREE_DRAFT_H

#include "btree/node.h"

struct mn_draft {
    uint8_t *bytes; /* of a page */
    uint16_t *low;  /* of each key the part that is not common to all */
    uint16_t *end;  /* of each value, counted from the end of `bytes` */
    uint32_t page_size, most;
    uint32_t count, used; /* used: bytes of values */
    uint64_t first, last; /* keys, as big-endian numbers */
    /* While all keys have as many bytes in common as those so far: */
    uint64_t reach; /* the largest such key */
    uint32_t room;  /* bytes of the leaf that are left */
    uint32_t each;  /* bytes of an entry besides its value */
};

/* What a further entry would be to the leaf. */
enum mn_draft_answer {
    MN_DRAFT_TAKES,
    MN_DRAFT_FULL,
    MN_DRAFT_NOT_DENSE, /* a leaf of another kind would take it */
};

/* mn_draft_free frees what was made, also after MN_NOMEM. */
enum mn_status mn_draft_make(struct mn_draft *draft, uint32_t page_size);
void mn_draft_free(struct mn_draft *draft);

/* Of how many bytes all keys from `first` to `last` have the same. */
static inline uint32_t mn_draft_common(uint64_t first, uint64_t last)
{
    return first == last ? 8 : (uint32_t)__builtin_clzll(first ^ last) / 8;
}

/* Of an entry above all others; the first one is always taken. */
static inline enum mn_draft_answer mn_draft_ask(const struct mn_draft *draft, uint64_t key,
                                                size_t value_bytes)
{
    uint32_t count = draft->count + 1, common = mn_draft_common(draft->first, key);
    size_t size;

    if (common + MN_DENSE_SUFFIX_BYTES < MN_DENSE_KEY_BYTES) return MN_DRAFT_NOT_DENSE;
    if (count > draft->most) return MN_DRAFT_NOT_DENSE;
    size = MN_PAGE_HEADER + common + count * (MN_DENSE_KEY_BYTES - common + 2) + draft->used;
    return size + value_bytes > draft->page_size ? MN_DRAFT_FULL : MN_DRAFT_TAKES;
}

/* Does it take an entry above all others, and nothing about the leaf changes by it? */
static inline bool mn_draft_takes(const struct mn_draft *draft, uint64_t key, size_t value_bytes)
{
    return key <= draft->reach && draft->each + value_bytes <= draft->room &&
           draft->count < draft->most;
}

/* Of an entry that mn_draft_takes; gives the place of the value. */
static inline uint8_t *mn_draft_put(struct mn_draft *draft, uint64_t key, size_t value_bytes)
{
    draft->used += (uint32_t)value_bytes;
    draft->room -= draft->each + (uint32_t)value_bytes;
    draft->low[draft->count] = (uint16_t)key;
    draft->end[draft->count++] = (uint16_t)draft->used;
    draft->last = key;
    return draft->bytes + draft->page_size - draft->used;
}

/* All keys up to `key` are to have the same bytes in common as the first and `key`. */
static inline void mn_draft_widen(struct mn_draft *draft, uint64_t key)
{
    uint32_t common = mn_draft_common(draft->first, key), differ = MN_DENSE_KEY_BYTES - common;

    draft->reach = draft->first | ((UINT64_C(1) << (8 * differ)) - 1);
    draft->each = differ + 2;
    draft->room =
        draft->page_size - MN_PAGE_HEADER - common - draft->count * draft->each - draft->used;
}

/* Begins anew with the entry; gives the place of the value. */
static inline uint8_t *mn_draft_begin(struct mn_draft *draft, uint64_t key, size_t value_bytes)
{
    draft->count = draft->used = 0;
    draft->first = key;
    mn_draft_widen(draft, key);
    return mn_draft_put(draft, key, value_bytes);
}

static inline uint64_t mn_draft_key(const struct mn_draft *draft, uint32_t index)
{
    return (draft->first & ~(uint64_t)UINT16_MAX) | draft->low[index];
}

static inline struct mn_bytes mn_draft_value(const struct mn_draft *draft, uint32_t index)
{
    uint32_t before = index ? draft->end[index - 1] : 0;

    return mn_bytes_of(draft->bytes + draft->page_size - draft->end[index],
                       draft->end[index] - before);
}

/* Makes the page a dense leaf of the entries. */
void mn_draft_fill(const struct mn_draft *draft, uint8_t *page);

#endif
