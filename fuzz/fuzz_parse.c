/*
 * fuzz_parse: any bytes as a script.
 *
 * Every statement is parsed or refused with a place inside the text; spans lie in the text; the
 * text of an expression parses to the same expression; a pattern of regexp() compiles or not.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "query/parse.h"
#include "query/regexp.h"

static void error_check(size_t length)
{
    const struct mn_error *error = mn_error_last();

    if (error->message[0] == '\0') abort();
    if (error->offset > 0 && (size_t)error->offset > length) abort();
    if (error->length > 0 && (size_t)error->offset + (size_t)error->length > length) abort();
}

struct check {
    const char *text;
    size_t length;
    struct mn_arena *arena;
};

/* Parameters are refused in an expression by itself, and so is what holds one. */
static enum mn_status expression_check(void *context, struct mn_ast_expr *expr)
{
    struct check *check = context;
    struct mn_ast_expr *again = NULL;

    if (expr->depth > MN_AST_DEPTH_MAX) abort();
    if (expr->span.offset + (size_t)expr->span.length > check->length) abort();
    if (expr->span.length < 200 && expr->kind != MN_AST_DEFAULT && expr->kind != MN_AST_SUBQUERY &&
        expr->kind != MN_AST_EXISTS) {
        enum mn_status status = mn_parse_expression(check->arena, check->text + expr->span.offset,
                                                    expr->span.length, &again);

        if (status == MN_OK && again->kind != expr->kind) abort();
    }
    return mn_ast_children(expr, expression_check, check);
}

static void select_check(struct check *check, const struct mn_ast_query *query)
{
    if (query->body->kind != MN_BODY_SELECT) return;
    for (const struct mn_ast_column *c = query->body->select.columns.first; c; c = c->next) {
        if (c->expr) expression_check(check, c->expr);
    }
    if (query->body->select.where) expression_check(check, query->body->select.where);
}

static void script_check(const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    struct mn_buf json = {0};

    for (int statements = 0; at < end && statements < 100; statements++) {
        struct mn_arena arena;
        struct mn_statement *statement;
        const char *tail;
        enum mn_status status;

        mn_arena_init(&arena, 64 << 20);
        status = mn_parse(&arena, at, (size_t)(end - at), &statement, &tail);
        if (tail < at || tail > end) abort();
        if (status != MN_OK) {
            error_check((size_t)(end - at));
            mn_error_json_of(mn_error_last(), &json);
        } else if (statement && statement->kind == MN_STATEMENT_QUERY) {
            struct check check = {at, (size_t)(end - at), &arena};

            select_check(&check, statement->query);
        }
        mn_arena_release(&arena);
        if (status != MN_OK) break;
        at = tail;
    }
    mn_buf_release(&json);
}

static bool expected_ignore(void *context, const char *word)
{
    (void)context;
    return word[0] != '\0';
}

static void regexp_check(const char *text, size_t length)
{
    struct mn_arena arena;
    struct mn_regexp *regexp;
    size_t half = length / 2;
    bool match;

    if (!mn_utf8_check(text, length, &half)) return;
    mn_arena_init(&arena, 0);
    half = length / 2;
    if (mn_regexp_new(&arena, text, half, &regexp) == MN_OK) {
        mn_regexp_match(regexp, text + half, length - half, &match);
    }
    mn_arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* exactly as long as it is, so that a byte too far is seen */

    if (!text || size > 1 << 20) {
        free(text);
        return 0;
    }
    text = realloc(text, size ? size : 1);
    memcpy(text, data, size);
    script_check(text, size);
    mn_parse_expected(text, size, expected_ignore, NULL);
    if (size < 2000) regexp_check(text, size);
    free(text);
    return 0;
}
