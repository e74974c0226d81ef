/*
 * bind_from: what stands in FROM becomes a list of sources, joins and all.
 *
 * Joins lean to the left, so a list in which each source knows how it joins those before it says
 * the same.
 */
#include <stdio.h>
#include <string.h>

#include "query/bind.h"
#include "query/parse.h"

static const char *near_table(void *context, uint32_t index)
{
    const struct mn_schema *schema = context;

    return index < schema->table_count ? schema->tables[index].name : NULL;
}

enum mn_status mn_bind_table(struct mn_bind *bind, const struct mn_name *name,
                             const struct mn_table **table)
{
    const char *near;

    *table = mn_schema_table(bind->schema, name->text, name->length);
    if (*table) return MN_OK;
    mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "no table \"%s\"", name->text);
    near = mn_name_near(name->text, near_table, (void *)(uintptr_t)bind->schema);
    return near ? mn_hint("did you mean \"%s\"?", near) : MN_SCHEMA;
}

static const char *near_column(void *context, uint32_t index)
{
    const struct mn_table *table = context;

    return index < table->column_count ? table->columns[index].name : NULL;
}

enum mn_status mn_bind_column_of(const struct mn_table *table, const struct mn_name *name,
                                 uint32_t *column)
{
    int found = mn_table_column(table, name->text, name->length);
    const char *near;

    if (found >= 0) {
        *column = (uint32_t)found;
        return MN_OK;
    }
    mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "no column \"%s\" in %s",
               name->text, table->name);
    near = mn_name_near(name->text, near_column, (void *)(uintptr_t)table);
    return near ? mn_hint("did you mean \"%s\"?", near) : MN_SCHEMA;
}

enum mn_status mn_source_add(struct mn_block *block, const struct mn_source *source,
                             struct mn_source **out)
{
    struct mn_query *query = block->query;
    struct mn_arena *arena = block->bind->arena;
    struct mn_source *made;

    for (uint32_t i = block->first_source; source->alias && i < query->source_count; i++) {
        const char *other = query->sources[i]->alias;

        if (other && strcmp(other, source->alias) == 0) {
            mn_fail_at(MN_SCHEMA, source->span.offset, source->span.length,
                       "\"%s\" stands twice in FROM", source->alias);
            return mn_hint("give one of them another name: %s AS b", source->alias);
        }
    }
    if (query->source_count == MN_SOURCES_MAX) {
        return mn_fail_at(MN_TOOBIG, source->span.offset, source->span.length,
                          "more than %d tables in one FROM", MN_SOURCES_MAX);
    }
    if (!query->sources) {
        query->sources = mn_arena_alloc(arena, MN_SOURCES_MAX * sizeof(struct mn_source *));
    }
    made = mn_arena_copy(arena, source, sizeof *source);
    if (!query->sources || !made) return mn_fail_nomem();
    query->sources[query->source_count++] = made;
    block->source_end = query->source_count;
    *out = made;
    return MN_OK;
}

enum mn_status mn_source_table(struct mn_block *block, const struct mn_table *table,
                               const char *alias, struct mn_span span, struct mn_source **out)
{
    struct mn_source source = {.kind = MN_SOURCE_TABLE, .table = table, .span = span};

    source.alias = alias ? alias : table->name;
    source.row_id_slot = MN_NO_SLOT;
    source.column_count = table->column_count;
    source.columns =
        mn_arena_zalloc(block->bind->arena, (table->column_count + 1) * sizeof *source.columns);
    if (!source.columns) return mn_fail_nomem();
    for (uint32_t i = 0; i < table->column_count; i++) {
        source.columns[i] = (struct mn_source_column){
            .name = table->columns[i].name, .kind = table->columns[i].kind, .slot = MN_NO_SLOT};
    }
    return mn_source_add(block, &source, out);
}

/* ---- subqueries and CTEs ---- */

static enum mn_status columns_rename(struct mn_source *source, const struct mn_ast_names *names)
{
    uint32_t i = 0;

    if (names->count == 0) return MN_OK;
    if (names->count > source->column_count) {
        return mn_fail_at(MN_SCHEMA, names->span.offset, names->span.length,
                          "%u names for %u columns", names->count, source->column_count);
    }
    for (const struct mn_ast_name *name = names->first; name; name = name->next) {
        source->columns[i++].name = name->name.text;
    }
    return MN_OK;
}

static enum mn_status source_query(struct mn_block *block, struct mn_query *query,
                                   const struct mn_source *like, const struct mn_ast_names *names,
                                   struct mn_source **out)
{
    struct mn_source source = *like;
    enum mn_status status;

    source.kind = MN_SOURCE_QUERY;
    source.query = query;
    source.row_id_slot = MN_NO_SLOT;
    source.column_count = query->output_count;
    source.columns =
        mn_arena_zalloc(block->bind->arena, (query->output_count + 1) * sizeof *source.columns);
    if (!source.columns) return mn_fail_nomem();
    for (uint32_t i = 0; i < query->output_count; i++) {
        source.columns[i].name = query->outputs[i].name;
        source.columns[i].kind = query->outputs[i].kind;
        source.columns[i].slot = query->outputs[i].slot;
    }
    status = columns_rename(&source, names);
    return status == MN_OK ? mn_source_add(block, &source, out) : status;
}

static enum mn_status from_cte(struct mn_block *block, const struct mn_ast_ref *ref,
                               struct mn_cte_scope *scope, struct mn_source **out)
{
    struct mn_source like = {.span = ref->span};
    struct mn_query *query;
    struct mn_cte_scope *visible = scope->block->ctes;
    bool hidden = scope->block->no_sources;
    enum mn_status status;

    if (scope->recursive) return mn_comes_later(ref->span, "WITH RECURSIVE");
    like.alias = ref->alias.text ? ref->alias.text : scope->cte->name.text;
    /* The query sees the WITH queries before its own, and what the WITH's place sees. */
    scope->block->ctes = scope->outer;
    scope->block->no_sources = true;
    status = mn_bind_query(block->bind, scope->block, scope->cte->query, &query);
    scope->block->ctes = visible;
    scope->block->no_sources = hidden;
    if (status == MN_OK) status = source_query(block, query, &like, &scope->cte->columns, out);
    return status == MN_OK ? columns_rename(*out, &ref->columns) : status;
}

static struct mn_cte_scope *cte_find(struct mn_block *block, const struct mn_name *name)
{
    for (; block; block = block->outer) {
        for (struct mn_cte_scope *scope = block->ctes; scope; scope = scope->outer) {
            if (strcmp(scope->cte->name.text, name->text) == 0) return scope;
        }
    }
    return NULL;
}

static enum mn_status from_table(struct mn_block *block, const struct mn_ast_ref *ref,
                                 struct mn_source **out)
{
    const struct mn_name *name = &ref->table.name;
    struct mn_cte_scope *cte = cte_find(block, name);
    const struct mn_table *table;
    enum mn_status status;

    if (ref->table.asof.point != MN_POINT_NONE) {
        return mn_comes_later(ref->table.asof.span, "AS OF");
    }
    if (cte) return from_cte(block, ref, cte, out);
    status = mn_bind_table(block->bind, name, &table);
    if (status == MN_OK) status = mn_source_table(block, table, ref->alias.text, ref->span, out);
    return status == MN_OK ? columns_rename(*out, &ref->columns) : status;
}

static enum mn_status from_query(struct mn_block *block, const struct mn_ast_ref *ref,
                                 struct mn_source **out)
{
    struct mn_source like = {.span = ref->span, .alias = ref->alias.text};
    bool hidden = block->no_sources;
    struct mn_query *query;
    enum mn_status status;

    like.lateral = ref->query.lateral;
    block->no_sources = !ref->query.lateral;
    status = mn_bind_query(block->bind, block, ref->query.query, &query);
    block->no_sources = hidden;
    return status == MN_OK ? source_query(block, query, &like, &ref->columns, out) : status;
}

/* ---- functions that give rows ---- */

static enum mn_status function_args(struct mn_block *block, const struct mn_ast_ref *ref,
                                    struct mn_source *source)
{
    uint32_t i = 0;

    source->arg_count = ref->function.args.count;
    source->args =
        mn_arena_zalloc(block->bind->arena, (source->arg_count + 1) * sizeof(struct mn_expr *));
    if (!source->args) return mn_fail_nomem();
    for (const struct mn_ast_expr *arg = ref->function.args.first; arg; arg = arg->next) {
        enum mn_status status = mn_bind_expr(block, "FROM", arg, &source->args[i++]);

        if (status != MN_OK) return status;
    }
    source->lateral = true;
    return MN_OK;
}

static enum mn_status from_listing(struct mn_block *block, const struct mn_ast_ref *ref,
                                   const struct mn_listing *listing, struct mn_source *source)
{
    source->kind = MN_SOURCE_LISTING;
    source->listing = listing;
    if (source->arg_count != listing->arg_count) {
        return mn_fail_at(MN_SCHEMA, ref->span.offset, ref->span.length, "%s takes %u argument%s",
                          listing->function, listing->arg_count,
                          listing->arg_count == 1 ? "" : "s");
    }
    source->column_count = listing->column_count;
    source->columns =
        mn_arena_zalloc(block->bind->arena, listing->column_count * sizeof *source->columns);
    if (!source->columns) return mn_fail_nomem();
    for (uint32_t i = 0; i < listing->column_count; i++) {
        source->columns[i].name = listing->columns[i].name;
        source->columns[i].kind = listing->columns[i].kind;
        source->columns[i].slot = MN_NO_SLOT;
    }
    return MN_OK;
}

static enum mn_status from_series(struct mn_block *block, const struct mn_ast_ref *ref,
                                  struct mn_source *source)
{
    source->kind = MN_SOURCE_SERIES;
    if (source->arg_count < 2 || source->arg_count > 3) {
        return mn_fail_at(MN_SCHEMA, ref->span.offset, ref->span.length,
                          "generate_series takes a first value, a last one and a step");
    }
    source->column_count = 1;
    source->columns = mn_arena_zalloc(block->bind->arena, sizeof *source->columns);
    if (!source->columns) return mn_fail_nomem();
    source->columns[0] = (struct mn_source_column){
        .name = ref->alias.text ? ref->alias.text : "generate_series", .slot = MN_NO_SLOT};
    source->columns[0].kind = source->args[0]->kind;
    if (source->columns[0].kind.type == MN_TYPE_NULL) {
        source->columns[0].kind = (struct mn_kind){.type = MN_TYPE_INT};
    }
    for (uint32_t i = 0; i < source->arg_count; i++) {
        struct mn_kind kind = source->columns[0].kind;
        enum mn_status status;

        if (i == 2 && kind.type == MN_TYPE_TIMESTAMP) kind.type = MN_TYPE_DURATION;
        status = mn_expr_assign(&block->scope, &kind, "generate_series", &source->args[i]);
        if (status != MN_OK) return status;
    }
    if (source->columns[0].kind.type == MN_TYPE_INT) return MN_OK;
    if (source->columns[0].kind.type == MN_TYPE_TIMESTAMP && source->arg_count == 3) return MN_OK;
    return mn_fail_at(MN_TYPE, ref->span.offset, ref->span.length,
                      "generate_series counts INT, or TIMESTAMP with a DURATION as step");
}

static const char *near_function(void *context, uint32_t index)
{
    const char *name = mn_listing_name(index);

    (void)context;
    if (name) return name;
    return index > 0 && mn_listing_name(index - 1) ? "generate_series" : NULL;
}

static enum mn_status from_function(struct mn_block *block, const struct mn_ast_ref *ref,
                                    struct mn_source **out)
{
    static const char *const later[] = {"changes", "versions", "stats", "json_each"};
    const struct mn_name *name = &ref->function.name;
    const struct mn_listing *listing = mn_listing_find(name->text);
    struct mn_source source = {.span = ref->span, .row_id_slot = MN_NO_SLOT};
    enum mn_status status = function_args(block, ref, &source);
    const char *near;

    if (status != MN_OK) return status;
    source.alias = ref->alias.text ? ref->alias.text : name->text;
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        if (strcmp(name->text, later[i]) == 0) return mn_comes_later(name->span, later[i]);
    }
    if (listing) {
        status = from_listing(block, ref, listing, &source);
    } else if (strcmp(name->text, "generate_series") == 0) {
        status = from_series(block, ref, &source);
    } else {
        mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length,
                   "no function \"%s\" that gives rows", name->text);
        near = mn_name_near(name->text, near_function, NULL);
        return near ? mn_hint("did you mean %s()?", near) : MN_SCHEMA;
    }
    if (status == MN_OK) status = mn_source_add(block, &source, out);
    return status == MN_OK ? columns_rename(*out, &ref->columns) : status;
}

/* ---- joins ---- */

static enum mn_status from_ref(struct mn_block *block, const struct mn_ast_ref *ref);

static struct mn_ast_expr *using_side(struct mn_block *block, const char *alias,
                                      const struct mn_name *column)
{
    struct mn_ast_expr *ast = mn_arena_zalloc(block->bind->arena, sizeof *ast);

    if (!ast) return NULL;
    ast->kind = MN_AST_COLUMN;
    ast->depth = 1;
    ast->span = column->span;
    ast->column.name = *column;
    ast->column.table = (struct mn_name){.text = alias, .span = column->span};
    ast->column.table.length = alias ? (uint32_t)strlen(alias) : 0;
    return ast;
}

/* USING (a, b) is left.a = right.a AND left.b = right.b; a bare a and * mean the left one. */
static enum mn_status join_using(struct mn_block *block, const struct mn_ast_ref *ref,
                                 struct mn_source *right)
{
    static const struct mn_name bare;

    for (const struct mn_ast_name *name = ref->join.using.first; name; name = name->next) {
        struct mn_ast_expr *equal = mn_arena_zalloc(block->bind->arena, sizeof *equal);
        struct mn_expr *condition;
        struct mn_source *of;
        uint32_t column, i = 0;
        enum mn_status status;

        block->source_end--;
        status = mn_bind_field(block, &bare, &name->name, &of, &column);
        block->source_end++;
        if (status != MN_OK) return status;
        if (!equal) return mn_fail_nomem();
        equal->kind = MN_AST_BINARY;
        equal->depth = 2;
        equal->span = name->name.span;
        equal->binary.op = MN_OP_EQ;
        equal->binary.op_span = name->name.span;
        equal->binary.left = using_side(block, of->alias, &name->name);
        equal->binary.right = using_side(block, right->alias, &name->name);
        if (!equal->binary.left || !equal->binary.right) return mn_fail_nomem();
        status = mn_bind_condition(block, "USING", equal, &condition);
        if (status != MN_OK) return status;
        right->on = mn_expr_and(block->bind->arena, right->on, condition);
        if (!right->on) return mn_fail_nomem();
        while (strcmp(right->columns[i].name, name->name.text) != 0) i++;
        right->columns[i].hidden = true;
    }
    return MN_OK;
}

static enum mn_status from_join(struct mn_block *block, const struct mn_ast_ref *ref)
{
    struct mn_source *right;
    enum mn_status status = from_ref(block, ref->join.left);
    uint32_t before = block->query->source_count;

    if (status == MN_OK) status = from_ref(block, ref->join.right);
    if (status != MN_OK) return status;
    if (block->query->source_count != before + 1) {
        return mn_comes_later(ref->join.right->span, "a join inside a join");
    }
    right = block->query->sources[before];
    right->outer = ref->join.how == MN_JOIN_LEFT;
    if (ref->join.on) return mn_bind_condition(block, "ON", ref->join.on, &right->on);
    return join_using(block, ref, right);
}

static enum mn_status from_ref(struct mn_block *block, const struct mn_ast_ref *ref)
{
    struct mn_source *source;

    switch (ref->kind) {
    case MN_REF_TABLE: return from_table(block, ref, &source);
    case MN_REF_FUNCTION: return from_function(block, ref, &source);
    case MN_REF_QUERY: return from_query(block, ref, &source);
    case MN_REF_JOIN: return from_join(block, ref);
    case MN_REF_MATCH:
    case MN_REF_GRAPH: return mn_bind_match(block, ref);
    }
    return MN_OK;
}

enum mn_status mn_bind_from(struct mn_block *block, const struct mn_ast_refs *refs)
{
    for (const struct mn_ast_ref *ref = refs->first; ref; ref = ref->next) {
        enum mn_status status = from_ref(block, ref);

        if (status != MN_OK) return status;
    }
    return MN_OK;
}
