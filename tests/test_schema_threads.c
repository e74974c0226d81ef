/*
 * Tests of catalog under threads: snapshots are shared while the catalogue changes, and uuids made
 * at once are all different.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/schema.h"
#include "store/store.h"
#include "support/base.h"
#include "support/test.h"

enum { READERS = 4, TABLES = 60, UUIDS = 5000 };

static const struct mn_column columns[] = {{.name = "n", .kind = {.type = MN_TYPE_INT}}};

struct shared {
    struct mn_store *store;
    struct mn_schema_cache *cache;
    atomic_bool done;
    atomic_int wrong;
};

/* Every snapshot has the tables 0 to n - 1 and nothing else, and n never falls. */
static void *reader_run(void *context)
{
    struct shared *shared = context;
    uint32_t before = 0;

    while (!atomic_load(&shared->done)) {
        const struct mn_schema *schema;
        struct mn_view *view;

        if (mn_view_begin_read(shared->store, &view) != MN_OK ||
            mn_schema_get(shared->cache, view, &schema) != MN_OK) {
            atomic_fetch_add(&shared->wrong, 1);
            return NULL;
        }
        mn_view_end(view);
        if (schema->table_count < before) atomic_fetch_add(&shared->wrong, 1);
        before = schema->table_count;
        for (uint32_t i = 0; i < before; i++) {
            char name[16];

            snprintf(name, sizeof name, "t%u", (unsigned)i);
            if (!mn_schema_table(schema, name, strlen(name))) atomic_fetch_add(&shared->wrong, 1);
        }
        mn_schema_unref(schema);
    }
    return NULL;
}

static void snapshots_are_shared_while_tables_are_made(void **state)
{
    struct shared shared = {.store = test_base_open(4096)};
    pthread_t readers[READERS];

    (void)state;
    assert_int_equal(mn_schema_cache_new(&shared.cache), MN_OK);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, reader_run, &shared), 0);
    }
    for (int i = 0; i < TABLES; i++) {
        char name[16];
        struct mn_table_def def = {.name = name, .column_count = 1, .columns = columns};
        struct mn_view *view;

        snprintf(name, sizeof name, "t%d", i);
        assert_int_equal(mn_write_begin(shared.store, 0, &view), MN_OK);
        assert_int_equal(mn_schema_create_table(view, &def, NULL), MN_OK);
        assert_int_equal(mn_write_commit(view, NULL), MN_OK);
    }
    atomic_store(&shared.done, true);
    for (int i = 0; i < READERS; i++) assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    mn_schema_cache_free(shared.cache);
    assert_int_equal(mn_store_close(shared.store), MN_OK);
}

struct maker {
    uint64_t random;
    uint8_t uuids[UUIDS][16];
};

static void *maker_run(void *context)
{
    struct maker *maker = context;

    for (int i = 0; i < UUIDS; i++) {
        uint64_t words[2] = {test_random(&maker->random), test_random(&maker->random)};

        mn_uuid7(INT64_C(1763712000000000) + i / 100, (const uint8_t *)words, maker->uuids[i]);
    }
    return NULL;
}

static int uuid_order(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

static void uuids_made_at_once_differ_and_ascend(void **state)
{
    struct maker *makers = calloc(READERS, sizeof *makers);
    uint8_t(*all)[16] = malloc((size_t)READERS * UUIDS * 16);
    pthread_t threads[READERS];

    (void)state;
    assert_non_null(makers);
    assert_non_null(all);
    for (int i = 0; i < READERS; i++) {
        makers[i].random = test_seed() + (uint64_t)i;
        assert_int_equal(pthread_create(&threads[i], NULL, maker_run, &makers[i]), 0);
    }
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (int k = 1; k < UUIDS; k++) {
            assert_true(uuid_order(makers[i].uuids[k - 1], makers[i].uuids[k]) < 0);
        }
        memcpy(all + i * UUIDS, makers[i].uuids, sizeof makers[i].uuids);
    }
    qsort(all, READERS * UUIDS, 16, uuid_order);
    for (int i = 1; i < READERS * UUIDS; i++) assert_true(uuid_order(all[i - 1], all[i]) < 0);
    free(makers);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_are_shared_while_tables_are_made),
        cmocka_unit_test(uuids_made_at_once_differ_and_ascend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
