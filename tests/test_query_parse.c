/*
 * Tests of query/parse: the tree, its spans, limits, parameters, completion, and what is answered
 * when memory runs out.
 */
#include "query/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "query/hint.h"
#include "support/test.h"

static struct mn_arena arena;

static int arena_begin(void **state)
{
    (void)state;
    mn_arena_init(&arena, 0);
    return 0;
}

static int arena_end(void **state)
{
    (void)state;
    mn_arena_release(&arena);
    return 0;
}

static enum mn_status parse(const char *text, struct mn_statement **statement)
{
    const char *tail;

    return mn_parse(&arena, text, strlen(text), statement, &tail);
}

static struct mn_statement *parsed(const char *text)
{
    struct mn_statement *statement = NULL;

    if (parse(text, &statement) != MN_OK) {
        fail_msg("%s\n%s (%s)", text, mn_error_last()->message, mn_error_last()->hint);
    }
    assert_non_null(statement);
    return statement;
}

/* ---- the tree as text ---------------------------------------------------------------------- */

static struct mn_buf dump_buf;

static void dump(const struct mn_ast_expr *expr);

static enum mn_status dump_child(void *context, struct mn_ast_expr *child)
{
    (void)context;
    mn_buf_byte(&dump_buf, ' ');
    dump(child);
    return MN_OK;
}

static const char *dump_head(const struct mn_ast_expr *expr)
{
    static char text[80];

    switch (expr->kind) {
    case MN_AST_UNARY: return mn_ast_op_text(expr->unary.op, MN_METRIC_L2);
    case MN_AST_BINARY: return mn_ast_op_text(expr->binary.op, expr->binary.metric);
    case MN_AST_IS: return expr->is.negated ? "is-not" : "is";
    case MN_AST_LIKE: return expr->like.negated ? "not-like" : "like";
    case MN_AST_BETWEEN: return expr->between.negated ? "not-between" : "between";
    case MN_AST_IN: return expr->in.negated ? "not-in" : "in";
    case MN_AST_QUANTIFIED: return expr->quantified.all ? "all" : "any";
    case MN_AST_CALL: snprintf(text, sizeof text, "%s()", expr->call.name.text); return text;
    case MN_AST_CASE: return "case";
    case MN_AST_CAST: return mn_kind_name(&expr->cast.type.kind, text);
    case MN_AST_EXISTS: return "exists";
    case MN_AST_SUBQUERY: return "query";
    case MN_AST_LIST: return "list";
    case MN_AST_ELEMENT: return "element";
    case MN_AST_DEFAULT: return "default";
    case MN_AST_LITERAL:
    case MN_AST_PARAM:
    case MN_AST_COLUMN: break;
    }
    return "";
}

static void dump(const struct mn_ast_expr *expr)
{
    if (expr->kind == MN_AST_LITERAL && mn_is_null(&expr->literal)) {
        mn_buf_text(&dump_buf, "NULL");
    } else if (expr->kind == MN_AST_LITERAL) {
        mn_value_format(&expr->literal, &dump_buf);
    } else if (expr->kind == MN_AST_PARAM) {
        mn_buf_printf(&dump_buf, "$%u", expr->param);
    } else if (expr->kind == MN_AST_COLUMN) {
        if (expr->column.table.text) mn_buf_printf(&dump_buf, "%s.", expr->column.table.text);
        mn_buf_text(&dump_buf, expr->column.name.text);
    } else {
        mn_buf_printf(&dump_buf, "(%s", dump_head(expr));
        mn_ast_children(expr, dump_child, NULL);
        mn_buf_byte(&dump_buf, ')');
    }
}

static const struct mn_ast_expr *expression(const char *text)
{
    struct mn_ast_expr *expr = NULL;

    if (mn_parse_expression(&arena, text, strlen(text), &expr) != MN_OK) {
        fail_msg("%s\n%s", text, mn_error_last()->message);
    }
    return expr;
}

static void expect_tree(const char *text, const char *wanted)
{
    dump_buf.len = 0;
    dump(expression(text));
    mn_buf_byte(&dump_buf, 0);
    assert_string_equal((const char *)dump_buf.data, wanted);
    mn_buf_release(&dump_buf);
}

static void operators_bind_as_written(void **state)
{
    (void)state;
    expect_tree("1 + 2 * 3 - 4", "(- (+ 1 (* 2 3)) 4)");
    expect_tree("a OR b AND NOT c = d", "(OR a (AND b (NOT (= c d))))");
    expect_tree("a || b * 2", "(* (|| a b) 2)");
    expect_tree("1 - e <=> f", "(<=> (- 1 e) f)");
    expect_tree("1 - (e <=> f) < 0.5", "(< (- 1 (<=> e f)) 0.5)");
}

static void operators_bind_tightly(void **state)
{
    (void)state;
    expect_tree("m->>'n'::INT", "(->> m (INT n))");
    expect_tree("-x[1]", "(- (element x 1))");
    expect_tree("x::TEXT[]", "(TEXT[] x)");
    expect_tree("a BETWEEN 1 AND 2 AND b", "(AND (between a 1 2) b)");
    expect_tree("a NOT IN (1, 2) = b", "(= (not-in a 1 2) b)");
    expect_tree("a IS NOT NULL AND b IS DISTINCT FROM c",
                "(AND (is-not a) (IS DISTINCT FROM b c))");
    expect_tree("a LIKE 'x' ESCAPE '!' OR b NOT ILIKE c", "(OR (like a x !) (not-like b c))");
    expect_tree("x = ANY(y) AND z <> ALL([1])", "(AND (any x y) (all z (list 1)))");
    expect_tree("CASE a WHEN 1 THEN 2 WHEN 3 THEN 4 ELSE 5 END", "(case a 1 2 3 4 5)");
    expect_tree("CASE WHEN a THEN b END", "(case a b)");
    expect_tree("f(DISTINCT a, b ORDER BY c) FILTER (WHERE d)", "(f() a b c d)");
    expect_tree("x-[1,2][1]", "(- x (element (list 1 2) 1))");
    expect_tree("a<-1", "(< a -1)");
    expect_tree("[]", "(list)");
    expect_tree("ARRAY['a', \"B\"\"c\"]", "(list a B\"c)");
}

static void literals_have_their_values(void **state)
{
    (void)state;
    expect_tree("'it''s'", "it's");
    expect_tree("x'00fF'", "\\x00ff");
    expect_tree("0xff", "255");
    expect_tree("-9223372036854775808", "-9223372036854775808");
    expect_tree("9223372036854775807", "9223372036854775807");
    expect_tree("1e-3", "0.001");
    expect_tree(".5", "0.5");
    expect_tree("1.", "1.0");
    expect_tree("1h30m", "1h30m");
    expect_tree("-7d", "-7d");
    expect_tree("INTERVAL '7 days'", "7d");
    expect_tree("TIMESTAMP '2026-11-20 10:00:00+02'", "2026-11-20T08:00:00.000000Z");
    expect_tree("DATE '2026-11-20'", "2026-11-20T00:00:00.000000Z");
    expect_tree("UUID '00000000-0000-7000-8000-000000000001'",
                "00000000-0000-7000-8000-000000000001");
    expect_tree("JSON '{\"a\":1}'", "{\"a\":1}");
    expect_tree("TRUE", "true");
    expect_tree("null", "NULL");
}

static void expect_error(const char *text, enum mn_status status, const char *marked)
{
    struct mn_statement *statement = NULL;
    const struct mn_error *error = mn_error_last();

    assert_int_equal(parse(text, &statement), status);
    assert_null(statement);
    assert_int_equal(error->code, status);
    assert_true(error->offset >= 0);
    assert_int_equal(error->length, strlen(marked));
    assert_memory_equal(text + error->offset, marked, strlen(marked));
}

static void bad_literals_are_marked(void **state)
{
    (void)state;
    expect_error("SELECT 9223372036854775808", MN_RANGE, "9223372036854775808");
    expect_error("SELECT 1, -(9223372036854775808 + 1)", MN_RANGE, "9223372036854775808");
    expect_error("SELECT 0x1ffffffffffffffff", MN_RANGE, "0x1ffffffffffffffff");
    expect_error("SELECT 7q", MN_SYNTAX, "7q");
    expect_error("SELECT x'0'", MN_SYNTAX, "x'0'");
    expect_error("SELECT 'a\xff'", MN_SYNTAX, "'a\xff'");
    expect_error("SELECT 'abc", MN_SYNTAX, "'abc");
    expect_error("SELECT /* abc", MN_SYNTAX, "/*");
    expect_error("SELECT INTERVAL '7'", MN_TYPE, "'7'");
    expect_error("SELECT 30m1h", MN_TYPE, "30m1h");
    expect_error("SELECT E'a'", MN_SYNTAX, "E");
    expect_error("SELECT CAST(1 AS wibble)", MN_SCHEMA, "wibble");
    expect_error("CREATE TABLE t (a DATE)", MN_SCHEMA, "DATE");
    expect_error("CREATE TABLE t (a VECTOR(9000))", MN_RANGE, "9000");
    expect_error("CREATE TABLE t (a VARCHAR(20))", MN_SCHEMA, "20");
    expect_error("CREATE TABLE t (a INT[][])", MN_SCHEMA, "INT[][]");
}

/* A word that is a name elsewhere is a keyword where one is wanted. */
static void soft_keywords_are_seen_behind_nothing(void **state)
{
    const struct mn_ast_sort *sort;
    const struct mn_ast_ref *ref;

    (void)state;
    expect_tree("x IN (VALUES (1), (2)) AND y = (VALUES (3))", "(AND (in x) (= y (query)))");
    expect_tree("x = ANY (WITH c AS (SELECT 1) SELECT a FROM c)", "(any x)");
    sort = parsed("CREATE INDEX ON t (a NULLS FIRST, b my_ops DESC)")->create_index->columns.first;
    assert_int_equal(sort->nulls, MN_NULLS_FIRST);
    assert_null(sort->opclass.text);
    assert_string_equal(sort->next->opclass.text, "my_ops");
    assert_true(sort->next->descending);
    ref = parsed("SELECT 1 FROM MATCH (a)-[COST 2]->(b)-[c]-(c)-[WHERE cost > 1 COST 3]-()")
              ->query->body->select.from.first;
    assert_int_equal(ref->match.paths.first->first->next->cost->literal.i, 2);
    assert_null(ref->match.paths.first->first->next->variable.text);
}

/* ---- spans, names -------------------------------------------------------------------------- */

static void expect_span(const char *text, struct mn_span span, const char *wanted)
{
    assert_int_equal(span.length, strlen(wanted));
    assert_memory_equal(text + span.offset, wanted, span.length);
}

static void spans_are_the_text_of_nodes(void **state)
{
    const char *text =
        "  CREATE TABLE T (Id INT DEFAULT (1 + 2) CHECK (id > 0), \"B\" TEXT) ; rest";
    const struct mn_statement *statement = parsed(text);
    const struct mn_ast_coldef *id = statement->create_table->columns.first;

    (void)state;
    expect_span(text, statement->span,
                "CREATE TABLE T (Id INT DEFAULT (1 + 2) CHECK (id > 0), \"B\" TEXT)");
    assert_string_equal(statement->create_table->name.text, "t");
    assert_string_equal(id->name.text, "id");
    expect_span(text, id->span, "Id INT DEFAULT (1 + 2) CHECK (id > 0)");
    expect_span(text, id->default_to->span, "(1 + 2)");
    expect_span(text, id->check.first->check->span, "id > 0");
    assert_string_equal(id->next->name.text, "B");
    assert_true(id->next->name.quoted);
}

static void column_spans_reach_their_ends(void **state)
{
    const char *text = "SELECT count(*) FILTER (WHERE a), b::INT, (c), d IS NULL x FROM m AS n";
    const struct mn_ast_select *select = &parsed(text)->query->body->select;
    const struct mn_ast_column *c = select->columns.first;

    (void)state;
    expect_span(text, c->expr->span, "count(*) FILTER (WHERE a)");
    expect_span(text, c->next->expr->span, "b::INT");
    expect_span(text, c->next->next->expr->span, "(c)");
    expect_span(text, c->next->next->next->expr->span, "d IS NULL");
    assert_string_equal(c->next->next->next->alias.text, "x");
    expect_span(text, select->from.first->span, "m AS n");
}

/* ---- statements one at a time -------------------------------------------------------------- */

static void statements_come_one_at_a_time(void **state)
{
    const char *text = ";; SELECT 1 ; -- nothing\n; COMMIT";
    struct mn_statement *statement;
    const char *tail, *end = text + strlen(text);

    (void)state;
    assert_int_equal(mn_parse(&arena, text, strlen(text), &statement, &tail), MN_OK);
    assert_int_equal(statement->kind, MN_STATEMENT_QUERY);
    assert_memory_equal(tail, " -- nothing", 11);
    assert_int_equal(mn_parse(&arena, tail, (size_t)(end - tail), &statement, &tail), MN_OK);
    assert_int_equal(statement->kind, MN_STATEMENT_COMMIT);
    assert_ptr_equal(tail, end);
    assert_int_equal(mn_parse(&arena, tail, 0, &statement, &tail), MN_OK);
    assert_null(statement);
}

/* The text ends where its length says, not at a NUL. */
static void text_ends_at_its_length(void **state)
{
    struct mn_statement *statement;
    const char *tail;

    (void)state;
    assert_int_equal(mn_parse(&arena, "SELECT 12345", 10, &statement, &tail), MN_OK);
    assert_int_equal(statement->query->body->select.columns.first->expr->literal.i, 123);
    assert_int_equal(mn_parse(&arena, "SELECT\0 1", 9, &statement, &tail), MN_SYNTAX);
}

static void every_statement_has_its_kind(void **state)
{
    static const struct {
        const char *text;
        enum mn_statement_kind kind;
    } all[] = {
        {"VALUES (1, 2), (3, 4)", MN_STATEMENT_QUERY},
        {"INSERT INTO t DEFAULT VALUES", MN_STATEMENT_INSERT},
        {"UPSERT INTO t (a) VALUES (1)", MN_STATEMENT_INSERT},
        {"UPDATE t SET a = 1", MN_STATEMENT_UPDATE},
        {"DELETE FROM t", MN_STATEMENT_DELETE},
        {"LINK 1 TO 2 AS r SET w = 1", MN_STATEMENT_LINK},
        {"UNLINK 1 FROM 2 AS r", MN_STATEMENT_UNLINK},
        {"COPY t FROM 'f'", MN_STATEMENT_COPY},
        {"CREATE RELATION r FROM a TO b", MN_STATEMENT_CREATE_RELATION},
        {"CREATE UNIQUE INDEX ON t (a DESC NULLS FIRST)", MN_STATEMENT_CREATE_INDEX},
        {"CREATE SNAPSHOT s", MN_STATEMENT_CREATE_SNAPSHOT},
        {"DROP TABLE IF EXISTS t CASCADE", MN_STATEMENT_DROP},
        {"ALTER TABLE t ADD COLUMN a INT", MN_STATEMENT_ALTER},
        {"BEGIN WRITE", MN_STATEMENT_BEGIN},
        {"ROLLBACK TO s", MN_STATEMENT_ROLLBACK},
        {"SAVEPOINT s", MN_STATEMENT_SAVEPOINT},
        {"RELEASE s", MN_STATEMENT_RELEASE},
        {"PRAGMA user_version = -3", MN_STATEMENT_PRAGMA},
        {"WATCH t WHERE a SINCE 3", MN_STATEMENT_WATCH},
    };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_int_equal(parsed(all[i].text)->kind, all[i].kind);
    }
    assert_int_equal(parsed("EXPLAIN ANALYZE SELECT 1")->explain, MN_EXPLAIN_ANALYZE);
    assert_int_equal(parsed("PRAGMA user_version = -3")->pragma->value.i, -3);
    expect_error("EXPLAIN BEGIN", MN_SYNTAX, "EXPLAIN");
}

static void nearest_and_latest_keep_their_parts(void **state)
{
    const struct mn_ast_nearest *nearest =
        parsed("SELECT id FROM m NEAREST 5 BY m.e TO $q WEIGHT 0.7, TO $r FUSE rrf(60) WITHIN 0.5 "
               "EFFORT 9 METRIC l2 EXACT")
            ->query->body->select.nearest;
    const struct mn_ast_latest *latest =
        parsed("SELECT id FROM m LATEST 3 BY a, m.b USING t")->query->body->select.latest;

    (void)state;
    assert_int_equal(nearest->k->literal.i, 5);
    assert_int_equal(nearest->target_count, 2);
    assert_string_equal(nearest->first->table.text, "m");
    assert_string_equal(nearest->first->column.text, "e");
    assert_int_equal(nearest->first->next->to->param, 2);
    assert_null(nearest->first->next->column.text);
    assert_string_equal(nearest->fuse.text, "rrf");
    assert_int_equal(nearest->effort->literal.i, 9);
    assert_string_equal(nearest->metric.text, "l2");
    assert_true(nearest->exact);
    assert_int_equal(latest->n->literal.i, 3);
    assert_int_equal(latest->by.count, 2);
    assert_string_equal(latest->by.last->column.text, "b");
    assert_string_equal(latest->time_column.text, "t");
}

static void paths_keep_their_steps(void **state)
{
    const struct mn_ast_ref *ref =
        parsed("SELECT 1 FROM MATCH p = ANY SHORTEST (a:m WHERE a.id = 1)-[r:x|y]->{2,3}(b), "
               "MATCH (c)<-[]-(d)-(e)<-[:z]->*(f)-[:z COST 2]-+(g)")
            ->query->body->select.from.first;
    const struct mn_ast_path *path = ref->match.paths.first;
    const struct mn_ast_step *step = path->first;
    static const enum mn_ast_direction ways[] = {MN_EDGE_LEFT, MN_EDGE_BOTH, MN_EDGE_BOTH,
                                                 MN_EDGE_BOTH};

    (void)state;
    assert_string_equal(path->variable.text, "p");
    assert_int_equal(path->selector, MN_PATH_ANY_SHORTEST);
    assert_int_equal(path->step_count, 3);
    assert_string_equal(step->variable.text, "a");
    assert_string_equal(step->labels.first->name.text, "m");
    assert_non_null(step->where);
    step = step->next;
    assert_true(step->edge && step->quantified);
    assert_int_equal(step->labels.count, 2);
    assert_int_equal(step->direction, MN_EDGE_RIGHT);
    assert_int_equal(step->hops_min, 2);
    assert_int_equal(step->hops_max, 3);
    step = ref->next->match.paths.first->first->next;
    for (int i = 0; i < 4; i++, step = step->next->next) {
        assert_int_equal(step->direction, ways[i]);
        assert_int_equal(step->hops_min, i == 2 ? 0 : 1);
        assert_true(step->hops_max == (i < 2 ? 1 : MN_HOPS_UNBOUNDED));
        if (i == 3) assert_int_equal(step->cost->literal.i, 2);
    }
    expect_error("SELECT 1 FROM MATCH (a)-[:r]->{0}(b)", MN_RANGE, "{0}");
    expect_error("SELECT 1 FROM MATCH (a)-[:r]->{3,2}(b)", MN_RANGE, "{3,2}");
}

static void intersect_binds_tighter_than_union(void **state)
{
    const struct mn_ast_body *body =
        parsed("SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 3 EXCEPT SELECT 4 LIMIT 5")
            ->query->body;

    (void)state;
    assert_int_equal(body->set.op, MN_SET_EXCEPT);
    assert_int_equal(body->set.left->set.op, MN_SET_UNION_ALL);
    assert_int_equal(body->set.left->set.right->set.op, MN_SET_INTERSECT);
}

/* ---- parameters ---------------------------------------------------------------------------- */

static void parameters_are_numbered(void **state)
{
    const struct mn_statement *s = parsed("SELECT $b, $a, $b, $7, $c");

    (void)state;
    assert_int_equal(s->param_count, 8);
    assert_string_equal(s->params[0].name, "b");
    assert_string_equal(s->params[1].name, "a");
    assert_null(s->params[6].name);
    assert_int_equal(s->params[4].span.length, 0);
    assert_string_equal(s->params[7].name, "c");
    assert_int_equal(parsed("SELECT ?, ?, $x, ?")->param_count, 4);
    expect_error("SELECT ?, $2", MN_SYNTAX, "$2");
    expect_error("SELECT ?3, ?", MN_SYNTAX, "?");
    expect_error("SELECT $0", MN_SYNTAX, "$0");
    expect_error("SELECT $32769", MN_TOOBIG, "$32769");
    assert_int_equal(parsed("SELECT $32768")->param_count, 32768);
}

static void many_names_are_kept_apart(void **state)
{
    struct mn_buf text = {0};
    struct mn_statement *statement;
    const char *tail;

    (void)state;
    mn_buf_text(&text, "SELECT [$p0");
    for (int i = 1; i <= 20000; i++) mn_buf_printf(&text, ",$p%d", i % 10000);
    mn_buf_byte(&text, ']');
    assert_int_equal(mn_parse(&arena, (char *)text.data, text.len, &statement, &tail), MN_OK);
    assert_int_equal(statement->param_count, 10000);
    assert_string_equal(statement->params[9999].name, "p9999");
    mn_buf_release(&text);
}

/* ---- limits -------------------------------------------------------------------------------- */

static enum mn_status parse_repeated(const char *begin, const char *open, int count,
                                     const char *middle, const char *close)
{
    struct mn_buf text = {0};
    struct mn_statement *statement;
    const char *tail;
    enum mn_status status;

    mn_buf_text(&text, begin);
    for (int i = 0; i < count; i++) mn_buf_text(&text, open);
    mn_buf_text(&text, middle);
    for (int i = 0; i < count; i++) mn_buf_text(&text, close);
    status = mn_parse(&arena, (char *)text.data, text.len, &statement, &tail);
    mn_buf_release(&text);
    return status;
}

static void nesting_ends_in_an_error(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("SELECT ", "(", 100, "1", ")"), MN_OK);
    assert_int_equal(parse_repeated("SELECT ", "(", 101, "1", ")"), MN_TOOBIG);
    assert_int_equal(mn_error_last()->offset, 107);
    assert_int_equal(parse_repeated("SELECT ", "(", 1000, "1", ")"), MN_TOOBIG);
    assert_int_equal(parse_repeated("SELECT ", "[", 1000, "1", "]"), MN_TOOBIG);
    assert_int_equal(parse_repeated("SELECT ", "CASE WHEN ", 1000, "1", " THEN 1 END"), MN_TOOBIG);
    assert_int_equal(parse_repeated("", "(SELECT a FROM ", 1000, "t", ") x"), MN_TOOBIG);
    assert_int_equal(parse_repeated("SELECT ", "NOT ", 100000, "a", ""), MN_TOOBIG);
    assert_int_equal(parse_repeated("SELECT ", "- ", 100000, "a", ""), MN_TOOBIG);
    assert_int_equal(parse_repeated("SELECT ", "", 900, "a", " + a"), MN_OK);
    assert_int_equal(parse_repeated("SELECT ", "", 100000, "a", " + a"), MN_TOOBIG);
    assert_int_equal(parse_repeated("SELECT 1", "", 100000, "", " UNION SELECT 1"), MN_TOOBIG);
    assert_int_equal(parse_repeated("SELECT 1 FROM a", "", 50000, "", " CROSS JOIN a"), MN_TOOBIG);
    assert_int_equal(parse_repeated("SELECT 1 FROM a", "", 50000, "", ", a"), MN_OK);
    assert_int_equal(parse_repeated("SELECT x::INT", "", 100000, "", "::INT"), MN_TOOBIG);
}

static void the_length_of_a_statement_is_limited(void **state)
{
    const size_t limit = MN_STATEMENT_BYTES_MAX, huge = 10u << 20;
    char *text = malloc(huge + 64);
    struct mn_statement *statement;
    const char *tail;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', huge);
    memcpy(text, "SELECT '", 8);
    text[limit - 1] = '\'';
    assert_int_equal(mn_parse(&arena, text, limit, &statement, &tail), MN_OK);
    text[limit - 1] = 'x';
    text[limit] = '\'';
    assert_int_equal(mn_parse(&arena, text, limit + 1, &statement, &tail), MN_TOOBIG);
    text[limit] = 'x';
    text[huge - 1] = '\'';
    assert_int_equal(mn_parse(&arena, text, huge, &statement, &tail), MN_TOOBIG);
    /* Many short statements are no long one. */
    for (size_t i = 0; i + 9 <= huge; i += 9) memcpy(text + i, "SELECT 1;", 9);
    assert_int_equal(mn_parse(&arena, text, huge, &statement, &tail), MN_OK);
    assert_ptr_equal(tail, text + 9);
    free(text);
}

/* ---- hints --------------------------------------------------------------------------------- */

static void expect_hint(const char *text, const char *hint)
{
    struct mn_statement *statement;

    assert_int_equal(parse(text, &statement), MN_SYNTAX);
    assert_string_equal(mn_error_last()->hint, hint);
}

static void misspelt_keywords_are_recognised(void **state)
{
    (void)state;
    expect_hint("SELCT 1", "did you mean SELECT?");
    expect_hint("SELECT id FORM memory", "did you mean FROM?");
    expect_hint("SELECT id FROM m WEHRE a = 1", "did you mean WHERE?");
    expect_hint("SELECT id FROM m GROPU BY a", "did you mean GROUP?");
    expect_hint("INSERT INTO t VALEUS (1)", "did you mean VALUES?");
    expect_hint("CREATE TABEL t (a INT)", "did you mean TABLE?");
    expect_hint("DELETE FORM t", "write DELETE FROM");
    expect_hint("UPDATE t STE a = 1", "did you mean SET?");
    expect_hint("SELECT a FROM t LIMTI 3", "did you mean LIMIT?");
}

/* Idioms are known by their shape, not by the words of one test. */
static void idioms_are_recognised_in_other_words(void **state)
{
    (void)state;
    expect_hint("SELECT DISTINCT ON (robot) * FROM pose", "DISTINCT ON is not supported; write "
                                                          "LATEST BY col");
    expect_hint("SELECT a FROM t WHERE x > now() - INTERVAL 30 MINUTE",
                "write 7d or INTERVAL '7 days'");
    expect_hint("SELECT n.x FROM MATCH (a)-[:r]->(b), (c)-[:s]->(d)",
                "separate patterns in FROM MATCH with AND");
    expect_hint("SELECT x FROM t NEAREST 3 $other", "NEAREST k [BY column] TO vector");
    expect_hint("UPDATE t SET x = 1, t.y = 2", "a column in SET has no table before it");
    expect_hint("DELETE pose WHERE id = 1", "write DELETE FROM");
    expect_hint("SELECT TOP 10 * FROM t", "write LIMIT n at the end");
    expect_hint("SELECT * FROM t LIMIT $a, $b", "write LIMIT n OFFSET m");
    expect_hint("SELECT a, b, FROM t", "remove the trailing comma");
    expect_hint("SELECT a FROM t WHERE (x, y) = (1, 2)",
                "row values are not supported; compare the columns one by one with AND");
    expect_hint("SELECT a FROM t WHERE j @> '{}'", "test JSON with -> and ->>");
    expect_hint("SELECT order FROM t", "ORDER is a keyword; write \"order\", or table.order");
    expect_hint("SELECT count(*) FROM t GROUP BY a WHERE b",
                "WHERE goes before GROUP BY; groups are filtered by HAVING");
    expect_hint("SELECT a FROM t tt RIGHT JOIN u ON 1",
                "RIGHT JOIN is not supported; swap the tables and write LEFT JOIN");
}

static void what_was_expected_is_said_where_it_is_little(void **state)
{
    struct mn_statement *statement;

    (void)state;
    assert_int_equal(parse("DROP wibble", &statement), MN_SYNTAX);
    assert_string_equal(mn_error_last()->message, "unexpected wibble; expected INDEX, RELATION, "
                                                  "SNAPSHOT or TABLE");
    assert_int_equal(parse("COPY t FROM 3", &statement), MN_SYNTAX);
    assert_string_equal(mn_error_last()->message, "unexpected 3; expected a text or a parameter");
    assert_int_equal(parse("COPY t FROM", &statement), MN_SYNTAX);
    assert_string_equal(mn_error_last()->message,
                        "unexpected end of the statement; expected a text or a parameter");
}

static void distances_between_words_count_swaps(void **state)
{
    static const char *const words[] = {"importance", "embedding", NULL, "at"};

    (void)state;
    assert_int_equal(mn_hint_distance("form", 4, "FROM", 4), 1);
    assert_int_equal(mn_hint_distance("kitten", 6, "sitting", 7), 3);
    assert_int_equal(mn_hint_distance("", 0, "abc", 3), 3);
    assert_string_equal(mn_hint_nearest("importence", 10, words, 4), "importance");
    assert_null(mn_hint_nearest("wibble", 6, words, 4));
}

/* ---- completion ---------------------------------------------------------------------------- */

struct wanted {
    const char *word;
    bool found;
};

static bool expected_seek(void *context, const char *word)
{
    struct wanted *wanted = context;

    wanted->found |= strcmp(word, wanted->word) == 0;
    return true;
}

static bool can_follow(const char *text, const char *word)
{
    struct wanted wanted = {word, false};

    assert_int_equal(mn_parse_expected(text, strlen(text), expected_seek, &wanted), MN_OK);
    return wanted.found;
}

static void completion_knows_what_can_follow(void **state)
{
    (void)state;
    assert_true(can_follow("", "SELECT"));
    assert_true(can_follow("SELECT 1; ", "COMMIT"));
    assert_true(can_follow("SELECT a FROM t ", "NEAREST"));
    assert_true(can_follow("SELECT a FROM t NEAR", "NEAREST"));
    assert_false(can_follow("SELECT a FROM ", "NEAREST KEY"));
    assert_false(can_follow("SELECT a FROM t ", "VALUES"));
    assert_true(can_follow("CREATE ", "RELATION"));
    assert_true(can_follow("SELECT a FROM MATCH (m)", "->"));
    assert_false(can_follow("SELECT )", "FROM"));
}

/* ---- memory -------------------------------------------------------------------------------- */

struct budget {
    int left;
};

static bool allowed(void *context, size_t size_bytes)
{
    struct budget *budget = context;

    (void)size_bytes;
    return budget->left-- > 0;
}

/* Whichever allocation fails, the answer is MN_NOMEM or right, and the arena is all there is. */
static void memory_may_run_out_anywhere(void **state)
{
    static const char insert[] =
        "WITH x AS (SELECT 1) INSERT INTO t (a, b) SELECT CASE WHEN $a THEN [1, 2] END, \"q\" FROM "
        "u JOIN MATCH (a:b)-[c:d|e WHERE 1 COST 2]->{1,2}(f) ON g LEFT JOIN (VALUES (1)) AS v(w) "
        "USING (y) WHERE x = $b ON CONFLICT (a) DO UPDATE SET c = 3 RETURNING *";
    static const char create[] =
        "CREATE TABLE t (a SERIAL PRIMARY KEY DEFAULT 1 CHECK (a > 0) REFERENCES b(c), UNIQUE (a)) "
        "WITH (time = at)";
    static const char *const texts[] = {
        insert,
        create,
        "SELECT count(DISTINCT a) FILTER (WHERE b) FROM t NEAREST 3 TO $q GROUP BY 1 ORDER BY 2",
        "SELCT 1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        enum mn_status status = MN_NOMEM;

        for (int n = 0; status == MN_NOMEM; n++) {
            struct budget budget = {n};
            struct mn_arena local;
            struct mn_statement *statement;
            const char *tail;

            mn_arena_init(&local, 0);
            mn_alloc_set_hook(allowed, &budget);
            status = mn_parse(&local, texts[i], strlen(texts[i]), &statement, &tail);
            mn_alloc_set_hook(NULL, NULL);
            mn_arena_release(&local);
            assert_in_range(n, 0, 1000);
        }
        assert_int_equal(status, i == 3 ? MN_SYNTAX : MN_OK);
    }
}

/* The limit of an arena is met at every node, not only at chunks of the heap. */
static void an_arena_may_be_full_anywhere(void **state)
{
    const char *text = "SELECT a, b + 1, f(c) FROM t AS u, (SELECT 1) v WHERE x IN ($a, $b) "
                       "AND EXISTS (MATCH (m)-[:r]->(n)) ORDER BY 1 LIMIT 3";
    struct mn_statement *statement;
    const char *tail;
    enum mn_status status = MN_NOMEM;

    (void)state;
    for (size_t limit = 64; status == MN_NOMEM; limit += 64) {
        struct mn_arena local;

        mn_arena_init(&local, limit);
        status = mn_parse(&local, text, strlen(text), &statement, &tail);
        mn_arena_release(&local);
        assert_in_range(limit, 0, 1 << 20);
    }
    assert_int_equal(status, MN_OK);
}

static void errors_have_one_json_form(void **state)
{
    struct mn_statement *statement;
    struct mn_buf out = {0};

    (void)state;
    assert_int_equal(parse("SELECT id FROM t NEARST 3", &statement), MN_SYNTAX);
    assert_int_equal(mn_error_json_of(mn_error_last(), &out), MN_OK);
    mn_buf_byte(&out, 0);
    assert_string_equal((char *)out.data,
                        "{\"code\":\"MN_SYNTAX\",\"message\":\"unexpected NEARST\",\"hint\":"
                        "\"did you mean NEAREST?\",\"offset\":17,\"length\":6}");
    mn_buf_release(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, arena_begin, arena_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(operators_bind_as_written),
        TEST(operators_bind_tightly),
        TEST(literals_have_their_values),
        TEST(bad_literals_are_marked),
        TEST(soft_keywords_are_seen_behind_nothing),
        TEST(spans_are_the_text_of_nodes),
        TEST(column_spans_reach_their_ends),
        TEST(statements_come_one_at_a_time),
        TEST(text_ends_at_its_length),
        TEST(every_statement_has_its_kind),
        TEST(nearest_and_latest_keep_their_parts),
        TEST(paths_keep_their_steps),
        TEST(intersect_binds_tighter_than_union),
        TEST(parameters_are_numbered),
        TEST(many_names_are_kept_apart),
        TEST(nesting_ends_in_an_error),
        TEST(the_length_of_a_statement_is_limited),
        TEST(misspelt_keywords_are_recognised),
        TEST(idioms_are_recognised_in_other_words),
        TEST(what_was_expected_is_said_where_it_is_little),
        TEST(distances_between_words_count_swaps),
        TEST(completion_knows_what_can_follow),
        TEST(memory_may_run_out_anywhere),
        TEST(an_arena_may_be_full_anywhere),
        TEST(errors_have_one_json_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
