/*
 * guess: where a leaf probably lies, before the branch that knows it has been read.
 *
 * A point read in a file of gigabytes waits for memory twice: for the branch above the leaves, and
 * then for the leaf. In a tree that was built in order the leaves of a branch lie side by side, and
 * numbers as keys are often spread evenly. Then it can be told a level higher up which child of the
 * branch will be the one, and so which page, if it is remembered where the leaves of the branch
 * begin; both are fetched at once.
 *
 *   table   two words for a branch, by the low bits of its page number:
 *           | page of the branch, children | page that a leaf before all others would have, doubt |
 *
 *   (G1) a guess is fetched and never read through, so a wrong one costs time alone: threads write
 *        the words in any order, and another branch may take them
 *   (G2) doubt rises with each leaf that was not where it was guessed, and falls with each that
 *        was; with much of it nothing is fetched
 */
#ifndef MN_BTREE_GUESS_H
#define MN_BTREE_GUESS_H

#include "btree/inside.h"

enum { MN_GUESS_BITS = 16, MN_DOUBT_FETCHED = 1, MN_DOUBT_MOST = 3 };

/* Of one descent. */
struct mn_guess {
    uint64_t *entry; /* NULL: the branch has none */
    uint64_t branch; /* its page */
    uint64_t leaf;   /* the page guessed; 0: none */
    uint32_t place;  /* of the key between the branch's first one and the next branch's, in parts
                        of 1 << MN_GUESS_BITS */
    bool placed;     /* `place` is known */
};

/* Where between its child's key and the next one's a number lies, were they spread evenly. */
static inline bool mn_guess_place(const struct mn_step *step, struct mn_bytes key, uint32_t *place)
{
    uint32_t prefix = mn_node_prefix_len(step->page), want, low, high;

    if (key.len != 8 || prefix >= 8 || step->index == 0) return false;
    if (step->index + 1 >= mn_node_count(step->page)) return false;
    want = (uint32_t)(mn_get_u64_be(key.data) << (8 * prefix) >> 32);
    low = mn_node_head(step->page, step->index);
    high = mn_node_head(step->page, step->index + 1);
    if (want < low || want >= high) return false;
    *place = (uint32_t)(((uint64_t)(want - low) << MN_GUESS_BITS) / (high - low));
    return true;
}

static inline uint64_t mn_guess_word(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void mn_guess_set(uint64_t *word, uint64_t value)
{
    if (mn_guess_word(word) != value) __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* The lines of a leaf that a search reads, and those of the value at that part of its entries. */
static inline void mn_guess_fetch(const struct mn_view_front *front, uint64_t leaf, uint32_t part)
{
    const uint8_t *at = front->map + (leaf << front->page_shift), *value;
    uint64_t size = UINT64_C(1) << front->page_shift;

    value = at + size - 128 - ((size - 256) * part >> MN_GUESS_BITS);
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
    __builtin_prefetch(at + 128);
    __builtin_prefetch(value);
    __builtin_prefetch(value + 64);
    __builtin_prefetch(&front->seen[leaf]);
}

/* The step is that of the branch's parent, its index known. */
static inline void mn_guess_begin(struct mn_guess *guess, const struct mn_view *view,
                                  const struct mn_step *step, struct mn_bytes key)
{
    const struct mn_view_front *front = (const struct mn_view_front *)(const void *)view;
    uint64_t first, second, part;

    guess->placed = mn_guess_place(step, key, &guess->place);
    if (!guess->placed || !front->guesses) return;
    guess->branch = mn_node_child(step->page, step->index).page;
    if (guess->branch >= front->mapped_pages) return;
    guess->entry = front->guesses + 2 * (guess->branch & (MN_GUESSES - 1));
    first = mn_guess_word(guess->entry);
    second = mn_guess_word(guess->entry + 1);
    if (first >> 16 != guess->branch) return;
    part = guess->place * (first & UINT16_MAX);
    guess->leaf = (second >> 16) + (part >> MN_GUESS_BITS);
    if (guess->leaf >= front->mapped_pages || (second & UINT16_MAX) > MN_DOUBT_FETCHED) return;
    __builtin_prefetch(front->map + (guess->branch << front->page_shift));
    mn_guess_fetch(front, guess->leaf, (uint32_t)part & ((1U << MN_GUESS_BITS) - 1));
}

/* The branch is there: the lines of it that will be read for the child. */
static inline void mn_guess_child(const struct mn_guess *guess, const uint8_t *branch)
{
    uint32_t index;
    const uint8_t *child;

    if (!guess->placed) return;
    index = (uint32_t)((uint64_t)guess->place * mn_node_count(branch) >> MN_GUESS_BITS);
    child = mn_node_child_at(branch, index);
    __builtin_prefetch(branch + MN_PAGE_HEADER + 4 * (size_t)index);
    __builtin_prefetch(child);
    __builtin_prefetch(child + MN_CHILD_BYTES - 1);
}

/* What was found: the step is that of the branch. */
static inline void mn_guess_end(const struct mn_guess *guess, const struct mn_step *step,
                                uint64_t leaf)
{
    uint64_t first = guess->branch << 16 | mn_node_count(step->page), second, doubt;

    if (!guess->entry || (leaf & MN_PAGE_DIRTY) || leaf < step->index) return;
    second = mn_guess_word(guess->entry + 1);
    doubt = second & UINT16_MAX;
    if (leaf == guess->leaf) {
        if (doubt > 0) mn_guess_set(guess->entry + 1, second - 1);
        return;
    }
    if (mn_guess_word(guess->entry) != first) {
        mn_guess_set(guess->entry, first);
        doubt = MN_DOUBT_FETCHED;
    } else if (doubt < MN_DOUBT_MOST) {
        mn_guess_set(guess->entry + 1, second + 1);
        return;
    }
    mn_guess_set(guess->entry + 1, (leaf - step->index) << 16 | doubt);
}

#endif
