/*
 * complete: the words that can stand at a place of a statement.
 */
#include <string.h>

#include "api/handle.h"
#include "query/agg_state.h"
#include "query/func.h"
#include "query/parse.h"

struct completion {
    mn_word_fn word;
    void *context;
    bool ended, name;
};

static bool completion_offer(struct completion *c, const char *word)
{
    if (!c->ended) c->ended = c->word(c->context, word) != 0;
    return !c->ended;
}

/* Of signs and values the user needs no list; a name may be a function or a type. */
static bool expected(void *context, const char *word)
{
    struct completion *c = context;

    if (strcmp(word, "a name") == 0) c->name = true;
    if (word[0] < 'A' || word[0] > 'Z') return true;
    return completion_offer(c, word);
}

static void names_offer(struct completion *c)
{
    static const char *const types[] = {"BOOL",     "INT",  "FLOAT",  "TEXT", "BLOB", "TIMESTAMP",
                                        "DURATION", "UUID", "VECTOR", "JSON", NULL};
    const struct mn_func *func;
    const struct mn_agg *agg;

    for (uint32_t i = 0; (func = mn_func_at(i)) != NULL; i++) completion_offer(c, func->name);
    for (uint32_t i = 0; (agg = mn_agg_at(i)) != NULL; i++) completion_offer(c, agg->name);
    for (uint32_t i = 0; types[i]; i++) completion_offer(c, types[i]);
}

int mn_complete(mn_db *db, const char *sql, size_t cursor, mn_word_fn word, void *context)
{
    struct mn_session *session = mn_enter(db);
    struct completion c = {.word = word, .context = context};
    enum mn_status status;

    if (!session) return MN_MISUSE;
    if (!sql || !word) return mn_leave(session, mn_fail(MN_MISUSE, "sql or word is NULL"));
    if (cursor == MN_ALL) cursor = strlen(sql);
    status = mn_parse_expected(sql, cursor, expected, &c);
    if (status == MN_OK && c.name) names_offer(&c);
    return mn_leave(session, status);
}
