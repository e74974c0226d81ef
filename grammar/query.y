/*
 * query: the grammar of the language; its actions build the tree of query/ast.h.
 *
 * It has no conflicts, and must stay so: what looks like a free choice below was chosen for that.
 *
 *   - Words of %fallback are names wherever they are not keywords; all others are reserved.
 *   - A word that may follow an optional alias (NEAREST, LATEST, RETURNING, SET, ON, USING, the
 *     words of joins) is reserved, or it would be swallowed as the alias; those that make good
 *     column names are given back by `nm`.
 *   - Another keyword is a table's alias only after AS (`bare`): FROM a RIGHT JOIN b must not mean
 *     a AS right.
 *   - -[ and ]-> are no tokens, for x-[1,2] and a<-1 are arithmetic.
 *   - Where a name may stand, a word of %fallback that is wanted as a keyword must be shifted at
 *     once, never after an empty reduction: hence `sub`, `order` and `inner`.
 *   - No `expr` where TO, FROM or AS follows it (COPY, LINK, AS OF), but `term`.
 *
 * Makers (query/make.h) never fail visibly: out of memory they answer a spare node and set
 * p->status, upon which no further token is fed.
 */
%name mn_grammar
%token_prefix TK_
%token_type {struct mn_token}
%extra_argument {struct mn_parser *p}
%default_type {struct mn_ast_expr *}
%stack_size 3000
%include {
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "query/grammar.h"
#include "query/make.h"

#undef assert
#define assert(condition) MN_ASSERT(condition)
#define mn_grammar_ENGINEALWAYSONSTACK
#define YYNOERRORRECOVERY 1
}
%syntax_error { mn_make_unexpected(p, yyminor); }
%stack_overflow { mn_make_too_deep(p); }

%fallback ID ALL ANALYZE ANY BEGIN BY CASCADE CHEAPEST COMMIT CONFLICT COPY COST DO EXACT EXPLAIN
  FIRST FOR FUSE IF INDEX KEY LAST LINK NOTHING NULLS OF PRAGMA READ RELATION RELEASE RENAME
  REPLACE ROLLBACK SAVEPOINT SHORTEST SIMPLE SINCE SNAPSHOT TRAIL TRANSACTION TYPE UNLINK UPSERT
  VALUES VERSION WATCH WITHIN WRITE ADD COLUMN TEMP EFFORT RECURSIVE WEIGHT ARRAY ASOF
  AUTOINCREMENT COLUMNS CONSTRAINT ESCAPE FETCH FILTER FOREIGN FULL LATERAL METRIC NATURAL OVER
  PRECISION RETURN RIGHT WINDOW.
/* After AS in a select list and after a dot these words are names too. */
%token_class word OR AND NOT IS MATCH LIKE ILIKE BETWEEN IN CREATE TABLE FROM TO ON DROP ALTER
  EXISTS UNIQUE USING WITH PRIMARY CHECK NULL DEFAULT REFERENCES DELETE SET INSERT INTO UPDATE AS
  RETURNING UNION EXCEPT INTERSECT SELECT DISTINCT JOIN INNER LEFT OUTER CROSS GRAPH_TABLE WHERE
  GROUP HAVING ORDER ASC DESC LIMIT OFFSET TRUE FALSE CASE END CAST WHEN THEN ELSE.
%token_class constant INTEGER FLOAT STRING BLOB DURATION TRUE FALSE NULL.

/* FROM a JOIN MATCH (..) ON: the ON belongs to the join. */
%left JOINMATCH.
%left ON.
%left OR.
%left AND.
%right NOT.
%left IS MATCH LIKE ILIKE BETWEEN IN NE EQ.
%left GT LE LT GE.
%right ESCAPE.
%left VDIST.
%left PLUS MINUS.
%left STAR SLASH REM.
%left CONCAT.
%left ARROW ARROW2.
%right UMINUS.
%left DCOLON LBRACKET.
%token SEMI. /* ends a statement; never fed */

input ::= explained.
input ::= EXPRESSION expr(X). { p->expression = X; }
explained ::= cmd.
explained ::= EXPLAIN(T) cmd. { mn_make_explain(p, T, MN_EXPLAIN_PLAN); }
explained ::= EXPLAIN(T) ANALYZE cmd. { mn_make_explain(p, T, MN_EXPLAIN_ANALYZE); }

/* ---------- definitions */
%type coldefs {struct mn_ast_coldefs *}
%type coldef {struct mn_ast_coldef *}
%type constraints {struct mn_ast_coldef *}
%type constraint {struct mn_ast_constraint *}
%type reference {struct mn_ast_reference *}
%type relcols {struct mn_ast_coldefs *}
%type ondel {enum mn_ast_on_delete}
%type idxspec {struct mn_ast_create_index *}
%type idxlist {struct mn_ast_sorts}
%type idxitem {struct mn_ast_sort *}
%type order {struct mn_ast_sort *}
%type using {struct mn_name}
%type typename {struct mn_ast_type}
%type typeargs {struct mn_ast_exprs}
%type options {struct mn_ast_options}
%type optlist {struct mn_ast_options}
%type opt {struct mn_ast_option *}
%type optval {struct mn_ast_option *}
%type objkind {enum mn_ast_object}
%type ifnot {bool}
%type ifexists {bool}
%type uniq {bool}

cmd ::= CREATE TABLE ifnot(I) nm(N) LP coldefs(C) RP options(O).
  { mn_make_table(p, MN_STATEMENT_CREATE_TABLE, &(struct mn_ast_create_table){.if_not_exists = I,
      .name = N, .columns = *C, .options = O}); }
cmd ::= CREATE RELATION ifnot(I) nm(N) FROM nm(F) TO nm(T) relcols(C) options(O).
  { mn_make_table(p, MN_STATEMENT_CREATE_RELATION, &(struct mn_ast_create_table){
      .if_not_exists = I, .name = N, .columns = *C, .options = O, .from = F, .to = T}); }
cmd ::= CREATE uniq(U) INDEX ifnot(I) nm(N) ON idxspec(S) options(O).
  { S->unique = U; S->if_not_exists = I; S->name = N; S->options = O; mn_make_index(p, S); }
cmd ::= CREATE uniq(U) INDEX ON idxspec(S) options(O).
  { S->unique = U; S->options = O; mn_make_index(p, S); }
idxspec(A) ::= nm(T) LP idxlist(L) RP using(M).
  { A = NEW(struct mn_ast_create_index, .table = T, .columns = L, .method = M); }
idxspec(A) ::= nm(T) USING nm(M) LP idxlist(L) RP.
  { A = NEW(struct mn_ast_create_index, .table = T, .columns = L, .method = M); }
idxlist(A) ::= idxlist(L) COMMA idxitem(X). { A = L; APPEND(A, X); }
idxlist(A) ::= idxitem(X). { START(A, X); }
idxitem(A) ::= expr(X) order(O). { A = mn_make_sort(p, X, O->descending, O->nulls); }
idxitem(A) ::= expr(X) ID(T) order(O).
  { A = mn_make_sort(p, X, O->descending, O->nulls); A->opclass = mn_make_name(p, T); }
cmd ::= CREATE SNAPSHOT nm(N).
  { mn_make_statement(p, MN_STATEMENT_CREATE_SNAPSHOT)->snapshot = N; }
cmd ::= DROP objkind(K) ifexists(I) nm(N).
  { mn_make_drop(p, &(struct mn_ast_drop){.object = K, .if_exists = I, .name = N}); }
cmd ::= DROP objkind(K) ifexists(I) nm(N) CASCADE.
  { mn_make_drop(p, &(struct mn_ast_drop){.object = K, .if_exists = I, .name = N,
      .cascade = true}); }
cmd ::= ALTER TABLE nm(T) ADD kwcolumn ifnot(I) coldef(C).
  { mn_make_alter(p, &(struct mn_ast_alter){.kind = MN_ALTER_ADD, .table = T, .if_clause = I,
      .add = C}); }
cmd ::= ALTER TABLE nm(T) DROP kwcolumn ifexists(I) nm(C).
  { mn_make_alter(p, &(struct mn_ast_alter){.kind = MN_ALTER_DROP, .table = T, .if_clause = I,
      .column = C}); }
cmd ::= ALTER TABLE nm(T) RENAME kwcolumn nm(C) TO nm(N).
  { mn_make_alter(p, &(struct mn_ast_alter){.kind = MN_ALTER_RENAME_COLUMN, .table = T,
      .column = C, .renamed = N}); }
cmd ::= ALTER TABLE nm(T) RENAME TO nm(N).
  { mn_make_alter(p, &(struct mn_ast_alter){.kind = MN_ALTER_RENAME, .table = T, .renamed = N}); }
cmd ::= ALTER TABLE nm(T) SET LP optlist(O) RP.
  { mn_make_alter(p, &(struct mn_ast_alter){.kind = MN_ALTER_SET, .table = T, .options = O}); }
kwcolumn ::= .
kwcolumn ::= COLUMN.
objkind(A) ::= TABLE. { A = MN_OBJECT_TABLE; }
objkind(A) ::= RELATION. { A = MN_OBJECT_RELATION; }
objkind(A) ::= INDEX. { A = MN_OBJECT_INDEX; }
objkind(A) ::= SNAPSHOT. { A = MN_OBJECT_SNAPSHOT; }
ifnot(A) ::= . { A = false; }
ifnot(A) ::= IF NOT EXISTS. { A = true; }
ifexists(A) ::= . { A = false; }
ifexists(A) ::= IF EXISTS. { A = true; }
uniq(A) ::= . { A = false; }
uniq(A) ::= UNIQUE. { A = true; }
using(A) ::= . { A = NO_NAME; }
using(A) ::= USING nm(N). { A = N; }
relcols(A) ::= . { A = NEW(struct mn_ast_coldefs, .count = 0); }
relcols(A) ::= LP coldefs(L) RP. { A = L; }
options(A) ::= . { A = (struct mn_ast_options){0}; }
options(A) ::= WITH LP optlist(L) RP. { A = L; }
optlist(A) ::= optlist(L) COMMA opt(X). { A = L; APPEND(A, X); }
optlist(A) ::= opt(X). { START(A, X); }
opt(A) ::= nm(N). { A = NEW(struct mn_ast_option, .name = N); }
opt(A) ::= nm(N) EQ optval(V). { A = V; A->name = N; }
opt(A) ::= nm(N) EQ LP nmlist(L) RP.
  { A = NEW(struct mn_ast_option, .name = N, .given = true, .names = L); }
opt(A) ::= nm(N) optval(V). { A = V; A->name = N; }
optval(A) ::= literal(X). { A = mn_make_option(p, X); }
optval(A) ::= MINUS(T) INTEGER(N). { A = mn_make_option(p, mn_make_negated(p, T, N)); }
optval(A) ::= MINUS(T) FLOAT(N). { A = mn_make_option(p, mn_make_negated(p, T, N)); }
optval(A) ::= nm(N). { A = mn_make_option_word(p, N); }
coldefs(A) ::= coldefs(L) COMMA coldef(X). { A = L; APPEND(*A, X); }
coldefs(A) ::= coldef(X). { A = NEW(struct mn_ast_coldefs, .first = X, .last = X, .count = 1); }
coldefs(A) ::= coldefs(L) COMMA constraint(X). { A = L; APPEND(A->constraints, X); }
coldefs(A) ::= coldefs(L) COMMA CONSTRAINT nm(N) constraint(X).
  { A = L; X->name = N; APPEND(A->constraints, X); }
constraint(A) ::= FOREIGN(T) KEY LP nmlist(C) RP reference(R).
  { A = NEW(struct mn_ast_constraint, .kind = MN_CONSTRAINT_FOREIGN, .columns = C,
      .reference = *R, .span = JOIN(T.span, R->span)); }
constraint(A) ::= PRIMARY(T) KEY LP nmlist(C) RP(E).
  { A = NEW(struct mn_ast_constraint, .kind = MN_CONSTRAINT_PRIMARY, .columns = C,
      .span = JOIN(T.span, E.span)); }
constraint(A) ::= UNIQUE(T) LP nmlist(C) RP(E).
  { A = NEW(struct mn_ast_constraint, .kind = MN_CONSTRAINT_UNIQUE, .columns = C,
      .span = JOIN(T.span, E.span)); }
constraint(A) ::= CHECK(T) LP expr(X) RP(E).
  { A = NEW(struct mn_ast_constraint, .kind = MN_CONSTRAINT_CHECK, .check = X,
      .span = JOIN(T.span, E.span)); }
coldef(A) ::= nm(N) typename(T) constraints(C). { A = mn_make_coldef(p, C, N, T); }
constraints(A) ::= . { A = NEW(struct mn_ast_coldef, .span = {0, 0}); }
constraints(A) ::= constraints(C) NOT NULL(E). { A = C; A->not_null = true; A->span = E.span; }
constraints(A) ::= constraints(C) NULL(E). { A = C; A->span = E.span; }
constraints(A) ::= constraints(C) PRIMARY KEY(E). { A = C; A->primary = true; A->span = E.span; }
constraints(A) ::= constraints(C) UNIQUE(E). { A = C; A->unique = true; A->span = E.span; }
constraints(A) ::= constraints(C) AUTOINCREMENT(E).
  { A = C; A->autoincrement = true; A->span = E.span; }
constraints(A) ::= constraints(C) DEFAULT term(X).
  { A = C; A->default_to = X; A->span = X->span; }
constraints(A) ::= constraints(C) DEFAULT MINUS(T) term(X).
  { A = C; A->default_to = mn_make_unary(p, MN_OP_NEGATE, T, X); A->span = X->span; }
constraints(A) ::= constraints(C) CHECK(T) LP expr(X) RP(E).
  { A = C; A->span = E.span; mn_make_column_check(p, A, X, JOIN(T.span, E.span)); }
constraints(A) ::= constraints(C) reference(R). { A = C; A->reference = *R; A->span = R->span; }
reference(A) ::= REFERENCES(T) nm(N) colopt(C) ondel(D).
  { A = NEW(struct mn_ast_reference, .table = N, .columns = C, .on_delete = D,
      .span = JOIN(T.span, p->last.span)); }
ondel(A) ::= . { A = MN_ON_DELETE_NO_ACTION; }
ondel(A) ::= ON DELETE CASCADE. { A = MN_ON_DELETE_CASCADE; }
ondel(A) ::= ON DELETE SET NULL. { A = MN_ON_DELETE_SET_NULL; }
typename(A) ::= ID(T) typeargs(L). { A = mn_make_type(p, T, L); }
typename(A) ::= ID(T) PRECISION(E). { A = mn_make_type_words(p, T, "precision", E); }
typename(A) ::= ID(T) WITH ID ID(E). { A = mn_make_type_words(p, T, "with time zone", E); }
typename(A) ::= typename(T) EMPTYLIST(E). { A = mn_make_type_list(p, T, E); }
typeargs(A) ::= . { A = (struct mn_ast_exprs){0}; }
typeargs(A) ::= LP exprlist(L) RP. { A = L; }

/* ---------- transactions, settings */
%type txmode {enum mn_ast_begin}
cmd ::= BEGIN txmode(M) asof(P).
  { mn_make_txn(p, MN_STATEMENT_BEGIN, &(struct mn_ast_txn){.mode = M, .asof = *P}); }
txmode(A) ::= . { A = MN_AST_BEGIN_DEFERRED; }
txmode(A) ::= TRANSACTION. { A = MN_AST_BEGIN_DEFERRED; }
txmode(A) ::= READ. { A = MN_AST_BEGIN_READ; }
txmode(A) ::= WRITE. { A = MN_AST_BEGIN_WRITE; }
cmd ::= COMMIT txword. { mn_make_txn(p, MN_STATEMENT_COMMIT, &(struct mn_ast_txn){0}); }
txword ::= .
txword ::= TRANSACTION.
cmd ::= ROLLBACK txword. { mn_make_txn(p, MN_STATEMENT_ROLLBACK, &(struct mn_ast_txn){0}); }
cmd ::= ROLLBACK TO nm(N).
  { mn_make_txn(p, MN_STATEMENT_ROLLBACK, &(struct mn_ast_txn){.savepoint = N}); }
cmd ::= ROLLBACK TO SAVEPOINT nm(N).
  { mn_make_txn(p, MN_STATEMENT_ROLLBACK, &(struct mn_ast_txn){.savepoint = N}); }
cmd ::= SAVEPOINT nm(N).
  { mn_make_txn(p, MN_STATEMENT_SAVEPOINT, &(struct mn_ast_txn){.savepoint = N}); }
cmd ::= RELEASE nm(N).
  { mn_make_txn(p, MN_STATEMENT_RELEASE, &(struct mn_ast_txn){.savepoint = N}); }
cmd ::= RELEASE SAVEPOINT nm(N).
  { mn_make_txn(p, MN_STATEMENT_RELEASE, &(struct mn_ast_txn){.savepoint = N}); }
cmd ::= PRAGMA nm(N). { mn_make_pragma(p, N, NEW(struct mn_ast_option, .given = false)); }
cmd ::= PRAGMA nm(N) EQ optval(V). { mn_make_pragma(p, N, V); }
cmd ::= PRAGMA nm(N) LP optval(V) RP. { mn_make_pragma(p, N, V); }

/* ---------- bulk */
%type copyopts {struct mn_ast_options}
cmd ::= COPY nm(N) colopt(C) FROM file(F) copyopts(O).
  { mn_make_copy(p, &(struct mn_ast_copy){.table = N, .columns = C, .file = F, .options = O}); }
cmd ::= COPY nm(N) colopt(C) TO file(F) copyopts(O).
  { mn_make_copy(p, &(struct mn_ast_copy){.table = N, .columns = C, .to = true, .file = F,
      .options = O}); }
cmd ::= COPY LP with(W) query(Q) RP TO file(F) copyopts(O).
  { mn_make_copy(p, &(struct mn_ast_copy){.query = mn_make_with(p, Q, W), .to = true, .file = F,
      .options = O}); }
file(A) ::= STRING(T). { A = mn_make_literal(p, T); }
file(A) ::= PARAM(T). { A = mn_make_param(p, T); }
copyopts(A) ::= options(L). { A = L; }
copyopts(A) ::= LP optlist(L) RP. { A = L; }

/* ---------- changes */
%type colopt {struct mn_ast_names}
%type nmlist {struct mn_ast_names}
%type source {struct mn_ast_query *}
%type upsert {struct mn_ast_insert *}
%type conftarget {struct mn_ast_names}
%type returning {struct mn_ast_columns}
%type linkset {struct mn_ast_sets}
%type setlist {struct mn_ast_sets}
%type setitem {struct mn_ast_set_item *}
%type vals {struct mn_ast_exprs}
cmd ::= with(W) INSERT INTO nm(N) colopt(C) source(S) upsert(U) returning(R).
  { U->with = W; U->table = N; U->columns = C; U->source = S; U->returning = R;
    mn_make_insert(p, U); }
cmd ::= with(W) UPSERT INTO nm(N) colopt(C) source(S) returning(R).
  { mn_make_insert(p, NEW(struct mn_ast_insert, .with = W, .upsert = true, .table = N,
      .columns = C, .source = S, .returning = R)); }
cmd ::= with(W) UPDATE nm(N) alias(L) SET setlist(S) where(X) returning(R).
  { mn_make_update(p, &(struct mn_ast_update){.with = W, .table = N, .alias = L, .sets = S,
      .where = X, .returning = R}); }
cmd ::= with(W) UPDATE nm(N) alias(L) SET setlist(S) FROM refs(F) where(X) returning(R).
  { mn_make_update(p, &(struct mn_ast_update){.with = W, .table = N, .alias = L, .sets = S,
      .from = F, .where = X, .returning = R}); }
cmd ::= with(W) DELETE FROM nm(N) alias(L) where(X) returning(R).
  { mn_make_delete(p, &(struct mn_ast_delete){.with = W, .table = N, .alias = L, .where = X,
      .returning = R}); }
cmd ::= with(W) DELETE FROM nm(N) alias(L) USING refs(F) where(X) returning(R).
  { mn_make_delete(p, &(struct mn_ast_delete){.with = W, .table = N, .alias = L, .using = F,
      .where = X, .returning = R}); }
cmd ::= LINK term(F) TO term(T) AS nm(N) linkset(S) returning(R).
  { mn_make_link(p, MN_STATEMENT_LINK, &(struct mn_ast_link){.from = F, .to = T, .relation = N,
      .sets = S, .returning = R}); }
cmd ::= UNLINK term(F) FROM term(T) AS nm(N) returning(R).
  { mn_make_link(p, MN_STATEMENT_UNLINK, &(struct mn_ast_link){.from = F, .to = T, .relation = N,
      .returning = R}); }
linkset(A) ::= . { A = (struct mn_ast_sets){0}; }
linkset(A) ::= SET setlist(S). { A = S; }
cmd ::= WATCH nm(N) where(X) since(S).
  { mn_make_watch(p, &(struct mn_ast_watch){.table = N, .where = X, .since = S}); }
since(A) ::= . { A = NULL; }
since(A) ::= SINCE expr(X). { A = X; }
colopt(A) ::= . { A = (struct mn_ast_names){0}; }
colopt(A) ::= LP nmlist(L) RP. { A = L; }
source(A) ::= select(S). { A = S; }
source(A) ::= DEFAULT VALUES. { A = NULL; }
upsert(A) ::= . { A = NEW(struct mn_ast_insert, .conflict = MN_CONFLICT_NONE); }
upsert(A) ::= ON CONFLICT conftarget(T) DO NOTHING.
  { A = NEW(struct mn_ast_insert, .conflict = MN_CONFLICT_NOTHING, .conflict_target = T); }
upsert(A) ::= ON CONFLICT conftarget(T) DO UPDATE SET setlist(S) where(X).
  { A = NEW(struct mn_ast_insert, .conflict = MN_CONFLICT_UPDATE, .conflict_target = T,
      .conflict_sets = S, .conflict_where = X); }
conftarget(A) ::= . { A = (struct mn_ast_names){0}; }
conftarget(A) ::= LP nmlist(L) RP. { A = L; }
returning(A) ::= . { A = (struct mn_ast_columns){0}; }
returning(A) ::= RETURNING selcols(L). { A = L; }
setlist(A) ::= setlist(L) COMMA setitem(X). { A = L; APPEND(A, X); }
setlist(A) ::= setitem(X). { START(A, X); }
setitem(A) ::= nm(N) EQ val(X). { A = NEW(struct mn_ast_set_item, .column = N, .value = X); }
val(A) ::= expr(X). { A = X; }
val(A) ::= DEFAULT(T). { A = EXPR(T.span, .kind = MN_AST_DEFAULT); }
vals(A) ::= vals(L) COMMA val(X). { A = L; APPEND(A, X); }
vals(A) ::= val(X). { START(A, X); }
nmlist(A) ::= nmlist(L) COMMA nm(N). { A = mn_make_names(p, L, N); }
nmlist(A) ::= nm(N). { A = mn_make_names(p, (struct mn_ast_names){0}, N); }

/* ---------- queries */
%type with {struct mn_ast_with}
%type ctes {struct mn_ast_with}
%type cte {struct mn_ast_cte *}
%type query {struct mn_ast_query *}
%type select {struct mn_ast_query *}
%type sub {struct mn_ast_query *}
%type ordlim {struct mn_ast_query *}
%type qcore {struct mn_ast_body *}
%type qterm {struct mn_ast_body *}
%type iterm {struct mn_ast_body *}
%type arm {struct mn_ast_body *}
%type core {struct mn_ast_body *}
%type cterm {struct mn_ast_body *}
%type one {struct mn_ast_body *}
%type setop {enum mn_ast_set}
%type rows {struct mn_ast_rows}
%type distinct {bool}
%type selcols {struct mn_ast_columns}
%type selcol {struct mn_ast_column *}
%type as {struct mn_name}
cmd ::= with(W) query(Q).
  { mn_make_statement(p, MN_STATEMENT_QUERY)->query = mn_make_with(p, Q, W); }
with(A) ::= . { A = (struct mn_ast_with){0}; }
with(A) ::= WITH ctes(L). { A = L; }
with(A) ::= WITH RECURSIVE ctes(L). { A = L; A.recursive = true; }
ctes(A) ::= ctes(L) COMMA cte(X). { A = L; APPEND(A, X); }
ctes(A) ::= cte(X). { A.recursive = false; START(A, X); }
cte(A) ::= nm(N) colopt(C) AS LP with(W) query(Q) RP.
  { A = NEW(struct mn_ast_cte, .name = N, .columns = C, .query = mn_make_with(p, Q, W)); }
query(A) ::= qcore(B) ordlim(Q). { A = mn_make_query(p, Q, B); }
qcore(A) ::= qterm(B). { A = B; }
qcore(A) ::= qcore(L) setop(O) iterm(R). { A = mn_make_set(p, O, L, R); }
qterm(A) ::= one(B). { A = B; }
qterm(A) ::= LP(T) with(W) query(Q) RP(E). { A = mn_make_nested(p, T, mn_make_with(p, Q, W), E); }
qterm(A) ::= qterm(L) INTERSECT arm(R). { A = mn_make_set(p, MN_SET_INTERSECT, L, R); }
iterm(A) ::= arm(B). { A = B; }
iterm(A) ::= iterm(L) INTERSECT arm(R). { A = mn_make_set(p, MN_SET_INTERSECT, L, R); }
select(A) ::= core(B) ordlim(Q). { A = mn_make_query(p, Q, B); }
sub(A) ::= select(Q). { A = Q; }
sub(A) ::= WITH ctes(L) select(Q). { A = mn_make_with(p, Q, L); }
sub(A) ::= WITH RECURSIVE ctes(L) select(Q).
  { struct mn_ast_with with = L; with.recursive = true; A = mn_make_with(p, Q, with); }
arm(A) ::= one(B). { A = B; }
arm(A) ::= LP(T) with(W) query(Q) RP(E). { A = mn_make_nested(p, T, mn_make_with(p, Q, W), E); }
ordlim(A) ::= orderby(S) limit(Q). { A = Q; A->order = S; }
core(A) ::= cterm(B). { A = B; }
core(A) ::= core(L) setop(O) iterm(R). { A = mn_make_set(p, O, L, R); }
cterm(A) ::= one(B). { A = B; }
cterm(A) ::= cterm(L) INTERSECT arm(R). { A = mn_make_set(p, MN_SET_INTERSECT, L, R); }
setop(A) ::= UNION. { A = MN_SET_UNION; }
setop(A) ::= UNION ALL. { A = MN_SET_UNION_ALL; }
setop(A) ::= EXCEPT. { A = MN_SET_EXCEPT; }
one(A) ::= SELECT(T) distinct(D) selcols(C) from(F) where(X) pick(P) groupby(G) having(H).
  { P->distinct = D; P->columns = C; P->from = F; P->where = X; P->group = G->group;
    P->group_all = G->group_all; P->having = H; A = mn_make_select(p, T, P); }
one(A) ::= VALUES(T) rows(R). { A = mn_make_values(p, T, R); }
rows(A) ::= rows(L) COMMA LP(T) vals(V) RP(E).
  { struct mn_ast_row *row = NEW(struct mn_ast_row, .values = V, .span = JOIN(T.span, E.span));
    A = L; APPEND(A, row); }
rows(A) ::= LP(T) vals(V) RP(E).
  { struct mn_ast_row *row = NEW(struct mn_ast_row, .values = V, .span = JOIN(T.span, E.span));
    START(A, row); }
distinct(A) ::= . { A = false; }
distinct(A) ::= DISTINCT. { A = true; }
distinct(A) ::= ALL. { A = false; }
selcols(A) ::= selcols(L) COMMA selcol(X). { A = L; APPEND(A, X); }
selcols(A) ::= selcol(X). { START(A, X); }
selcol(A) ::= expr(X) as(N).
  { A = NEW(struct mn_ast_column, .expr = X, .alias = N, .span = X->span); }
selcol(A) ::= STAR(T). { A = NEW(struct mn_ast_column, .star = true, .span = T.span); }
selcol(A) ::= ID(N) DOT STAR(T).
  { A = NEW(struct mn_ast_column, .star = true, .table = mn_make_name(p, N),
      .span = JOIN(N.span, T.span)); }
as(A) ::= . { A = NO_NAME; }
as(A) ::= AS label(N). { A = N; }
as(A) ::= ID(T). { A = mn_make_name(p, T); }

/* ---------- FROM */
%type from {struct mn_ast_refs}
%type refs {struct mn_ast_refs}
%type ref {struct mn_ast_ref *}
%type prim {struct mn_ast_ref *}
%type jprim {struct mn_ast_ref *}
%type jop {enum mn_ast_join}
%type alias {struct mn_name}
%type calias {struct mn_ast_ref *}
%type asof {struct mn_ast_asof *}
%type asofpt {struct mn_ast_asof *}
from(A) ::= . { A = (struct mn_ast_refs){0}; }
from(A) ::= FROM refs(L). { A = L; }
refs(A) ::= refs(L) COMMA ref(X). { A = L; APPEND(A, X); }
refs(A) ::= ref(X). { START(A, X); }
ref(A) ::= prim(X). { A = X; }
ref(A) ::= ref(L) jop(J) jprim(R) ON expr(X). { A = mn_make_on(p, mn_make_join(p, J, L, R), X); }
ref(A) ::= ref(L) jop(J) jprim(R) USING LP nmlist(N) RP.
  { A = mn_make_join(p, J, L, R); A->join.using = N; }
ref(A) ::= ref(L) jop(J) MATCH(T) pathlist(G). [JOINMATCH]
  { A = mn_make_join(p, J, L, mn_make_match(p, T, G, NULL)); }
ref(A) ::= ref(L) jop(J) MATCH(T) pathlist(G) ON expr(X).
  { A = mn_make_on(p, mn_make_join(p, J, L, mn_make_match(p, T, G, NULL)), X); }
jop(A) ::= JOIN. { A = MN_JOIN_INNER; }
jop(A) ::= INNER JOIN. { A = MN_JOIN_INNER; }
jop(A) ::= LEFT JOIN. { A = MN_JOIN_LEFT; }
jop(A) ::= LEFT OUTER JOIN. { A = MN_JOIN_LEFT; }
ref(A) ::= ref(L) CROSS JOIN prim(R). { A = mn_make_join(p, MN_JOIN_CROSS, L, R); }
jprim(A) ::= nm(N) alias(L). { A = mn_make_table_ref(p, N, NULL, L); }
jprim(A) ::= nm(N) AS OF asofpt(P) alias(L). { A = mn_make_table_ref(p, N, P, L); }
prim(A) ::= jprim(X). { A = X; }
prim(A) ::= MATCH(T) pathlist(G). { A = mn_make_match(p, T, G, NULL); }
prim(A) ::= MATCH(T) pathlist(G) AS OF asofpt(P). { A = mn_make_match(p, T, G, P); }
jprim(A) ::= ID(N) LP exprlistopt(L) RP calias(C). { A = mn_make_function_ref(p, N, L, C); }
jprim(A) ::= LP(T) with(W) query(Q) RP calias(C).
  { A = mn_make_query_ref(p, T, mn_make_with(p, Q, W), C); }
jprim(A) ::= LATERAL(T) LP with(W) query(Q) RP calias(C).
  { A = mn_make_query_ref(p, T, mn_make_with(p, Q, W), C); A->query.lateral = true; }
jprim(A) ::= GRAPH_TABLE(T) LP MATCH gpathlist(G) where(X) COLUMNS LP selcols(S) RP RP alias(L).
  { A = mn_make_graph(p, T, G, X, S, L); }
jprim(A) ::= GRAPH_TABLE(T) LP nm MATCH gpathlist(G) where(X) COLUMNS LP selcols(S) RP RP alias(L).
  { A = mn_make_graph(p, T, G, X, S, L); }
alias(A) ::= . { A = NO_NAME; }
alias(A) ::= AS nm(N). { A = N; }
alias(A) ::= ID(T). { A = mn_make_bare(p, T); }
calias(A) ::= alias(N). { A = NEW(struct mn_ast_ref, .alias = N); }
calias(A) ::= AS nm(N) LP nmlist(L) RP. { A = NEW(struct mn_ast_ref, .alias = N, .columns = L); }
calias(A) ::= ID(T) LP nmlist(L) RP.
  { A = NEW(struct mn_ast_ref, .alias = mn_make_bare(p, T), .columns = L); }
asof(A) ::= . { A = NEW(struct mn_ast_asof, .point = MN_POINT_NONE); }
asof(A) ::= AS OF asofpt(P). { A = P; }
asofpt(A) ::= VERSION(T) term(X).
  { A = NEW(struct mn_ast_asof, .point = MN_POINT_VERSION, .expr = X,
      .span = JOIN(T.span, X->span)); }
asofpt(A) ::= SNAPSHOT(T) nm(N).
  { A = NEW(struct mn_ast_asof, .point = MN_POINT_SNAPSHOT, .snapshot = N,
      .span = JOIN(T.span, N.span)); }
asofpt(A) ::= term(X).
  { A = NEW(struct mn_ast_asof, .point = MN_POINT_TIME, .expr = X, .span = X->span); }

/* ---------- patterns: a part of SQL/PGQ */
%type pathlist {struct mn_ast_paths}
%type gpathlist {struct mn_ast_paths}
%type path {struct mn_ast_path *}
%type selector {struct mn_ast_path *}
%type steps {struct mn_ast_path *}
%type node {struct mn_ast_step *}
%type edge {struct mn_ast_step *}
%type inner {struct mn_ast_step *}
%type elem {struct mn_ast_step *}
%type said {struct mn_ast_step *}
%type labels {struct mn_ast_names}
%type quant {struct mn_ast_step *}
pathlist(A) ::= pathlist(L) AND path(X). { A = L; APPEND(A, X); }
pathlist(A) ::= path(X). { START(A, X); }
gpathlist(A) ::= pathlist(L). { A = L; }
gpathlist(A) ::= gpathlist(L) COMMA pathlist(M). { A = mn_make_paths(L, M); }
path(A) ::= selector(S) steps(P). { A = mn_make_path(P, S, NO_NAME); }
path(A) ::= ID(N) EQ selector(S) steps(P). { A = mn_make_path(P, S, mn_make_name(p, N)); }
selector(A) ::= . { A = NEW(struct mn_ast_path, .selector = MN_PATH_WALK); }
selector(A) ::= ANY. { A = NEW(struct mn_ast_path, .selector = MN_PATH_ANY); }
selector(A) ::= ANY SHORTEST. { A = NEW(struct mn_ast_path, .selector = MN_PATH_ANY_SHORTEST); }
selector(A) ::= ALL SHORTEST. { A = NEW(struct mn_ast_path, .selector = MN_PATH_ALL_SHORTEST); }
selector(A) ::= SHORTEST INTEGER(N).
  { A = NEW(struct mn_ast_path, .selector = MN_PATH_SHORTEST_K,
      .selector_k = mn_make_count(p, N)); }
selector(A) ::= ANY CHEAPEST. { A = NEW(struct mn_ast_path, .selector = MN_PATH_ANY_CHEAPEST); }
selector(A) ::= ALL. { A = NEW(struct mn_ast_path, .selector = MN_PATH_ALL); }
selector(A) ::= TRAIL. { A = NEW(struct mn_ast_path, .selector = MN_PATH_TRAIL); }
selector(A) ::= SIMPLE. { A = NEW(struct mn_ast_path, .selector = MN_PATH_SIMPLE); }
steps(A) ::= node(X). { A = mn_make_steps(p, X); }
steps(A) ::= steps(P) edge(X) quant(Q) node(N). { A = P; mn_make_hop(p, A, X, Q, N); }
node(A) ::= LP(T) elem(X) RP(E). { A = X; A->span = JOIN(T.span, E.span); }
edge(A) ::= MINUS(T) LBRACKET inner(X) RBRACKET ARROW(E).
  { A = mn_make_edge(X, MN_EDGE_RIGHT, JOIN(T.span, E.span)); }
edge(A) ::= LT(T) MINUS LBRACKET inner(X) RBRACKET MINUS(E).
  { A = mn_make_edge(X, MN_EDGE_LEFT, JOIN(T.span, E.span)); }
edge(A) ::= MINUS(T) LBRACKET inner(X) RBRACKET MINUS(E).
  { A = mn_make_edge(X, MN_EDGE_BOTH, JOIN(T.span, E.span)); }
edge(A) ::= LT(T) MINUS LBRACKET inner(X) RBRACKET ARROW(E).
  { A = mn_make_edge(X, MN_EDGE_BOTH, JOIN(T.span, E.span)); }
edge(A) ::= MINUS(T) EMPTYLIST ARROW(E). { A = EDGE(MN_EDGE_RIGHT, JOIN(T.span, E.span)); }
edge(A) ::= MINUS(T) EMPTYLIST MINUS(E). { A = EDGE(MN_EDGE_BOTH, JOIN(T.span, E.span)); }
edge(A) ::= LT(T) MINUS EMPTYLIST MINUS(E). { A = EDGE(MN_EDGE_LEFT, JOIN(T.span, E.span)); }
edge(A) ::= LT(T) MINUS EMPTYLIST ARROW(E). { A = EDGE(MN_EDGE_BOTH, JOIN(T.span, E.span)); }
edge(A) ::= ARROW(T). { A = EDGE(MN_EDGE_RIGHT, T.span); }
edge(A) ::= LT(T) MINUS(E). { A = EDGE(MN_EDGE_LEFT, JOIN(T.span, E.span)); }
edge(A) ::= MINUS(T). { A = EDGE(MN_EDGE_BOTH, T.span); }
cost(A) ::= . { A = NULL; }
cost(A) ::= COST expr(X). { A = X; }
inner(A) ::= . { A = NEW(struct mn_ast_step, .where = NULL); }
inner(A) ::= COST expr(X). { A = NEW(struct mn_ast_step, .cost = X); }
inner(A) ::= said(X) cost(C). { A = X; A->cost = C; }
elem(A) ::= . { A = NEW(struct mn_ast_step, .where = NULL); }
elem(A) ::= said(X). { A = X; }
said(A) ::= WHERE expr(X). { A = NEW(struct mn_ast_step, .where = X); }
said(A) ::= ID(N) where(X).
  { A = NEW(struct mn_ast_step, .variable = mn_make_name(p, N), .where = X); }
said(A) ::= COLON labels(L) where(X). { A = NEW(struct mn_ast_step, .labels = L, .where = X); }
said(A) ::= ID(N) COLON labels(L) where(X).
  { A = NEW(struct mn_ast_step, .variable = mn_make_name(p, N), .labels = L, .where = X); }
said(A) ::= IS labels(L) where(X). { A = NEW(struct mn_ast_step, .labels = L, .where = X); }
said(A) ::= ID(N) IS labels(L) where(X).
  { A = NEW(struct mn_ast_step, .variable = mn_make_name(p, N), .labels = L, .where = X); }
labels(A) ::= labels(L) PIPE nm(N). { A = mn_make_names(p, L, N); }
labels(A) ::= nm(N). { A = mn_make_names(p, (struct mn_ast_names){0}, N); }
quant(A) ::= . { A = NEW(struct mn_ast_step, .hops_min = 1, .hops_max = 1); }
quant(A) ::= LBRACE(T) INTEGER(N) RBRACE(E). { A = mn_make_hops(p, &N, &N, JOIN(T.span, E.span)); }
quant(A) ::= LBRACE(T) INTEGER(N) COMMA INTEGER(M) RBRACE(E).
  { A = mn_make_hops(p, &N, &M, JOIN(T.span, E.span)); }
quant(A) ::= LBRACE(T) INTEGER(N) COMMA RBRACE(E).
  { A = mn_make_hops(p, &N, NULL, JOIN(T.span, E.span)); }
quant(A) ::= LBRACE(T) COMMA INTEGER(M) RBRACE(E).
  { A = mn_make_hops(p, NULL, &M, JOIN(T.span, E.span)); }
quant(A) ::= STAR(T). { A = mn_make_hops(p, NULL, NULL, T.span); }
quant(A) ::= PLUS(T). { A = mn_make_hops(p, NULL, NULL, T.span); A->hops_min = 1; }

/* ---------- the candidates: after WHERE, before GROUP BY */
%type pick {struct mn_ast_select *}
%type targets {struct mn_ast_nearest *}
%type target {struct mn_ast_target *}
%type fuse {struct mn_ast_nearest *}
%type nopts {struct mn_ast_nearest *}
%type tcol {struct mn_ast_field *}
%type nmdots {struct mn_ast_fields}
%type nmdot {struct mn_ast_field *}
where(A) ::= . { A = NULL; }
where(A) ::= WHERE expr(X). { A = X; }
pick(A) ::= . { A = NEW(struct mn_ast_select, .distinct = false); }
pick(A) ::= NEAREST(T) term(K) targets(L) fuse(F) nopts(O).
  { A = mn_make_nearest(p, T, K, mn_make_nearest_options(L, F, O)); }
pick(A) ::= LATEST(T) BY nmdots(L) tcol(C). { A = mn_make_latest(p, T, NULL, L, C); }
pick(A) ::= LATEST(T) term(N) BY nmdots(L) tcol(C). { A = mn_make_latest(p, T, N, L, C); }
pick(A) ::= LATEST(T) term(N) tcol(C).
  { A = mn_make_latest(p, T, N, (struct mn_ast_fields){0}, C); }
tcol(A) ::= . { A = NEW(struct mn_ast_field, .next = NULL); }
tcol(A) ::= USING nmdot(F). { A = F; }
targets(A) ::= targets(L) COMMA target(X). { A = L; mn_make_target(A, X); }
targets(A) ::= target(X). { A = NEW(struct mn_ast_nearest, .exact = false); mn_make_target(A, X); }
target(A) ::= TO(T) term(X) wt(W).
  { A = NEW(struct mn_ast_target, .to = X, .weight = W, .span = JOIN(T.span, p->last.span)); }
target(A) ::= BY(T) nmdot(F) TO term(X) wt(W).
  { A = NEW(struct mn_ast_target, .table = F->table, .column = F->column, .to = X, .weight = W,
      .span = JOIN(T.span, p->last.span)); }
wt(A) ::= . { A = NULL; }
wt(A) ::= WEIGHT term(X). { A = X; }
fuse(A) ::= . { A = NEW(struct mn_ast_nearest, .exact = false); }
fuse(A) ::= FUSE nm(N). { A = NEW(struct mn_ast_nearest, .fuse = N); }
fuse(A) ::= FUSE nm(N) LP term(X) RP. { A = NEW(struct mn_ast_nearest, .fuse = N, .fuse_arg = X); }
nopts(A) ::= . { A = NEW(struct mn_ast_nearest, .exact = false); }
nopts(A) ::= nopts(O) WITHIN term(X). { A = O; A->within = X; }
nopts(A) ::= nopts(O) EXACT. { A = O; A->exact = true; }
nopts(A) ::= nopts(O) EFFORT term(X). { A = O; A->effort = X; }
nopts(A) ::= nopts(O) METRIC nm(N). { A = O; A->metric = N; }
nmdots(A) ::= nmdots(L) COMMA nmdot(X). { A = L; APPEND(A, X); }
nmdots(A) ::= nmdot(X). { START(A, X); }
nmdot(A) ::= nm(C). { A = NEW(struct mn_ast_field, .column = C); }
nmdot(A) ::= nm(T) DOT nm(C). { A = NEW(struct mn_ast_field, .table = T, .column = C); }

/* ---------- grouping, order, limits */
%type groupby {struct mn_ast_select *}
%type orderby {struct mn_ast_sorts}
%type sortlist {struct mn_ast_sorts}
%type sortitem {struct mn_ast_sort *}
%type nulls {enum mn_ast_nulls}
%type limit {struct mn_ast_query *}
groupby(A) ::= . { A = NEW(struct mn_ast_select, .distinct = false); }
groupby(A) ::= GROUP BY exprlist(L). { A = NEW(struct mn_ast_select, .group = L); }
groupby(A) ::= GROUP BY ALL. { A = NEW(struct mn_ast_select, .group_all = true); }
having(A) ::= . { A = NULL; }
having(A) ::= HAVING expr(X). { A = X; }
orderby(A) ::= . { A = (struct mn_ast_sorts){0}; }
orderby(A) ::= ORDER BY sortlist(L). { A = L; }
sortlist(A) ::= sortlist(L) COMMA sortitem(X). { A = L; APPEND(A, X); }
sortlist(A) ::= sortitem(X). { START(A, X); }
sortitem(A) ::= expr(X) order(O). { A = mn_make_sort(p, X, O->descending, O->nulls); }
order(A) ::= nulls(N). { A = NEW(struct mn_ast_sort, .nulls = N); }
order(A) ::= ASC nulls(N). { A = NEW(struct mn_ast_sort, .nulls = N); }
order(A) ::= DESC nulls(N). { A = NEW(struct mn_ast_sort, .descending = true, .nulls = N); }
nulls(A) ::= . { A = MN_NULLS_DEFAULT; }
nulls(A) ::= NULLS FIRST. { A = MN_NULLS_FIRST; }
nulls(A) ::= NULLS LAST. { A = MN_NULLS_LAST; }
limit(A) ::= . { A = NEW(struct mn_ast_query, .limit = NULL); }
limit(A) ::= LIMIT lim(X). { A = NEW(struct mn_ast_query, .limit = X); }
limit(A) ::= LIMIT lim(X) OFFSET expr(Y). { A = NEW(struct mn_ast_query, .limit = X, .offset = Y); }
limit(A) ::= OFFSET expr(Y). { A = NEW(struct mn_ast_query, .offset = Y); }
limit(A) ::= OFFSET expr(Y) LIMIT lim(X). { A = NEW(struct mn_ast_query, .limit = X, .offset = Y); }
lim(A) ::= expr(X). { A = X; }
lim(A) ::= ALL. { A = NULL; }

/* ---------- names, terms, expressions */
%type nm {struct mn_name}
%type label {struct mn_name}
%type exprlist {struct mn_ast_exprs}
%type exprlistopt {struct mn_ast_exprs}
%type btwop {bool}
%type inop {bool}
nm(A) ::= ID(T). { A = mn_make_name(p, T); }
nm(A) ::= LATEST(T). { A = mn_make_name(p, T); }
nm(A) ::= NEAREST(T). { A = mn_make_name(p, T); }
label(A) ::= nm(N). { A = N; }
label(A) ::= word(T). { A = mn_make_name(p, T); }
literal(A) ::= constant(T). { A = mn_make_literal(p, T); }
literal(A) ::= ID(N) STRING(T). { A = mn_make_typed(p, N, T); }
term(A) ::= literal(X). { A = X; }
term(A) ::= PARAM(T). { A = mn_make_param(p, T); }
term(A) ::= ID(T). { A = mn_make_column(p, T); }
term(A) ::= LATEST(T). { A = mn_make_column(p, T); }
term(A) ::= NEAREST(T). { A = mn_make_column(p, T); }
term(A) ::= ID(T) DOT label(N).
  { A = EXPR(JOIN(T.span, N.span), .kind = MN_AST_COLUMN,
      .column = {.table = mn_make_name(p, T), .name = N}); }
term(A) ::= ID(N) LP distinct(D) exprlist(L) RP(E) filter(F).
  { A = mn_make_call(p, N, E, &(struct mn_ast_call){.distinct = D, .args = L, .filter = F}); }
term(A) ::= ID(N) LP distinct(D) exprlist(L) ORDER BY sortlist(S) RP(E) filter(F).
  { A = mn_make_call(p, N, E, &(struct mn_ast_call){.distinct = D, .args = L, .order = S,
      .filter = F}); }
term(A) ::= ID(N) LP RP(E). { A = mn_make_call(p, N, E, &(struct mn_ast_call){.star = false}); }
term(A) ::= ID(N) LP STAR RP(E) filter(F).
  { A = mn_make_call(p, N, E, &(struct mn_ast_call){.star = true, .filter = F}); }
filter(A) ::= . { A = NULL; }
filter(A) ::= FILTER LP WHERE expr(X) RP. { A = X; }
term(A) ::= LP(T) expr(X) RP(E). { A = X; A->span = JOIN(T.span, E.span); }
term(A) ::= LP(T) sub(Q) RP(E).
  { A = EXPR(JOIN(T.span, E.span), .kind = MN_AST_SUBQUERY, .query = Q); }
term(A) ::= LBRACKET(T) exprlist(L) RBRACKET(E).
  { A = EXPR(JOIN(T.span, E.span), .kind = MN_AST_LIST, .list = L); }
term(A) ::= ARRAY(T) LBRACKET exprlist(L) RBRACKET(E).
  { A = EXPR(JOIN(T.span, E.span), .kind = MN_AST_LIST, .list = L); }
term(A) ::= ARRAY(T) EMPTYLIST(E). { A = EXPR(JOIN(T.span, E.span), .kind = MN_AST_LIST); }
term(A) ::= EMPTYLIST(T). { A = EXPR(T.span, .kind = MN_AST_LIST); }
term(A) ::= CASE(T) caseop(O) whens(W) else(X) END(E).
  { A = EXPR(JOIN(T.span, E.span), .kind = MN_AST_CASE,
      .when = {.operand = O, .first = mn_make_whens(W), .otherwise = X}); }
term(A) ::= CAST(T) LP expr(X) AS typename(Y) RP(E).
  { A = EXPR(JOIN(T.span, E.span), .kind = MN_AST_CAST, .cast = {.arg = X, .type = Y}); }
term(A) ::= EXISTS(T) LP with(W) query(Q) RP(E).
  { A = EXPR(JOIN(T.span, E.span), .kind = MN_AST_EXISTS, .query = mn_make_with(p, Q, W)); }
term(A) ::= EXISTS(T) LP MATCH(M) pathlist(G) where(X) RP(E).
  { A = EXPR(JOIN(T.span, E.span), .kind = MN_AST_EXISTS,
      .query = mn_make_match_query(p, M, G, X)); }
expr(A) ::= term(X). { A = X; }
expr(A) ::= expr(X) LBRACKET expr(Y) RBRACKET(E).
  { A = EXPR(JOIN(X->span, E.span), .kind = MN_AST_ELEMENT, .element = {.arg = X, .index = Y}); }
expr(A) ::= expr(X) DCOLON typename(Y).
  { A = EXPR(JOIN(X->span, Y.span), .kind = MN_AST_CAST, .cast = {.arg = X, .type = Y}); }
expr(A) ::= expr(X) ARROW(T) expr(Y). { A = mn_make_binary(p, MN_OP_ARROW, X, T, Y); }
expr(A) ::= expr(X) ARROW2(T) expr(Y). { A = mn_make_binary(p, MN_OP_ARROW2, X, T, Y); }
expr(A) ::= expr(X) OR(T) expr(Y). { A = mn_make_binary(p, MN_OP_OR, X, T, Y); }
expr(A) ::= expr(X) AND(T) expr(Y). { A = mn_make_binary(p, MN_OP_AND, X, T, Y); }
expr(A) ::= NOT(T) expr(X). { A = mn_make_unary(p, MN_OP_NOT, T, X); }
expr(A) ::= expr(X) EQ(T) expr(Y). { A = mn_make_binary(p, MN_OP_EQ, X, T, Y); }
expr(A) ::= expr(X) NE(T) expr(Y). { A = mn_make_binary(p, MN_OP_NE, X, T, Y); }
expr(A) ::= expr(X) LT(T) expr(Y). { A = mn_make_binary(p, MN_OP_LT, X, T, Y); }
expr(A) ::= expr(X) LE(T) expr(Y). { A = mn_make_binary(p, MN_OP_LE, X, T, Y); }
expr(A) ::= expr(X) GT(T) expr(Y). { A = mn_make_binary(p, MN_OP_GT, X, T, Y); }
expr(A) ::= expr(X) GE(T) expr(Y). { A = mn_make_binary(p, MN_OP_GE, X, T, Y); }
expr(A) ::= expr(X) PLUS(T) expr(Y). { A = mn_make_binary(p, MN_OP_ADD, X, T, Y); }
expr(A) ::= expr(X) MINUS(T) expr(Y). { A = mn_make_binary(p, MN_OP_SUB, X, T, Y); }
expr(A) ::= expr(X) STAR(T) expr(Y). { A = mn_make_binary(p, MN_OP_MUL, X, T, Y); }
expr(A) ::= expr(X) SLASH(T) expr(Y). { A = mn_make_binary(p, MN_OP_DIV, X, T, Y); }
expr(A) ::= expr(X) REM(T) expr(Y). { A = mn_make_binary(p, MN_OP_REM, X, T, Y); }
expr(A) ::= expr(X) CONCAT(T) expr(Y). { A = mn_make_binary(p, MN_OP_CONCAT, X, T, Y); }
expr(A) ::= expr(X) VDIST(T) expr(Y). { A = mn_make_binary(p, MN_OP_DISTANCE, X, T, Y); }
expr(A) ::= MINUS(T) expr(X). [UMINUS] { A = mn_make_unary(p, MN_OP_NEGATE, T, X); }
expr(A) ::= PLUS expr(X). [UMINUS] { A = X; }
expr(A) ::= expr(X) likeop(O) expr(Y). [LIKE] { A = mn_make_like(p, O, X, Y, NULL); }
expr(A) ::= expr(X) likeop(O) expr(Y) ESCAPE expr(Z). [LIKE] { A = mn_make_like(p, O, X, Y, Z); }
likeop(A) ::= LIKE. { A = LIKE_OP(MN_LIKE, false); }
likeop(A) ::= NOT LIKE. { A = LIKE_OP(MN_LIKE, true); }
likeop(A) ::= ILIKE. { A = LIKE_OP(MN_ILIKE, false); }
likeop(A) ::= NOT ILIKE. { A = LIKE_OP(MN_ILIKE, true); }
likeop(A) ::= MATCH. { A = LIKE_OP(MN_LIKE_MATCH, false); }
likeop(A) ::= NOT MATCH. { A = LIKE_OP(MN_LIKE_MATCH, true); }
expr(A) ::= expr(X) btwop(N) expr(Y) AND expr(Z). [BETWEEN]
  { A = EXPR(JOIN(X->span, Z->span), .kind = MN_AST_BETWEEN,
      .between = {.negated = N, .arg = X, .low = Y, .high = Z}); }
btwop(A) ::= BETWEEN. { A = false; }
btwop(A) ::= NOT BETWEEN. { A = true; }
expr(A) ::= expr(X) inop(N) LP exprlistopt(L) RP(E). [IN]
  { A = EXPR(JOIN(X->span, E.span), .kind = MN_AST_IN,
      .in = {.negated = N, .arg = X, .list = L}); }
expr(A) ::= expr(X) inop(N) LP sub(Q) RP(E). [IN]
  { A = EXPR(JOIN(X->span, E.span), .kind = MN_AST_IN,
      .in = {.negated = N, .arg = X, .query = Q}); }
expr(A) ::= expr(X) inop(N) PARAM(T). [IN]
  { A = EXPR(JOIN(X->span, T.span), .kind = MN_AST_IN,
      .in = {.negated = N, .arg = X, .param = mn_make_param(p, T)}); }
inop(A) ::= IN. { A = false; }
inop(A) ::= NOT IN. { A = true; }
expr(A) ::= expr(X) EQ ANY LP expr(Y) RP(E). [EQ]
  { A = EXPR(JOIN(X->span, E.span), .kind = MN_AST_QUANTIFIED, .quantified = {.arg = X,
      .list = Y}); }
expr(A) ::= expr(X) EQ ANY LP sub(Q) RP(E). [EQ]
  { A = EXPR(JOIN(X->span, E.span), .kind = MN_AST_QUANTIFIED,
      .quantified = {.arg = X, .query = Q}); }
expr(A) ::= expr(X) NE ALL LP expr(Y) RP(E). [NE]
  { A = EXPR(JOIN(X->span, E.span), .kind = MN_AST_QUANTIFIED,
      .quantified = {.all = true, .arg = X, .list = Y}); }
expr(A) ::= expr(X) NE ALL LP sub(Q) RP(E). [NE]
  { A = EXPR(JOIN(X->span, E.span), .kind = MN_AST_QUANTIFIED,
      .quantified = {.all = true, .arg = X, .query = Q}); }
expr(A) ::= expr(X) IS NULL(E). { A = IS(MN_IS_NULL, false, X, E); }
expr(A) ::= expr(X) IS NOT NULL(E). { A = IS(MN_IS_NULL, true, X, E); }
expr(A) ::= expr(X) IS TRUE(E). { A = IS(MN_IS_TRUE, false, X, E); }
expr(A) ::= expr(X) IS NOT TRUE(E). { A = IS(MN_IS_TRUE, true, X, E); }
expr(A) ::= expr(X) IS FALSE(E). { A = IS(MN_IS_FALSE, false, X, E); }
expr(A) ::= expr(X) IS NOT FALSE(E). { A = IS(MN_IS_FALSE, true, X, E); }
expr(A) ::= expr(X) IS DISTINCT FROM(T) expr(Y). [IS]
  { A = mn_make_binary(p, MN_OP_DISTINCT, X, T, Y); }
expr(A) ::= expr(X) IS NOT DISTINCT FROM(T) expr(Y). [IS]
  { A = mn_make_binary(p, MN_OP_NOT_DISTINCT, X, T, Y); }
caseop(A) ::= . { A = NULL; }
caseop(A) ::= expr(X). { A = X; }
whens(A) ::= whens(L) WHEN expr(X) THEN expr(Y). { A = mn_make_when(p, L, X, Y); }
whens(A) ::= WHEN expr(X) THEN expr(Y). { A = mn_make_when(p, NULL, X, Y); }
else(A) ::= . { A = NULL; }
else(A) ::= ELSE expr(X). { A = X; }
exprlistopt(A) ::= . { A = (struct mn_ast_exprs){0}; }
exprlistopt(A) ::= exprlist(L). { A = L; }
exprlist(A) ::= exprlist(L) COMMA expr(X). { A = L; APPEND(A, X); }
exprlist(A) ::= expr(X). { START(A, X); }

%code {
/*
 * The grammar without its actions: which tokens a state takes. A stack of states is advanced by the
 * tables that the parser itself uses.
 */
static bool is_listed(YYACTIONTYPE state, uint16_t token)
{
    return yy_lookahead[yy_shift_ofst[state] + token] == token;
}

bool mn_grammar_advance(struct mn_grammar_states *states, uint16_t token, bool *as_itself)
{
    uint32_t depth = states->depth;

    if (depth == 0) states->at[depth++] = 0;
    for (;;) {
        YYACTIONTYPE state = states->at[depth - 1];
        YYACTIONTYPE action = yy_find_shift_action((YYCODETYPE)token, state);

        if (action < YY_MIN_REDUCE) {
            if (action == YY_ACCEPT_ACTION) return true;
            if (action == YY_ERROR_ACTION || depth == MN_GRAMMAR_DEPTH_MAX) return false;
            if (as_itself) *as_itself = is_listed(state, token);
            if (action > YY_MAX_SHIFT) {
                action = (YYACTIONTYPE)(action + (YY_MIN_REDUCE - YY_MIN_SHIFTREDUCE));
            }
            states->at[depth++] = action;
            states->depth = depth;
            return true;
        }
        unsigned rule = action - YY_MIN_REDUCE;

        depth = (uint32_t)((int)depth + yyRuleInfoNRhs[rule]);
        if (depth == MN_GRAMMAR_DEPTH_MAX) return false;
        states->at[depth] = yy_find_reduce_action(states->at[depth - 1], yyRuleInfoLhs[rule]);
        depth++;
    }
}

size_t mn_grammar_size(void)
{
    return sizeof(yyParser);
}

uint16_t mn_grammar_tokens(void)
{
    return YYNTOKEN;
}

bool mn_grammar_is_word(uint16_t token)
{
    return yyFallback[token] != 0;
}
}
