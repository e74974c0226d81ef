/*
 * recover: the tables and rows of a damaged file, put into an empty one.
 *
 * Definitions come from the catalogue or from its second copy. Every row whose record is sound goes
 * in under its old id, through the same door as any new row, so indexes, edges and constraints are
 * those of a sound database. A vector that is lost is NULL, and its column then admits NULL; an
 * edge whose end is lost is lost.
 */
#ifndef MN_INDEX_RECOVER_H
#define MN_INDEX_RECOVER_H

#include "btree/salvage.h"
#include "catalog/schema.h"

struct mn_recovered_table {
    const char *name;
    bool relation;
    uint64_t saved;
    uint64_t lost;    /* of those that the tree counts; UINT64_MAX: its count is lost */
    uint64_t refused; /* of the lost: sound, but without an end, or breaking a constraint */
    uint64_t vectors; /* of the saved rows, lost */
};

struct mn_recover_options {
    /* Told of each table when it is done; may be NULL. Anything but MN_OK ends it. */
    enum mn_status (*table)(void *context, const struct mn_recovered_table *table);
    /* Rows so far, of how many; may be NULL. */
    mn_copy_progress progress;
    void *context;
};

/* Of which the definition is lost, in both of its copies, and with it what they held. */
struct mn_recovered_schema {
    uint64_t relations; /* those that are defined, but not the table at one of their ends */
    uint64_t tables;    /* and relations; UINT64_MAX: how many is not known */
};

/* `to` is a writer's view of a store without trees. */
enum mn_status mn_rows_recover(struct mn_salvage *salvage, struct mn_view *to,
                               const struct mn_recover_options *options,
                               struct mn_recovered_schema *lost);

#endif
