/*
 * schema: snapshots of the catalogue: loading, linking, looking up, and the cache of a handle.
 */
#include "catalog/schema.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "btree/tree.h"
#include "catalog/schema_code.h"

enum { CACHE_SLOTS = 4 };

struct by_id {
    uint64_t id;
    struct mn_table *table;
};

/* What stands behind a struct mn_schema: its memory and its count. */
struct snapshot {
    struct mn_schema schema;
    atomic_int count;
    struct mn_arena arena;
    struct mn_table *tables;
    struct by_id *ids;
};

/* ---- loading ---- */

static int code_order(const void *a, const void *b)
{
    const struct mn_table_code *x = a, *y = b;

    return strcmp(x->table.name, y->table.name);
}

static int id_order(const void *a, const void *b)
{
    const struct by_id *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static int index_order(const void *a, const void *b)
{
    const struct mn_index *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* Reads every table's entry; *codes is the caller's to release by mn_buf_release. */
static enum mn_status tables_read(struct mn_view *view, struct mn_arena *arena,
                                  struct mn_buf *codes)
{
    struct mn_cursor *cursor = NULL;
    uint8_t first[MN_CATALOGUE_ID_KEY_BYTES];
    bool found = false;
    enum mn_status status = mn_cursor_open(view, MN_TREE_CATALOGUE, &cursor);

    mn_catalogue_id_key(MN_CATALOGUE_TABLE, 0, first);
    if (status == MN_OK) {
        status = mn_cursor_seek(cursor, mn_bytes_of(first, sizeof first), MN_SEEK_GE, &found);
    }
    while (status == MN_OK && found) {
        struct mn_table_code code;
        struct mn_item item;

        status = mn_cursor_item(cursor, &item);
        if (status != MN_OK || item.key.data[0] != MN_CATALOGUE_TABLE) break;
        if (item.key.len != MN_CATALOGUE_ID_KEY_BYTES) {
            status = mn_fail(MN_CORRUPT, "a key of the catalogue is damaged");
            break;
        }
        if (codes->len / sizeof code >= MN_TABLES_MAX) {
            status = mn_fail(MN_CORRUPT, "the catalogue has over %d tables", MN_TABLES_MAX);
            break;
        }
        {
            uint64_t id = mn_get_u64_be(item.key.data + 1);
            struct mn_bytes value = item.value.len ? item.value : item.run;

            status = mn_table_decode(value.data, value.len, arena, &code);
            code.table.id = id;
        }
        if (status == MN_OK) status = mn_buf_append(codes, &code, sizeof code);
        if (status == MN_OK) status = mn_cursor_next(cursor, &found);
    }
    mn_cursor_close(cursor);
    return status;
}

static struct mn_table *table_by_id(const struct snapshot *snapshot, uint64_t id)
{
    struct by_id wanted = {.id = id};
    struct by_id *found = NULL;

    if (snapshot->schema.table_count > 0) {
        found =
            bsearch(&wanted, snapshot->ids, snapshot->schema.table_count, sizeof wanted, id_order);
    }
    return found ? found->table : NULL;
}

static bool relation_link(struct snapshot *snapshot, const struct mn_table_code *code,
                          struct mn_table *relation)
{
    struct mn_kind from, to;
    struct mn_table *source = table_by_id(snapshot, code->from_id);
    struct mn_table *target = table_by_id(snapshot, code->to_id);

    if (!source || !target || source->relation || target->relation) return false;
    if (!mn_table_end_kind(source, &from) || !mn_table_end_kind(target, &to)) return false;
    if (from.type != relation->columns[0].kind.type || to.type != relation->columns[1].kind.type) {
        return false;
    }
    relation->from = source;
    relation->to = target;
    source->out_count++;
    target->in_count++;
    return true;
}

/* Gives each table the relations that begin and end in it, in the order of their names. */
static enum mn_status ends_link(struct snapshot *snapshot)
{
    struct mn_arena *arena = &snapshot->arena;

    for (uint32_t i = 0; i < snapshot->schema.table_count; i++) {
        struct mn_table *table = &snapshot->tables[i];

        table->out = mn_arena_alloc(arena, table->out_count * sizeof(struct mn_table *));
        table->in = mn_arena_alloc(arena, table->in_count * sizeof(struct mn_table *));
        if (!table->out || !table->in) return mn_fail_nomem();
        table->out_count = table->in_count = 0;
    }
    for (uint32_t i = 0; i < snapshot->schema.table_count; i++) {
        const struct mn_table *relation = &snapshot->tables[i];
        struct mn_table *from, *to;

        if (!relation->relation) continue;
        from = table_by_id(snapshot, relation->from->id);
        to = table_by_id(snapshot, relation->to->id);
        ((const struct mn_table **)(uintptr_t)from->out)[from->out_count++] = relation;
        ((const struct mn_table **)(uintptr_t)to->in)[to->in_count++] = relation;
    }
    return MN_OK;
}

static enum mn_status indexes_link(struct snapshot *snapshot)
{
    const struct mn_index **all;
    uint32_t count = 0;

    for (uint32_t i = 0; i < snapshot->schema.table_count; i++) {
        count += snapshot->tables[i].index_count;
    }
    all = mn_arena_alloc(&snapshot->arena, count * sizeof *all);
    if (!all) return mn_fail_nomem();
    count = 0;
    for (uint32_t i = 0; i < snapshot->schema.table_count; i++) {
        struct mn_table *table = &snapshot->tables[i];

        for (uint32_t k = 0; k < table->index_count; k++) {
            struct mn_index *index = (struct mn_index *)(uintptr_t)&table->indexes[k];

            index->table = table;
            if (index->primary) table->primary = index;
            all[count++] = index;
        }
    }
    if (count) qsort(all, count, sizeof(const struct mn_index *), index_order);
    snapshot->schema.indexes = all;
    snapshot->schema.index_count = count;
    return MN_OK;
}

/* Sorts the tables by name and makes pointers of ids. */
static enum mn_status snapshot_link(struct snapshot *snapshot, struct mn_buf *read)
{
    struct mn_table_code *codes = (struct mn_table_code *)(void *)read->data;
    uint32_t count = (uint32_t)(read->len / sizeof *codes);
    enum mn_status status;

    snapshot->tables = mn_arena_alloc(&snapshot->arena, count * sizeof *snapshot->tables);
    snapshot->ids = mn_arena_alloc(&snapshot->arena, count * sizeof *snapshot->ids);
    if (!snapshot->tables || !snapshot->ids) return mn_fail_nomem();
    if (count) qsort(codes, count, sizeof *codes, code_order);
    for (uint32_t i = 0; i < count; i++) {
        snapshot->tables[i] = codes[i].table;
        snapshot->ids[i] = (struct by_id){codes[i].table.id, &snapshot->tables[i]};
        if (i > 0 && strcmp(codes[i].table.name, codes[i - 1].table.name) == 0) {
            return mn_fail(MN_CORRUPT, "the catalogue has two tables %s", codes[i].table.name);
        }
    }
    if (count) qsort(snapshot->ids, count, sizeof *snapshot->ids, id_order);
    snapshot->schema.tables = snapshot->tables;
    snapshot->schema.table_count = count;
    status = indexes_link(snapshot);
    for (uint32_t i = 0; status == MN_OK && i < count; i++) {
        if (codes[i].table.relation && !relation_link(snapshot, &codes[i], &snapshot->tables[i])) {
            status = mn_fail(MN_CORRUPT, "relation %s has lost its ends", codes[i].table.name);
        }
    }
    return status == MN_OK ? ends_link(snapshot) : status;
}

static void snapshot_free(struct snapshot *snapshot)
{
    mn_arena_release(&snapshot->arena);
    mn_dealloc(snapshot);
}

enum mn_status mn_schema_stamp(struct mn_view *view, uint64_t *stamp)
{
    struct mn_catalogue_head head;
    enum mn_status status = mn_catalogue_head_get(view, &head);

    *stamp = head.stamp;
    return status;
}

enum mn_status mn_schema_load(struct mn_view *view, const struct mn_schema **schema)
{
    struct snapshot *snapshot = mn_zalloc(sizeof *snapshot);
    struct mn_buf codes = {0};
    enum mn_status status;

    *schema = NULL;
    if (!snapshot) return mn_fail_nomem();
    mn_arena_init(&snapshot->arena, 0);
    atomic_init(&snapshot->count, 1);
    status = mn_schema_stamp(view, &snapshot->schema.stamp);
    if (status == MN_OK) status = tables_read(view, &snapshot->arena, &codes);
    if (status == MN_OK) status = snapshot_link(snapshot, &codes);
    mn_buf_release(&codes);
    if (status != MN_OK) {
        snapshot_free(snapshot);
        return status;
    }
    *schema = &snapshot->schema;
    return MN_OK;
}

/* The schema is the first member of its snapshot. */
static struct snapshot *snapshot_of(const struct mn_schema *schema)
{
    return (struct snapshot *)(uintptr_t)schema;
}

const struct mn_schema *mn_schema_ref(const struct mn_schema *schema)
{
    atomic_fetch_add(&snapshot_of(schema)->count, 1);
    return schema;
}

void mn_schema_unref(const struct mn_schema *schema)
{
    if (schema && atomic_fetch_sub(&snapshot_of(schema)->count, 1) == 1) {
        snapshot_free(snapshot_of(schema));
    }
}

/* ---- the cache ---- */

struct mn_schema_cache {
    pthread_mutex_t lock;
    const struct mn_schema *slots[CACHE_SLOTS]; /* the newest first; each with a count of its own */
};

enum mn_status mn_schema_cache_new(struct mn_schema_cache **cache)
{
    *cache = mn_zalloc(sizeof **cache);
    if (!*cache) return mn_fail_nomem();
    if (pthread_mutex_init(&(*cache)->lock, NULL) != 0) {
        mn_dealloc(*cache);
        *cache = NULL;
        return mn_fail_nomem();
    }
    return MN_OK;
}

void mn_schema_cache_free(struct mn_schema_cache *cache)
{
    if (!cache) return;
    for (int i = 0; i < CACHE_SLOTS; i++) mn_schema_unref(cache->slots[i]);
    pthread_mutex_destroy(&cache->lock);
    mn_dealloc(cache);
}

/* Moves the slot with this stamp to the front and counts it; NULL: none. The lock is held. */
static const struct mn_schema *cache_find(struct mn_schema_cache *cache, uint64_t stamp)
{
    for (int i = 0; i < CACHE_SLOTS && cache->slots[i]; i++) {
        const struct mn_schema *schema = cache->slots[i];

        if (schema->stamp != stamp) continue;
        for (; i > 0; i--) cache->slots[i] = cache->slots[i - 1];
        cache->slots[0] = schema;
        return mn_schema_ref(schema);
    }
    return NULL;
}

static const struct mn_schema *cache_add(struct mn_schema_cache *cache,
                                         const struct mn_schema *schema)
{
    const struct mn_schema *old = cache->slots[CACHE_SLOTS - 1];

    for (int i = CACHE_SLOTS - 1; i > 0; i--) cache->slots[i] = cache->slots[i - 1];
    cache->slots[0] = mn_schema_ref(schema);
    return old;
}

enum mn_status mn_schema_get(struct mn_schema_cache *cache, struct mn_view *view,
                             const struct mn_schema **schema)
{
    const struct mn_schema *loaded, *old = NULL;
    uint64_t stamp;
    enum mn_status status = mn_schema_stamp(view, &stamp);

    *schema = NULL;
    if (status != MN_OK) return status;
    pthread_mutex_lock(&cache->lock);
    *schema = cache_find(cache, stamp);
    pthread_mutex_unlock(&cache->lock);
    if (*schema) return MN_OK;

    status = mn_schema_load(view, &loaded);
    if (status != MN_OK) return status;
    pthread_mutex_lock(&cache->lock);
    *schema = cache_find(cache, stamp); /* another thread may have been faster */
    if (!*schema) {
        old = cache_add(cache, loaded);
        *schema = mn_schema_ref(loaded);
    }
    pthread_mutex_unlock(&cache->lock);
    mn_schema_unref(old);
    mn_schema_unref(loaded);
    return MN_OK;
}

/* ---- looking up ---- */

static int name_order(const char *name, size_t length, const char *other)
{
    size_t other_length = strlen(other);
    int order = memcmp(name, other, length < other_length ? length : other_length);

    return order ? order : (length > other_length) - (length < other_length);
}

const struct mn_table *mn_schema_table(const struct mn_schema *schema, const char *name,
                                       size_t length)
{
    uint32_t low = 0, high = schema->table_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = name_order(name, length, schema->tables[middle].name);

        if (order == 0) return &schema->tables[middle];
        if (order > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct mn_index *mn_schema_index(const struct mn_schema *schema, const char *name,
                                       size_t length)
{
    uint32_t low = 0, high = schema->index_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = name_order(name, length, schema->indexes[middle]->name);

        if (order == 0) return schema->indexes[middle];
        if (order > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct mn_table *mn_schema_table_by_id(const struct mn_schema *schema, uint64_t id)
{
    return table_by_id(snapshot_of(schema), id);
}

int mn_table_column(const struct mn_table *table, const char *name, size_t length)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (name_order(name, length, table->columns[i].name) == 0) return (int)i;
    }
    return -1;
}

static const struct mn_value *option_find(const struct mn_option *options, uint32_t count,
                                          const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) == 0) return &options[i].value;
    }
    return NULL;
}

const struct mn_value *mn_table_option(const struct mn_table *table, const char *name)
{
    return option_find(table->options, table->option_count, name);
}

const struct mn_value *mn_index_option(const struct mn_index *index, const char *name)
{
    return option_find(index->options, index->option_count, name);
}

int mn_table_key_column(const struct mn_table *table)
{
    if (table->row_id_column >= 0) return table->row_id_column;
    if (!table->primary || table->primary->column_count != 1) return -1;
    return (int)table->primary->columns[0].column;
}

bool mn_table_end_kind(const struct mn_table *table, struct mn_kind *kind)
{
    int column = mn_table_key_column(table);

    if (column >= 0) {
        *kind = table->columns[column].kind;
        return true;
    }
    *kind = (struct mn_kind){.type = MN_TYPE_INT};
    return table->primary == NULL;
}
