/*
 * direct: rows, edges and loads without a statement.
 *
 *   session --> mn_direct --> targets: a table and columns by name, resolved once a definition
 *                         --> scratch: what a call makes, until the thread's next call
 *                         --> rules:   DEFAULTs and CHECKs of the targets
 *                         --> maps:    where lists of codes and slabs of vectors lie
 *
 *   (W1) a target fits a view when the catalogue of both has the same stamp; as long as the root of
 *        the catalogue's tree is the same clean page, its stamp is not read.
 *   (W2) bytes that a read hands out lie in the view of a snapshot or transaction, or in scratch.
 */
#ifndef MN_QUERY_DIRECT_H
#define MN_QUERY_DIRECT_H

#include "index/vector/list_map.h"
#include "index/vector/slab_map.h"
#include "query/datum.h"
#include "query/rules.h"
#include "query/txn.h"

/* A snapshot of the program. */
struct mn_snap {
    struct mn_db *db;
    struct mn_snapshot *snapshot;
};

void mn_direct_free(struct mn_direct *direct); /* NULL is harmless */

/* ---- targets: target.c ---- */

struct mn_target {
    const struct mn_schema *schema; /* counted; NULL: the place is free */
    struct mn_ref catalogue;        /* of the tree's root when it was last seen to fit */
    const struct mn_table *table;
    struct mn_arena arena; /* of all below */
    const char *name;
    uint32_t count; /* columns named */
    const char **names;
    uint32_t *columns;      /* their places in the table */
    struct mn_rules *rules; /* NULL: not needed yet */
    bool plain;             /* mn_row_is_plain */
};

/* Which columns of which table. */
struct mn_target_names {
    const char *table;
    const char *const *columns;
    size_t count;
};

/* The target as the view has it, from the session's own or resolved anew; valid until the next call
 * of this function in the session. MN_SCHEMA, MN_MISUSE. */
enum mn_status mn_target_get(struct mn_session *session, struct mn_view *view,
                             const struct mn_target_names *names, struct mn_target **target);
/* Its rules. */
enum mn_status mn_target_rules(struct mn_target *target);
/* What evaluating rules needs; the scratch is the session's. */
struct mn_eval mn_direct_eval(struct mn_session *session);
/* The arena of the call at hand, emptied by mn_direct_begin. NULL from begin: no memory. */
struct mn_arena *mn_direct_begin(struct mn_session *session);
struct mn_arena *mn_direct_scratch(struct mn_session *session);

/* ---- rows: direct.c ---- */

/* A key given by the program. */
struct mn_direct_key {
    const mn_datum *values;
    size_t count;
};

/* What a read looks at; snap NULL: what a SELECT would. MN_MISUSE: another handle's. */
enum mn_status mn_direct_read(struct mn_session *session, const struct mn_snap *snap,
                              struct mn_access *access);
/* True where what the access reads is gone when it ends: bytes must be copied. */
bool mn_direct_copies(const struct mn_session *session, const struct mn_snap *snap);

/* One of these a header's function, without the handle's errors. */
enum mn_status mn_direct_get(struct mn_session *session, const struct mn_snap *snap,
                             const char *table, const struct mn_direct_key *key,
                             const mn_fields *row);
enum mn_status mn_direct_put(struct mn_session *session, const char *table, const mn_fields *row,
                             int64_t *row_id);
enum mn_status mn_direct_delete(struct mn_session *session, const char *table,
                                const struct mn_direct_key *key);

/* The row id of a key; MN_NOTFOUND. */
enum mn_status mn_direct_find(struct mn_view *view, const struct mn_table *table,
                              const struct mn_direct_key *key, struct mn_arena *scratch,
                              int64_t *row_id);

/* A row that is to be stored, column by column. */
struct mn_direct_row {
    struct mn_target *target;
    struct mn_value *values; /* one a column of the table */
    bool *given;
};
enum mn_status mn_direct_row_new(struct mn_target *target, struct mn_arena *scratch,
                                 struct mn_direct_row *row);
/* Stores it: UPSERT, or INSERT where there is no key. */
enum mn_status mn_direct_row_store(struct mn_session *session, struct mn_view *view,
                                   struct mn_direct_row *row, int64_t *row_id);

/* ---- edges: direct_edge.c ---- */

enum mn_status mn_direct_link(struct mn_session *session, const char *relation,
                              const mn_datum ends[2], const mn_fields *fields, int64_t *edge);
enum mn_status mn_direct_unlink(struct mn_session *session, const char *relation,
                                const mn_datum ends[2], int64_t *removed);
enum mn_status mn_direct_neighbors(struct mn_session *session, const struct mn_snap *snap,
                                   const char *relation, const mn_datum *key,
                                   mn_neighbor_list *list);

/* ---- vectors: direct_nearest.c ---- */

/* Of the column and index that were searched last. They stay the session's, and are there behind
 * mn_direct_begin. */
struct mn_direct_maps {
    struct mn_slab_map slabs;
    struct mn_list_map lists;
};
struct mn_direct_maps *mn_direct_maps(struct mn_session *session);

enum mn_status mn_direct_nearest(struct mn_session *session, const struct mn_snap *snap,
                                 const char *table, mn_nearest_list *list);
/* counts is not NULL where there are queries. */
enum mn_status mn_direct_nearest_many(struct mn_session *session, const struct mn_snap *snap,
                                      const char *table, const mn_nearest_batch *batch);

/* ---- loads: direct_load.c ---- */

enum mn_status mn_direct_load_begin(struct mn_session *session, const struct mn_target_names *names,
                                    struct mn_load **load);
enum mn_status mn_direct_load_row(struct mn_load *load, const mn_datum *values);
enum mn_status mn_direct_load_batch(struct mn_load *load, const mn_batch *batch);
enum mn_status mn_direct_load_end(struct mn_load *load, bool keep);
/* The transaction around the load ends: nothing of it is left but the handle. NULL is harmless. */
void mn_direct_load_cancel(struct mn_load *load);
struct mn_session *mn_direct_load_session(const struct mn_load *load);

#endif
