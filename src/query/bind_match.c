/*
 * bind_match: MATCH in FROM, as one source whose columns are those of its variables.
 */
#include <string.h>

#include "query/match.h"
#include "query/parse.h"

/* ---- what the text names ---- */

static enum mn_status too_many(const struct mn_ast_step *step)
{
    return mn_fail_at(MN_TOOBIG, step->span.offset, step->span.length,
                      "more than %d elements in one MATCH", MN_MATCH_ELEMENTS_MAX);
}

static enum mn_status edge_is_supported(const struct mn_ast_step *step)
{
    if (step->cost) return mn_comes_later(step->cost->span, "COST");
    return MN_OK;
}

/* The element of a step: the one of that name, or a new one. */
static enum mn_status element_find(struct mn_match *match, const struct mn_ast_step *step,
                                   uint32_t *index)
{
    const char *name = step->variable.text;

    for (uint32_t i = 0; name && i < match->element_count; i++) {
        const struct mn_match_element *other = &match->elements[i];

        if (!other->name || strcmp(other->name, name) != 0) continue;
        if (step->edge || other->edge) {
            return mn_fail_at(MN_SCHEMA, step->variable.span.offset, step->variable.span.length,
                              "\"%s\" stands twice: only a node may", name);
        }
        *index = i;
        return MN_OK;
    }
    if (match->element_count == MN_MATCH_ELEMENTS_MAX) return too_many(step);
    *index = match->element_count++;
    match->elements[*index] = (struct mn_match_element){
        .name = name,
        .span = step->span,
        .edge = step->edge,
        .step = step,
        .label_column = UINT32_MAX,
    };
    return step->edge ? edge_is_supported(step) : MN_OK;
}

/* ANY [SHORTEST] of a single quantified edge says what such an edge says anyway. */
static enum mn_status selector_check(const struct mn_ast_path *path)
{
    bool any = path->selector == MN_PATH_ANY || path->selector == MN_PATH_ANY_SHORTEST;

    if (path->selector == MN_PATH_WALK) return MN_OK;
    if (any && path->step_count == 3 && path->first->next->quantified) return MN_OK;
    return mn_comes_later(path->span, "ALL, ANY, SHORTEST, CHEAPEST, TRAIL or SIMPLE here");
}

static enum mn_status path_collect(struct mn_match *match, const struct mn_ast_path *ast)
{
    struct mn_match_path *path = &match->paths[match->path_count];
    enum mn_status status = selector_check(ast);
    uint32_t last = UINT32_MAX, edge = UINT32_MAX;

    if (match->path_count == MN_MATCH_ELEMENTS_MAX) return too_many(ast->first);
    *path = (struct mn_match_path){.name = ast->variable.text, .first = match->step_count};
    match->path_count++;
    for (const struct mn_ast_step *step = ast->first; step && status == MN_OK; step = step->next) {
        uint32_t index = 0;

        if (match->step_count == 2 * MN_MATCH_ELEMENTS_MAX) return too_many(step);
        status = element_find(match, step, &index);
        match->steps[match->step_count++] = index;
        if (status != MN_OK) break;
        if (step->edge) {
            match->elements[index].left = last;
            edge = index;
            continue;
        }
        if (edge != UINT32_MAX) match->elements[edge].right = index;
        last = index;
    }
    path->last = match->step_count - 1;
    return status;
}

static struct mn_ast_expr column_ast(const char *table, const char *name, struct mn_span span)
{
    struct mn_ast_expr ast = {.kind = MN_AST_COLUMN, .depth = 1, .span = span};

    if (table) {
        ast.column.table =
            (struct mn_name){.text = table, .length = (uint32_t)strlen(table), .span = span};
    }
    ast.column.name =
        (struct mn_name){.text = name, .length = (uint32_t)strlen(name), .span = span};
    return ast;
}

/* ---- aliases that are known already (P1) ---- */

/* The table whose rows a name stands for in a source; NULL for rows of a subquery. */
static bool alias_in_source(struct mn_source *source, const char *name,
                            const struct mn_table **table)
{
    *table = source->table;
    if (source->alias && strcmp(source->alias, name) == 0) return true;
    if (source->make != mn_match_make) return false;
    const struct mn_match *match = source->own;
    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *element = &match->elements[i];

        if (element->edge || !element->name || strcmp(element->name, name) != 0) continue;
        *table = element->table;
        return !element->alias;
    }
    return false;
}

static void alias_find(struct mn_match *match, struct mn_match_element *node)
{
    for (struct mn_block *at = match->block; at && node->name; at = at->outer) {
        if (at->no_sources && at != match->block) continue;
        for (uint32_t i = at->first_source; i < at->source_end; i++) {
            struct mn_source *source = at->query->sources[i];

            if (!alias_in_source(source, node->name, &node->table)) continue;
            node->alias = source;
            return;
        }
    }
    node->table = NULL;
}

static enum mn_status alias_column(struct mn_match *match, const struct mn_match_element *node,
                                   const char *name, struct mn_expr **out)
{
    struct mn_ast_expr ast = column_ast(node->name, name, node->span);

    return mn_bind_name(match->block, &ast, out);
}

/* How the row of the alias is known: by its row id, or by the value of its key. */
static enum mn_status alias_bind(struct mn_match *match, struct mn_match_element *node)
{
    const struct mn_table *table = node->table;
    bool is_row = node->alias->kind != MN_SOURCE_QUERY;
    int key = mn_table_key_column(table);

    if (is_row && table->row_id_column >= 0) {
        return alias_column(match, node, table->columns[table->row_id_column].name,
                            &node->alias_id);
    }
    if (node->alias->kind == MN_SOURCE_TABLE)
        return alias_column(match, node, "rowid", &node->alias_id);
    if (key < 0) {
        return mn_fail_at(MN_SCHEMA, node->span.offset, node->span.length,
                          "%s has no key of one column by which \"%s\" could be its row",
                          table->name, node->name);
    }
    const struct mn_column *column = &table->columns[key];
    enum mn_status status = alias_column(match, node, column->name, &node->alias_key);
    if (status != MN_OK) return status;
    if (node->alias_key->kind.type == column->kind.type) return MN_OK;
    return mn_fail_at(MN_TYPE, node->span.offset, node->span.length,
                      "\"%s\" stands for a row of %s, but its %s is %s, not %s", node->name,
                      table->name, column->name, mn_type_name(node->alias_key->kind.type),
                      mn_type_name(column->kind.type));
}

/* ---- columns ---- */

/* Room for every column there can be: those of all tables, and the nameless ones. */
static uint32_t columns_bound(const struct mn_match *match)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *element = &match->elements[i];
        const struct mn_table *table = element->edge ? element->relations[0] : element->table;

        count += table->column_count + 3;
    }
    return count;
}

static void column_add(struct mn_match *match, const struct mn_match_element *element,
                       const struct mn_column *column)
{
    struct mn_source *source = match->source;

    source->columns[source->column_count++] = (struct mn_source_column){
        .name = column ? column->name : "",
        .of = element->name ? element->name : "",
        .kind = column ? column->kind : (struct mn_kind){.type = MN_TYPE_INT},
        .slot = MN_NO_SLOT,
        .hidden = !column || !element->name,
    };
}

/* Whether every relation of an edge has the column, of the same kind. */
static bool column_is_common(const struct mn_match_element *edge, const struct mn_column *column)
{
    for (uint32_t i = 1; i < edge->relation_count; i++) {
        const struct mn_table *relation = edge->relations[i];
        int at = mn_table_column(relation, column->name, strlen(column->name));

        if (at < 0 ||
            memcmp(&relation->columns[at].kind, &column->kind, sizeof column->kind) != 0) {
            return false;
        }
    }
    return true;
}

static enum mn_status element_columns(struct mn_match *match, struct mn_match_element *element)
{
    struct mn_source *source = match->source;
    const struct mn_table *table = element->edge ? element->relations[0] : element->table;
    bool labelled = element->edge && element->step->labels.count > 0;
    uint32_t *column_of =
        mn_arena_alloc(match->block->bind->arena, (table->column_count + 1) * sizeof *column_of);

    if (!column_of) return mn_fail_nomem();
    element->column_of = column_of;
    element->first_column = source->column_count;
    for (uint32_t c = 0; c < table->column_count && !element->alias; c++) {
        const struct mn_column *column = &table->columns[c];

        if (element->edge && c >= 2 && !labelled) break;
        if (element->edge && !column_is_common(element, column)) continue;
        column_of[source->column_count - element->first_column] = c;
        column_add(match, element, column);
    }
    element->column_count = source->column_count - element->first_column;
    if (element->alias_key) {
        element->key_column = source->column_count;
        column_add(match, element, NULL);
        source->columns[element->key_column].kind = element->alias_key->kind;
    }
    element->id_column = source->column_count;
    column_add(match, element, NULL);
    if (table->row_id_column < 0 && !element->edge) {
        source->columns[element->id_column].name = "rowid";
        source->columns[element->id_column].hidden = true;
    }
    if (element->edge) {
        element->label_column = source->column_count;
        column_add(match, element, NULL);
        source->columns[element->label_column].kind.type = MN_TYPE_TEXT;
    }
    element->column_total = source->column_count - element->first_column;
    return MN_OK;
}

/* The node whose row is looked up by the key of an alias: key = that value. The key column has its
 * name for this one expression. */
static enum mn_status key_equal_make(struct mn_match *match, struct mn_match_element *node)
{
    struct mn_source *source = match->source;
    struct mn_source_column *key = &source->columns[node->key_column];
    const char *name = node->table->columns[mn_table_key_column(node->table)].name;
    struct mn_ast_expr left = column_ast(NULL, name, node->span);
    struct mn_ast_expr right = column_ast(node->name, name, node->span);
    struct mn_ast_expr equal = {.kind = MN_AST_BINARY, .depth = 2, .span = node->span};

    equal.binary.op = MN_OP_EQ;
    equal.binary.op_span = node->span;
    equal.binary.left = &left;
    equal.binary.right = &right;
    key->name = name;
    key->of = "";
    source->focus_first = node->key_column;
    source->focus_count = 1;
    enum mn_status status = mn_bind_condition(match->block, "MATCH", &equal, &node->key_equal);
    source->focus_count = 0;
    key->name = "";
    return status;
}

static enum mn_status columns_make(struct mn_match *match, const struct mn_ast_ref *ref)
{
    struct mn_arena *arena = match->block->bind->arena;
    struct mn_source source = {
        .kind = MN_SOURCE_OTHER,
        .span = ref->span,
        .row_id_slot = MN_NO_SLOT,
        .lateral = true,
        .make = mn_match_make,
        .own = match,
    };

    source.columns = mn_arena_zalloc(arena, (columns_bound(match) + 1) * sizeof *source.columns);
    if (!source.columns) return mn_fail_nomem();
    enum mn_status status = mn_source_add(match->block, &source, &match->source);
    for (uint32_t i = 0; i < match->element_count && status == MN_OK; i++) {
        struct mn_match_element *element = &match->elements[i];

        status = element_columns(match, element);
        if (status != MN_OK || element->edge) continue;
        mn_source_slot(match->block->bind, match->source, element->id_column);
        if (element->alias_key) status = key_equal_make(match, element);
    }
    return status;
}

/* ---- conditions ---- */

static enum mn_status where_add(struct mn_match *match, struct mn_expr *condition)
{
    if (match->where_count == match->where_capacity) {
        uint32_t wanted = match->where_capacity * 2 + 8;
        struct mn_expr **grown = mn_arena_alloc(match->block->bind->arena, wanted * sizeof *grown);

        if (!grown) return mn_fail_nomem();
        if (match->where_count) {
            memcpy(grown, match->where, match->where_count * sizeof *grown);
        }
        match->where = grown;
        match->where_capacity = wanted;
    }
    match->where[match->where_count++] = condition;
    return MN_OK;
}

/* A bare name in an element's WHERE means that element's column, where it has one. */
static enum mn_status step_where(struct mn_match *match, const struct mn_ast_step *step,
                                 struct mn_match_element *element)
{
    struct mn_source *source = match->source;
    struct mn_expr *condition;

    if (!step->where) return MN_OK;
    source->focus_first = element->first_column;
    source->focus_count = element->column_count;
    enum mn_status status = mn_bind_condition(match->block, "WHERE", step->where, &condition);
    source->focus_count = 0;
    if (status != MN_OK) return status;
    if (!element->edge || !step->quantified) return where_add(match, condition);
    element->admit = condition;
    return MN_OK;
}

static enum mn_status conditions_bind(struct mn_match *match, const struct mn_ast_paths *paths)
{
    uint32_t at = 0;

    for (const struct mn_ast_path *path = paths->first; path; path = path->next) {
        for (const struct mn_ast_step *step = path->first; step; step = step->next) {
            struct mn_match_element *element = &match->elements[match->steps[at++]];
            enum mn_status status = step_where(match, step, element);

            if (status != MN_OK) return status;
        }
    }
    return MN_OK;
}

/* The variable of a quantified edge is many edges: nobody outside its own WHERE can name one. */
static void group_variables_hide(struct mn_match *match)
{
    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *edge = &match->elements[i];

        if (!edge->edge || !edge->step->quantified) continue;
        for (uint32_t c = 0; c < edge->column_count; c++) {
            struct mn_source_column *column = &match->source->columns[edge->first_column + c];
            column->name = column->of = "";
            column->hidden = true;
        }
    }
}

/* ---- what must be filled below ---- */

struct needs_walk {
    const struct mn_match *match;
    uint32_t *slots;
    uint32_t count, capacity;
    bool failed;
};

static bool slot_is_own(const struct mn_match *match, uint32_t slot)
{
    for (uint32_t i = 0; i < match->source->column_count; i++) {
        if (match->source->columns[i].slot == slot) return true;
    }
    return false;
}

static void needs_note(void *context, const struct mn_expr *expr)
{
    struct needs_walk *walk = context;

    if (expr->form != MN_EXPR_SLOT || slot_is_own(walk->match, expr->slot)) return;
    if (walk->count == walk->capacity) {
        uint32_t wanted = walk->capacity * 2 + 8;
        uint32_t *grown = mn_arena_alloc(walk->match->block->bind->arena, wanted * sizeof *grown);

        walk->failed = walk->failed || !grown;
        if (!grown) return;
        if (walk->count) memcpy(grown, walk->slots, walk->count * sizeof *grown);
        walk->slots = grown;
        walk->capacity = wanted;
    }
    walk->slots[walk->count++] = expr->slot;
}

static enum mn_status needs_collect(struct mn_match *match)
{
    struct needs_walk walk = {.match = match};

    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *element = &match->elements[i];

        if (element->alias_id) mn_expr_walk(element->alias_id, needs_note, &walk);
        if (element->alias_key) mn_expr_walk(element->alias_key, needs_note, &walk);
        if (element->admit) mn_expr_walk(element->admit, needs_note, &walk);
    }
    for (uint32_t i = 0; i < match->where_count; i++) {
        mn_expr_walk(match->where[i], needs_note, &walk);
    }
    match->source->needs = (struct mn_slot_list){walk.count, walk.slots};
    return walk.failed ? mn_fail_nomem() : MN_OK;
}

enum mn_status mn_bind_match(struct mn_block *block, const struct mn_ast_ref *ref)
{
    struct mn_match *match = mn_arena_zalloc(block->bind->arena, sizeof *match);
    enum mn_status status = MN_OK;

    if (!match) return mn_fail_nomem();
    if (ref->kind == MN_REF_GRAPH) return mn_comes_later(ref->span, "GRAPH_TABLE");
    if (ref->match.asof.point != MN_POINT_NONE)
        return mn_comes_later(ref->match.asof.span, "AS OF");
    match->block = block;
    for (const struct mn_ast_path *path = ref->match.paths.first; path && status == MN_OK;
         path = path->next) {
        status = path_collect(match, path);
    }
    for (uint32_t i = 0; i < match->element_count; i++) {
        if (!match->elements[i].edge) alias_find(match, &match->elements[i]);
    }
    if (status == MN_OK) status = mn_match_resolve(match);
    for (uint32_t i = 0; i < match->element_count && status == MN_OK; i++) {
        if (match->elements[i].alias) status = alias_bind(match, &match->elements[i]);
    }
    if (status == MN_OK) status = columns_make(match, ref);
    if (status == MN_OK) status = conditions_bind(match, &ref->match.paths);
    if (status != MN_OK) return status;
    group_variables_hide(match);
    return needs_collect(match);
}
