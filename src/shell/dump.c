/*
 * dump: a script that makes the database anew.
 *
 * Tables, their rows, relations, their edges, then the indexes that no constraint made: in this
 * order every end exists when its edge comes. All of it is read from one snapshot. A hidden row id
 * is not written: rows come in its order, so that in the new database it counts from 1, and the
 * ends of edges that name one are written as they will be there.
 */
#include <stdlib.h>
#include <string.h>

#include "shell.h"

enum { BATCH_BYTES = 128 * 1024, NAME_BYTES = 160, TYPE_BYTES = 40, COLUMNS_MAX = 1000 };

struct column {
    char name[NAME_BYTES];
    char type[TYPE_BYTES];
};

/* Row ids of a table without a primary key, ascending; row i is number i + 1 in the new database.
 */
struct id_map {
    int64_t *ids;
    size_t count, room;
};

struct dump {
    struct shell *shell;
    FILE *out;
    const char *table;
    struct column *columns;
    size_t column_count;
    bool has_key;
    size_t written;               /* bytes of the INSERT so far; 0: none is open */
    struct id_map map;            /* being collected */
    const struct id_map *ends[2]; /* of src and dst; NULL: keys as they are */
};

void dump_name(FILE *out, const char *name)
{
    fputc('"', out);
    for (const char *c = name; *c; c++) {
        if (*c == '"') fputc('"', out);
        fputc(*c, out);
    }
    fputc('"', out);
}

static void text_put(FILE *out, const char *text, size_t length)
{
    fputc('\'', out);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\'') fputc('\'', out);
        fputc(text[i], out);
    }
    fputc('\'', out);
}

static bool text_is_finite(const char *text)
{
    return strpbrk(text, "nN") == NULL; /* NaN and Infinity have one, digits have none */
}

/* The value of a column as the language reads it back; returns the bytes it took, about. */
static size_t value_put(FILE *out, mn_stmt *stmt, int i, const char *type)
{
    size_t length = 0;

    if (mn_col_is_null(stmt, i)) {
        fputs("NULL", out);
        return 4;
    }
    const char *text = mn_col_text(stmt, i, &length);
    switch ((enum mn_type)mn_col_type(stmt, i)) {
    case MN_TYPE_BOOL: fputs(text, out); break;
    case MN_TYPE_INT:
        /* The least INT has no literal: its digits alone are one too many. */
        fputs(mn_col_int(stmt, i) == INT64_MIN ? "(-9223372036854775807 - 1)" : text, out);
        break;
    case MN_TYPE_FLOAT:
        if (text_is_finite(text)) {
            fputs(text, out);
        } else {
            fprintf(out, "'%s'::FLOAT", text);
        }
        break;
    case MN_TYPE_BLOB: fprintf(out, "x'%s'", length > 2 ? text + 2 : ""); break;
    case MN_TYPE_TEXT:
    case MN_TYPE_JSON:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION:
    case MN_TYPE_UUID:
    case MN_TYPE_VECTOR: text_put(out, text, length); break;
    case MN_TYPE_LIST:
        text_put(out, text, length);
        fprintf(out, "::%s", type);
        break;
    case MN_TYPE_NULL: fputs("NULL", out); break;
    }
    return length + 4;
}

static bool column_add(void *context, mn_stmt *stmt)
{
    struct dump *dump = context;

    if (dump->column_count == COLUMNS_MAX) return false;
    struct column *column = &dump->columns[dump->column_count++];
    (void)snprintf(column->name, sizeof column->name, "%s", mn_col_text(stmt, 0, NULL));
    (void)snprintf(column->type, sizeof column->type, "%s", mn_col_text(stmt, 1, NULL));
    dump->has_key = dump->has_key || mn_col_bool(stmt, 2);
    return true;
}

/* A statement around a name: the text up to %, the name in quotes, the rest. */
static char *statement_make(const char *pattern, const char *name, char quote)
{
    size_t room = strlen(pattern) + 2 * strlen(name) + 8;
    char *sql = malloc(room), *to = sql;

    for (const char *p = pattern; sql && *p; p++) {
        if (*p != '%') {
            *to++ = *p;
            continue;
        }
        *to++ = quote;
        for (const char *c = name; *c; c++) {
            if (*c == quote) *to++ = quote;
            *to++ = *c;
        }
        *to++ = quote;
    }
    if (sql) *to = '\0';
    return sql;
}

static bool query_of(struct dump *dump, const char *pattern, char quote,
                     bool (*row)(void *, mn_stmt *))
{
    char *sql = statement_make(pattern, dump->table, quote);
    bool good = sql && run_query(dump->shell, sql, row, dump);

    free(sql);
    return good;
}

static void insert_open(struct dump *dump)
{
    fputs("INSERT INTO ", dump->out);
    dump_name(dump->out, dump->table);
    fputs(" (", dump->out);
    for (size_t i = 0; i < dump->column_count; i++) {
        if (i > 0) fputs(", ", dump->out);
        dump_name(dump->out, dump->columns[i].name);
    }
    fputs(") VALUES\n", dump->out);
}

static bool id_note(struct id_map *map, int64_t id)
{
    if (map->count == map->room) {
        size_t room = map->room ? 2 * map->room : 1024;
        int64_t *grown = realloc(map->ids, room * sizeof *grown);
        if (!grown) return false;
        map->ids = grown;
        map->room = room;
    }
    map->ids[map->count++] = id;
    return true;
}

static int64_t id_number(const struct id_map *map, int64_t id)
{
    size_t low = 0, high = map->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (map->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (int64_t)low + 1;
}

/* Columns of the statement are those of the table, behind the row id where there is no key. */
static bool row_put(void *context, mn_stmt *stmt)
{
    struct dump *dump = context;
    int skip = dump->has_key ? 0 : 1;

    if (skip && !id_note(&dump->map, mn_col_int(stmt, 0))) return false;
    if (dump->written == 0) insert_open(dump);
    fputs(dump->written ? ",\n(" : "(", dump->out);
    for (size_t i = 0; i < dump->column_count; i++) {
        if (i > 0) fputs(", ", dump->out);
        if (i < 2 && dump->ends[i]) {
            int64_t id = id_number(dump->ends[i], mn_col_int(stmt, (int)i + skip));
            dump->written += (size_t)fprintf(dump->out, "%lld", (long long)id);
            continue;
        }
        dump->written += value_put(dump->out, stmt, (int)i + skip, dump->columns[i].type);
    }
    dump->written++;
    fputc(')', dump->out);
    if (dump->written >= BATCH_BYTES) {
        fputs(";\n", dump->out);
        dump->written = 0;
    }
    return !ferror(dump->out) && !shell_interrupted;
}

static bool rows_put(struct dump *dump)
{
    bool good;

    dump->written = 0;
    if (dump->column_count == 0) return true;
    good =
        query_of(dump, dump->has_key ? "SELECT * FROM %" : "SELECT rowid, * FROM % ORDER BY rowid",
                 '"', row_put);
    if (dump->written) fputs(";\n", dump->out);
    return good;
}

/* A table or relation of the database. */
struct object {
    char name[NAME_BYTES], from[NAME_BYTES], to[NAME_BYTES];
    char *sql;
    struct id_map map;
    bool hidden; /* rows have no key of their own */
};

struct objects {
    struct object *items;
    size_t count;
    bool relations;
};

static bool object_add(void *context, mn_stmt *stmt)
{
    struct objects *objects = context;
    struct object *grown = realloc(objects->items, (objects->count + 1) * sizeof *objects->items);

    if (!grown) return false;
    objects->items = grown;
    struct object *object = &grown[objects->count];
    memset(object, 0, sizeof *object);
    (void)snprintf(object->name, sizeof object->name, "%s", mn_col_text(stmt, 0, NULL));
    object->sql = strdup(mn_col_text(stmt, 1, NULL));
    if (!object->sql) return false;
    if (objects->relations) {
        (void)snprintf(object->from, sizeof object->from, "%s", mn_col_text(stmt, 2, NULL));
        (void)snprintf(object->to, sizeof object->to, "%s", mn_col_text(stmt, 3, NULL));
    }
    objects->count++;
    return true;
}

static void objects_free(struct objects *objects)
{
    for (size_t i = 0; i < objects->count; i++) {
        free(objects->items[i].sql);
        free(objects->items[i].map.ids);
    }
    free(objects->items);
}

/* The map for an end's table; NULL where its rows have keys. */
static const struct id_map *end_map(const struct objects *tables, const char *name)
{
    for (size_t i = 0; i < tables->count; i++) {
        if (strcmp(tables->items[i].name, name) == 0) {
            return tables->items[i].hidden ? &tables->items[i].map : NULL;
        }
    }
    return NULL;
}

static bool object_put(struct dump *dump, struct object *object, const struct objects *tables)
{
    fprintf(dump->out, "%s;\n", object->sql);
    dump->table = object->name;
    dump->column_count = 0;
    dump->has_key = tables != NULL; /* edges need no map of their own */
    dump->map = (struct id_map){0};
    dump->ends[0] = tables ? end_map(tables, object->from) : NULL;
    dump->ends[1] = tables ? end_map(tables, object->to) : NULL;
    bool good =
        query_of(dump, "SELECT name, type, primary_key FROM columns(%)", '\'', column_add) &&
        rows_put(dump);
    object->hidden = !dump->has_key;
    object->map = dump->map;
    return good;
}

static bool index_put(void *context, mn_stmt *stmt)
{
    struct dump *dump = context;

    fprintf(dump->out, "%s;\n", mn_col_text(stmt, 0, NULL));
    return true;
}

static bool user_version_put(void *context, mn_stmt *stmt)
{
    struct dump *dump = context;

    if (mn_col_int(stmt, 0) != 0) {
        fprintf(dump->out, "PRAGMA user_version = %lld;\n", (long long)mn_col_int(stmt, 0));
    }
    return true;
}

static bool everything_put(struct dump *dump, struct objects *tables, struct objects *relations)
{
    struct shell *shell = dump->shell;

    bool good = run_query(shell, "PRAGMA user_version", user_version_put, dump) &&
                run_query(shell, "SELECT name, sql FROM tables()", object_add, tables) &&
                run_query(shell, "SELECT name, sql, \"from\", \"to\" FROM relations()", object_add,
                          relations);
    for (size_t i = 0; good && i < tables->count; i++) {
        good = object_put(dump, &tables->items[i], NULL);
    }
    for (size_t i = 0; good && i < relations->count; i++) {
        good = object_put(dump, &relations->items[i], tables);
    }
    return good &&
           run_query(shell, "SELECT sql FROM indexes() WHERE sql IS NOT NULL", index_put, dump);
}

bool dump_database(struct shell *shell, FILE *out)
{
    struct dump dump = {.shell = shell, .out = out};
    struct objects tables = {0}, relations = {.relations = true};
    bool inside = mn_in_transaction(shell->db) != 0, good = false;

    shell_interrupted = 0;
    dump.columns = calloc(COLUMNS_MAX, sizeof *dump.columns);
    if (dump.columns && (inside || mn_begin(shell->db, MN_BEGIN_READ) == MN_OK)) {
        fputs("BEGIN;\n", out);
        good = everything_put(&dump, &tables, &relations);
        if (good) fputs("COMMIT;\n", out);
        if (!inside) mn_rollback(shell->db);
    }
    objects_free(&tables);
    objects_free(&relations);
    free(dump.columns);
    if (good && !ferror(out)) return true;
    shell_fail(shell, shell_interrupted ? EXIT_INTERRUPTED : EXIT_STATEMENT);
    return false;
}
