/*
 * fuzz_image: any bytes as a file. Open it, check it, read all of it, write to it.
 *
 * An input is a list of changes to a small good file: 3 bytes where, 1 byte xor. The first byte
 * says how it is treated: with bit 0 all checksums are repaired afterwards, from the leaves up to
 * the slots, or nothing past the first page would ever be reached; bit 6 takes the other file,
 * whose trees have numbers for keys, as those of rows and of slabs do. What is asked of the engine
 * is a clean status or an answer; crashes, hangs and reads out of bounds are the findings.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "btree/tree.h"
#include "fuzz.h"
#include "os/sim.h"
#include "store/meta.h"
#include "store/superblock.h"

enum {
    PAGE = 512,
    UNIT = 4096,
    IMAGE_MAX = 1 << 18,
    REFS_MAX = 4096,
    EDITS_MAX = 64,
    SCAN_MAX = 20000,
    OTHER_IMAGE = 0x40 /* of the first byte */
};

/* Where in the image a pointer to a page lies. */
struct place {
    uint32_t page, at;
};

/* A good file. */
struct image {
    uint8_t bytes[IMAGE_MAX];
    size_t size;
    struct place places[REFS_MAX];
    size_t place_count;
};

enum { KEYS, NUMBERS, IMAGES };
static struct image images[IMAGES];

static void must(bool good)
{
    if (!good) abort();
}

static enum mn_status open_store(struct mn_os *os, unsigned flags, struct mn_store **store)
{
    struct mn_store_options options = {.path = "image",
                                       .flags = flags,
                                       .page_size = PAGE,
                                       .grow_bytes = 16 << 10,
                                       .cut_commits = 2,
                                       .os = os,
                                       .hooks = mn_tree_hooks()};

    return mn_store_open(&options, store);
}

/* Two trees, one several levels deep, one with long values; made in several commits. */
static void fill(struct mn_store *store)
{
    static uint8_t value[3000];
    uint64_t trees[2];

    for (unsigned round = 0; round < 12; round++) {
        struct mn_view *view;

        must(mn_write_begin(store, 0, &view) == MN_OK);
        for (unsigned t = 0; round == 0 && t < 2; t++) {
            must(mn_tree_create(view, &trees[t]) == MN_OK);
        }
        for (unsigned i = 0; i < 40; i++) {
            unsigned number = round * 40 + i;
            uint8_t key[12] = {'k', (uint8_t)(number * 37), (uint8_t)(number >> 4), (uint8_t)i};
            struct mn_bytes k = {key, 4 + number % 9}, v = {value, number % 40};

            must(mn_tree_put(view, trees[0], k, v, 0) == MN_OK);
            v.len = number % 5 ? 60 : 1200 + number;
            if (i % 8 == 0) must(mn_tree_put(view, trees[1], k, v, 0) == MN_OK);
        }
        must(mn_write_commit(view, NULL) == MN_OK);
    }
}

static bool page_is_whole(const uint8_t *page, uint64_t number, uint64_t secret)
{
    return mn_page_number(page) == number &&
           mn_page_checksum(page) == mn_hash(page + 8, PAGE - 8, secret);
}

/* Numbers without gaps to values, and numbers to values with a run beside them. */
static void fill_numbers(struct mn_store *store)
{
    static uint8_t value[64];
    uint64_t trees[2];

    for (unsigned round = 0; round < 12; round++) {
        struct mn_view *view;

        must(mn_write_begin(store, 0, &view) == MN_OK);
        for (unsigned t = 0; round == 0 && t < 2; t++) {
            must(mn_tree_create(view, &trees[t]) == MN_OK);
        }
        for (unsigned i = 0; i < 40; i++) {
            unsigned number = (round * 40 + i) * 7 % 481;
            uint8_t key[8], *run;

            mn_put_u64_be(key, (UINT64_C(1) << 63) + number + (number > 300 ? 70000 : 0));
            must(mn_tree_put(view, trees[0], mn_bytes_of(key, 8), mn_bytes_of(value, number % 40),
                             0) == MN_OK);
            if (i % 4) continue;
            must(mn_tree_put_run(view, trees[1], mn_bytes_of(key, 8), mn_bytes_of(value, 12),
                                 100 + number, &run) == MN_OK);
            memset(run, (int)i, 100 + number);
        }
        must(mn_write_commit(view, NULL) == MN_OK);
    }
}

/* Every place in the image where the 12 bytes of a pointer to a whole page stand. */
static void places_find(struct image *image, uint64_t secret)
{
    for (uint32_t p = 3 * UNIT / PAGE; p < image->size / PAGE; p++) {
        const uint8_t *page = image->bytes + p * PAGE, *at = image->bytes;
        uint8_t ref[MN_REF_BYTES];

        if (!page_is_whole(page, p, secret)) continue;
        mn_put_ref(ref, (struct mn_ref){p, mn_page_checksum(page) & MN_MASK48});
        while (at < image->bytes + image->size && image->place_count < REFS_MAX) {
            at = memmem(at, (size_t)(image->bytes + image->size - at), ref, sizeof ref);
            if (!at) break;
            image->places[image->place_count++] = (struct place){p, (uint32_t)(at - image->bytes)};
            at++;
        }
    }
}

static void image_make(struct image *image, void (*fill_it)(struct mn_store *store))
{
    struct mn_os *os = mn_machine_new(1, IMAGE_MAX);
    struct mn_store *store = NULL;

    must(os && open_store(os, MN_STORE_CREATE, &store) == MN_OK);
    fill_it(store);
    must(mn_store_close(store) == MN_OK);
    image->size = mn_sim_size(os, "image");
    must(image->size <= IMAGE_MAX);
    must(mn_sim_peek(os, "image", 0, image->bytes, image->size) == MN_OK);
    mn_machine_free(os);
    places_find(image, mn_get_u64(image->bytes + 64));
    must(image->place_count > 10);
}

/* From the leaves up, as often as a tree may be deep; then slots and superblock. */
static void repair(const struct image *image, uint8_t *bytes)
{
    uint64_t secret = mn_get_u64(bytes + 64);

    for (int level = 0; level < 6; level++) {
        for (size_t i = 0; i < image->place_count; i++) {
            const struct place *place = &image->places[i];
            uint8_t *page = bytes + place->page * PAGE;
            uint64_t sum = mn_hash(page + 8, PAGE - 8, secret);

            mn_put_u64(page, sum);
            mn_put_u48(bytes + place->at + 6, sum & MN_MASK48);
        }
    }
    for (unsigned i = 0; i < MN_META_SLOTS; i++) {
        uint8_t *slot = bytes + (i < 2 ? 11 + 2 * i : i - 1) * UNIT;

        if (mn_get_u64(slot) == 0) continue;
        slot[108] |= MN_META_LARGE; /* the digest is not looked at then */
        mn_put_u64(slot, mn_hash(slot + 8, MN_META_BYTES - 8, secret));
    }
    mn_put_u64(bytes + 4088, mn_hash(bytes, 4088, 0));
}

static void quiet(void *context, uint64_t page, const char *message)
{
    (void)context, (void)page, (void)message;
}

static enum mn_status scan_tree(struct mn_view *view, uint64_t tree)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    uint64_t count, rank;
    bool found = false;
    enum mn_status status = mn_cursor_open(view, tree, &cursor);

    if (status) return MN_OK;
    status = mn_cursor_first(cursor, &found);
    for (int i = 0; !status && found && i < SCAN_MAX; i++) {
        status = mn_cursor_item(cursor, &item);
        if (!status && i % 16 == 0) status = mn_tree_rank(view, tree, item.key, &rank);
        if (!status) status = mn_cursor_next(cursor, &found);
    }
    if (!mn_cursor_last(cursor, &found) && found) (void)mn_cursor_prev(cursor, &found);
    (void)mn_cursor_nth(cursor, 3, &found);
    mn_cursor_close(cursor);
    (void)mn_tree_count(view, tree, &count);
    return MN_OK;
}

static enum mn_status run_seen(void *context, const struct mn_run_entry *entry)
{
    (void)context;
    return entry->value.len > 0 ? MN_OK : MN_CORRUPT;
}

static void read_all(struct mn_store *store)
{
    struct mn_store_check *check;
    struct mn_store_stats stats;
    struct mn_view *view;
    uint64_t faults;

    if (mn_view_begin_read(store, &view)) return;
    for (uint64_t tree = 0; tree < 4; tree++) (void)scan_tree(view, tree);
    for (uint64_t tree = 0; tree < 3; tree++) (void)scan_tree(view, MN_TREE_FIRST + tree);
    (void)mn_tree_runs(view, MN_TREE_FIRST + 1, run_seen, NULL);
    if (!mn_store_check_begin(view, quiet, NULL, &check)) {
        (void)mn_tree_check_all(view, check, quiet, NULL);
        (void)mn_store_check_end(check, &faults);
    }
    mn_view_end(view);
    (void)mn_store_stat(store, &stats);
}

static void write_some(struct mn_store *store, uint8_t seed)
{
    struct mn_view *view;
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status) return;
    for (unsigned i = 0; i < 24 && !status; i++) {
        unsigned number = seed * 7u + i * 11u;
        uint64_t tree = MN_TREE_FIRST + i % 2;
        uint8_t key[8] = {'k', (uint8_t)(number * 37), (uint8_t)(number >> 4), (uint8_t)i};
        struct mn_bytes k = {key, 4}, v = {key, 3};
        bool found;
        uint32_t id;

        if (mn_savepoint_begin(view, &id)) break;
        if (seed & OTHER_IMAGE) { /* now and then a key that begins as its neighbours do */
            mn_put_u64_be(key, (UINT64_C(1) << 63) + number);
            k.len = i % 8 == 7 ? 7 : 8;
        }
        status = i % 3 ? mn_tree_put(view, tree, k, v, 0) : mn_tree_delete(view, tree, k, &found);
        if (status) mn_savepoint_rollback(view, id);
        mn_savepoint_release(view, id);
        status = MN_OK;
    }
    (void)mn_write_commit(view, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[IMAGE_MAX];
    struct mn_os *os;
    struct mn_store *store;
    uint8_t how = size ? data[0] : 0;
    const struct image *image = &images[how & OTHER_IMAGE ? NUMBERS : KEYS];

    if (images[KEYS].size == 0) {
        image_make(&images[KEYS], fill);
        image_make(&images[NUMBERS], fill_numbers);
    }
    memcpy(bytes, image->bytes, image->size);
    for (size_t i = 1, edits = 0; i + 4 <= size && edits < EDITS_MAX; i += 4, edits++) {
        uint32_t at = (uint32_t)data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16;

        bytes[at % image->size] ^= data[i + 3];
    }
    if (how & 1) repair(image, bytes);
    os = mn_machine_new(1, 4 << 20);
    must(os && mn_sim_put(os, "image", bytes, image->size) == MN_OK);
    if (!open_store(os, how & 2 ? MN_STORE_UNTRUSTED : 0, &store)) {
        read_all(store);
        if (how & 4) write_some(store, how);
        if (how & 4) read_all(store);
        (void)mn_store_close(store);
    }
    mn_machine_free(os);
    return 0;
}
