/*
 * near: the name that a misspelt one was meant to be.
 *
 * Distance is Damerau's, of insertions, deletions, changes and swapped neighbours, without regard
 * to case; a third of the letters may be wrong, and at least one.
 */
#include <string.h>

#include "query/expr.h"

enum { NAME_MAX_BYTES = 63 };

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int distance(const char *a, int a_len, const char *b, int b_len)
{
    int rows[3][NAME_MAX_BYTES + 2];

    for (int j = 0; j <= b_len; j++) rows[0][j] = j;
    for (int i = 1; i <= a_len; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above_2 = rows[(i + 1) % 3];

        row[0] = i;
        for (int j = 1; j <= b_len; j++) {
            char x = small(a[i - 1]), y = small(b[j - 1]);

            row[j] = least(above[j] + 1, least(row[j - 1] + 1, above[j - 1] + (x != y)));
            if (i > 1 && j > 1 && x == small(b[j - 2]) && y == small(a[i - 2])) {
                row[j] = least(row[j], above_2[j - 2] + 1);
            }
        }
    }
    return rows[a_len % 3][b_len];
}

const char *mn_name_near(const char *name, const char *(*each)(void *context, uint32_t index),
                         void *context)
{
    size_t length = strlen(name);
    const char *candidate, *best = NULL;
    int limit = (int)length / 3 > 1 ? (int)length / 3 : 1, nearest = limit + 1;

    if (length < 2 || length > NAME_MAX_BYTES) return NULL;
    for (uint32_t i = 0; (candidate = each(context, i)) != NULL; i++) {
        size_t other = strlen(candidate);
        int d;

        if (other > NAME_MAX_BYTES || other + (size_t)limit < length ||
            length + (size_t)limit < other) {
            continue;
        }
        d = distance(name, (int)length, candidate, (int)other);
        if (d >= nearest || d >= (int)length) continue;
        nearest = d;
        best = candidate;
    }
    return best;
}
