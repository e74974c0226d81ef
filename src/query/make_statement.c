/*
 * make_statement: the statements themselves, and the columns of a table.
 */
#include "query/make.h"

struct mn_statement *mn_make_statement(struct mn_parser *p, enum mn_statement_kind kind)
{
    p->statement = NEW(struct mn_statement, .kind = kind);
    return p->statement;
}

void mn_make_explain(struct mn_parser *p, struct mn_token word, enum mn_explain explain)
{
    if (p->status != MN_OK) return;
    p->statement->explain = explain;
    switch (p->statement->kind) {
    case MN_STATEMENT_QUERY:
    case MN_STATEMENT_INSERT:
    case MN_STATEMENT_UPDATE:
    case MN_STATEMENT_DELETE:
    case MN_STATEMENT_LINK:
    case MN_STATEMENT_UNLINK: return;
    case MN_STATEMENT_COPY:
    case MN_STATEMENT_CREATE_TABLE:
    case MN_STATEMENT_CREATE_RELATION:
    case MN_STATEMENT_CREATE_INDEX:
    case MN_STATEMENT_CREATE_SNAPSHOT:
    case MN_STATEMENT_DROP:
    case MN_STATEMENT_ALTER:
    case MN_STATEMENT_BEGIN:
    case MN_STATEMENT_COMMIT:
    case MN_STATEMENT_ROLLBACK:
    case MN_STATEMENT_SAVEPOINT:
    case MN_STATEMENT_RELEASE:
    case MN_STATEMENT_PRAGMA:
    case MN_STATEMENT_WATCH: break;
    }
    p->status = mn_fail_at(MN_SYNTAX, word.span.offset, word.span.length,
                           "EXPLAIN takes a query or a change of rows");
}

void mn_make_table(struct mn_parser *p, enum mn_statement_kind kind,
                   const struct mn_ast_create_table *table)
{
    mn_make_statement(p, kind)->create_table = mn_make_node(p, table, sizeof *table);
}

void mn_make_index(struct mn_parser *p, struct mn_ast_create_index *index)
{
    mn_make_statement(p, MN_STATEMENT_CREATE_INDEX)->create_index = index;
}

void mn_make_drop(struct mn_parser *p, const struct mn_ast_drop *drop)
{
    mn_make_statement(p, MN_STATEMENT_DROP)->drop = mn_make_node(p, drop, sizeof *drop);
}

void mn_make_alter(struct mn_parser *p, const struct mn_ast_alter *alter)
{
    mn_make_statement(p, MN_STATEMENT_ALTER)->alter = mn_make_node(p, alter, sizeof *alter);
}

void mn_make_txn(struct mn_parser *p, enum mn_statement_kind kind, const struct mn_ast_txn *txn)
{
    mn_make_statement(p, kind)->txn = mn_make_node(p, txn, sizeof *txn);
}

void mn_make_pragma(struct mn_parser *p, struct mn_name name, struct mn_ast_option *value)
{
    value->name = name;
    mn_make_statement(p, MN_STATEMENT_PRAGMA)->pragma = value;
}

void mn_make_copy(struct mn_parser *p, const struct mn_ast_copy *copy)
{
    mn_make_statement(p, MN_STATEMENT_COPY)->copy = mn_make_node(p, copy, sizeof *copy);
}

void mn_make_insert(struct mn_parser *p, struct mn_ast_insert *insert)
{
    mn_make_statement(p, MN_STATEMENT_INSERT)->insert = insert;
}

void mn_make_update(struct mn_parser *p, const struct mn_ast_update *update)
{
    mn_make_statement(p, MN_STATEMENT_UPDATE)->update = mn_make_node(p, update, sizeof *update);
}

void mn_make_delete(struct mn_parser *p, const struct mn_ast_delete *remove)
{
    mn_make_statement(p, MN_STATEMENT_DELETE)->remove = mn_make_node(p, remove, sizeof *remove);
}

void mn_make_link(struct mn_parser *p, enum mn_statement_kind kind, const struct mn_ast_link *link)
{
    mn_make_statement(p, kind)->link = mn_make_node(p, link, sizeof *link);
}

void mn_make_watch(struct mn_parser *p, const struct mn_ast_watch *watch)
{
    mn_make_statement(p, MN_STATEMENT_WATCH)->watch = mn_make_node(p, watch, sizeof *watch);
}

struct mn_ast_coldef *mn_make_coldef(struct mn_parser *p, struct mn_ast_coldef *column,
                                     struct mn_name name, struct mn_ast_type type)
{
    if (p->status != MN_OK) return column;
    column->span = mn_span_join(name.span, p->last.span);
    column->name = name;
    column->type = type;
    column->autoincrement |= type.serial;
    return column;
}

void mn_make_column_check(struct mn_parser *p, struct mn_ast_coldef *column,
                          struct mn_ast_expr *check, struct mn_span span)
{
    struct mn_ast_constraint *node =
        NEW(struct mn_ast_constraint, .kind = MN_CONSTRAINT_CHECK, .check = check, .span = span);

    if (p->status == MN_OK) APPEND(column->check, node);
}
