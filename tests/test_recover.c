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

enum { DIMS = 8, UNIT = 4096, DELETED = 5, CHANGED = 20000 };
enum { PAGES_MAX = 4096, STRIDE_QUICK = 3, SECTOR = 512 };

/* The sound file: rows of memory, places, edges. */
static const struct form {
    uint32_t page;
    int rows, places, edges;
} forms[] = {{1024, 260, 40, 300}, {512, 260, 40, 300}, {4096, 1200, 100, 1400}};

enum { FORMS = sizeof forms / sizeof *forms };

static struct form form;
#define PAGE ((size_t)form.page)

/* What is lost with a page: rows of memory (by id), places, edges (by number), vectors. */
enum what { MEMORY, PLACE, EDGE, VECTOR, WHATS };
enum { MOST = 3000, NEEDS = 80 };

static char path[4096], broken[4096], saved[4096];
static uint8_t *sound, *older; /* older: the file before its last changes */
static size_t sound_bytes, older_bytes;
static uint64_t owner[WHATS][MOST][NEEDS]; /* pages that each needs; 0: no more */
static uint64_t roots[WHATS];              /* pages */
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
    if (id == form.rows) mn_finalize(stmt);
}

static uint8_t *file_read(size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    uint8_t *content;

    assert_non_null(file);
    assert_int_equal(stat(path, &about), 0);
    *bytes = (size_t)about.st_size;
    content = malloc(*bytes);
    assert_non_null(content);
    assert_int_equal(fread(content, 1, *bytes, file), *bytes);
    fclose(file);
    return content;
}

static void file_make(void)
{
    mn_options options = {.size = sizeof options, .flags = MN_CREATE, .page_size = form.page};
    char sql[600];
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
    for (int id = 1; id <= form.rows; id++) memory_insert(db, id);
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO place (name) SELECT 'place ' || i FROM generate_series(1, %d) g(i);"
                   "INSERT INTO seen (src, dst) SELECT i %% %d + 1, 'place ' || (i %% %d + 1)"
                   " FROM generate_series(0, %d) g(i)",
                   form.places, form.rows, form.places, form.edges - 1);
    must(db, mn_exec(db, sql, NULL, NULL));
    must(db, mn_close(db));
    older = file_read(&older_bytes);
    must(NULL, mn_open_with(path, &options, &db));
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
    struct mn_node node = {NULL, form.page, view};
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

static void definition_note(struct mn_view *view, struct mn_ref ref, uint64_t *pages, size_t *count)
{
    struct mn_node node = {NULL, form.page, view};
    const uint8_t *page;

    assert_int_equal(mn_page_read(view, ref, MN_PAGE_LEAF, &page), MN_OK);
    node.page = (uint8_t *)(uintptr_t)page;
    pages[(*count)++] = ref.page;
    for (uint32_t i = 0; i < mn_node_count(page); i++) {
        uint8_t *packed = mn_node_value_run(&node, i);
        struct mn_run run;

        if (!packed) continue;
        run = mn_run_unpack(packed);
        for (uint64_t p = 0; p < mn_run_pages(view, run.size_bytes); p++) {
            assert_in_range(*count, 0, NEEDS - 1);
            pages[(*count)++] = run.page + p;
        }
    }
}

/* Leaves and runs. */
static void definitions_note(struct mn_view *view, uint64_t tree, uint64_t *pages)
{
    struct mn_root root;
    const uint8_t *page;
    size_t count = 0;

    assert_int_equal(mn_root_get(view, tree, &root), MN_OK);
    assert_in_range(root.height, 1, 2);
    if (root.height == 1) {
        definition_note(view, root.ref, pages, &count);
        return;
    }
    assert_int_equal(mn_page_read(view, root.ref, MN_PAGE_BRANCH, &page), MN_OK);
    for (uint32_t i = 0; i < mn_node_count(page); i++) {
        definition_note(view, mn_node_child(page, i), pages, &count);
    }
}

static void tree_note(struct mn_view *view, uint64_t tree, enum what what)
{
    struct mn_root root;

    assert_int_equal(mn_root_get(view, tree, &root), MN_OK);
    roots[what] = root.ref.page;
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

static void form_take(const struct form *which)
{
    free(sound);
    free(older);
    sound = older = NULL;
    form = *which;
    memset(owner, 0, sizeof owner);
    memset(definitions, 0, sizeof definitions);
    (void)remove(path);
    file_make();
    pages_note();
    sound = file_read(&sound_bytes);
    assert_in_range(sound_bytes / PAGE, 1, PAGES_MAX);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "%s/sound.mneme", test_folder());
    (void)snprintf(broken, sizeof broken, "%s/broken.mneme", test_folder());
    (void)snprintf(saved, sizeof saved, "%s/saved.mneme", test_folder());
    form_take(&forms[0]);
    return 0;
}

/* ---- damage, and what must be left ---- */

static bool bad[PAGES_MAX];
static char story[60]; /* of which damage, for a failure to print */

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

/* Without the notice a newest version whose slot or pages are damaged is not told from a commit
 * that never was: the version before it is taken. */
static bool is_older(void)
{
    bool others = false;

    for (size_t p = 0; p < PAGES_MAX; p++) others |= bad[p] && p * PAGE / UNIT != 12;
    return others && bad[12 * UNIT / PAGE];
}

static bool is_sound(enum what what, int64_t id)
{
    if (owner[what][id][0] == 0 || is_older()) return false;
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
    return is_older() || (gone[0] && gone[1]);
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
    if (status == MN_SCHEMA) fail_msg("%s, %s", mn_errmsg(db), story);
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

static bool tag_existed(int64_t id, int64_t tag, bool now)
{
    int64_t before = id * 1009 % 10007, after = before + (id % 3 == 0 ? CHANGED : 0);

    return tag == after || (!now && tag == before);
}

/* now: it must be as it was last; else as it was once. */
static void memory_equals(mn_db *db, int64_t id, bool now, bool vector)
{
    static mn_stmt *stmt;
    static char body[2000];
    const char *got;
    size_t length, want = body_of((int)id, body), dims;
    const float *v;

    must(db, mn_prepare(db, "SELECT tag, body, v FROM memory WHERE id = ?", MN_ALL, &stmt, NULL));
    must(db, mn_bind_int(stmt, 1, id));
    assert_int_equal(mn_step(stmt), MN_ROW);
    if (!tag_existed(id, mn_col_int(stmt, 0), now)) {
        fail_msg("memory %d has the tag %d, %s", (int)id, (int)mn_col_int(stmt, 0), story);
    }
    got = mn_col_text(stmt, 1, &length);
    assert_int_equal(length, want);
    assert_memory_equal(got, body, want);
    v = mn_col_vector(stmt, 2, &dims);
    if (vector && !v) fail_msg("the vector of memory %d is lost, %s", (int)id, story);
    for (int d = 0; v && d < DIMS; d++) assert_true(v[d] == (float)(id * (d + 1) % 23));
    mn_finalize(stmt);
}

/* Places and edges never changed: what is there is as it was made. */
static void others_equal(mn_db *db, bool has_place, bool has_seen)
{
    char want[40];
    mn_stmt *stmt;

    if (has_place) {
        must(db, mn_prepare(db, "SELECT rowid, name, note FROM place", MN_ALL, &stmt, NULL));
        while (mn_step(stmt) == MN_ROW) {
            (void)snprintf(want, sizeof want, "place %d", (int)mn_col_int(stmt, 0));
            assert_string_equal(mn_col_text(stmt, 1, NULL), want);
            assert_string_equal(mn_col_text(stmt, 2, NULL), "none");
        }
        mn_finalize(stmt);
    }
    if (!has_seen) return;
    must(db, mn_prepare(db, "SELECT rowid, src, dst FROM seen", MN_ALL, &stmt, NULL));
    while (mn_step(stmt) == MN_ROW) {
        int e = (int)mn_col_int(stmt, 0) - 1;

        assert_int_equal(mn_col_int(stmt, 1), e % form.rows + 1);
        (void)snprintf(want, sizeof want, "place %d", e % form.places + 1);
        assert_string_equal(mn_col_text(stmt, 2, NULL), want);
    }
    mn_finalize(stmt);
}

/* Every row of sound pages is there as it was; exact: of others only what was there last, else what
 * was there once. Returns how many rows are there. */
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
            fail_msg("memory %d is lost, %s", (int)id, story);
        if (has_place && is_sound(PLACE, id) && !place[id])
            fail_msg("place %d is lost, %s", (int)id, story);
        if (memory[id]) {
            assert_in_range(id, 1, form.rows);
            assert_true(!exact || owner[MEMORY][id][0] != 0);
            memory_equals(db, id, exact || is_sound(MEMORY, id), is_sound(VECTOR, id));
        }
        if (exact) assert_true(!edge[id] || owner[EDGE][id][0] != 0);
        assert_true(!place[id] || (id >= 1 && id <= form.places));
        assert_true(!edge[id] || (id >= 1 && id <= form.edges));
        count += memory[id] + place[id] + edge[id];
    }
    others_equal(db, has_place, has_seen);
    /* Edge e runs from row (e - 1) % rows + 1 to place (e - 1) % places + 1. */
    for (int64_t e = 1; e <= form.edges; e++) {
        bool ends = memory[(e - 1) % form.rows + 1] && place[(e - 1) % form.places + 1];

        if (has_seen && is_sound(EDGE, e) && ends && !edge[e])
            fail_msg("edge %d is lost, %s", (int)e, story);
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

/* Of memory, places and edges; the row that was deleted had some of the edges. */
static int all_rows(void)
{
    int edges = 0;

    for (int e = 0; e < form.edges; e++) edges += e % form.rows + 1 != DELETED;
    return form.rows - 1 + form.places + edges;
}

/* The secret is in the superblock and in every slot: without all of them the log alone has it. */
static bool may_be_hopeless(void)
{
    bool gone = bad[0];

    for (size_t unit = 1; unit < 14; unit++) {
        if (unit != 12 && (unit < 3 || unit >= 11)) gone &= bad[unit * UNIT / PAGE];
    }
    return gone;
}

static int recovered(const uint8_t *bytes, size_t length, bool exact)
{
    int status;

    file_write(bytes, length);
    status = mn_recover(broken, saved, report_print, NULL, NULL);
    if (status == MN_NOTADB && may_be_hopeless()) return 0;
    if (status != MN_OK && status != MN_CORRUPT) fail_msg("%d: %s", status, mn_errmsg(NULL));
    if (status == MN_OK && exact) assert_int_equal(judge(exact), all_rows());
    return status == MN_OK && exact ? all_rows() : judge(exact);
}

/* Superblock, slots and notice: one a unit. */
static bool is_fixed(size_t at)
{
    size_t unit = at / UNIT;

    return unit < 3 || (unit >= 11 && unit < 14);
}

/* ---- kinds of damage ---- */

enum kind {
    INVERTED,
    ZEROED,
    BIT,
    GARBAGE,
    PAGE_KINDS,
    MISPLACED = PAGE_KINDS,
    STALE,
    FIXED,
    DEFINITION,
    KINDS
};

static uint8_t *bytes; /* the file as it is damaged */

static void damage_begin(void)
{
    bytes = malloc(sound_bytes);
    assert_non_null(bytes);
    memcpy(bytes, sound, sound_bytes);
    memset(bad, 0, sizeof bad);
}

static void damage_end(void)
{
    free(bytes);
    bytes = NULL;
}

/* Of one page: at: where it begins. */
static void page_damage(enum kind kind, size_t at, uint64_t *random)
{
    size_t pages = sound_bytes / PAGE, from = test_random(random) % pages * PAGE;
    size_t sector = at + test_random(random) % (PAGE / SECTOR) * SECTOR;

    bad[at / PAGE] = true;
    switch (kind) {
    case INVERTED: damage(bytes, at, PAGE, 0x5A); break;
    case ZEROED: damage(bytes, at, PAGE, 0); break;
    case BIT:
        bytes[at + test_random(random) % PAGE] ^= (uint8_t)(1 << test_random(random) % 8);
        break;
    case GARBAGE:
        for (size_t i = 0; i < SECTOR; i++) bytes[sector + i] = (uint8_t)(test_random(random) >> 9);
        break;
    case MISPLACED: memcpy(bytes + at, sound + from, PAGE); break;
    case STALE:
        if (at + PAGE <= older_bytes) memcpy(bytes + at, older + at, PAGE);
        break;
    case FIXED:
        at = at / PAGE % 6;
        damage(bytes, (at < 3 ? at : at + 8) * UNIT, UNIT, test_random(random) % 2 ? 0 : 0x33);
        break;
    case DEFINITION:
    case KINDS: {
        int copy = (int)(test_random(random) % 2), i = 0;

        while (i + 1 < NEEDS && definitions[copy][i + 1]) i++;
        i = (int)(test_random(random) % (uint64_t)(i + 1));
        damage(bytes, definitions[copy][i] * PAGE, PAGE, 0x77);
        break;
    }
    }
}

/* ---- tests ---- */

static void pages_in_turn(void)
{
    uint64_t random = test_seed() * 13 + 5;
    size_t stride = test_is_deep() ? 1 : STRIDE_QUICK, trials = 0, whole = 0;
    int kinds = test_is_deep() ? PAGE_KINDS : BIT;

    for (size_t at = 0; at < sound_bytes; at += PAGE) {
        if (!is_fixed(at) && at / PAGE % stride != test_seed() % stride) continue;
        if (is_fixed(at) && at % UNIT) continue;
        for (int kind = 0; kind < kinds; kind++) {
            damage_begin();
            if (is_fixed(at) && kind < BIT) {
                damage(bytes, at, UNIT, kind == ZEROED ? 0 : 0x5A);
            } else {
                page_damage((enum kind)kind, at, &random);
            }
            whole += recovered(bytes, sound_bytes, true) == all_rows();
            trials++;
            damage_end();
        }
    }
    printf("recover: pages of %u, %zu damaged, nothing lost after %zu of them\n", form.page, trials,
           whole);
}

static void each_page_in_turn(void **state)
{
    (void)state;
    for (int i = 0; i < (test_is_deep() ? FORMS : 1); i++) {
        if (i) form_take(&forms[i]);
        pages_in_turn();
    }
    if (test_is_deep()) form_take(&forms[0]);
}

static void the_beginning_is_gone(void **state)
{
    (void)state;
    damage_begin();
    damage(bytes, UNIT, 2 * UNIT, 0); /* every slot: roots are guessed, and rightly */
    damage(bytes, 11 * UNIT, UNIT, 0);
    damage(bytes, 13 * UNIT, UNIT, 0);
    assert_int_equal(recovered(bytes, sound_bytes, true), all_rows());
    damage(bytes, 12 * UNIT, UNIT, 0);
    damage(bytes, 0, UNIT, 0); /* and the superblock: the secret is in the log alone */
    assert_int_equal(recovered(bytes, sound_bytes, true), all_rows());
    memset(bytes, 0, sound_bytes);
    file_write(bytes, sound_bytes);
    assert_int_equal(mn_recover(broken, saved, NULL, NULL, NULL), MN_NOTADB);
    assert_int_not_equal(access(saved, F_OK), 0);
    damage_end();
}

/* One to eight damages of any kind, behind every third a cut. */
static void many_damages(int rounds, uint64_t *random)
{
    uint64_t rows = 0;
    int hopeless = 0;

    for (int i = 0; i < rounds; i++) {
        size_t length = sound_bytes;
        uint64_t now = *random;
        int left;

        damage_begin();
        for (uint64_t d = 1 + test_random(random) % 8; d > 0; d--) {
            enum kind kind = (enum kind)(test_random(random) % KINDS);

            page_damage(kind, test_random(random) % (sound_bytes / PAGE) * PAGE, random);
        }
        if (i % 3 == 0) {
            length = 14 * UNIT + test_random(random) % (sound_bytes - 14 * UNIT);
            for (size_t p = length / PAGE; p < sound_bytes / PAGE; p++) bad[p] = true;
        }
        (void)snprintf(story, sizeof story, "round %d from %llu", i, (unsigned long long)now);
        left = recovered(bytes, length, false);
        hopeless += left == 0;
        rows += (uint64_t)left;
        damage_end();
    }
    printf("recover: pages of %u, %d times damaged in several ways, %.1f %% of the rows left; %d"
           " times nothing\n",
           form.page, rounds, 100.0 * (double)rows / rounds / all_rows(), hopeless);
}

static void many_pages_and_a_cut_tail(void **state)
{
    uint64_t random = test_seed() * 77 + 1;

    (void)state;
    for (int i = 0; i < (test_is_deep() ? FORMS : 1); i++) {
        if (i) form_take(&forms[i]);
        many_damages(test_is_deep() ? 1000 : 16, &random);
    }
    if (test_is_deep()) form_take(&forms[0]);
}

/* What is guessed then may be a part of the tree. */
static void roots_and_slots_are_gone(void **state)
{
    (void)state;
    for (int what = 0; what < WHATS; what++) {
        int left;

        damage_begin();
        damage(bytes, UNIT, 2 * UNIT, 0);
        damage(bytes, 11 * UNIT, UNIT, 0);
        damage(bytes, 13 * UNIT, UNIT, 0);
        damage(bytes, roots[what] * PAGE, PAGE, 0);
        left = recovered(bytes, sound_bytes, false);
        /* All places lie on one leaf. */
        assert_true(what == PLACE || left >= all_rows());
        damage_end();
    }
}

static void definitions_gone_are_told(void **state)
{
    (void)state;
    damage_begin();
    for (int copy = 0; copy < 2; copy++) {
        for (int i = 0; i < NEEDS && definitions[copy][i]; i++) {
            damage(bytes, definitions[copy][i] * PAGE, PAGE, 0x5A);
        }
    }
    file_write(bytes, sound_bytes);
    assert_int_equal(mn_recover(broken, saved, NULL, NULL, NULL), MN_CORRUPT);
    assert_int_equal(judge(false), 0);
    damage_end();
}

static void says_what_it_did(void **state)
{
    const struct process_result *result;
    uint64_t page = owner[MEMORY][100][0];
    mn_db *db;

    (void)state;
    damage_begin();
    assert_int_equal(mn_recover(path, path, NULL, NULL, NULL), MN_EXISTS);
    assert_int_equal(mn_recover(NULL, saved, NULL, NULL, NULL), MN_MISUSE);
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
    damage_end();
}

static int teardown(void **state)
{
    (void)state;
    free(sound);
    free(older);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_page_in_turn),         cmocka_unit_test(the_beginning_is_gone),
        cmocka_unit_test(many_pages_and_a_cut_tail), cmocka_unit_test(roots_and_slots_are_gone),
        cmocka_unit_test(definitions_gone_are_told), cmocka_unit_test(says_what_it_did),
    };

    return cmocka_run_group_tests_name("recover", tests, setup, teardown);
}
