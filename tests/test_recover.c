/*
 * Tests of mn_recover: each page of a file is damaged in turn, and every row whose own pages are
 * sound must be in the new file, as it was; with superblock, slots and more gone at once too.
 *
 * What a page costs is said by the trees of the sound file: its leaves are listed with the rows
 * they hold, their runs and their slabs. The judge knows nothing of how salvage works.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/handle.h"
#include "btree/inside.h"
#include "catalog/schema.h"
#include "index/vector/slab_node.h"
#include "support/process.h"
#include "support/test.h"

enum { PAGE = 1024, ROWS = 260, PLACES = 40, EDGES = 300, DIMS = 8, UNIT = 4096 };
enum { PAGES_MAX = 4096, STRIDE_QUICK = 3 };

/* What is lost with a page: rows of memory (by id), places, edges (by number), vectors. */
enum what { MEMORY, PLACE, EDGE, VECTOR, WHATS };
enum { MOST = 400, NEEDS = 24 };

static char path[4096], broken[4096], saved[4096];
static uint8_t *sound;
static size_t sound_bytes;
static uint64_t owner[WHATS][MOST][NEEDS]; /* pages that each needs; 0: no more */
/* Leaves of the catalogue, and of the second copy of what it says of tables. */
static uint64_t definitions[2][NEEDS];

static void must(mn_db *db, int status)
{
    if (status == MN_OK || status == MN_DONE || status == MN_ROW) return;
    fail_msg("%d: %s", status, mn_errmsg(db));
}

/* ---- the file ---- */

static size_t body_of(int id, char *body)
{
    size_t length = id % 37 == 0 ? 1500 : 20 + (size_t)(id * 7 % 60);

    memset(body, 'a' + id % 26, length);
    return length;
}

static void memory_insert(mn_db *db, int id)
{
    static mn_stmt *stmt;
    static char body[2000];
    float v[DIMS];

    if (id == 1) {
        must(db, mn_prepare(db, "INSERT INTO memory VALUES (?, ?, ?, ?)", MN_ALL, &stmt, NULL));
    }
    for (int d = 0; d < DIMS; d++) v[d] = (float)(id * (d + 1) % 23);
    must(db, mn_bind_int(stmt, 1, id));
    must(db, mn_bind_int(stmt, 2, id * 1009 % 10007));
    must(db, mn_bind_text(stmt, 3, body, body_of(id, body), MN_STATIC));
    must(db, mn_bind_vector(stmt, 4, v, DIMS, MN_STATIC));
    must(db, mn_step(stmt));
    must(db, mn_reset(stmt));
    if (id == ROWS) mn_finalize(stmt);
}

static void file_make(void)
{
    mn_options options = {.size = sizeof options, .flags = MN_CREATE, .page_size = PAGE};
    mn_db *db;

    must(NULL, mn_open_with(path, &options, &db));
    must(db, mn_exec(db,
                     "CREATE TABLE memory (id INT PRIMARY KEY, tag INT UNIQUE, body TEXT,"
                     " v VECTOR(8) NOT NULL);"
                     "CREATE INDEX memory_body ON memory (body);"
                     "CREATE INDEX memory_v ON memory (v) USING vector WITH (cover = (id, tag));"
                     "CREATE TABLE place (name TEXT PRIMARY KEY, note TEXT DEFAULT 'none');"
                     "CREATE RELATION seen FROM memory TO place WITH (multi);"
                     "PRAGMA user_version = 77",
                     NULL, NULL));
    for (int id = 1; id <= ROWS; id++) memory_insert(db, id);
    must(db,
         mn_exec(db,
                 "INSERT INTO place (name) SELECT 'place ' || i FROM generate_series(1, 40) g(i);"
                 "INSERT INTO seen (src, dst) SELECT i % 260 + 1, 'place ' || (i % 40 + 1)"
                 " FROM generate_series(0, 299) g(i)",
                 NULL, NULL));
    /* Older versions of pages lie about: they must not come back. */
    must(db, mn_exec(db,
                     "UPDATE memory SET tag = tag + 20000 WHERE id % 3 = 0;"
                     "DELETE FROM seen WHERE src = 5; DELETE FROM memory WHERE id = 5",
                     NULL, NULL));
    must(db, mn_close(db));
}

static void need(enum what what, int64_t id, uint64_t page)
{
    assert_in_range(id, 0, MOST - 1);
    for (int i = 0; i < NEEDS; i++) {
        if (owner[what][id][i]) continue;
        owner[what][id][i] = page;
        return;
    }
    fail_msg("a row of more than %d pages", NEEDS);
}

static void run_need(struct mn_view *view, const struct mn_node *leaf, uint32_t i, enum what what,
                     int64_t id)
{
    uint8_t *packed = mn_node_value_run(leaf, i);
    struct mn_run run;

    if (!packed) return;
    run = mn_run_unpack(packed);
    for (uint64_t p = 0; p < mn_run_pages(view, run.size_bytes); p++) need(what, id, run.page + p);
}

static void leaf_note(struct mn_view *view, const struct mn_node *leaf, enum what what)
{
    uint64_t page = mn_page_number(leaf->page);

    for (uint32_t i = 0; i < mn_node_count(leaf->page); i++) {
        struct mn_cell cell = mn_node_cell(leaf, i);
        struct mn_slabs slabs = {view, 0, DIMS, false};
        struct mn_slab slab;
        struct mn_item item;
        uint8_t key[8];

        assert_int_equal(mn_cell_key_copy(leaf, &cell, key), MN_OK);
        if (what != VECTOR) {
            need(what, mn_slab_key_read(key), page);
            run_need(view, leaf, i, what, mn_slab_key_read(key));
            continue;
        }
        item.key = mn_bytes_of(key, 8);
        assert_int_equal(mn_cell_read(view, &cell, &item.value, &item.run), MN_OK);
        assert_int_equal(mn_slab_read(&slabs, &item, &slab), MN_OK);
        for (size_t v = 0; v < slab.count; v++) {
            need(VECTOR, mn_slab_id(&slab, v), page);
            run_need(view, leaf, i, VECTOR, mn_slab_id(&slab, v));
        }
    }
}

static void node_note(struct mn_view *view, struct mn_ref ref, uint32_t height, enum what what)
{
    struct mn_node node = {NULL, PAGE, view};
    const uint8_t *page;

    assert_int_equal(mn_page_read(view, ref, height == 1 ? MN_PAGE_LEAF : MN_PAGE_BRANCH, &page),
                     MN_OK);
    node.page = (uint8_t *)(uintptr_t)page;
    if (height == 1) {
        leaf_note(view, &node, what);
        return;
    }
    for (uint32_t i = 0; i < mn_node_count(page); i++) {
        node_note(view, mn_node_child(page, i), height - 1, what);
    }
}

static void definitions_note(struct mn_view *view, uint64_t tree, uint64_t *pages)
{
    struct mn_root root;
    const uint8_t *page;

    assert_int_equal(mn_root_get(view, tree, &root), MN_OK);
    assert_in_range(root.height, 1, 2);
    *pages = root.ref.page;
    if (root.height == 1) return;
    assert_int_equal(mn_page_read(view, root.ref, MN_PAGE_BRANCH, &page), MN_OK);
    assert_in_range(mn_node_count(page), 1, NEEDS);
    for (uint32_t i = 0; i < mn_node_count(page); i++) pages[i] = mn_node_child(page, i).page;
}

static void tree_note(struct mn_view *view, uint64_t tree, enum what what)
{
    struct mn_root root;

    assert_int_equal(mn_root_get(view, tree, &root), MN_OK);
    node_note(view, root.ref, root.height, what);
}

/* Which rows lie on which pages of the sound file. */
static void pages_note(void)
{
    struct mn_store_options options = {
        .path = path, .flags = MN_STORE_READONLY, .hooks = mn_tree_hooks()};
    const struct mn_schema *schema;
    const struct mn_table *memory;
    struct mn_store *store;
    struct mn_view *view;

    assert_int_equal(mn_store_open(&options, &store), MN_OK);
    assert_int_equal(mn_view_begin_read(store, &view), MN_OK);
    assert_int_equal(mn_schema_load(view, &schema), MN_OK);
    definitions_note(view, MN_TREE_CATALOGUE, definitions[0]);
    definitions_note(view, MN_TREE_SPARE, definitions[1]);
    memory = mn_schema_table(schema, "memory", 6);
    tree_note(view, memory->tree, MEMORY);
    tree_note(view, memory->columns[3].slab_tree, VECTOR);
    tree_note(view, mn_schema_table(schema, "place", 5)->tree, PLACE);
    tree_note(view, mn_schema_table(schema, "seen", 4)->tree, EDGE);
    mn_schema_unref(schema);
    mn_view_end(view);
    assert_int_equal(mn_store_close(store), MN_OK);
}

static void file_read(void)
{
    FILE *file = fopen(path, "rb");
    struct stat about;

    assert_non_null(file);
    assert_int_equal(stat(path, &about), 0);
    sound_bytes = (size_t)about.st_size;
    sound = malloc(sound_bytes);
    assert_non_null(sound);
    assert_int_equal(fread(sound, 1, sound_bytes, file), sound_bytes);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "%s/sound.mneme", test_folder());
    (void)snprintf(broken, sizeof broken, "%s/broken.mneme", test_folder());
    (void)snprintf(saved, sizeof saved, "%s/saved.mneme", test_folder());
    file_make();
    pages_note();
    file_read();
    return 0;
}

/* ---- damage, and what must be left ---- */

static bool bad[PAGES_MAX];

static void damage(uint8_t *bytes, size_t at, size_t length, uint8_t with)
{
    for (size_t i = at; i < at + length && i < sound_bytes; i++) {
        bytes[i] = with ? bytes[i] ^ with : 0;
        bad[i / PAGE] = true;
    }
}

static void file_write(const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(broken, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
    (void)remove(saved);
}

static bool is_sound(enum what what, int64_t id)
{
    if (owner[what][id][0] == 0) return false;
    for (int i = 0; i < NEEDS && owner[what][id][i]; i++) {
        if (bad[owner[what][id][i]]) return false;
    }
    return true;
}

/* Is some leaf of each of the two copies gone? Then a table may be without its definition. */
static bool definitions_are_bad(void)
{
    bool gone[2] = {false, false};

    for (int copy = 0; copy < 2; copy++) {
        for (int i = 0; i < NEEDS; i++)
            gone[copy] |= definitions[copy][i] && bad[definitions[copy][i]];
    }
    return gone[0] && gone[1];
}

static void report_print(void *context, const char *line)
{
    if (context) printf("    %s\n", line);
}

/* Ids in the answer of a query, each once. False: the table is gone with both its definitions. */
static bool ids_mark(mn_db *db, const char *sql, bool *there, size_t most)
{
    mn_stmt *stmt;
    int status;

    memset(there, 0, most);
    status = mn_prepare(db, sql, MN_ALL, &stmt, NULL);
    if (status == MN_SCHEMA && definitions_are_bad()) return false;
    must(db, status);
    while (mn_step(stmt) == MN_ROW) {
        int64_t id = mn_col_int(stmt, 0);

        assert_in_range(id, 0, most - 1);
        assert_false(there[id]);
        there[id] = true;
    }
    mn_finalize(stmt);
    return true;
}

static void memory_equals(mn_db *db, int64_t id, bool vector)
{
    static mn_stmt *stmt;
    static char body[2000];
    const char *got;
    size_t length, want = body_of((int)id, body), dims;
    const float *v;

    must(db, mn_prepare(db, "SELECT tag, body, v FROM memory WHERE id = ?", MN_ALL, &stmt, NULL));
    must(db, mn_bind_int(stmt, 1, id));
    assert_int_equal(mn_step(stmt), MN_ROW);
    assert_int_equal(mn_col_int(stmt, 0), id * 1009 % 10007 + (id % 3 == 0 ? 20000 : 0));
    got = mn_col_text(stmt, 1, &length);
    assert_int_equal(length, want);
    assert_memory_equal(got, body, want);
    if (vector) {
        v = mn_col_vector(stmt, 2, &dims);
        assert_non_null(v);
        for (int d = 0; d < DIMS; d++) assert_true(v[d] == (float)(id * (d + 1) % 23));
    }
    mn_finalize(stmt);
}

/* Every row of sound pages is there, and none that was not. Returns how many rows are there. */
static int judge(bool exact)
{
    bool memory[MOST], place[MOST], edge[MOST];
    mn_stmt *stmt;
    mn_db *db;
    int count = 0;
    bool has_memory, has_place, has_seen;

    must(NULL, mn_open(saved, 0, &db));
    assert_int_equal(mn_check(db, NULL, NULL), MN_OK);
    has_memory = ids_mark(db, "SELECT id FROM memory", memory, MOST);
    has_place = ids_mark(db, "SELECT rowid FROM place", place, MOST);
    has_seen = ids_mark(db, "SELECT rowid FROM seen", edge, MOST);
    for (int64_t id = 0; id < MOST; id++) {
        if (has_memory && is_sound(MEMORY, id) && !memory[id])
            fail_msg("memory %d is lost", (int)id);
        if (has_place && is_sound(PLACE, id) && !place[id]) fail_msg("place %d is lost", (int)id);
        if (exact && memory[id]) {
            assert_true(owner[MEMORY][id][0] != 0);
            memory_equals(db, id, is_sound(VECTOR, id));
        }
        if (exact) assert_true(!edge[id] || owner[EDGE][id][0] != 0);
        count += memory[id] + place[id] + edge[id];
    }
    /* Edge e runs from (e - 1) % 260 + 1 to place (e - 1) % 40 + 1, whose row ids are the same. */
    for (int64_t e = 1; e <= EDGES; e++) {
        bool ends = memory[(e - 1) % ROWS + 1] && place[(e - 1) % PLACES + 1];

        if (has_seen && is_sound(EDGE, e) && ends && !edge[e]) fail_msg("edge %d is lost", (int)e);
        if (edge[e]) assert_true(ends);
    }
    if (has_place) {
        must(db, mn_prepare(db, "INSERT INTO place (name) VALUES ('new')", MN_ALL, &stmt, NULL));
        must(db, mn_step(stmt));
        mn_finalize(stmt);
    }
    must(db, mn_close(db));
    return count;
}

static int recovered(const uint8_t *bytes, size_t length, bool exact)
{
    int status;

    file_write(bytes, length);
    status = mn_recover(broken, saved, report_print, NULL, NULL);
    if (status != MN_OK && status != MN_CORRUPT) fail_msg("%d: %s", status, mn_errmsg(NULL));
    if (status == MN_OK) assert_int_equal(judge(exact), ROWS - 1 + PLACES + EDGES - 2);
    return status == MN_OK ? ROWS - 1 + PLACES + EDGES - 2 : judge(exact);
}

/* Superblock, slots and notice: one a unit. */
static bool is_fixed(size_t at)
{
    size_t unit = at / UNIT;

    return unit < 3 || (unit >= 11 && unit < 14);
}

static void each_page_in_turn(void **state)
{
    uint8_t *bytes = malloc(sound_bytes);
    size_t stride = test_is_deep() ? 1 : STRIDE_QUICK, trials = 0, whole = 0;

    (void)state;
    assert_non_null(bytes);
    for (size_t at = 0; at < sound_bytes; at += PAGE) {
        size_t length = is_fixed(at) ? UNIT : PAGE;

        if (!is_fixed(at) && at / PAGE % stride != test_seed() % stride) continue;
        if (is_fixed(at) && at % UNIT) continue;
        for (int zero = 0; zero < 2; zero++) {
            memcpy(bytes, sound, sound_bytes);
            memset(bad, 0, sizeof bad);
            damage(bytes, at, length, zero ? 0 : 0x5A);
            whole += recovered(bytes, sound_bytes, true) == ROWS - 1 + PLACES + EDGES - 2;
            trials++;
        }
    }
    printf("recover: %zu damaged pages, nothing lost after %zu of them\n", trials, whole);
    free(bytes);
}

static void the_beginning_is_gone(void **state)
{
    uint8_t *bytes = malloc(sound_bytes);

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, sound, sound_bytes);
    memset(bad, 0, sizeof bad);
    damage(bytes, UNIT, 2 * UNIT, 0); /* every slot: roots are guessed, and rightly */
    damage(bytes, 11 * UNIT, UNIT, 0);
    damage(bytes, 13 * UNIT, UNIT, 0);
    assert_int_equal(recovered(bytes, sound_bytes, true), ROWS - 1 + PLACES + EDGES - 2);
    damage(bytes, 12 * UNIT, UNIT, 0);
    damage(bytes, 0, UNIT, 0); /* and the superblock: the secret is in the log alone */
    assert_int_equal(recovered(bytes, sound_bytes, true), ROWS - 1 + PLACES + EDGES - 2);
    memset(bytes, 0, sound_bytes);
    file_write(bytes, sound_bytes);
    assert_int_equal(mn_recover(broken, saved, NULL, NULL, NULL), MN_NOTADB);
    assert_int_not_equal(access(saved, F_OK), 0);
    free(bytes);
}

static void many_pages_and_a_cut_tail(void **state)
{
    uint64_t random = test_seed() * 77 + 1;
    uint8_t *bytes = malloc(sound_bytes);
    int rounds = test_is_deep() ? 200 : 12;

    (void)state;
    assert_non_null(bytes);
    for (int i = 0; i < rounds; i++) {
        size_t length = sound_bytes;

        memcpy(bytes, sound, sound_bytes);
        memset(bad, 0, sizeof bad);
        for (int d = 0; d < 6; d++) {
            size_t page = test_random(&random) % (sound_bytes / PAGE);

            damage(bytes, page * PAGE, PAGE, 0x11);
        }
        if (i % 3 == 0) {
            length = 14 * UNIT + test_random(&random) % (sound_bytes - 14 * UNIT);
            for (size_t p = length / PAGE; p < sound_bytes / PAGE; p++) bad[p] = true;
        }
        (void)recovered(bytes, length, false);
    }
    free(bytes);
}

static void definitions_gone_are_told(void **state)
{
    uint8_t *bytes = malloc(sound_bytes);

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, sound, sound_bytes);
    memset(bad, 0, sizeof bad);
    for (int copy = 0; copy < 2; copy++) {
        for (int i = 0; i < NEEDS && definitions[copy][i]; i++) {
            damage(bytes, definitions[copy][i] * PAGE, PAGE, 0x5A);
        }
    }
    file_write(bytes, sound_bytes);
    assert_int_equal(mn_recover(broken, saved, NULL, NULL, NULL), MN_CORRUPT);
    assert_int_equal(judge(false), 0);
    free(bytes);
}

static void says_what_it_did(void **state)
{
    const struct process_result *result;
    uint8_t *bytes = malloc(sound_bytes);
    uint64_t page = owner[MEMORY][100][0];
    mn_db *db;

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(mn_recover(path, path, NULL, NULL, NULL), MN_EXISTS);
    assert_int_equal(mn_recover(NULL, saved, NULL, NULL, NULL), MN_MISUSE);
    memcpy(bytes, sound, sound_bytes);
    damage(bytes, page * PAGE, PAGE, 1);
    file_write(bytes, sound_bytes);
    must(NULL, mn_open(broken, 0, &db));
    assert_int_equal(mn_recover(broken, saved, NULL, NULL, NULL), MN_BUSY);
    must(db, mn_close(db));
    if (!test_shell()) skip();
    result = process_run((const char *const[]){test_shell(), "recover", broken, saved, NULL},
                         test_folder(), "");
    assert_int_equal(result->status, 3);
    assert_non_null(strstr(result->out, "table memory:"));
    assert_non_null(strstr(result->out, " lost"));
    assert_non_null(strstr(result->out, "table place: 40 rows saved, 0 lost"));
    (void)remove(saved);
    result = process_run((const char *const[]){test_shell(), "recover", path, saved, NULL},
                         test_folder(), "");
    assert_int_equal(result->status, 0);
    assert_string_equal(result->err, "");
    free(bytes);
}

static int teardown(void **state)
{
    (void)state;
    free(sound);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_page_in_turn),         cmocka_unit_test(the_beginning_is_gone),
        cmocka_unit_test(many_pages_and_a_cut_tail), cmocka_unit_test(definitions_gone_are_told),
        cmocka_unit_test(says_what_it_did),
    };

    return cmocka_run_group_tests_name("recover", tests, setup, teardown);
}
