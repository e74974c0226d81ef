/*
 * text: code points, case, and the matching of LIKE.
 *
 * All text here is UTF-8 that mn_utf8_check (value.h) accepted.
 */
#ifndef MN_CATALOG_TEXT_H
#define MN_CATALOG_TEXT_H

#include "catalog/value.h"

/* The code point at `at` and, by the result, its bytes (1 to 4). at < end. Bytes that are not UTF-8
 * count as one code point each. */
size_t mn_utf8_decode(const char *at, const char *end, uint32_t *c);
size_t mn_utf8_encode(uint32_t c, char bytes[4]);

/* Number of code points; the offset of code point n, length past the end. */
size_t mn_utf8_count(const char *text, size_t length);
size_t mn_utf8_offset(const char *text, size_t length, size_t n);

/* Simple case mapping. Fold: equal for what differs in case only. */
uint32_t mn_char_lower(uint32_t c);
uint32_t mn_char_upper(uint32_t c);
uint32_t mn_char_fold(uint32_t c);

/* Appends the text with one of the mappings above applied. */
enum mn_status mn_text_map(const char *text, size_t length, uint32_t (*map)(uint32_t),
                           struct mn_buf *out);

/*
 * LIKE: % any text, _ one code point, escape before either for itself. A pattern is prepared once
 * and serves any number of texts; the time is linear in the text where no run of the pattern
 * between two % has a _, else at most their product.
 */
struct mn_like;

enum { MN_LIKE_ESCAPE = '\\', MN_LIKE_NO_ESCAPE = 0 };

struct mn_like_options {
    uint32_t escape; /* a code point, or MN_LIKE_NO_ESCAPE */
    bool fold;       /* ILIKE */
};

/* In the arena. MN_ERROR: the pattern ends in its escape. */
enum mn_status mn_like_prepare(struct mn_arena *arena, const struct mn_value *pattern,
                               const struct mn_like_options *options, struct mn_like **like);
enum mn_status mn_like_match(const struct mn_like *like, const struct mn_value *text, bool *match);

/* The text that everything begins with that matches, without fold; empty: nothing is known. *exact:
 * the pattern has no % or _, so only this text matches. */
struct mn_value mn_like_prefix(const struct mn_like *like, bool *exact);

#endif
