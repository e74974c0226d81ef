/*
 * near: the name that a misspelt one was meant to be.
 *
 * Distance is Damerau's, of insertions, deletions, changes and swapped neighbours, without regard
 * to case; a third of the letters may be wrong, and at least one.
 */
#include <string.h>

#include "query/expr.h"
#include "query/hint.h"

enum { NAME_MAX_BYTES = 63 };

const char *mn_name_near(const char *name, const char *(*each)(void *context, uint32_t index),
                         void *context)
{
    size_t length = strlen(name);
    const char *candidate, *best = NULL;
    uint32_t limit = length / 3 > 1 ? (uint32_t)length / 3 : 1, nearest = limit + 1;

    if (length < 2 || length > NAME_MAX_BYTES) return NULL;
    for (uint32_t i = 0; (candidate = each(context, i)) != NULL; i++) {
        size_t other = strlen(candidate);
        uint32_t d;

        if (other > NAME_MAX_BYTES || other + limit < length || length + limit < other) {
            continue;
        }
        d = mn_hint_distance(name, length, candidate, other);
        if (d >= nearest || d >= length) continue;
        nearest = d;
        best = candidate;
    }
    return best;
}
