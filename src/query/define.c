/*
 * define: CREATE TABLE, RELATION and INDEX, and DROP.
 *
 * DEFAULT and CHECK are kept as the text that was written; they are bound here once, so that what
 * does not bind is refused where it stands.
 */
#include <stdio.h>
#include <string.h>

#include "index/build.h"
#include "index/vector/distance.h"
#include "query/parse.h"
#include "query/statement.h"

struct definer {
    struct mn_exec *exec;
    const struct mn_stmt *stmt;
    struct mn_arena *arena;
    const struct mn_schema *schema;
};

static const char *text_of(const struct definer *definer, struct mn_span span)
{
    return mn_arena_text(definer->arena, definer->stmt->text + span.offset, span.length);
}

/* ---- DEFAULT and CHECK ---- */

struct rule_names {
    const struct mn_ast_create_table *table;
    const struct mn_table_def *def;
    const char *clause;
};

static enum mn_status rule_column(const struct rule_names *names, const struct mn_scope *scope,
                                  const struct mn_ast_expr *ast, struct mn_expr **out)
{
    const struct mn_table_def *def = names->def;
    const struct mn_name *name = &ast->column.name;

    if (!names->table) {
        if (!ast->column.table.text && strcmp(name->text, "current_timestamp") == 0) return MN_OK;
        return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                          "DEFAULT cannot read a column: \"%s\"", name->text);
    }
    for (uint32_t i = 0; i < def->column_count; i++) {
        if (strcmp(def->columns[i].name, name->text) != 0) continue;
        *out = mn_expr_slot(scope->arena, i, &def->columns[i].kind, ast->span);
        return *out ? MN_OK : mn_fail_nomem();
    }
    return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length, "no column \"%s\" in %s",
                      name->text, names->table->name.text);
}

static enum mn_status rule_hook(void *context, const struct mn_scope *scope,
                                const struct mn_ast_expr *ast, struct mn_expr **out)
{
    const struct rule_names *names = context;
    bool query = ast->kind == MN_AST_EXISTS || ast->kind == MN_AST_SUBQUERY ||
                 (ast->kind == MN_AST_IN && ast->in.query) ||
                 (ast->kind == MN_AST_QUANTIFIED && ast->quantified.query);

    *out = NULL;
    if (ast->kind == MN_AST_COLUMN) return rule_column(names, scope, ast, out);
    if (ast->kind == MN_AST_PARAM) {
        return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length,
                          "%s cannot hold a parameter", names->clause);
    }
    if (!query && ast->kind != MN_AST_DEFAULT) return MN_OK;
    return mn_fail_at(MN_SCHEMA, ast->span.offset, ast->span.length, "%s cannot hold a subquery",
                      names->clause);
}

static enum mn_status rule_default(const struct definer *definer, const struct mn_column *column,
                                   const struct mn_ast_expr *ast)
{
    struct rule_names names = {.clause = "DEFAULT"};
    struct mn_scope scope = {.arena = definer->arena, .context = &names, .hook = rule_hook};
    struct mn_expr *expr;
    char what[MN_NAME_BYTES_MAX + 32];
    enum mn_status status = mn_expr_build(&scope, ast, &expr);

    if (status != MN_OK) return status;
    snprintf(what, sizeof what, "DEFAULT of %s", column->name);
    return mn_expr_assign(&scope, &column->kind, what, &expr);
}

static enum mn_status rule_check(const struct definer *definer,
                                 const struct mn_ast_create_table *table,
                                 const struct mn_table_def *def, const struct mn_ast_expr *ast)
{
    struct rule_names names = {.table = table, .def = def, .clause = "CHECK"};
    struct mn_scope scope = {.arena = definer->arena, .context = &names, .hook = rule_hook};
    struct mn_expr *expr;

    return mn_expr_condition(&scope, ast, "CHECK", &expr);
}

/* ---- CREATE TABLE, CREATE RELATION ---- */

/* src and dst come first in a relation, but are not in its definition. */
static enum mn_status columns_make(const struct definer *definer,
                                   const struct mn_ast_create_table *ast, struct mn_table_def *def)
{
    struct mn_column *columns =
        mn_arena_zalloc(definer->arena, (ast->columns.count + 1) * sizeof *columns);
    uint32_t at = 0;

    if (!columns) return mn_fail_nomem();
    for (const struct mn_ast_coldef *of = ast->columns.first; of; of = of->next, at++) {
        enum mn_status status = MN_OK;

        if (of->reference.table.text) return mn_comes_later(of->reference.span, "REFERENCES");
        if (of->type.kind.type == MN_TYPE_VECTOR && of->type.kind.dims == 0) {
            mn_fail_at(MN_SCHEMA, of->type.span.offset, of->type.span.length,
                       "a VECTOR column needs its dimensions");
            return mn_hint("VECTOR(384)");
        }
        if (of->autoincrement && !of->primary) {
            mn_fail_at(MN_SCHEMA, of->span.offset, of->span.length,
                       "only an INT PRIMARY KEY counts by itself");
            return mn_hint("%s INT PRIMARY KEY", of->name.text);
        }
        for (uint32_t i = 0; i < at; i++) {
            if (strcmp(columns[i].name, of->name.text) != 0) continue;
            return mn_fail_at(MN_SCHEMA, of->name.span.offset, of->name.span.length,
                              "column \"%s\" stands twice", of->name.text);
        }
        columns[at].name = of->name.text;
        columns[at].kind = of->type.kind;
        columns[at].not_null = of->not_null || of->primary;
        if (!of->default_to) continue;
        columns[at].default_text = text_of(definer, of->default_to->span);
        if (!columns[at].default_text) return mn_fail_nomem();
        status = rule_default(definer, &columns[at], of->default_to);
        if (status != MN_OK) return status;
    }
    def->columns = columns;
    def->column_count = at;
    return MN_OK;
}

static enum mn_status key_columns(const struct definer *definer, const struct mn_table_def *def,
                                  const struct mn_ast_names *names, struct mn_key_def *key)
{
    struct mn_index_column *columns =
        mn_arena_zalloc(definer->arena, (names->count + 1) * sizeof *columns);

    if (!columns) return mn_fail_nomem();
    key->columns = columns;
    for (const struct mn_ast_name *name = names->first; name; name = name->next) {
        bool found = false;

        for (uint32_t i = 0; i < def->column_count && !found; i++) {
            found = strcmp(def->columns[i].name, name->name.text) == 0;
            if (found) columns[key->column_count++].column = i;
        }
        if (found) continue;
        return mn_fail_at(MN_SCHEMA, name->name.span.offset, name->name.span.length,
                          "no column \"%s\" to be a key of", name->name.text);
    }
    return MN_OK;
}

static enum mn_status keys_of_columns(const struct definer *definer,
                                      const struct mn_ast_create_table *ast,
                                      struct mn_table_def *def, struct mn_key_def *uniques)
{
    uint32_t at = 0;

    for (const struct mn_ast_coldef *of = ast->columns.first; of; of = of->next, at++) {
        struct mn_index_column *column;

        if (!of->primary && !of->unique) continue;
        column = mn_arena_zalloc(definer->arena, sizeof *column);
        if (!column) return mn_fail_nomem();
        column->column = at;
        if (of->primary && def->primary.column_count > 0) {
            mn_fail_at(MN_SCHEMA, of->span.offset, of->span.length, "two PRIMARY KEYs");
            return mn_hint("for a key of several columns: PRIMARY KEY (a, b)");
        }
        if (of->primary) {
            def->primary = (struct mn_key_def){.column_count = 1, .columns = column};
        } else {
            uniques[def->unique_count++] =
                (struct mn_key_def){.column_count = 1, .columns = column};
        }
    }
    return MN_OK;
}

static enum mn_status check_add(const struct definer *definer,
                                const struct mn_ast_create_table *ast, struct mn_table_def *def,
                                const struct mn_ast_constraint *of)
{
    struct mn_check *check = (struct mn_check *)(uintptr_t)&def->checks[def->check_count];
    enum mn_status status = rule_check(definer, ast, def, of->check);

    if (status != MN_OK) return status;
    check->name = of->name.text;
    check->text = text_of(definer, of->check->span);
    def->check_count++;
    return check->text ? MN_OK : mn_fail_nomem();
}

static enum mn_status constraint_add(const struct definer *definer,
                                     const struct mn_ast_create_table *ast,
                                     struct mn_table_def *def, struct mn_key_def *uniques,
                                     const struct mn_ast_constraint *of)
{
    struct mn_key_def key = {.name = of->name.text};
    enum mn_status status;

    switch (of->kind) {
    case MN_CONSTRAINT_FOREIGN: return mn_comes_later(of->span, "FOREIGN KEY");
    case MN_CONSTRAINT_CHECK: return check_add(definer, ast, def, of);
    case MN_CONSTRAINT_PRIMARY:
        if (def->primary.column_count > 0) {
            return mn_fail_at(MN_SCHEMA, of->span.offset, of->span.length, "two PRIMARY KEYs");
        }
        status = key_columns(definer, def, &of->columns, &key);
        def->primary = key;
        return status;
    case MN_CONSTRAINT_UNIQUE:
        status = key_columns(definer, def, &of->columns, &key);
        uniques[def->unique_count++] = key;
        return status;
    }
    return MN_OK;
}

static enum mn_status constraints_make(const struct definer *definer,
                                       const struct mn_ast_create_table *ast,
                                       struct mn_table_def *def)
{
    uint32_t count = ast->columns.constraints.count + ast->columns.count, checks = 0;
    struct mn_key_def *uniques;
    enum mn_status status;

    for (const struct mn_ast_coldef *of = ast->columns.first; of; of = of->next) {
        checks += of->check.count;
    }
    uniques = mn_arena_zalloc(definer->arena, (count + 1) * sizeof *uniques);
    def->checks = mn_arena_zalloc(definer->arena, (checks + ast->columns.constraints.count + 1) *
                                                      sizeof *def->checks);
    if (!uniques || !def->checks) return mn_fail_nomem();
    def->uniques = uniques;
    status = keys_of_columns(definer, ast, def, uniques);
    for (const struct mn_ast_coldef *of = ast->columns.first; of && status == MN_OK;
         of = of->next) {
        for (const struct mn_ast_constraint *check = of->check.first; check && status == MN_OK;
             check = check->next) {
            status = check_add(definer, ast, def, check);
        }
    }
    for (const struct mn_ast_constraint *of = ast->columns.constraints.first; of && status == MN_OK;
         of = of->next) {
        status = constraint_add(definer, ast, def, uniques, of);
    }
    return status;
}

static enum mn_status options_make(const struct definer *definer, const struct mn_ast_options *ast,
                                   uint32_t *count, const struct mn_option **out)
{
    struct mn_option *options = mn_arena_zalloc(definer->arena, (ast->count + 2) * sizeof *options);

    if (!options) return mn_fail_nomem();
    *out = options;
    *count = 0;
    for (const struct mn_ast_option *of = ast->first; of; of = of->next) {
        options[*count].name = of->name.text;
        options[(*count)++].value = of->given ? of->value : mn_null();
    }
    return MN_OK;
}

static enum mn_status table_option_check(const struct mn_ast_create_table *ast,
                                         const struct mn_table_def *def, bool *multi)
{
    for (const struct mn_ast_option *of = ast->options.first; of; of = of->next) {
        if (of->names.count) {
            return mn_fail_at(MN_SCHEMA, of->name.span.offset, of->name.span.length,
                              "the option %s takes no list of columns", of->name.text);
        }
        if (ast->from.text && strcmp(of->name.text, "multi") == 0) {
            *multi = !of->given || (of->value.type == MN_TYPE_BOOL && of->value.b);
            continue;
        }
        if (strcmp(of->name.text, "time") == 0) {
            bool found = false;

            for (uint32_t i = 0; of->value.type == MN_TYPE_TEXT && i < def->column_count; i++) {
                found = found || (strlen(def->columns[i].name) == of->value.size &&
                                  memcmp(def->columns[i].name, of->value.p, of->value.size) == 0);
            }
            if (found) continue;
            return mn_fail_at(MN_SCHEMA, of->value_span.offset, of->value_span.length,
                              "the option time names a column of the table");
        }
        mn_fail_at(MN_SCHEMA, of->name.span.offset, of->name.span.length, "no option \"%s\"",
                   of->name.text);
        return mn_hint(ast->from.text ? "relations have: multi, time" : "tables have: time");
    }
    return MN_OK;
}

static enum mn_status create_table(const struct definer *definer)
{
    const struct mn_ast_create_table *ast = definer->stmt->ast->create_table;
    struct mn_relation_def relation = {.from = ast->from.text, .to = ast->to.text};
    struct mn_table_def *def = &relation.table;
    const struct mn_table *unused;
    enum mn_status status;

    if (mn_schema_table(definer->schema, ast->name.text, ast->name.length)) {
        if (ast->if_not_exists) return MN_OK;
        return mn_fail_at(MN_EXISTS, ast->name.span.offset, ast->name.span.length,
                          "\"%s\" exists already", ast->name.text);
    }
    def->name = ast->name.text;
    status = columns_make(definer, ast, def);
    if (status == MN_OK) status = constraints_make(definer, ast, def);
    if (status == MN_OK) status = table_option_check(ast, def, &relation.multi);
    if (status == MN_OK) {
        status = options_make(definer, &ast->options, &def->option_count, &def->options);
    }
    if (status != MN_OK) return status;
    if (!ast->from.text) {
        status = mn_schema_create_table(definer->exec->view, def, NULL);
    } else {
        struct mn_bind bind = {.schema = definer->schema};

        status = mn_bind_table(&bind, &ast->from, &unused);
        if (status == MN_OK) status = mn_bind_table(&bind, &ast->to, &unused);
        if (status == MN_OK) {
            status = mn_schema_create_relation(definer->exec->view, &relation, NULL);
        }
    }
    return status == MN_OK ? MN_OK : mn_place(ast->name.span.offset, ast->name.span.length);
}

/* ---- CREATE INDEX ---- */

static enum mn_status index_columns(const struct definer *definer, const struct mn_table *table,
                                    const struct mn_ast_create_index *ast, struct mn_index_def *def)
{
    struct mn_index_column *columns =
        mn_arena_zalloc(definer->arena, (ast->columns.count + 1) * sizeof *columns);

    if (!columns) return mn_fail_nomem();
    def->columns = columns;
    for (const struct mn_ast_sort *of = ast->columns.first; of; of = of->next) {
        struct mn_index_column *column = &columns[def->column_count++];
        enum mn_status status;

        if (of->expr->kind != MN_AST_COLUMN || of->expr->column.table.text) {
            return mn_comes_later(of->expr->span, "an index on an expression");
        }
        status = mn_bind_column_of(table, &of->expr->column.name, &column->column);
        if (status != MN_OK) return status;
        column->order = of->descending ? MN_KEY_DESC : MN_KEY_ASC;
        if (of->nulls == MN_NULLS_FIRST) column->order |= MN_KEY_NULLS_FIRST;
    }
    return MN_OK;
}

static bool method_is(const struct mn_ast_create_index *ast, const char *name)
{
    return ast->method.text && strcmp(ast->method.text, name) == 0;
}

/* A column that an option names, and where it does. */
struct named_column {
    uint32_t column;
    struct mn_span span;
};

/* `option = column`, or several in parentheses, each once. */
static enum mn_status option_columns(const struct definer *definer, const struct mn_table *table,
                                     const struct mn_ast_option *option, struct named_column **out,
                                     uint32_t *count)
{
    struct named_column *columns =
        mn_arena_alloc(definer->arena, (option->names.count + 1) * sizeof *columns);
    struct mn_name word = {option->value.p, option->value.size, false, option->value_span};
    struct mn_ast_name only = {.name = word};
    const struct mn_ast_name *of = option->word ? &only : option->names.first;

    *out = columns;
    *count = 0;
    if (!columns) return mn_fail_nomem();
    if (!of) {
        return mn_fail_at(MN_SCHEMA, option->name.span.offset, option->name.span.length,
                          "%s takes columns: %s = (a, b)", option->name.text, option->name.text);
    }
    for (; of; of = of->next) {
        struct named_column *next = &columns[(*count)++];
        enum mn_status status = mn_bind_column_of(table, &of->name, &next->column);

        next->span = of->name.span;
        for (struct named_column *c = columns; c < next && status == MN_OK; c++) {
            if (c->column != next->column) continue;
            status = mn_fail_at(MN_SCHEMA, next->span.offset, next->span.length,
                                "column \"%s\" is in %s twice", of->name.text, option->name.text);
        }
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

static enum mn_status option_twice(const struct mn_ast_option *option)
{
    return mn_fail_at(MN_SCHEMA, option->name.span.offset, option->name.span.length,
                      "%s is there twice", option->name.text);
}

/* The columns of a partition stand behind the vector among those of the index. */
static enum mn_status partition_columns(const struct definer *definer, const struct mn_table *table,
                                        const struct mn_ast_option *option,
                                        struct mn_index_def *def)
{
    struct mn_index_column *columns;
    struct named_column *parts;
    uint32_t count;
    enum mn_status status = def->column_count > 1
                                ? option_twice(option)
                                : option_columns(definer, table, option, &parts, &count);

    if (status != MN_OK) return status;
    columns = mn_arena_zalloc(definer->arena, (count + 1) * sizeof *columns);
    if (!columns) return mn_fail_nomem();
    columns[0] = def->columns[0];
    for (uint32_t i = 0; i < count; i++) columns[i + 1].column = parts[i].column;
    def->columns = columns;
    def->column_count = count + 1;
    return MN_OK;
}

/* A column of cover or of time: of a type that fits, and not in the other. */
static enum mn_status cover_column(const struct mn_table *table, const struct named_column *named,
                                   bool time, const struct mn_index_def *def)
{
    const struct mn_column *column = &table->columns[named->column];
    struct mn_span span = named->span;
    char name[32];

    for (uint32_t i = 0; i < def->cover_count; i++) {
        if (def->covers[i] != named->column) continue;
        return mn_fail_at(MN_SCHEMA, span.offset, span.length,
                          "column \"%s\" is both in cover and in time", column->name);
    }
    if (time && column->kind.type != MN_TYPE_TIMESTAMP) {
        return mn_fail_at(MN_TYPE, span.offset, span.length,
                          "time takes a TIMESTAMP, and column \"%s\" is %s", column->name,
                          mn_kind_name(&column->kind, name));
    }
    if (mn_type_is_covered(column->kind.type)) return MN_OK;
    mn_fail_at(MN_TYPE, span.offset, span.length, "column \"%s\" is %s, which cover does not take",
               column->name, mn_kind_name(&column->kind, name));
    return mn_hint("BOOL, INT, FLOAT, TIMESTAMP or DURATION");
}

/* The columns of cover, or the one of time, which stands in front of them. */
static enum mn_status cover_columns(const struct definer *definer, const struct mn_table *table,
                                    const struct mn_ast_option *option, bool time,
                                    struct mn_index_def *def)
{
    struct named_column *columns;
    uint32_t *all, count, had = def->cover_count, timed = def->timed, most = MN_COVERS_MAX - had;
    bool twice = time ? timed : had > timed;
    enum mn_status status =
        twice ? option_twice(option) : option_columns(definer, table, option, &columns, &count);

    if (status != MN_OK) return status;
    if (time && count > 1) {
        return mn_fail_at(MN_SCHEMA, columns[1].span.offset, columns[1].span.length,
                          "time takes one column");
    }
    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        status = cover_column(table, &columns[i], time, def);
    }
    if (status != MN_OK) return status;
    if (count > most) {
        return mn_fail_at(MN_TOOBIG, columns[most].span.offset, columns[most].span.length,
                          "a vector index covers at most %d columns", MN_COVERS_MAX);
    }
    all = mn_arena_alloc(definer->arena, (had + count) * sizeof *all);
    if (!all) return mn_fail_nomem();
    for (uint32_t i = 0; i < had; i++) all[time ? i + 1 : i] = def->covers[i];
    for (uint32_t i = 0; i < count; i++) all[time ? i : had + i] = columns[i].column;
    def->covers = all;
    def->cover_count += count;
    def->timed = def->timed || time;
    return MN_OK;
}

/* pgvector's operator classes and `metric`; the options of other engines are passed over. */
static enum mn_status vector_options(const struct definer *definer, const struct mn_table *table,
                                     const struct mn_ast_create_index *ast,
                                     struct mn_index_def *def)
{
    static const struct {
        const char *opclass, *metric;
    } classes[] = {
        {"vector_cosine_ops", "cosine"}, {"vector_l2_ops", "l2"}, {"vector_ip_ops", "dot"}};
    struct mn_option *options = mn_arena_zalloc(definer->arena, 2 * sizeof *options);
    const struct mn_name *opclass = &ast->columns.first->opclass;
    const char *metric = NULL;
    bool foreign = method_is(ast, "hnsw") || method_is(ast, "ivfflat");

    if (!options) return mn_fail_nomem();
    for (size_t i = 0; opclass->text && i < sizeof classes / sizeof classes[0]; i++) {
        if (strcmp(opclass->text, classes[i].opclass) == 0) metric = classes[i].metric;
    }
    if (opclass->text && !metric) {
        return mn_fail_at(MN_SCHEMA, opclass->span.offset, opclass->span.length,
                          "no operator class \"%s\"", opclass->text);
    }
    for (const struct mn_ast_option *of = ast->options.first; of; of = of->next) {
        enum mn_metric parsed;

        bool time = strcmp(of->name.text, "time") == 0;

        if (strcmp(of->name.text, "partition") == 0 || strcmp(of->name.text, "cover") == 0 ||
            time) {
            enum mn_status status = *of->name.text == 'p'
                                        ? partition_columns(definer, table, of, def)
                                        : cover_columns(definer, table, of, time, def);

            if (status != MN_OK) return status;
            continue;
        }
        if (strcmp(of->name.text, "metric") != 0) {
            if (foreign) continue;
            return mn_fail_at(MN_SCHEMA, of->name.span.offset, of->name.span.length,
                              "no option \"%s\" of a vector index", of->name.text);
        }
        if (of->value.type != MN_TYPE_TEXT ||
            mn_metric_parse(of->value.p, of->value.size, &parsed) != MN_OK) {
            return mn_fail_at(MN_RANGE, of->value_span.offset, of->value_span.length,
                              "metric is cosine, l2 or dot");
        }
        metric = mn_metric_name(parsed);
    }
    if (foreign) {
        mn_db_log(definer->stmt->db, MN_OK,
                  "hnsw and ivfflat mean USING vector; their options are passed over");
    }
    if (!metric) metric = "cosine";
    options[0].name = "metric";
    options[0].value = mn_text(metric, strlen(metric));
    def->options = options;
    def->option_count = 1;
    return MN_OK;
}

static enum mn_status index_method(const struct definer *definer, const struct mn_table *table,
                                   const struct mn_ast_create_index *ast, struct mn_index_def *def)
{
    bool vector = method_is(ast, "vector") || method_is(ast, "hnsw") || method_is(ast, "ivfflat");
    uint8_t type = table->columns[def->columns[0].column].kind.type;

    if (method_is(ast, "text")) return mn_comes_later(ast->method.span, "USING text");
    if (method_is(ast, "space")) return mn_comes_later(ast->method.span, "USING space");
    if (ast->method.text && !vector && !method_is(ast, "btree")) {
        mn_fail_at(MN_SCHEMA, ast->method.span.offset, ast->method.span.length,
                   "no index method \"%s\"", ast->method.text);
        return mn_hint("btree or vector");
    }
    def->kind = vector ? MN_INDEX_VECTOR : MN_INDEX_BTREE;
    if (vector && (def->column_count != 1 || type != MN_TYPE_VECTOR || ast->unique)) {
        return mn_fail_at(MN_SCHEMA, ast->table.span.offset, ast->table.span.length,
                          "a vector index is on one VECTOR column, and not unique");
    }
    if (vector) return vector_options(definer, table, ast, def);
    if (type == MN_TYPE_VECTOR) {
        mn_fail_at(MN_TYPE, ast->columns.first->span.offset, ast->columns.first->span.length,
                   "a VECTOR has no order");
        return mn_hint("USING vector WITH (metric = cosine)");
    }
    if (ast->options.first) {
        return mn_fail_at(MN_SCHEMA, ast->options.first->name.span.offset,
                          ast->options.first->name.span.length, "no option \"%s\" of an index",
                          ast->options.first->name.text);
    }
    return MN_OK;
}

static enum mn_status build_tick(void *context)
{
    return mn_exec_tick(context);
}

static enum mn_status create_index(const struct definer *definer)
{
    const struct mn_ast_create_index *ast = definer->stmt->ast->create_index;
    struct mn_bind bind = {.schema = definer->schema};
    struct mn_index_def def = {.name = ast->name.text, .unique = ast->unique};
    const struct mn_table *table;
    enum mn_status status;

    if (ast->name.text && mn_schema_index(definer->schema, ast->name.text, ast->name.length)) {
        if (ast->if_not_exists) return MN_OK;
        return mn_fail_at(MN_EXISTS, ast->name.span.offset, ast->name.span.length,
                          "index \"%s\" exists already", ast->name.text);
    }
    status = mn_bind_table(&bind, &ast->table, &table);
    if (status != MN_OK) return status;
    def.table = table->name;
    status = index_columns(definer, table, ast, &def);
    if (status == MN_OK) status = index_method(definer, table, ast, &def);
    if (status == MN_OK) {
        const struct mn_watch watch = {build_tick, definer->exec};

        status =
            mn_index_create_watched(definer->exec->view, &def, &watch, definer->exec->memory_limit);
    }
    return status == MN_OK ? MN_OK : mn_place(ast->table.span.offset, ast->table.span.length);
}

/* ---- DROP ---- */

static const char *near_index(void *context, uint32_t index)
{
    const struct mn_schema *schema = context;

    return index < schema->index_count ? schema->indexes[index]->name : NULL;
}

static enum mn_status drop_index(const struct definer *definer)
{
    const struct mn_ast_drop *ast = definer->stmt->ast->drop;
    const char *near;
    enum mn_status status;

    if (!mn_schema_index(definer->schema, ast->name.text, ast->name.length)) {
        if (ast->if_exists) return MN_OK;
        mn_fail_at(MN_SCHEMA, ast->name.span.offset, ast->name.span.length, "no index \"%s\"",
                   ast->name.text);
        near = mn_name_near(ast->name.text, near_index, (void *)(uintptr_t)definer->schema);
        return near ? mn_hint("did you mean \"%s\"?", near) : MN_SCHEMA;
    }
    status = mn_schema_drop_index(definer->exec->view, ast->name.text);
    return status == MN_OK ? MN_OK : mn_place(ast->name.span.offset, ast->name.span.length);
}

static enum mn_status drop(const struct definer *definer)
{
    const struct mn_ast_drop *ast = definer->stmt->ast->drop;
    struct mn_bind bind = {.schema = definer->schema};
    bool relation = ast->object == MN_OBJECT_RELATION;
    const struct mn_table *table =
        mn_schema_table(definer->schema, ast->name.text, ast->name.length);
    enum mn_status status;

    if (ast->object == MN_OBJECT_INDEX) return drop_index(definer);
    if (!table && ast->if_exists) return MN_OK;
    status = mn_bind_table(&bind, &ast->name, &table);
    if (status != MN_OK) return status;
    if (table->relation != relation) {
        mn_fail_at(MN_SCHEMA, ast->name.span.offset, ast->name.span.length, "\"%s\" is a %s",
                   ast->name.text, relation ? "table" : "relation");
        return mn_hint("DROP %s %s", relation ? "TABLE" : "RELATION", ast->name.text);
    }
    status = mn_schema_drop_table(definer->exec->view, ast->name.text, ast->cascade);
    return status == MN_OK ? MN_OK : mn_place(ast->name.span.offset, ast->name.span.length);
}

enum mn_status mn_define(struct mn_exec *exec, const struct mn_stmt *stmt)
{
    struct definer definer = {.exec = exec, .stmt = stmt, .arena = &exec->kept};
    enum mn_status status = mn_schema_get(stmt->db->schemas, exec->view, &definer.schema);

    if (status != MN_OK) return status;
    switch ((int)stmt->ast->kind) {
    case MN_STATEMENT_CREATE_TABLE:
    case MN_STATEMENT_CREATE_RELATION: status = create_table(&definer); break;
    case MN_STATEMENT_CREATE_INDEX: status = create_index(&definer); break;
    default: status = drop(&definer); break;
    }
    mn_schema_unref(definer.schema);
    return status;
}
