/*
 * rules: what a table asks of a row before it is stored: DEFAULTs filled in, CHECKs passed.
 */
#include "query/rules.h"

#include <stdio.h>
#include <string.h>

#include "query/parse.h"

struct mn_rules {
    const struct mn_table *table;
    struct mn_expr **defaults; /* one a column; NULL: none */
    struct mn_expr **checks;   /* one a CHECK; slot i is column i */
};

/* Inside a CHECK a name is a column of the table; a DEFAULT has none. */
struct names {
    const struct mn_table *table;
    bool columns;
};

static enum mn_status column_bind(const struct names *names, const struct mn_scope *scope,
                                  const struct mn_ast_expr *ast, struct mn_expr **out)
{
    const struct mn_name *name = &ast->column.name, *of = &ast->column.table;

    if (!names->columns) {
        return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                          "DEFAULT cannot use the column %s", name->text);
    }
    int column = mn_table_column(names->table, name->text, strlen(name->text));
    if (column < 0 || (of->text && strcmp(of->text, names->table->name) != 0)) {
        return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length, "no column \"%s\" in %s",
                          name->text, names->table->name);
    }
    *out = mn_expr_slot(scope->arena, (uint32_t)column, &names->table->columns[column].kind,
                        ast->span);
    return *out ? MN_OK : mn_fail_nomem();
}

static enum mn_status rules_hook(void *context, const struct mn_scope *scope,
                                 const struct mn_ast_expr *ast, struct mn_expr **out)
{
    const struct names *names = context;

    *out = NULL;
    if (ast->kind == MN_AST_COLUMN) return column_bind(names, scope, ast, out);
    bool query = ast->kind == MN_AST_EXISTS || ast->kind == MN_AST_SUBQUERY ||
                 (ast->kind == MN_AST_IN && ast->in.query) ||
                 (ast->kind == MN_AST_QUANTIFIED && ast->quantified.query) ||
                 ast->kind == MN_AST_DEFAULT;
    if (!query) return MN_OK;
    return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                      "DEFAULT and CHECK cannot hold a query");
}

/* A text that bound when the table was made and does not now is damage, or of a newer version. */
static enum mn_status rule_broken(const struct mn_table *table, const char *text)
{
    struct mn_error before = *mn_error_last();

    if (before.code == MN_NOMEM) return MN_NOMEM;
    return mn_fail(MN_CORRUPT, "%s: the rule %.100s does not bind: %.200s", table->name, text,
                   before.message);
}

static enum mn_status default_build(const struct mn_scope *scope, const struct mn_table *table,
                                    uint32_t column, struct mn_expr **out)
{
    const struct mn_column *of = &table->columns[column];
    struct mn_ast_expr *ast = NULL;
    char what[2 * MN_NAME_BYTES_MAX + 16];

    enum mn_status status =
        mn_parse_expression(scope->arena, of->default_text, strlen(of->default_text), &ast);
    if (!status) status = mn_expr_build(scope, ast, out);
    (void)snprintf(what, sizeof what, "column %s of %s", of->name, table->name);
    if (!status) status = mn_expr_assign(scope, &of->kind, what, out);
    return status ? rule_broken(table, of->default_text) : MN_OK;
}

static enum mn_status check_build(const struct mn_scope *scope, const struct mn_table *table,
                                  const struct mn_check *check, struct mn_expr **out)
{
    struct mn_ast_expr *ast = NULL;
    enum mn_status status =
        mn_parse_expression(scope->arena, check->text, strlen(check->text), &ast);

    if (!status) status = mn_expr_condition(scope, ast, "CHECK", out);
    return status ? rule_broken(table, check->text) : MN_OK;
}

enum mn_status mn_rules_new(struct mn_arena *arena, const struct mn_table *table,
                            struct mn_rules **out)
{
    struct names names = {.table = table};
    struct mn_scope scope = {.arena = arena, .context = &names, .hook = rules_hook};
    struct mn_rules *rules = mn_arena_zalloc(arena, sizeof *rules);
    enum mn_status status = MN_OK;

    *out = NULL;
    if (!rules) return mn_fail_nomem();
    rules->table = table;
    rules->defaults = mn_arena_zalloc(arena, (table->column_count + 1) * sizeof *rules->defaults);
    rules->checks = mn_arena_zalloc(arena, (table->check_count + 1) * sizeof *rules->checks);
    if (!rules->defaults || !rules->checks) return mn_fail_nomem();
    for (uint32_t i = 0; i < table->column_count && !status; i++) {
        if (!table->columns[i].default_text) continue;
        status = default_build(&scope, table, i, &rules->defaults[i]);
    }
    names.columns = true;
    for (uint32_t i = 0; i < table->check_count && !status; i++) {
        status = check_build(&scope, table, &table->checks[i], &rules->checks[i]);
    }
    if (!status) *out = rules;
    return status;
}

bool mn_rules_default_exists(const struct mn_rules *rules, uint32_t column)
{
    return rules->defaults[column] != NULL;
}

enum mn_status mn_rules_default(const struct mn_rules *rules, uint32_t column, struct mn_eval *eval,
                                struct mn_value *value)
{
    if (!rules->defaults[column]) {
        *value = mn_null();
        return MN_OK;
    }
    return mn_expr_eval(rules->defaults[column], eval, value);
}

static enum mn_status check_failed(const struct mn_table *table, const struct mn_check *check)
{
    if (check->name) {
        return mn_fail(MN_CONSTRAINT, "%s: CHECK %s is not met: %.300s", table->name, check->name,
                       check->text);
    }
    return mn_fail(MN_CONSTRAINT, "%s: CHECK is not met: %.300s", table->name, check->text);
}

enum mn_status mn_rules_check(const struct mn_rules *rules, struct mn_eval *eval,
                              struct mn_value *values)
{
    struct mn_eval inner = *eval;

    inner.slots = values;
    for (uint32_t i = 0; i < rules->table->check_count; i++) {
        struct mn_value met;
        enum mn_status status = mn_expr_eval(rules->checks[i], &inner, &met);
        if (status) return status;
        if (mn_is_null(&met) || met.b) continue; /* NULL passes */
        return check_failed(rules->table, &rules->table->checks[i]);
    }
    return MN_OK;
}
