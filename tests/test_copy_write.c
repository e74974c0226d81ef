/*
 * Tests of query/copy_write: what is written is read back as the same values.
 */
#include "query/copy.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/list.h"
#include "support/copy_case.h"
#include "support/test.h"

static const char *out_path(const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", copy_case_folder(), name);
    return path;
}

static bool file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

static char *file_text(const char *path)
{
    static char text[8192];
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

/* Writes rows of values; the writer's status, and its message in the thread's record. */
static enum mn_status write_rows(struct copy_case *c, const struct mn_value *values, size_t rows)
{
    struct mn_copy_writer *writer = NULL;
    enum mn_status status = mn_copy_writer_open(&c->spec, &writer);

    for (size_t i = 0; i < rows && !status; i++) {
        status = writer->row(writer, values + i * c->spec.column_count);
    }
    if (!status) status = mn_copy_writer_finish(writer);
    mn_copy_writer_close(writer);
    return status;
}

static void texts_are_quoted_where_they_must(void **state)
{
    const struct mn_value values[] = {mn_int(1), mn_text("a,b", 3), mn_int(2), mn_text("", 0),
                                      mn_int(3), mn_null(),         mn_int(4), mn_text("q\"", 2),
                                      mn_int(5), mn_text("l\nm", 3)};
    struct copy_case c;

    (void)state;
    copy_case_make(&c, out_path("q.csv"), "id INT, body TEXT", "", false);
    assert_int_equal(write_rows(&c, values, 5), MN_OK);
    assert_string_equal(file_text(c.spec.path),
                        "id,body\n1,\"a,b\"\n2,\"\"\n3,\n4,\"q\"\"\"\n5,\"l\nm\"\n");
    copy_case_make(&c, out_path("q.csv"), "id INT, body TEXT", "null = 'NA', delimiter = ';'",
                   false);
    assert_int_equal(write_rows(&c, values, 3), MN_OK);
    assert_string_equal(file_text(c.spec.path), "id;body\n1;a,b\n2;\n3;NA\n");
}

static void tsv_refuses_what_it_cannot_hold(void **state)
{
    const struct mn_value tab = mn_text("a\tb", 3), empty = mn_text("", 0),
                          plain = mn_text("x\"", 2);
    struct copy_case c;

    (void)state;
    copy_case_make(&c, out_path("t.tsv"), "body TEXT", "", false);
    assert_int_equal(write_rows(&c, &plain, 1), MN_OK);
    assert_string_equal(file_text(c.spec.path), "x\"\n");
    assert_int_equal(write_rows(&c, &tab, 1), MN_TYPE);
    assert_non_null(strstr(mn_error_last()->message, "t.tsv row 1, column body: "));
    assert_int_equal(write_rows(&c, &empty, 1), MN_TYPE);
    /* A COPY that fails leaves the file that was there, and nothing beside it. */
    assert_string_equal(file_text(c.spec.path), "x\"\n");
    assert_false(file_exists(out_path("t.tsv.part0")));
    copy_case_make(&c, out_path("t.tsv"), "body TEXT", "null = '\\N'", false);
    assert_int_equal(write_rows(&c, &empty, 1), MN_OK);
    copy_case_make(&c, out_path("t.tsv"), "body TEXT", "quote", false);
    assert_int_equal(write_rows(&c, &tab, 1), MN_OK);
    assert_string_equal(file_text(c.spec.path), "\"a\tb\"\n");
}

static void links_and_descriptors_stay_what_they_are(void **state)
{
    const struct mn_value values[] = {mn_int(1), mn_int(2)};
    char target[512], descriptor[32];
    struct copy_case c;
    struct stat info;

    (void)state;
    (void)snprintf(target, sizeof target, "%s", copy_case_file("target.csv", "old\n", 4));
    (void)unlink(out_path("link.csv"));
    assert_int_equal(symlink(target, out_path("link.csv")), 0);
    copy_case_make(&c, out_path("link.csv"), "id INT", "", false);
    assert_int_equal(write_rows(&c, values, 2), MN_OK);
    assert_int_equal(lstat(c.spec.path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_string_equal(file_text(target), "id\n1\n2\n");
    /* A descriptor goes on where it stands, even when it is a file. */
    int fd = open(target, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    (void)snprintf(descriptor, sizeof descriptor, "/dev/fd/%d", fd);
    copy_case_make(&c, descriptor, "id INT", "format = csv, header = off", false);
    assert_int_equal(write_rows(&c, values, 1), MN_OK);
    close(fd);
    assert_string_equal(file_text(target), "id\n1\n2\n1\n");
}

static void ndjson_tells_equal_names_apart(void **state)
{
    const struct mn_value values[] = {mn_int(1), mn_int(2), mn_float((double)NAN)};
    struct copy_case c;

    (void)state;
    copy_case_make(&c, out_path("n.ndjson"), "id INT, id INT, x FLOAT", "", false);
    assert_int_equal(write_rows(&c, values, 1), MN_OK);
    assert_string_equal(file_text(c.spec.path), "{\"id\":1,\"id_2\":2,\"x\":null}\n");
}

static void vectors_need_a_value_in_each_row(void **state)
{
    static const float a[] = {1.0f, 2.0f}, big[] = {1.0f, 70000.0f};
    const struct mn_value values[] = {mn_vector(a, 2), mn_null()};
    const struct mn_value large = mn_vector(big, 2);
    struct copy_case c;

    (void)state;
    copy_case_make(&c, out_path("v.npy"), "e VECTOR(2)", "", false);
    assert_int_equal(write_rows(&c, values, 2), MN_TYPE);
    assert_non_null(strstr(mn_error_last()->message, "v.npy row 2, column e: the vector is NULL"));
    assert_false(file_exists(c.spec.path));
    copy_case_make(&c, out_path("v.npy"), "e VECTOR(2)", "type = f16", false);
    assert_int_equal(write_rows(&c, &large, 1), MN_RANGE);
    assert_int_equal(write_rows(&c, values, 1), MN_OK);
    char *got = copy_case_read(&c, false);
    assert_string_equal(got, "[1,2]\n");
    free(got);
    copy_case_make(&c, out_path("v.npy"), "id INT", "", false);
    assert_int_equal(write_rows(&c, values, 1), MN_TYPE);
    copy_case_make(&c, "/dev/null", "e VECTOR(2)", "format = npy", false);
    assert_int_equal(write_rows(&c, values, 1), MN_UNSUPPORTED);
    copy_case_make(&c, "/dev/null", "e VECTOR(2)", "format = fvecs", false);
    assert_int_equal(write_rows(&c, values, 1), MN_OK);
}

enum { ROWS = 300, COLUMNS = 11 };

static const char all_types[] = "a BOOL, b INT, c FLOAT, d TEXT, e BLOB, f TIMESTAMP, g DURATION, "
                                "h UUID, i VECTOR(3), j JSON, k TEXT[]";

static struct mn_value random_text(struct mn_arena *arena, uint64_t *seed)
{
    static const char *const pieces[] = {"a",    "\"",       ",", "\n", "\t",
                                         "\r",   "\xc3\xa9", " ", "\\", "\xf0\x9f\x98\x80",
                                         "NULL", "'",        "{", "[",  "\x01"};
    size_t count = (size_t)(test_random(seed) % 8), length = 0;
    char *text = mn_arena_alloc(arena, 64);

    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[test_random(seed) % (sizeof pieces / sizeof pieces[0])];
        memcpy(text + length, piece, strlen(piece));
        length += strlen(piece);
    }
    return mn_text(text, length);
}

static void random_row(struct mn_arena *arena, uint64_t *seed, struct mn_value *v)
{
    static const char *const jsons[] = {"{\"a\":[1,null,\"x\\n\"]}", "1.50", "\"t\"", "[]", "true"};
    const char *json = jsons[test_random(seed) % 5];
    uint64_t bits = test_random(seed);
    float *vector = mn_arena_alloc(arena, 3 * sizeof *vector);
    uint8_t *blob = mn_arena_copy(arena, &bits, 8);
    struct mn_value elements[3] = {random_text(arena, seed), mn_null(), random_text(arena, seed)};
    double f;

    memcpy(&f, &bits, sizeof f);
    if (!isfinite(f)) f = -0.0;
    for (int i = 0; i < 3; i++) vector[i] = (float)((double)(int64_t)test_random(seed) * 1e-9);
    v[0] = mn_bool(bits & 1);
    v[1] = mn_int((int64_t)test_random(seed));
    v[2] = mn_float(f);
    v[3] = random_text(arena, seed);
    v[4] = mn_bytes_value(MN_TYPE_BLOB, blob, 1 + bits % 7);
    v[5] = mn_timestamp((int64_t)(test_random(seed) % 4000000000000000ull));
    v[6] = mn_duration((int64_t)(test_random(seed) % 1000000000000ull) - 500000000000);
    v[7] = mn_uuid((const uint8_t *)elements);
    v[8] = mn_vector(vector, 3);
    v[9] = mn_bytes_value(MN_TYPE_JSON, json, strlen(json));
    assert_int_equal(mn_list_make(arena, MN_TYPE_TEXT, elements, 1 + bits % 3, &v[10]), MN_OK);
    memset(v[7].uuid, (int)(bits & 0xff), 16);
    for (int i = 0; i < COLUMNS; i++) {
        if (test_random(seed) % 8 == 0) v[i] = mn_null();
    }
}

/* Rows as copy_case_read prints them; in ndjson a NULL is not told from what is missing. */
static char *rows_text(const struct mn_value *values, bool ndjson)
{
    struct mn_buf out = {0};

    for (int i = 0; i < ROWS * COLUMNS; i++) {
        if (i % COLUMNS > 0) assert_int_equal(mn_buf_byte(&out, '|'), MN_OK);
        if (mn_is_null(&values[i])) {
            assert_int_equal(mn_buf_text(&out, ndjson ? "-" : "NULL"), MN_OK);
        } else {
            assert_int_equal(mn_value_format(&values[i], &out), MN_OK);
        }
        if (i % COLUMNS == COLUMNS - 1) assert_int_equal(mn_buf_byte(&out, '\n'), MN_OK);
    }
    assert_int_equal(mn_buf_byte(&out, 0), MN_OK);
    char *text = strdup((const char *)out.data);
    mn_buf_release(&out);
    return text;
}

static void every_type_survives_each_text_format(void **state)
{
    static const struct {
        const char *file, *options;
    } formats[] = {{"r.csv", ""},
                   {"r.csv", "header = off, delimiter = '|'"},
                   {"r.csv", "null = '\\N'"},
                   {"r.csv", "quote = '~'"},
                   {"r.tsv", "quote, header"},
                   {"r.ndjson", ""}};
    static struct mn_value values[ROWS * COLUMNS];
    struct mn_arena arena;
    uint64_t seed = test_seed();

    (void)state;
    mn_arena_init(&arena, 0);
    for (int i = 0; i < ROWS; i++) random_row(&arena, &seed, values + i * COLUMNS);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct copy_case c;
        bool ndjson = strcmp(formats[i].file, "r.ndjson") == 0;
        copy_case_make(&c, out_path(formats[i].file), all_types, formats[i].options, false);
        assert_int_equal(write_rows(&c, values, ROWS), MN_OK);
        copy_case_make(&c, out_path(formats[i].file), all_types, formats[i].options, true);
        char *got = copy_case_read(&c, false), *want = rows_text(values, ndjson);
        if (strcmp(got, want) != 0) {
            size_t at = 0;
            while (got[at] == want[at]) at++;
            print_error("got %.80s, want %.80s\n", got + at, want + at);
            fail_msg("%s with %s differs, seed %llu", formats[i].file, formats[i].options,
                     (unsigned long long)test_seed());
        }
        free(got);
        free(want);
    }
    mn_arena_release(&arena);
}

static void vectors_survive_npy_and_fvecs(void **state)
{
    static const char *const files[] = {"w.npy", "w.fvecs"};
    static float numbers[1000][5];
    struct mn_value values[1000];
    uint64_t seed = test_seed();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        for (int j = 0; j < 5; j++) numbers[i][j] = (float)(int64_t)test_random(&seed) * 1e-10f;
        values[i] = mn_vector(numbers[i], 5);
    }
    for (size_t f = 0; f < 2; f++) {
        struct copy_case c;
        struct mn_copy_reader *reader = NULL;
        struct mn_value value;
        bool given;
        struct mn_copy_row row = {.values = &value, .given = &given};
        struct mn_arena arena;
        copy_case_make(&c, out_path(files[f]), "e VECTOR(5)", "", false);
        assert_int_equal(write_rows(&c, values, 1000), MN_OK);
        assert_int_equal(mn_copy_reader_open(&c.spec, &reader), MN_OK);
        assert_int_equal(reader->rows, 1000);
        mn_arena_init(&arena, 0);
        for (int i = 0; i < 1000; i++) {
            assert_int_equal(reader->next(reader, &arena, &row), MN_OK);
            assert_memory_equal(value.p, numbers[i], sizeof numbers[i]);
        }
        assert_int_equal(reader->next(reader, &arena, &row), MN_OK);
        assert_true(reader->ended);
        mn_arena_release(&arena);
        mn_copy_reader_close(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_quoted_where_they_must),
        cmocka_unit_test(tsv_refuses_what_it_cannot_hold),
        cmocka_unit_test(links_and_descriptors_stay_what_they_are),
        cmocka_unit_test(ndjson_tells_equal_names_apart),
        cmocka_unit_test(vectors_need_a_value_in_each_row),
        cmocka_unit_test(every_type_survives_each_text_format),
        cmocka_unit_test(vectors_survive_npy_and_fvecs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
