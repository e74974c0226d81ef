/*
 * direct_edge: edges by the keys of their ends, and the neighbours of a row.
 */
#include <inttypes.h>

#include "index/relation/edge.h"
#include "index/row.h"
#include "query/direct.h"

enum { EDGES_AT_ONCE = 64 };

static enum mn_status relation_get(struct mn_session *session, struct mn_view *view,
                                   const struct mn_target_names *names, struct mn_target **target)
{
    enum mn_status status = mn_target_get(session, view, names, target);

    if (status != MN_OK || (*target)->table->relation) return status;
    return mn_fail(MN_SCHEMA, "%s is a table, not a relation", (*target)->table->name);
}

static enum mn_status end_read(const struct mn_table *relation, uint32_t end, const mn_datum *datum,
                               struct mn_arena *scratch, struct mn_value *out)
{
    enum mn_status status = mn_datum_read(datum, &relation->columns[end].kind, scratch, out);

    if (status != MN_OK && status != MN_NOMEM) {
        struct mn_error error = *mn_error_last();

        return mn_fail(status, "%s of %s: %.300s", end ? "dst" : "src", relation->name,
                       error.message);
    }
    if (status == MN_OK && mn_is_null(out)) {
        return mn_fail(MN_CONSTRAINT, "%s of %s is NULL", end ? "dst" : "src", relation->name);
    }
    return status;
}

/* ---- link ---- */

static enum mn_status link_fill(struct mn_direct_row *row, const mn_datum ends[2],
                                const mn_fields *fields, struct mn_arena *scratch)
{
    const struct mn_target *target = row->target;
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < 2 && status == MN_OK; i++) {
        status = end_read(target->table, i, &ends[i], scratch, &row->values[i]);
        row->given[i] = true;
    }
    for (uint32_t i = 0; i < target->count && status == MN_OK; i++) {
        uint32_t column = target->columns[i];
        const struct mn_column *of = &target->table->columns[column];

        if (row->given[column]) {
            return mn_fail(MN_MISUSE, "%s of %s is given by the ends", of->name,
                           target->table->name);
        }
        status = mn_datum_read(&fields->values[i], &of->kind, scratch, &row->values[column]);
        if (status != MN_OK && status != MN_NOMEM) {
            struct mn_error error = *mn_error_last();

            return mn_fail(status, "column %s: %.400s", of->name, error.message);
        }
        row->given[column] = true;
    }
    return status;
}

static enum mn_status link_store(struct mn_session *session, struct mn_access *access,
                                 const struct mn_target_names *names, const mn_datum ends[2],
                                 const mn_fields *fields, int64_t *edge)
{
    struct mn_arena *scratch = mn_direct_begin(session);
    struct mn_target *target;
    struct mn_direct_row row;
    enum mn_status status = scratch ? MN_OK : MN_NOMEM;

    if (status == MN_OK) status = relation_get(session, access->view, names, &target);
    if (status == MN_OK) status = mn_direct_row_new(target, scratch, &row);
    if (status == MN_OK) status = link_fill(&row, ends, fields, scratch);
    return status == MN_OK ? mn_direct_row_store(session, access->view, &row, edge) : status;
}

enum mn_status mn_direct_link(struct mn_session *session, const char *relation,
                              const mn_datum ends[2], const mn_fields *fields, int64_t *edge)
{
    struct mn_target_names names = {.table = relation};
    struct mn_access access;
    enum mn_status status;

    if (!ends) return mn_fail(MN_MISUSE, "the ends are NULL");
    if (fields) {
        if (fields->size < sizeof *fields ||
            (fields->count > 0 && (!fields->names || !fields->values))) {
            return mn_fail(MN_MISUSE, "fields have no names, no values or a wrong size");
        }
        names.columns = fields->names;
        names.count = fields->count;
    }
    status = mn_access_write(session, true, &access);
    if (status != MN_OK) return status;
    status = mn_access_end(&access, link_store(session, &access, &names, ends, fields, edge));
    if (status == MN_OK) session->changes = 1;
    return status;
}

/* ---- unlink ---- */

/* The row ids of both ends; *there is false where one has no row, and so no edge. */
static enum mn_status ends_find(struct mn_view *view, const struct mn_table *relation,
                                const mn_datum ends[2], struct mn_arena *scratch,
                                int64_t row_ids[2], bool *there)
{
    enum mn_status status = MN_OK;

    *there = true;
    for (uint32_t i = 0; i < 2 && status == MN_OK && *there; i++) {
        const struct mn_table *table = i ? relation->to : relation->from;
        struct mn_value key;

        status = end_read(relation, i, &ends[i], scratch, &key);
        if (status == MN_OK) status = mn_row_find(view, table, &key, &row_ids[i], there);
    }
    return status;
}

static enum mn_status unlink_all(struct mn_session *session, struct mn_access *access,
                                 const char *relation, const mn_datum ends[2], int64_t *removed)
{
    struct mn_arena *scratch = mn_direct_begin(session);
    struct mn_target_names names = {.table = relation};
    struct mn_target *target;
    int64_t row_ids[2];
    bool there, found = true;
    enum mn_status status = scratch ? MN_OK : MN_NOMEM;

    if (status == MN_OK) status = relation_get(session, access->view, &names, &target);
    if (status == MN_OK) {
        status = ends_find(access->view, target->table, ends, scratch, row_ids, &there);
    }
    while (status == MN_OK && there && found) {
        struct mn_row_delete options = {.row_id = 0};

        status = mn_edge_find(access->view, target->table, row_ids[0], row_ids[1], &options.row_id,
                              &found);
        if (status != MN_OK || !found) break;
        status = mn_row_delete(access->view, target->table, &options, NULL, &found);
        if (status == MN_OK && !found) {
            status = mn_fail(MN_CORRUPT, "edge %" PRId64 " of %s has no row", options.row_id,
                             target->table->name);
        }
        (*removed)++;
    }
    return status;
}

enum mn_status mn_direct_unlink(struct mn_session *session, const char *relation,
                                const mn_datum ends[2], int64_t *removed)
{
    struct mn_access access;
    enum mn_status status;

    *removed = 0;
    if (!ends) return mn_fail(MN_MISUSE, "the ends are NULL");
    status = mn_access_write(session, true, &access);
    if (status != MN_OK) return status;
    session->changes = 0;
    status = mn_access_end(&access, unlink_all(session, &access, relation, ends, removed));
    if (status != MN_OK) *removed = 0;
    session->changes = *removed;
    return status;
}

/* ---- neighbours ---- */

struct neighbours {
    struct mn_view *view;
    const struct mn_table *far; /* where the other ends are rows */
    struct mn_arena *scratch;
    bool copy;
    mn_neighbor_list *list;
};

static enum mn_status edges_write(struct neighbours *n, const struct mn_edge *edges, size_t count)
{
    mn_neighbor_list *list = n->list;
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < count && status == MN_OK; i++, list->count++) {
        struct mn_value key;

        if (list->edges) list->edges[list->count] = edges[i].edge;
        if (!list->keys) continue;
        status = mn_row_key(n->view, n->far, edges[i].node, &key);
        if (status == MN_OK) {
            status = mn_datum_write(&key, n->copy, n->scratch, &list->keys[list->count]);
        }
    }
    return status;
}

static enum mn_status edges_read(struct neighbours *n, struct mn_edge_scan *scan, int64_t row_id)
{
    mn_neighbor_list *list = n->list;
    enum mn_status status = mn_edge_scan_node_from(scan, row_id, list->offset);

    while (status == MN_OK && list->count < list->capacity) {
        struct mn_edge edges[EDGES_AT_ONCE];
        size_t room = list->capacity - list->count, got;

        status = mn_edge_scan_next(scan, edges, room < EDGES_AT_ONCE ? room : EDGES_AT_ONCE, &got);
        if (status != MN_OK || got == 0) break;
        status = edges_write(n, edges, got);
    }
    return status;
}

static enum mn_status neighbours_read(struct mn_session *session, struct mn_access *access,
                                      const char *relation, const mn_datum *key,
                                      struct neighbours *n)
{
    bool incoming = n->list->incoming != 0;
    enum mn_edge_direction direction = incoming ? MN_EDGE_IN : MN_EDGE_OUT;
    struct mn_target_names names = {.table = relation};
    struct mn_direct_key near = {key, 1};
    struct mn_edge_scan *scan = NULL;
    struct mn_target *target;
    int64_t row_id;
    enum mn_status status;

    n->view = access->view;
    n->scratch = mn_direct_begin(session);
    if (!n->scratch) return MN_NOMEM;
    status = relation_get(session, n->view, &names, &target);
    if (status != MN_OK) return status;
    n->far = incoming ? target->table->from : target->table->to;
    status = mn_direct_find(n->view, incoming ? target->table->to : target->table->from, &near,
                            n->scratch, &row_id);
    if (status == MN_OK) {
        status = mn_edge_degree(n->view, target->table, direction, row_id, &n->list->total);
    }
    if (status == MN_OK && n->list->capacity > 0 && n->list->offset < n->list->total) {
        status = mn_edge_scan_open(n->view, target->table, direction, &scan);
        if (status == MN_OK) status = edges_read(n, scan, row_id);
        mn_edge_scan_close(scan);
    }
    return status;
}

enum mn_status mn_direct_neighbors(struct mn_session *session, const struct mn_snap *snap,
                                   const char *relation, const mn_datum *key,
                                   mn_neighbor_list *list)
{
    struct neighbours n = {.list = list, .copy = mn_direct_copies(session, snap)};
    struct mn_access access;
    enum mn_status status;

    if (!key) return mn_fail(MN_MISUSE, "the key is NULL");
    status = mn_direct_read(session, snap, &access);
    if (status != MN_OK) return status;
    status = mn_access_end(&access, neighbours_read(session, &access, relation, key, &n));
    if (status != MN_OK) {
        list->count = 0;
        list->total = 0;
    }
    return status;
}
