/*
 * schema: the tables, relations and indexes of one version, and the changes of them.
 *
 *   tree 2, the catalogue                                  in memory
 *   01            -> stamp, next object id                 struct mn_schema  (counted, immutable)
 *   02 table id   -> one table with its columns,     --->    tables[] by name, indexes by name
 *                    checks, options and indexes             relations point to their ends and back
 *   03 table id   -> least row id not yet used
 *   04 name       -> a setting of the file
 *
 *   (S1) equal stamps mean equal catalogues: a stamp is the hash of the one before and the change.
 *   (S2) a snapshot never changes; whoever holds a count on it may read it from any thread.
 *   (S3) names were folded by whoever read them and are compared here as bytes.
 *
 * The catalogue lies in a tree, so savepoints and rollback undo DDL like everything else. The
 * functions that change it leave rows and index entries alone: index/build.h does the whole of
 * CREATE INDEX.
 */
#ifndef MN_CATALOG_SCHEMA_H
#define MN_CATALOG_SCHEMA_H

#include "catalog/key.h"
#include "catalog/record.h"
#include "catalog/value.h"

struct mn_view;

enum {
    MN_NAME_BYTES_MAX = 128, /* of a table, column, index or setting */
    MN_INDEXES_MAX = 64,     /* of a table */
    MN_CHECKS_MAX = 1000,    /* of a table */
    MN_OPTIONS_MAX = 64,     /* of a table or index */
    MN_TABLES_MAX = 65536,
    MN_EXPR_TEXT_MAX = 1 << 20 /* bytes of a DEFAULT or CHECK */
};

/* WITH (name = value), and settings: a name and a scalar value. */
struct mn_option {
    const char *name;
    struct mn_value value; /* BOOL, INT, FLOAT or TEXT; NULL: the name alone was given */
};

struct mn_column {
    const char *name; /* NUL-terminated here and everywhere in this header */
    struct mn_kind kind;
    bool not_null;            /* of primary keys too */
    bool primary;             /* part of the primary key */
    const char *default_text; /* SQL of the DEFAULT's expression, NULL: none */
    uint64_t slab_tree;       /* VECTOR: the tree of its slabs; set by the catalogue */
};

struct mn_check {
    const char *name; /* NULL: none was given */
    const char *text; /* SQL of the expression */
};

enum mn_index_kind { MN_INDEX_BTREE = 1, MN_INDEX_VECTOR = 2 };

enum { MN_VECTOR_TREES = 3 }; /* of a vector index: index/vector/ann.h */
enum { MN_COVERS_MAX = 15 };  /* columns that a vector index covers */

struct mn_index_column {
    uint32_t column; /* position in the table */
    unsigned order;  /* of enum mn_key_order */
};

struct mn_index {
    uint64_t id;
    const char *name;
    const struct mn_table *table;
    enum mn_index_kind kind;
    bool unique;
    bool primary;    /* made by PRIMARY KEY; dropped only with its table */
    bool constraint; /* made by PRIMARY KEY or UNIQUE in CREATE TABLE */
    uint32_t column_count;
    const struct mn_index_column *columns;
    uint32_t option_count;
    const struct mn_option *options;
    /* VECTOR: positions of the columns whose values are kept beside the codes; `timed`: the first
     * of them is that of its time. */
    uint32_t cover_count;
    const uint32_t *covers;
    bool timed;
    uint64_t tree; /* BTREE: key columns and row id; see index/index.h. VECTOR: the first of its
                    * trees, or 0 in files of the first builds: then it only names the metric. */
};

struct mn_table {
    uint64_t id;
    const char *name;
    uint64_t tree; /* row id -> record */
    uint32_t column_count;
    const struct mn_column *columns;
    int row_id_column; /* the INT PRIMARY KEY; -1: row ids are hidden and never used twice */
    const struct mn_index *primary; /* the index of any other primary key, NULL: none */
    uint32_t index_count;
    const struct mn_index *indexes; /* the primary key's first, then in the order of their making */
    uint32_t check_count;
    const struct mn_check *checks;
    uint32_t option_count;
    const struct mn_option *options;

    /* A relation: columns 0 and 1 are src and dst, of the type of the ends' keys. */
    bool relation;
    bool multi; /* the same pair any number of times */
    const struct mn_table *from, *to;
    uint64_t forward_tree, backward_tree; /* (src, dst, edge) and (dst, src, edge) as row ids */

    /* A table: the relations that begin or end in it; one that does both is in both. */
    uint32_t out_count, in_count;
    const struct mn_table *const *out;
    const struct mn_table *const *in;
};

struct mn_schema {
    uint64_t stamp;
    uint32_t table_count;
    const struct mn_table *tables; /* by name, relations among them */
    uint32_t index_count;
    const struct mn_index *const *indexes; /* by name */
};

/* The stamp of the catalogue in this view: one look-up in tree 2. 0: an empty catalogue. */
enum mn_status mn_schema_stamp(struct mn_view *view, uint64_t *stamp);

/* Reads the catalogue of a view; given back by mn_schema_unref. MN_CORRUPT. */
enum mn_status mn_schema_load(struct mn_view *view, const struct mn_schema **schema);
const struct mn_schema *mn_schema_ref(const struct mn_schema *schema);
void mn_schema_unref(const struct mn_schema *schema); /* NULL is harmless */

/* The few newest snapshots, for the threads of one handle. */
struct mn_schema_cache;
enum mn_status mn_schema_cache_new(struct mn_schema_cache **cache);
void mn_schema_cache_free(struct mn_schema_cache *cache);
/* The snapshot of this view's stamp, from the cache or loaded into it; counted for the caller. */
enum mn_status mn_schema_get(struct mn_schema_cache *cache, struct mn_view *view,
                             const struct mn_schema **schema);

/* NULL: there is none. Names are bytes, folded by the caller. */
const struct mn_table *mn_schema_table(const struct mn_schema *schema, const char *name,
                                       size_t length);
const struct mn_index *mn_schema_index(const struct mn_schema *schema, const char *name,
                                       size_t length);
const struct mn_table *mn_schema_table_by_id(const struct mn_schema *schema, uint64_t id);
int mn_table_column(const struct mn_table *table, const char *name, size_t length); /* -1: none */
/* The table's option, or the index's; NULL: not given. */
const struct mn_value *mn_table_option(const struct mn_table *table, const char *name);
const struct mn_value *mn_index_option(const struct mn_index *index, const char *name);
/* The column that is the whole primary key, -1 where the key is hidden or has several columns. */
int mn_table_key_column(const struct mn_table *table);
/* The kind of what stands for a row of this table in src and dst; INT where the key is hidden.
 * False: the key has several columns. */
bool mn_table_end_kind(const struct mn_table *table, struct mn_kind *kind);

/*
 * Changes. Each does all or leaves the view's savepoint to take it back; the caller gets a new
 * snapshot by mn_schema_get. Names and texts of definitions are copied. MN_EXISTS, MN_SCHEMA,
 * MN_TOOBIG with messages.
 */
struct mn_key_def {
    const char *name; /* NULL: <table>_<columns>_key, or <table>_pkey */
    uint32_t column_count;
    const struct mn_index_column *columns;
};

struct mn_table_def {
    const char *name;
    uint32_t column_count;
    const struct mn_column *columns; /* slab_tree and primary are not read */
    struct mn_key_def primary;       /* column_count 0: no primary key */
    uint32_t unique_count;
    const struct mn_key_def *uniques;
    uint32_t check_count;
    const struct mn_check *checks;
    uint32_t option_count;
    const struct mn_option *options;
};

/* A relation's columns are the user's own, without src and dst; it has no primary key. */
struct mn_relation_def {
    const char *from, *to;
    bool multi;
    struct mn_table_def table;
};

struct mn_index_def {
    const char *name; /* NULL: <table>_<columns>_idx, numbered when it is taken */
    const char *table;
    enum mn_index_kind kind;
    bool unique;
    uint32_t column_count;
    const struct mn_index_column *columns;
    uint32_t option_count;
    const struct mn_option *options;
    uint32_t cover_count; /* as in struct mn_index */
    const uint32_t *covers;
    bool timed;
};

/* Whether a vector index may cover a column of this type. */
static inline bool mn_type_is_covered(uint8_t type)
{
    return type == MN_TYPE_BOOL || type == MN_TYPE_INT || type == MN_TYPE_FLOAT ||
           type == MN_TYPE_TIMESTAMP || type == MN_TYPE_DURATION;
}

/* *id is the new object's; it may be NULL. */
enum mn_status mn_schema_create_table(struct mn_view *view, const struct mn_table_def *def,
                                      uint64_t *id);
enum mn_status mn_schema_create_relation(struct mn_view *view, const struct mn_relation_def *def,
                                         uint64_t *id);
/* The entry and an empty tree: use mn_index_create of index/build.h. */
enum mn_status mn_schema_create_index(struct mn_view *view, const struct mn_index_def *def,
                                      uint64_t *id);

/* Drops a table or relation by name with all its trees. MN_CONSTRAINT names the relations that end
 * in it, unless cascade drops them too. */
enum mn_status mn_schema_drop_table(struct mn_view *view, const char *name, bool cascade);
/* MN_CONSTRAINT: the index belongs to a PRIMARY KEY or UNIQUE of its table. */
enum mn_status mn_schema_drop_index(struct mn_view *view, const char *name);

/* Settings of the file, such as user_version: NULL where it was never set. TEXT is copied to the
 * arena. */
enum mn_status mn_setting_get(struct mn_view *view, const char *name, struct mn_arena *arena,
                              struct mn_value *value);
enum mn_status mn_setting_put(struct mn_view *view, const char *name, const struct mn_value *value);

/* The least hidden row id of a table that was never used, as far as deletes had to note it; 1 at
 * first. */
enum mn_status mn_table_row_floor(struct mn_view *view, const struct mn_table *table,
                                  int64_t *floor);
enum mn_status mn_table_row_floor_put(struct mn_view *view, const struct mn_table *table,
                                      int64_t floor);

#endif
