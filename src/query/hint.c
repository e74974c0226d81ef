/*
 * hint: words that are spelled almost so, and the message of a refused token.
 */
#include "query/hint.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "query.h"

enum { WORD_BYTES_MAX = 64, EXPECTED_MAX = 5, SHOWN_BYTES_MAX = 40 };

/* ---- likeness ------------------------------------------------------------------------------ */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The three newest rows of the matrix of the optimal string alignment distance. */
uint32_t mn_hint_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    uint32_t rows[3][WORD_BYTES_MAX + 1];

    if (a_length > WORD_BYTES_MAX || b_length > WORD_BYTES_MAX) return UINT32_MAX;
    for (uint32_t j = 0; j <= b_length; j++) rows[0][j] = j;
    for (uint32_t i = 1; i <= a_length; i++) {
        uint32_t *row = rows[i % 3], *up = rows[(i - 1) % 3];

        row[0] = i;
        for (uint32_t j = 1; j <= b_length; j++) {
            uint32_t change = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;

            row[j] = least(up[j - 1] + change, least(up[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1])) {
                row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
            }
        }
    }
    return rows[a_length % 3][b_length];
}

/* How many edits may lie between a word of this length and what was meant. */
static uint32_t edits_allowed(size_t length)
{
    if (length < 3) return 0;
    return length < 5 ? 1 : 2;
}

void mn_hint_offer(struct mn_hint_search *search, const char *candidate)
{
    size_t length = strlen(candidate);
    uint32_t distance = mn_hint_distance(search->word, search->length, candidate, length);
    size_t shorter = search->length < length ? search->length : length;

    if (distance > edits_allowed(shorter)) return;
    if (search->best && distance >= search->best_distance) return;
    search->best = candidate;
    search->best_distance = distance;
}

const char *mn_hint_nearest(const char *word, size_t length, const char *const *words, size_t count)
{
    struct mn_hint_search search = {.word = word, .length = length};

    for (size_t i = 0; i < count; i++) {
        if (words[i]) mn_hint_offer(&search, words[i]);
    }
    return search.best;
}

/* ---- what the grammar would have taken ----------------------------------------------------- */

/* The states before a token, and a copy of them to be spent on one question. */
struct oracle {
    struct mn_grammar_states before, trial;
};

static bool oracle_takes(struct oracle *o, uint16_t token, bool *as_itself)
{
    bool itself = false;

    o->trial.depth = o->before.depth;
    memcpy(o->trial.at, o->before.at, o->before.depth * sizeof o->before.at[0]);
    if (!mn_grammar_advance(&o->trial, token, &itself)) return false;
    *as_itself = itself || token == 0;
    return true;
}

/* The states after the first `count` tokens. */
static bool oracle_feed(struct oracle *o, const struct mn_token *tokens, uint32_t count)
{
    o->before.depth = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (tokens[i].code >= MN_SCAN_BAD) return false;
        if (!mn_grammar_advance(&o->before, tokens[i].code, NULL)) return false;
    }
    return true;
}

/* The keyword that is accepted here and spelled almost like this word; if `next` is given, only one
 * after which that token is accepted. */
static const char *keyword_meant(struct oracle *o, const struct mn_mistake *m,
                                 const struct mn_token *word, const struct mn_token *next)
{
    struct mn_hint_search search = {.word = m->text + word->span.offset,
                                    .length = word->span.length};

    if (word->code != TK_ID || search.word[0] == '"') return NULL;
    for (uint16_t token = 1; token < mn_grammar_tokens(); token++) {
        const char *text = mn_token_text(token);
        bool itself = false;

        if (!text || text[0] < 'A' || text[0] > 'Z') continue;
        if (mn_hint_distance(search.word, search.length, text, strlen(text)) > 2) continue;
        if (!oracle_takes(o, token, &itself) || !itself) continue;
        if (next &&
            (next->code >= MN_SCAN_BAD || !mn_grammar_advance(&o->trial, next->code, NULL))) {
            continue;
        }
        mn_hint_offer(&search, text);
    }
    return search.best;
}

/* Reserved words that make good column names. */
static bool is_tempting(uint16_t token)
{
    static const uint16_t tempting[] = {
        TK_END,    TK_ORDER,   TK_GROUP,   TK_TABLE,  TK_TO,    TK_FROM,  TK_CHECK,
        TK_UNIQUE, TK_DEFAULT, TK_PRIMARY, TK_LEFT,   TK_CASE,  TK_WHEN,  TK_THEN,
        TK_ELSE,   TK_LIMIT,   TK_MATCH,   TK_OFFSET, TK_CROSS, TK_USING, TK_REFERENCES};

    for (size_t i = 0; i < sizeof tempting / sizeof tempting[0]; i++) {
        if (tempting[i] == token) return true;
    }
    return false;
}

/* ---- the message --------------------------------------------------------------------------- */

static const char *scan_error(uint16_t code, const char **hint)
{
    switch ((enum mn_scan_error)code) {
    case MN_SCAN_BAD: return NULL;
    case MN_SCAN_DASHES:
        *hint = "-- starts a comment; write -> or -[]-> or -";
        return "a comment where an edge was meant";
    case MN_SCAN_OPEN_COMMENT: *hint = "close it with */"; return "unterminated comment";
    case MN_SCAN_OPEN_TEXT:
        *hint = "a quote inside a text is written ''";
        return "unterminated text";
    case MN_SCAN_OPEN_NAME: *hint = "close it with \""; return "unterminated quoted name";
    case MN_SCAN_BAD_NUMBER:
        *hint =
            "durations are whole numbers with w d h m s ms us, 7d or 1h30m; or INTERVAL '7 days'";
        return "bad number or duration";
    case MN_SCAN_BAD_BLOB: *hint = "two hexadecimal digits a byte: x'00ff'"; return "bad blob";
    case MN_SCAN_TYPOGRAPHIC:
        *hint = "use ' for text and a plain space";
        return "typographic quote or blank";
    }
    return NULL;
}

/* "; expected BY or TO", where there are few of them. */
static void expected_append(struct oracle *o, char *out, size_t size)
{
    const char *words[EXPECTED_MAX];
    uint32_t count = 0;
    size_t used = strlen(out);

    for (uint16_t token = 0; token < mn_grammar_tokens(); token++) {
        bool itself = false;

        if (!mn_token_text(token) || !oracle_takes(o, token, &itself) || !itself) continue;
        if (count == EXPECTED_MAX) return;
        words[count++] = mn_token_text(token);
    }
    for (uint32_t i = 0; i < count && used < size; i++) {
        const char *glue = i == 0 ? "; expected " : i + 1 == count ? " or " : ", ";

        used += (size_t)snprintf(out + used, size - used, "%s%s", glue, words[i]);
    }
}

static void unexpected_write(const struct mn_mistake *m, char *out, size_t size)
{
    const struct mn_token *bad = &m->tokens[m->count - 1];
    int length = bad->span.length > SHOWN_BYTES_MAX ? SHOWN_BYTES_MAX : (int)bad->span.length;

    if (bad->code == 0)
        snprintf(out, size, "unexpected end of the statement");
    else
        snprintf(out, size, "unexpected %.*s", length, m->text + bad->span.offset);
}

static bool comment_ended_it(const struct mn_mistake *m)
{
    const struct mn_token *bad = &m->tokens[m->count - 1];
    const char *at = m->text + m->tokens[0].span.offset, *end = m->text + bad->span.offset;
    bool match = false;

    for (uint32_t i = 0; i < m->count; i++) match |= m->tokens[i].code == TK_MATCH;
    if (!match || bad->code != 0) return false;
    for (; at + 1 < end; at++) {
        if (at[0] == '-' && at[1] == '-') return true;
    }
    return false;
}

/* What the statement should have been, from wherever that is known. */
static void hint_add(struct oracle *o, const struct mn_mistake *m)
{
    const struct mn_token *bad = &m->tokens[m->count - 1];
    const char *hint =
        comment_ended_it(m) ? "-- starts a comment; write -> or -[]->" : mn_idiom_hint(m);
    bool itself = false;

    if (hint) {
        mn_hint("%s", hint);
        return;
    }
    if (m->bare) {
        mn_hint("this word starts a clause; write AS before it to use it as an alias");
        return;
    }
    if (!oracle_feed(o, m->tokens, m->count - 1)) return;
    hint = keyword_meant(o, m, bad, NULL);
    if (!hint && bad->code < MN_SCAN_BAD && is_tempting(bad->code) &&
        oracle_takes(o, TK_ID, &itself)) {
        int length = (int)bad->span.length;
        const char *text = m->text + bad->span.offset;

        mn_hint("%s is a keyword; write \"%.*s\", or table.%.*s", mn_token_text(bad->code), length,
                text, length, text);
        return;
    }
    if (!hint && m->count > 1 && oracle_feed(o, m->tokens, m->count - 2)) {
        const struct mn_token *before = bad - 1;

        hint = keyword_meant(o, m, before, bad);
        /* FROM t NEARST 3: the misspelt word was taken for an alias; it is what is wrong. */
        if (hint) {
            mn_fail_at(MN_SYNTAX, before->span.offset, before->span.length, "unexpected %.*s",
                       (int)before->span.length, m->text + before->span.offset);
        }
    }
    if (hint) mn_hint("did you mean %s?", hint);
}

enum mn_status mn_mistake_fail(const struct mn_mistake *m)
{
    const struct mn_token *bad = &m->tokens[m->count - 1];
    const char *hint = NULL, *message = NULL;
    char text[MN_MESSAGE_BYTES];
    struct oracle *o;

    if (bad->code >= MN_SCAN_BAD) message = scan_error(bad->code, &hint);
    if (message) {
        mn_fail_at(MN_SYNTAX, bad->span.offset, bad->span.length, "%s", message);
        return mn_hint("%s", hint);
    }
    unexpected_write(m, text, sizeof text);
    o = mn_alloc(sizeof *o);
    if (!o) return mn_fail_nomem();
    if (!m->bare && oracle_feed(o, m->tokens, m->count - 1)) {
        expected_append(o, text, sizeof text);
    }
    mn_fail_at(MN_SYNTAX, bad->span.offset, bad->span.length, "%s", text);
    hint_add(o, m);
    mn_dealloc(o);
    return MN_SYNTAX;
}
