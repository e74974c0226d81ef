/*
 * match_label: which table a node is of, and which relations an edge may be.
 *
 * A node without a label takes the table that its edges' labels leave it; an edge without a label
 * is any relation between the tables of its ends. So labels travel along the pattern until nothing
 * new is learnt; what is then still open is an error that asks for a label.
 */
#include <string.h>

#include "query/match.h"
#include "query/parse.h"

static enum mn_status relation_find(struct mn_match *match, const struct mn_name *name,
                                    const struct mn_table **relation)
{
    enum mn_status status = mn_bind_table(match->block->bind, name, relation);

    if (status != MN_OK || (*relation)->relation) return status;
    mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "\"%s\" is a table, not a relation",
               name->text);
    return mn_hint("tables stand in nodes: (n:%s); relations in edges: -[r:likes]->", name->text);
}

static enum mn_status edge_labels(struct mn_match *match, struct mn_match_element *edge)
{
    const struct mn_ast_names *labels = &edge->step->labels;

    edge->relations =
        mn_arena_alloc(match->block->bind->arena, (labels->count + 1) * sizeof *edge->relations);
    if (!edge->relations) return mn_fail_nomem();
    for (const struct mn_ast_name *label = labels->first; label; label = label->next) {
        enum mn_status status =
            relation_find(match, &label->name, &edge->relations[edge->relation_count]);

        if (status != MN_OK) return status;
        edge->relation_count++;
    }
    return MN_OK;
}

static enum mn_status node_label(struct mn_match *match, struct mn_match_element *node)
{
    const struct mn_ast_names *labels = &node->step->labels;
    const struct mn_table *table;

    if (labels->count == 0) return MN_OK;
    if (labels->count > 1) return mn_comes_later(labels->span, "a node of several tables");
    const struct mn_name *name = &labels->first->name;
    enum mn_status status = mn_bind_table(match->block->bind, name, &table);
    if (status != MN_OK) return status;
    if (node->table && node->table != table) {
        return mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length,
                          "%s is a row of %s, not of %s", node->name, node->table->name,
                          table->name);
    }
    node->table = table;
    return MN_OK;
}

/* A small set of tables. */
struct choice {
    uint32_t count;
    const struct mn_table *tables[MN_MATCH_TABLES_MAX];
};

static void choice_add(struct choice *choice, const struct mn_table *table)
{
    for (uint32_t i = 0; i < choice->count; i++) {
        if (choice->tables[i] == table) return;
    }
    if (choice->count < MN_MATCH_TABLES_MAX) choice->tables[choice->count++] = table;
}

/* What relation lets the end of an edge be, `left` or right, when the other end is `other` (NULL:
 * not known). */
static void relation_offer(const struct mn_match_element *edge, const struct mn_table *relation,
                           bool left, const struct mn_table *other, struct choice *choice)
{
    enum mn_ast_direction way = edge->step->direction;
    bool chained = edge->step->quantified && edge->step->hops_max > 1;
    const struct mn_table *known = chained ? NULL : other; /* a chain may pass other tables */

    if (way != MN_EDGE_LEFT && (!known || known == (left ? relation->to : relation->from))) {
        choice_add(choice, left ? relation->from : relation->to);
    }
    if (way != MN_EDGE_RIGHT && (!known || known == (left ? relation->from : relation->to))) {
        choice_add(choice, left ? relation->to : relation->from);
    }
}

/* What an edge lets its end be; with no label and no known other end that is anything. */
static bool edge_offer(const struct mn_match *match, const struct mn_match_element *edge, bool left,
                       struct choice *choice)
{
    const struct mn_schema *schema = match->block->bind->schema;
    const struct mn_table *other = match->elements[left ? edge->right : edge->left].table;

    choice->count = 0;
    if (edge->relation_count > 0) {
        for (uint32_t i = 0; i < edge->relation_count; i++) {
            relation_offer(edge, edge->relations[i], left, other, choice);
        }
        return true;
    }
    if (!other) return false;
    for (uint32_t i = 0; i < schema->table_count; i++) {
        const struct mn_table *table = &schema->tables[i];
        if (table->relation) relation_offer(edge, table, left, other, choice);
    }
    return true;
}

static void choice_intersect(struct choice *choice, const struct choice *with)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < choice->count; i++) {
        for (uint32_t j = 0; j < with->count; j++) {
            if (choice->tables[i] == with->tables[j]) choice->tables[kept++] = with->tables[j];
        }
    }
    choice->count = kept;
}

/* The tables that all edges at a node leave it. False: no edge says anything yet. */
static bool node_choices(const struct mn_match *match, uint32_t index, struct choice *choice)
{
    bool said = false;

    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *edge = &match->elements[i];

        for (int side = 0; side < 2; side++) {
            struct choice offer;

            if (!edge->edge || (side == 0 ? edge->left : edge->right) != index) continue;
            if (!edge_offer(match, edge, side == 0, &offer)) continue;
            if (said)
                choice_intersect(choice, &offer);
            else
                *choice = offer;
            said = true;
        }
    }
    return said;
}

/* An edge at the node whose relation leaves no table for it. */
static enum mn_status node_impossible(const struct mn_match *match, uint32_t index)
{
    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *edge = &match->elements[i];

        if (!edge->edge || (edge->left != index && edge->right != index)) continue;
        if (edge->relation_count == 0) continue;
        mn_fail_at(MN_SCHEMA, edge->span.offset, edge->span.length, "%s goes from %s to %s",
                   edge->relations[0]->name, edge->relations[0]->from->name,
                   edge->relations[0]->to->name);
        return mn_hint("turn the arrow, or give the nodes other labels");
    }
    const struct mn_span *span = &match->elements[index].span;
    return mn_fail_at(MN_SCHEMA, span->offset, span->length, "no relation reaches this node");
}

static enum mn_status node_unknown(const struct mn_match *match, uint32_t index,
                                   const struct choice *choice, bool said)
{
    const struct mn_match_element *node = &match->elements[index];
    const char *name = node->name ? node->name : "";

    if (said && choice->count == 0) return node_impossible(match, index);
    mn_fail_at(MN_SCHEMA, node->span.offset, node->span.length,
               "the table of this node is not clear from its edges");
    if (!said) return mn_hint("write (%s:table)", name);
    return mn_hint("write (%s:%s) or (%s:%s)", name, choice->tables[0]->name, name,
                   choice->tables[1]->name);
}

static enum mn_status nodes_resolve(struct mn_match *match)
{
    bool learnt = true;
    struct choice choice;

    while (learnt) {
        learnt = false;
        for (uint32_t i = 0; i < match->element_count; i++) {
            struct mn_match_element *node = &match->elements[i];

            if (node->edge || node->table) continue;
            if (!node_choices(match, i, &choice) || choice.count != 1) continue;
            node->table = choice.tables[0];
            learnt = true;
        }
    }
    for (uint32_t i = 0; i < match->element_count; i++) {
        const struct mn_match_element *node = &match->elements[i];

        if (node->edge || node->table) continue;
        choice.count = 0;
        bool said = node_choices(match, i, &choice);
        return node_unknown(match, i, &choice, said);
    }
    return MN_OK;
}

/* ---- hops ---- */

static uint32_t table_number(struct mn_match *match, const struct mn_table *table)
{
    uint32_t i = 0;

    while (i < match->table_count && match->tables[i] != table) i++;
    if (i == match->table_count && i < MN_MATCH_TABLES_MAX)
        match->tables[match->table_count++] = table;
    return i;
}

/* Adds the hops that a relation gives an edge; in a chain it may pass tables that are not its ends.
 */
static void hops_add(struct mn_match *match, struct mn_match_element *edge,
                     const struct mn_table *relation)
{
    const struct mn_table *left = match->elements[edge->left].table;
    const struct mn_table *right = match->elements[edge->right].table;
    enum mn_ast_direction way = edge->step->direction;
    bool chained = edge->step->quantified && edge->relation_count > 0;
    uint32_t from = table_number(match, relation->from), to = table_number(match, relation->to);

    if (way != MN_EDGE_LEFT && (chained || (relation->from == left && relation->to == right))) {
        edge->hops[edge->hop_count++] = (struct mn_hop){relation, MN_EDGE_OUT, from, to};
    }
    if (way != MN_EDGE_RIGHT && (chained || (relation->to == left && relation->from == right))) {
        edge->hops[edge->hop_count++] = (struct mn_hop){relation, MN_EDGE_IN, to, from};
    }
}

static enum mn_status edge_does_not_fit(const struct mn_match *match,
                                        const struct mn_match_element *edge,
                                        const struct mn_table *relation)
{
    const char *left = match->elements[edge->left].table->name;
    const char *right = match->elements[edge->right].table->name;

    if (!relation) {
        return mn_fail_at(MN_SCHEMA, edge->span.offset, edge->span.length,
                          "no relation goes from %s to %s", left, right);
    }
    mn_fail_at(MN_SCHEMA, edge->span.offset, edge->span.length, "%s goes from %s to %s",
               relation->name, relation->from->name, relation->to->name);
    return mn_hint("here it stands between %s and %s: turn the arrow, or write other labels", left,
                   right);
}

/* An edge without a label may be any relation between its ends. */
static enum mn_status edge_unlabelled(struct mn_match *match, struct mn_match_element *edge)
{
    const struct mn_schema *schema = match->block->bind->schema;
    size_t bytes = schema->table_count * sizeof(struct mn_table *) + 1;
    uint32_t count = 0;

    edge->relations = mn_arena_alloc(match->block->bind->arena, bytes);
    edge->hops = mn_arena_alloc(match->block->bind->arena,
                                (2 * schema->table_count + 1) * sizeof *edge->hops);
    if (!edge->relations || !edge->hops) return mn_fail_nomem();
    for (uint32_t i = 0; i < schema->table_count; i++) {
        uint32_t before = edge->hop_count;

        if (!schema->tables[i].relation) continue;
        hops_add(match, edge, &schema->tables[i]);
        if (edge->hop_count > before) edge->relations[count++] = &schema->tables[i];
    }
    edge->relation_count = count;
    return count > 0 ? MN_OK : edge_does_not_fit(match, edge, NULL);
}

static enum mn_status edge_resolve(struct mn_match *match, struct mn_match_element *edge)
{
    if (edge->relation_count == 0) return edge_unlabelled(match, edge);
    edge->hops =
        mn_arena_alloc(match->block->bind->arena, 2 * edge->relation_count * sizeof *edge->hops);
    if (!edge->hops) return mn_fail_nomem();
    for (uint32_t i = 0; i < edge->relation_count; i++) {
        uint32_t before = edge->hop_count;

        hops_add(match, edge, edge->relations[i]);
        if (edge->hop_count == before) return edge_does_not_fit(match, edge, edge->relations[i]);
    }
    return MN_OK;
}

enum mn_status mn_match_resolve(struct mn_match *match)
{
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < match->element_count && status == MN_OK; i++) {
        struct mn_match_element *element = &match->elements[i];
        status = element->edge ? edge_labels(match, element) : node_label(match, element);
    }
    if (status == MN_OK) status = nodes_resolve(match);
    for (uint32_t i = 0; i < match->element_count && status == MN_OK; i++) {
        if (match->elements[i].edge) status = edge_resolve(match, &match->elements[i]);
    }
    return status;
}
