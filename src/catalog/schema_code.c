/*
 * schema_code: catalogue entries. What is read comes from a file and is checked piece by piece.
 */
#include "catalog/schema_code.h"

#include "base/bytes.h"
#include "btree/tree.h"

enum { FORMAT = 1 };
enum { TABLE_RELATION = 1, TABLE_MULTI = 2 };
enum { COLUMN_NOT_NULL = 1, COLUMN_PRIMARY = 2, COLUMN_DEFAULT = 4 };
enum {
    INDEX_UNIQUE = 1,
    INDEX_PRIMARY = 2,
    INDEX_CONSTRAINT = 4,
    INDEX_COVERS = 8,
    INDEX_TIMED = 16
};

/* ---- writing: the first failure stays, the rest is passed over ---- */

struct writer {
    struct mn_buf *out;
    enum mn_status status;
};

static void byte_write(struct writer *writer, unsigned byte)
{
    if (writer->status == MN_OK) writer->status = mn_buf_byte(writer->out, (uint8_t)byte);
}

static void number_write(struct writer *writer, uint64_t number)
{
    uint8_t bytes[MN_VARINT_BYTES];
    size_t size = mn_put_varint(bytes, number);

    if (writer->status == MN_OK) writer->status = mn_buf_append(writer->out, bytes, size);
}

static void bytes_write(struct writer *writer, const void *bytes, size_t size)
{
    number_write(writer, size);
    if (writer->status == MN_OK) writer->status = mn_buf_append(writer->out, bytes, size);
}

static void text_write(struct writer *writer, const char *text)
{
    bytes_write(writer, text, strlen(text));
}

static void scalar_write(struct writer *writer, const struct mn_value *value)
{
    uint64_t bits = (uint64_t)value->i;

    byte_write(writer, value->type);
    switch (value->type) {
    case MN_TYPE_NULL: break;
    case MN_TYPE_BOOL: byte_write(writer, value->b); break;
    case MN_TYPE_TEXT: bytes_write(writer, value->p, value->size); break;
    case MN_TYPE_INT:
    case MN_TYPE_FLOAT:
        if (value->type == MN_TYPE_FLOAT) memcpy(&bits, &value->f, sizeof bits);
        if (writer->status == MN_OK)
            writer->status = mn_buf_append(writer->out, &bits, sizeof bits);
        break;
    default:
        if (writer->status != MN_OK) break;
        writer->status = mn_fail(MN_TYPE, "an option cannot be %s", mn_type_name(value->type));
    }
}

static void options_write(struct writer *writer, const struct mn_option *options, uint32_t count)
{
    number_write(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        text_write(writer, options[i].name);
        scalar_write(writer, &options[i].value);
    }
}

static void columns_write(struct writer *writer, const struct mn_table *table)
{
    number_write(writer, table->column_count);
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct mn_column *column = &table->columns[i];

        text_write(writer, column->name);
        byte_write(writer, column->kind.type);
        byte_write(writer, column->kind.elem);
        number_write(writer, column->kind.dims);
        byte_write(writer, (column->not_null ? COLUMN_NOT_NULL : 0u) |
                               (column->primary ? COLUMN_PRIMARY : 0u) |
                               (column->default_text ? COLUMN_DEFAULT : 0u));
        number_write(writer, column->slab_tree);
        if (column->default_text) text_write(writer, column->default_text);
    }
}

static void index_write(struct writer *writer, const struct mn_index *index)
{
    number_write(writer, index->id);
    text_write(writer, index->name);
    byte_write(writer, index->kind);
    byte_write(writer, (index->unique ? INDEX_UNIQUE : 0u) | (index->primary ? INDEX_PRIMARY : 0u) |
                           (index->constraint ? INDEX_CONSTRAINT : 0u) |
                           (index->cover_count ? INDEX_COVERS : 0u) |
                           (index->timed ? INDEX_TIMED : 0u));
    number_write(writer, index->tree);
    number_write(writer, index->column_count);
    for (uint32_t i = 0; i < index->column_count; i++) {
        number_write(writer, index->columns[i].column);
        byte_write(writer, index->columns[i].order);
    }
    options_write(writer, index->options, index->option_count);
    if (index->cover_count == 0) return;
    number_write(writer, index->cover_count);
    for (uint32_t i = 0; i < index->cover_count; i++) number_write(writer, index->covers[i]);
}

enum mn_status mn_table_encode(const struct mn_table_code *code, struct mn_buf *out)
{
    const struct mn_table *table = &code->table;
    struct writer writer = {.out = out};

    byte_write(&writer, FORMAT);
    byte_write(&writer,
               (table->relation ? TABLE_RELATION : 0u) | (table->multi ? TABLE_MULTI : 0u));
    number_write(&writer, table->tree);
    text_write(&writer, table->name);
    number_write(&writer, (uint64_t)(table->row_id_column + 1));
    columns_write(&writer, table);
    number_write(&writer, table->check_count);
    for (uint32_t i = 0; i < table->check_count; i++) {
        byte_write(&writer, table->checks[i].name != NULL);
        if (table->checks[i].name) text_write(&writer, table->checks[i].name);
        text_write(&writer, table->checks[i].text);
    }
    options_write(&writer, table->options, table->option_count);
    number_write(&writer, table->index_count);
    for (uint32_t i = 0; i < table->index_count; i++) index_write(&writer, &table->indexes[i]);
    if (table->relation) {
        number_write(&writer, code->from_id);
        number_write(&writer, code->to_id);
        number_write(&writer, table->forward_tree);
        number_write(&writer, table->backward_tree);
    }
    return writer.status;
}

enum mn_status mn_scalar_encode(const struct mn_value *value, struct mn_buf *out)
{
    struct writer writer = {.out = out};

    scalar_write(&writer, value);
    return writer.status;
}

/* ---- reading: after the first fault everything is zero, and the whole is refused ---- */

struct reader {
    const uint8_t *at, *end;
    struct mn_arena *arena;
    bool bad, nomem;
};

static struct reader reader_begin(const void *bytes, size_t size, struct mn_arena *arena)
{
    const uint8_t *at = size ? bytes : (const uint8_t *)"";

    return (struct reader){.at = at, .end = at + size, .arena = arena};
}

static uint64_t number_read(struct reader *reader, uint64_t limit)
{
    uint64_t number = 0;
    size_t size = reader->bad ? 0 : mn_get_varint(reader->at, reader->end, &number);

    if (size == 0 || number > limit) {
        reader->bad = true;
        return 0;
    }
    reader->at += size;
    return number;
}

static uint8_t byte_read(struct reader *reader, uint8_t limit)
{
    if (reader->bad || reader->at == reader->end || *reader->at > limit) {
        reader->bad = true;
        return 0;
    }
    return *reader->at++;
}

static void *room(struct reader *reader, size_t count, size_t size)
{
    void *memory = mn_arena_zalloc(reader->arena, count * size);

    if (!memory) reader->bad = reader->nomem = true;
    return memory;
}

static const char *bytes_read(struct reader *reader, size_t least, size_t limit, size_t *size)
{
    size_t length = (size_t)number_read(reader, limit), wrong;
    char *copy;

    *size = 0;
    if (reader->bad || length > (size_t)(reader->end - reader->at) || length < least ||
        !mn_utf8_check((const char *)reader->at, length, &wrong)) {
        reader->bad = true;
        return "";
    }
    copy = mn_arena_text(reader->arena, (const char *)reader->at, length);
    if (!copy) {
        reader->bad = reader->nomem = true;
        return "";
    }
    reader->at += length;
    *size = length;
    return copy;
}

static const char *name_read(struct reader *reader)
{
    size_t size;

    return bytes_read(reader, 1, MN_NAME_BYTES_MAX, &size);
}

static const char *text_read(struct reader *reader)
{
    size_t size;

    return bytes_read(reader, 0, MN_EXPR_TEXT_MAX, &size);
}

static struct mn_value scalar_read(struct reader *reader)
{
    struct mn_value value = {.type = byte_read(reader, MN_TYPE_TEXT)};
    size_t size;

    switch (value.type) {
    case MN_TYPE_NULL: break;
    case MN_TYPE_BOOL: value.b = byte_read(reader, 1); break;
    case MN_TYPE_TEXT:
        value.p = bytes_read(reader, 0, MN_EXPR_TEXT_MAX, &size);
        value.size = (uint32_t)size;
        break;
    default:
        if (reader->bad || reader->end - reader->at < 8) {
            reader->bad = true;
            break;
        }
        value.i = (int64_t)mn_get_u64(reader->at);
        if (value.type == MN_TYPE_FLOAT) memcpy(&value.f, reader->at, sizeof value.f);
        reader->at += 8;
    }
    return value;
}

static const struct mn_option *options_read(struct reader *reader, uint32_t *count)
{
    struct mn_option *options;

    *count = (uint32_t)number_read(reader, MN_OPTIONS_MAX);
    options = room(reader, *count, sizeof *options);
    for (uint32_t i = 0; !reader->bad && i < *count; i++) {
        options[i].name = name_read(reader);
        options[i].value = scalar_read(reader);
    }
    return options;
}

static bool kind_is_sound(const struct mn_kind *kind)
{
    bool list = kind->type == MN_TYPE_LIST, vector = kind->type == MN_TYPE_VECTOR;

    if (kind->type == MN_TYPE_NULL || kind->type > MN_TYPE_LIST) return false;
    if (list != (kind->elem != MN_TYPE_NULL)) return false;
    if (kind->elem == MN_TYPE_VECTOR || kind->elem >= MN_TYPE_LIST) return false;
    return vector ? kind->dims >= 1 && kind->dims <= MN_VECTOR_DIMS_LIMIT : kind->dims == 0;
}

static void columns_read(struct reader *reader, struct mn_table *table)
{
    struct mn_column *columns;

    table->column_count = (uint32_t)number_read(reader, MN_COLUMNS_MAX);
    columns = room(reader, table->column_count, sizeof *columns);
    for (uint32_t i = 0; !reader->bad && i < table->column_count; i++) {
        struct mn_column *column = &columns[i];
        unsigned flags;

        column->name = name_read(reader);
        column->kind.type = byte_read(reader, MN_TYPE_LIST);
        column->kind.elem = byte_read(reader, MN_TYPE_LIST);
        column->kind.dims = (uint32_t)number_read(reader, MN_VECTOR_DIMS_LIMIT);
        flags = byte_read(reader, COLUMN_NOT_NULL | COLUMN_PRIMARY | COLUMN_DEFAULT);
        column->not_null = flags & COLUMN_NOT_NULL;
        column->primary = flags & COLUMN_PRIMARY;
        column->slab_tree = number_read(reader, UINT64_MAX);
        if (flags & COLUMN_DEFAULT) column->default_text = text_read(reader);
        if (!kind_is_sound(&column->kind)) reader->bad = true;
    }
    table->columns = columns;
}

static void checks_read(struct reader *reader, struct mn_table *table)
{
    struct mn_check *checks;

    table->check_count = (uint32_t)number_read(reader, MN_CHECKS_MAX);
    checks = room(reader, table->check_count, sizeof *checks);
    for (uint32_t i = 0; !reader->bad && i < table->check_count; i++) {
        if (byte_read(reader, 1)) checks[i].name = name_read(reader);
        checks[i].text = text_read(reader);
    }
    table->checks = checks;
}

/* What an index may be over: nothing later asks again. */
static bool index_is_sound(const struct mn_index *index, const struct mn_table *table)
{
    if (index->column_count == 0) return false;
    for (uint32_t i = 0; i < index->column_count; i++) {
        uint8_t type;

        if (index->columns[i].column >= table->column_count) return false;
        type = table->columns[index->columns[i].column].kind.type;
        if (index->kind == MN_INDEX_VECTOR && i == 0) {
            if (type != MN_TYPE_VECTOR) return false;
        } else if (type == MN_TYPE_VECTOR || type == MN_TYPE_JSON) {
            return false;
        }
    }
    return true;
}

static bool covers_are_sound(const struct mn_index *index, const struct mn_table *table)
{
    if (index->cover_count && index->kind != MN_INDEX_VECTOR) return false;
    if (index->timed && index->cover_count == 0) return false;
    for (uint32_t i = 0; i < index->cover_count; i++) {
        uint8_t type;

        if (index->covers[i] >= table->column_count) return false;
        type = table->columns[index->covers[i]].kind.type;
        if (!mn_type_is_covered(type)) return false;
        if (i == 0 && index->timed && type != MN_TYPE_TIMESTAMP) return false;
    }
    return true;
}

static void covers_read(struct reader *reader, struct mn_index *index)
{
    uint32_t *covers;

    index->cover_count = (uint32_t)number_read(reader, MN_COVERS_MAX);
    covers = room(reader, index->cover_count, sizeof *covers);
    for (uint32_t i = 0; !reader->bad && i < index->cover_count; i++) {
        covers[i] = (uint32_t)number_read(reader, MN_COLUMNS_MAX);
    }
    index->covers = covers;
}

static void index_read(struct reader *reader, const struct mn_table *table, struct mn_index *index)
{
    struct mn_index_column *columns;
    unsigned flags;

    index->id = number_read(reader, UINT64_MAX);
    index->name = name_read(reader);
    index->kind =
        byte_read(reader, MN_INDEX_VECTOR) == MN_INDEX_VECTOR ? MN_INDEX_VECTOR : MN_INDEX_BTREE;
    flags = byte_read(reader,
                      INDEX_UNIQUE | INDEX_PRIMARY | INDEX_CONSTRAINT | INDEX_COVERS | INDEX_TIMED);
    index->timed = flags & INDEX_TIMED;
    index->unique = flags & INDEX_UNIQUE;
    index->primary = flags & INDEX_PRIMARY;
    index->constraint = flags & INDEX_CONSTRAINT;
    index->tree = number_read(reader, UINT64_MAX);
    index->column_count = (uint32_t)number_read(reader, MN_KEY_COLUMNS_MAX);
    columns = room(reader, index->column_count, sizeof *columns);
    for (uint32_t i = 0; !reader->bad && i < index->column_count; i++) {
        columns[i].column = (uint32_t)number_read(reader, MN_COLUMNS_MAX);
        columns[i].order = byte_read(reader, MN_KEY_DESC | MN_KEY_NULLS_FIRST);
    }
    index->columns = columns;
    index->options = options_read(reader, &index->option_count);
    if (flags & INDEX_COVERS) covers_read(reader, index);
    if (reader->bad) return;
    reader->bad = !index_is_sound(index, table) || !covers_are_sound(index, table);
}

static void indexes_read(struct reader *reader, struct mn_table *table)
{
    struct mn_index *indexes;

    table->index_count = (uint32_t)number_read(reader, MN_INDEXES_MAX);
    indexes = room(reader, table->index_count, sizeof *indexes);
    for (uint32_t i = 0; !reader->bad && i < table->index_count; i++) {
        index_read(reader, table, &indexes[i]);
    }
    table->indexes = indexes;
}

enum mn_status mn_table_decode(const void *bytes, size_t size, struct mn_arena *arena,
                               struct mn_table_code *code)
{
    struct reader reader = reader_begin(bytes, size, arena);
    struct mn_table *table = &code->table;
    unsigned flags;

    memset(code, 0, sizeof *code);
    if (byte_read(&reader, UINT8_MAX) != FORMAT) reader.bad = true;
    flags = byte_read(&reader, TABLE_RELATION | TABLE_MULTI);
    table->relation = flags & TABLE_RELATION;
    table->multi = flags & TABLE_MULTI;
    table->tree = number_read(&reader, UINT64_MAX);
    table->name = name_read(&reader);
    table->row_id_column = (int)number_read(&reader, MN_COLUMNS_MAX) - 1;
    columns_read(&reader, table);
    checks_read(&reader, table);
    table->options = options_read(&reader, &table->option_count);
    indexes_read(&reader, table);
    if (table->relation) {
        code->from_id = number_read(&reader, UINT64_MAX);
        code->to_id = number_read(&reader, UINT64_MAX);
        table->forward_tree = number_read(&reader, UINT64_MAX);
        table->backward_tree = number_read(&reader, UINT64_MAX);
        if (table->column_count < 2) reader.bad = true;
    }
    if (reader.nomem) return mn_fail_nomem();
    if (table->row_id_column >= (int)table->column_count || reader.at != reader.end ||
        (table->row_id_column >= 0 && !reader.bad &&
         table->columns[table->row_id_column].kind.type != MN_TYPE_INT)) {
        reader.bad = true;
    }
    return reader.bad ? mn_fail(MN_CORRUPT, "a table's entry in the catalogue is damaged") : MN_OK;
}

enum mn_status mn_scalar_decode(const void *bytes, size_t size, struct mn_arena *arena,
                                struct mn_value *value)
{
    struct reader reader = reader_begin(bytes, size, arena);

    *value = scalar_read(&reader);
    if (reader.nomem) return mn_fail_nomem();
    if (reader.bad || reader.at != reader.end) {
        return mn_fail(MN_CORRUPT, "a setting in the catalogue is damaged");
    }
    return MN_OK;
}

/* ---- keys and head ---- */

void mn_catalogue_id_key(enum mn_catalogue_key kind, uint64_t id,
                         uint8_t key[MN_CATALOGUE_ID_KEY_BYTES])
{
    key[0] = (uint8_t)kind;
    mn_put_u64_be(key + 1, id);
}

enum mn_status mn_catalogue_head_get(struct mn_view *view, struct mn_catalogue_head *head)
{
    const uint8_t key = MN_CATALOGUE_HEAD;
    struct mn_bytes value;
    bool found;
    enum mn_status status =
        mn_tree_get(view, MN_TREE_CATALOGUE, mn_bytes_of(&key, 1), &value, &found);

    *head = (struct mn_catalogue_head){.next_id = 1};
    if (status != MN_OK || !found) return status;
    if (value.len != MN_CATALOGUE_HEAD_BYTES) {
        return mn_fail(MN_CORRUPT, "the head of the catalogue is damaged");
    }
    head->stamp = mn_get_u64(value.data);
    head->next_id = mn_get_u64(value.data + 8);
    return MN_OK;
}

enum mn_status mn_catalogue_head_put(struct mn_view *view, const struct mn_catalogue_head *head)
{
    const uint8_t key = MN_CATALOGUE_HEAD;
    uint8_t bytes[MN_CATALOGUE_HEAD_BYTES];

    mn_put_u64(bytes, head->stamp);
    mn_put_u64(bytes + 8, head->next_id);
    return mn_tree_put(view, MN_TREE_CATALOGUE, mn_bytes_of(&key, 1),
                       mn_bytes_of(bytes, sizeof bytes), MN_PUT_UPSERT);
}
