/*
 * parse: from text to a statement.
 *
 *   text --scan--> tokens --grammar--> makers --> tree in the arena
 *                     |
 *                     +--> refused: scan the statement once more, ask the tables of the grammar
 *                          what they would have taken, and look the idiom up (hint.h)
 *
 * The way without a mistake keeps no tokens; a mistake may cost a second pass.
 */
#include "query/parse.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "catalog/json.h"
#include "query.h"
#include "query/grammar.h"
#include "query/hint.h"
#include "query/make.h"

static struct mn_scan scan_begin(const char *text, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)text;

    return (struct mn_scan){.text = bytes, .at = bytes, .end = bytes + length};
}

/* ---- mistakes ------------------------------------------------------------------------------ */

/* All tokens from `first` to the refused one. */
static struct mn_token *tokens_again(const struct mn_parser *p, const char *first, size_t length,
                                     uint32_t *count)
{
    struct mn_scan scan = scan_begin(p->text, length);
    uint32_t capacity = 64;
    struct mn_token *tokens = mn_alloc(capacity * sizeof *tokens);

    scan.at = (const uint8_t *)first;
    *count = 0;
    while (tokens) {
        if (*count == capacity) {
            struct mn_token *more = mn_realloc(tokens, 2 * capacity * sizeof *tokens);

            if (!more) break;
            tokens = more;
            capacity *= 2;
        }
        mn_scan_next(&scan, &tokens[*count]);
        if (tokens[*count].code == TK_SEMI) tokens[*count].code = 0;
        (*count)++;
        if (tokens[*count - 1].span.offset >= p->bad.span.offset) return tokens;
        if (tokens[*count - 1].code == 0) return tokens;
    }
    mn_dealloc(tokens);
    return NULL;
}

static enum mn_status mistake_report(const struct mn_parser *p, const char *first, size_t length)
{
    struct mn_mistake mistake = {.text = p->text, .length = length, .bare = p->bare};
    struct mn_token *tokens = tokens_again(p, first, length, &mistake.count);
    enum mn_status status;

    if (!tokens) return mn_fail_nomem();
    mistake.tokens = tokens;
    status = mn_mistake_fail(&mistake);
    mn_dealloc(tokens);
    return status;
}

/* ---- one statement ------------------------------------------------------------------------- */

/* Parentheses, brackets and CASE that are open. A word behind AS or a dot is a name. */
static void nesting_count(struct mn_parser *p, const struct mn_token *token, uint32_t *open)
{
    bool name = p->last.code == TK_AS || p->last.code == TK_DOT;

    switch (token->code) {
    case TK_CASE:
        if (name) return;
        (*open)++;
        break;
    case TK_LP:
    case TK_LBRACKET: (*open)++; break;
    case TK_END:
        if (name) return;
        if (*open > 0) (*open)--;
        return;
    case TK_RP:
    case TK_RBRACKET:
        if (*open > 0) (*open)--;
        return;
    default: return;
    }
    if (*open <= MN_NESTING_MAX) return;
    p->status = mn_fail_at(MN_TOOBIG, token->span.offset, token->span.length,
                           "more than %d parentheses, brackets and CASE inside one another",
                           MN_NESTING_MAX);
}

static void feed(struct mn_parser *p, void *grammar, const struct mn_token *token, uint32_t *open)
{
    if (token->code >= MN_SCAN_BAD) {
        mn_make_unexpected(p, *token);
        return;
    }
    nesting_count(p, token, open);
    if (p->status != MN_OK) return;
    mn_grammar(grammar, token->code, *token, p);
    p->last = *token;
}

/* Feeds the tokens from scan->at to the end of the statement. */
static enum mn_status statement_feed(struct mn_parser *p, void *grammar, struct mn_scan *scan,
                                     struct mn_token *token)
{
    uint32_t open = 0, begin = token->span.offset, end = begin;
    enum mn_status status = MN_OK;

    while (p->status == MN_OK) {
        bool last = token->code == 0 || token->code == TK_SEMI;

        if (last)
            token->code = 0;
        else
            end = token->span.offset + token->span.length;
        if (end - begin > MN_STATEMENT_BYTES_MAX) {
            return mn_fail_at(MN_TOOBIG, begin, 0, "the statement is longer than %d bytes",
                              MN_STATEMENT_BYTES_MAX);
        }
        feed(p, grammar, token, &open);
        if (last) break;
        if (p->status == MN_OK) mn_scan_next(scan, token);
    }
    if (p->unexpected) {
        status = mistake_report(p, p->text + begin, (size_t)(scan->end - scan->text));
    } else {
        status = p->status;
    }
    if (status == MN_OK && p->huge) {
        status = mn_fail_at(MN_RANGE, p->huge->span.offset, p->huge->span.length,
                            "the number is out of the range of INT");
    }
    if (status == MN_OK && p->statement) {
        p->statement->span = (struct mn_span){begin, end - begin};
        p->statement->param_count = p->param_count;
        p->statement->params = p->params;
    }
    return status;
}

enum mn_status mn_parse(struct mn_arena *arena, const char *text, size_t length,
                        struct mn_statement **statement, const char **tail)
{
    struct mn_parser p = {.arena = arena, .text = text};
    struct mn_scan scan = scan_begin(text, length);
    struct mn_token token;
    enum mn_status status;
    void *grammar;

    *statement = NULL;
    *tail = text + length;
    if (length > INT32_MAX) return mn_fail(MN_TOOBIG, "the text is longer than 2 GiB");
    do {
        mn_scan_next(&scan, &token);
    } while (token.code == TK_SEMI);
    if (token.code == 0) return MN_OK;
    grammar = mn_alloc(mn_grammar_size());
    if (!grammar) return mn_fail_nomem();
    mn_grammarInit(grammar);
    status = statement_feed(&p, grammar, &scan, &token);
    mn_dealloc(grammar);
    *tail = (const char *)scan.at;
    if (status == MN_OK) *statement = p.statement;
    return status;
}

enum mn_status mn_parse_expression(struct mn_arena *arena, const char *text, size_t length,
                                   struct mn_ast_expr **expr)
{
    struct mn_parser p = {.arena = arena, .text = text};
    struct mn_scan scan = scan_begin(text, length);
    struct mn_token token = {.code = TK_EXPRESSION};
    enum mn_status status;
    void *grammar;

    *expr = NULL;
    if (length > MN_STATEMENT_BYTES_MAX) {
        return mn_fail(MN_TOOBIG, "the expression is longer than %d bytes", MN_STATEMENT_BYTES_MAX);
    }
    grammar = mn_alloc(mn_grammar_size());
    if (!grammar) return mn_fail_nomem();
    mn_grammarInit(grammar);
    mn_grammar(grammar, token.code, token, &p);
    mn_scan_next(&scan, &token);
    status = statement_feed(&p, grammar, &scan, &token);
    mn_dealloc(grammar);
    if (status == MN_OK && p.param_count > 0) {
        status = mn_fail_at(MN_SYNTAX, p.params[0].span.offset, p.params[0].span.length,
                            "no parameters here");
    }
    if (status == MN_OK) *expr = p.expression;
    return status;
}

/* ---- completion ---------------------------------------------------------------------------- */

static bool is_word(uint16_t code)
{
    const char *text = mn_token_text(code);

    return code == TK_ID || (text && text[0] >= 'A' && text[0] <= 'Z');
}

/* Takes the tokens of the last statement of the text; a word that touches the end is left out. */
static bool states_at_end(const char *text, size_t length, struct mn_grammar_states *states)
{
    struct mn_scan scan = scan_begin(text, length);
    struct mn_token token;

    states->depth = 0;
    for (;;) {
        mn_scan_next(&scan, &token);
        if (token.code == 0) return true;
        if (token.code == TK_SEMI) {
            states->depth = 0;
            continue;
        }
        if (scan.at == scan.end && is_word(token.code)) return true;
        if (token.code >= MN_SCAN_BAD) return false;
        if (!mn_grammar_advance(states, token.code, NULL)) return false;
    }
}

enum mn_status mn_parse_expected(const char *text, size_t length, mn_parse_expected_fn expected,
                                 void *context)
{
    struct mn_grammar_states *states = mn_alloc(2 * sizeof *states);

    if (!states) return mn_fail_nomem();
    if (states_at_end(text, length, &states[0])) {
        for (uint16_t token = 1; token < mn_grammar_tokens(); token++) {
            bool itself = false;

            if (!mn_token_text(token)) continue;
            states[1].depth = states[0].depth;
            memcpy(states[1].at, states[0].at, states[0].depth * sizeof states[0].at[0]);
            if (!mn_grammar_advance(&states[1], token, &itself) || !itself) continue;
            if (!expected(context, mn_token_text(token))) break;
        }
    }
    mn_dealloc(states);
    return MN_OK;
}

/* ---- messages ------------------------------------------------------------------------------ */

enum mn_status mn_comes_later(struct mn_span span, const char *what)
{
    return mn_fail_at(MN_UNSUPPORTED, span.offset, span.length, "%s comes later", what);
}

enum mn_status mn_error_json_of(const struct mn_error *error, struct mn_buf *out)
{
    enum mn_status status;

    status = mn_buf_printf(out, "{\"code\":\"%s\",\"message\":", mn_status_name(error->code));
    if (status == MN_OK) status = mn_json_quote(error->message, strlen(error->message), out);
    if (status == MN_OK) status = mn_buf_text(out, ",\"hint\":");
    if (status == MN_OK && error->hint[0] == '\0')
        status = mn_buf_text(out, "null");
    else if (status == MN_OK)
        status = mn_json_quote(error->hint, strlen(error->hint), out);
    if (status != MN_OK) return status;
    return mn_buf_printf(out, ",\"offset\":%d,\"length\":%d}", error->offset, error->length);
}
