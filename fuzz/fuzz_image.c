/*
 * fuzz_image: damaged and hostile files, from the superblock to the leaves.
 *
 * An input is a recipe and a list of patches:
 *
 *     byte 0      which of the built images to begin with, and whether to repair it afterwards
 *     byte 1      0, or how much of the file is cut off
 *     then        patches of 6 bytes and more: where (1), offset (2), length (1), bytes (1..8)
 *
 * The images hold several trees, runs, free space and an unfinished ring. A repair makes all
 * checksums right again, page by page up to the slots, so that the patches are not stopped at the
 * first door: it finds pointers by their bytes and knows nothing of the layout of nodes.
 *
 * Whatever the bytes are, opening, checking, reading and writing must answer with a status. A file
 * in which the check finds no fault must take writes, and be without fault after them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "btree/tree.h"
#include "fuzz.h"
#include "os/sim.h"

enum {
    IMAGES = 6,
    FIXED_UNITS = 6, /* superblock, notice, four slots */
    SLOT_FIRST = 2,
    SLOT_COUNT = 4,
    BLOCK = 4096, /* of a slot and of the superblock */
    PATCHES_MAX = 64,
    TREES_MAX = 16,
    STEPS_MAX = 5000, /* entries read in one walk */
    REPAIRS_MAX = 256
};
static const uint64_t map_bytes = 16 << 20;

struct image {
    uint8_t *bytes;
    size_t size;
    uint32_t page_size, unit;
    uint64_t secret;
};

static struct image images[IMAGES];

static void must(bool condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "broken: %s (%s)\n", what, mn_error_last()->message);
    abort();
}

/* ---- building ---- */

static struct mn_store_options options_of(struct mn_os *os, uint32_t page_size)
{
    return (struct mn_store_options){.path = "image",
                                     .flags = page_size ? MN_STORE_CREATE : 0,
                                     .page_size = page_size,
                                     .grow_bytes = 64 << 10,
                                     .os = os,
                                     .hooks = mn_tree_hooks()};
}

static struct mn_bytes key_of(uint8_t *room, uint64_t number, size_t size)
{
    memset(room, 'k', size);
    for (size_t i = 0; i < 8; i++) room[i] = (uint8_t)(number * 2654435761u >> (56 - 8 * i) | 1);
    return mn_bytes_of(room, size);
}

/* One transaction: puts, or with `remove` deletes, of `count` keys in each of three trees. */
static void trees_change(struct mn_store *store, uint64_t first, uint64_t count, bool remove)
{
    static uint8_t key[300], value[6000];
    struct mn_view *view;

    must(mn_write_begin(store, 0, &view) == MN_OK, "begin");
    for (uint64_t tree = MN_TREE_FIRST; tree < MN_TREE_FIRST + 3; tree++) {
        for (uint64_t i = first; i < first + count; i++) {
            struct mn_bytes k = key_of(key, i, tree == MN_TREE_FIRST ? 8 : 20 + i % 200);
            size_t len = tree == MN_TREE_FIRST + 2 && i % 8 == 0 ? 3000 : i % 40;
            enum mn_status status;

            memset(value, (int)(i & 0xff), len);
            status = remove ? mn_tree_delete(view, tree, k, NULL)
                            : mn_tree_put(view, tree, k, mn_bytes_of(value, len), MN_PUT_UPSERT);
            must(status == MN_OK, "change");
        }
    }
    must(mn_write_commit(view, NULL) == MN_OK, "commit");
}

/* Even images were closed; odd ones are the file of a process that still has it open. */
static void image_build(struct image *image, int which)
{
    struct mn_os *os = mn_sim_new(7, map_bytes);
    struct mn_store_options options = options_of(os, which < 4 ? 512 : 4096);
    uint64_t scale = which < 2 ? 4 : 60, tree;
    struct mn_store *store;
    struct mn_view *view;

    must(mn_store_open(&options, &store) == MN_OK, "create");
    must(mn_write_begin(store, 0, &view) == MN_OK, "begin");
    for (int i = 0; i < 3; i++) must(mn_tree_create(view, &tree) == MN_OK, "tree");
    must(mn_write_commit(view, NULL) == MN_OK, "commit");
    trees_change(store, 0, scale, false);
    trees_change(store, scale / 2, scale, false);
    trees_change(store, 0, scale / 3, true);
    if (which % 2 == 0) must(mn_store_close(store) == MN_OK, "close");
    image->size = (size_t)mn_sim_size(os, "image");
    image->bytes = malloc(image->size);
    must(image->bytes && mn_sim_peek(os, "image", 0, image->bytes, image->size) == MN_OK, "peek");
    if (which % 2 == 1) must(mn_store_close(store) == MN_OK, "close");
    image->page_size = mn_get_u32(image->bytes + 20);
    image->secret = mn_get_u64(image->bytes + 64);
    image->unit = image->page_size > BLOCK ? image->page_size : BLOCK;
    mn_sim_free(os);
}

/* ---- patching ---- */

struct patient {
    const struct image *from;
    uint8_t *bytes;
    size_t size;
    uint64_t pages;
    uint64_t *sums; /* of each page, as its parents know it */
    bool *sick;     /* changed since its checksum was made */
};

static uint8_t *page_at(const struct patient *p, uint64_t page)
{
    return p->bytes + page * p->from->page_size;
}

/* A page with a header, that pointers name by its checksum. */
static bool page_is_node(const struct patient *p, uint64_t page)
{
    const uint8_t *old = p->from->bytes + page * p->from->page_size;

    return page * p->from->page_size >= (uint64_t)FIXED_UNITS * p->from->unit && old[22] >= 1 &&
           old[22] <= 4 && mn_get_u48(old + 16) == page;
}

static const uint8_t *patch_apply(struct patient *p, const uint8_t *at, const uint8_t *end)
{
    uint8_t where = at[0];
    size_t offset = mn_get_u16(at + 1), len = (size_t)(at[3] & 7) + 1, base, room;

    at += 4;
    if ((size_t)(end - at) < len) len = (size_t)(end - at);
    if (where < 8) { /* superblock, notice, slots; 6 and 7: the newest bytes of a slot's tail */
        base = (size_t)(where % FIXED_UNITS) * p->from->unit;
        room = BLOCK;
    } else { /* the page of that number behind the fixed ones */
        base = FIXED_UNITS * p->from->unit + (size_t)(where - 8) * p->from->page_size;
        room = p->from->page_size;
    }
    offset %= room;
    for (size_t i = 0; i < len && offset + i < room && base + offset + i < p->size; i++) {
        p->bytes[base + offset + i] = at[i];
        p->sick[(base + offset + i) / p->from->page_size] = true;
    }
    return at + len;
}

/* Wherever {page, old sum} stands, {page, new sum} is put, and that place is sick in its turn. */
static void pointers_follow(struct patient *p, uint64_t page, uint64_t sum)
{
    uint8_t old[12], new[12];
    uint8_t *at = p->bytes, *end = p->bytes + p->size;

    mn_put_ref(old, (struct mn_ref){page, p->sums[page] & MN_MASK48});
    mn_put_ref(new, (struct mn_ref){page, sum & MN_MASK48});
    while ((at = memmem(at, (size_t)(end - at), old, sizeof old))) {
        memcpy(at, new, sizeof new);
        p->sick[(uint64_t)(at - p->bytes) / p->from->page_size] = true;
        p->sick[(uint64_t)(at + 11 - p->bytes) / p->from->page_size] = true;
        at += sizeof new;
    }
    p->sums[page] = sum;
}

static void pages_repair(struct patient *p)
{
    bool again = true;

    for (int round = 0; again && round < REPAIRS_MAX; round++) {
        again = false;
        for (uint64_t page = 0; page < p->pages; page++) {
            uint64_t sum;

            if (!p->sick[page] || !page_is_node(p, page)) continue;
            p->sick[page] = false;
            sum = mn_hash(page_at(p, page) + 8, p->from->page_size - 8, p->from->secret);
            mn_put_u64(page_at(p, page), sum);
            if (sum != p->sums[page]) pointers_follow(p, page, sum);
            again = true;
        }
    }
}

/* The slots' own checksums, and no digest to hold their pages to. */
static void blocks_repair(struct patient *p)
{
    for (uint32_t i = SLOT_FIRST; i < SLOT_FIRST + SLOT_COUNT; i++) {
        uint8_t *slot = p->bytes + (size_t)i * p->from->unit;

        if ((size_t)(i + 1) * p->from->unit > p->size) return;
        slot[108] |= 1;
        mn_put_u64(slot + 56, 0);
        mn_put_u64(slot, mn_hash(slot + 8, BLOCK - 8, p->from->secret));
    }
    mn_put_u64(p->bytes + BLOCK - 8, mn_hash(p->bytes, BLOCK - 8, 0));
}

static void patient_make(struct patient *p, const uint8_t *data, size_t size)
{
    const uint8_t *at = data + 2, *end = data + size;

    p->from = &images[data[0] % IMAGES];
    p->size = p->from->size - p->from->size * data[1] / 256;
    p->pages = p->from->size / p->from->page_size;
    p->bytes = malloc(p->from->size);
    p->sums = calloc(p->pages + 1, sizeof *p->sums);
    p->sick = calloc(p->pages + 1, sizeof *p->sick);
    if (!p->bytes || !p->sums || !p->sick) abort();
    memcpy(p->bytes, p->from->bytes, p->from->size);
    for (uint64_t i = 0; i < p->pages; i++) {
        p->sums[i] = mn_get_u64(p->from->bytes + i * p->from->page_size);
    }
    for (int n = 0; n < PATCHES_MAX && end - at >= 5; n++) at = patch_apply(p, at, end);
    if (data[0] & 0x80) return;
    pages_repair(p);
    if (p->size >= (size_t)FIXED_UNITS * p->from->unit) blocks_repair(p);
}

/* ---- using ---- */

static void fault_count(void *context, uint64_t page, const char *message)
{
    (void)page, (void)message;
    ++*(uint64_t *)context;
}

/* True when the newest version could be checked and is without fault. */
static bool store_is_clean(struct mn_store *store)
{
    struct mn_store_check *check;
    struct mn_view *view;
    uint64_t reported = 0, faults;
    bool clean = false;

    if (mn_view_begin_read(store, &view)) return false;
    if (mn_store_check_begin(view, fault_count, &reported, &check) == MN_OK) {
        clean = mn_tree_check_all(view, check, fault_count, &reported) == MN_OK;
        clean = mn_store_check_end(check, &faults) == MN_OK && faults == 0 && clean;
    }
    mn_view_end(view);
    return clean && reported == 0;
}

struct trees {
    uint64_t list[TREES_MAX];
    size_t count;
};

static enum mn_status tree_note(void *context, const struct mn_root *root)
{
    struct trees *trees = context;

    if (trees->count < TREES_MAX) trees->list[trees->count++] = root->tree;
    return MN_OK;
}

static void tree_read(struct mn_view *view, uint64_t tree)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    struct mn_bytes value;
    uint64_t number;
    bool found = false;
    enum mn_status status;

    (void)mn_tree_count(view, tree, &number);
    if (mn_cursor_open(view, tree, &cursor)) return;
    status = mn_cursor_first(cursor, &found);
    for (int i = 0; i < STEPS_MAX && !status && found; i++) {
        uint64_t sum = 0;

        if (mn_cursor_item(cursor, &item)) break;
        for (size_t k = 0; k < item.value.len; k++) sum += item.value.data[k];
        for (size_t k = 0; k < item.run.len; k++) sum += item.run.data[k];
        for (size_t k = 0; k < item.key.len; k++) sum += item.key.data[k];
        number = sum;
        if (i % 16 == 0) {
            (void)mn_tree_get(view, tree, item.key, &value, &found);
            (void)mn_cursor_item(cursor, &item);
            (void)mn_tree_rank(view, tree, item.key, &number);
        }
        status = mn_cursor_next(cursor, &found);
    }
    status = mn_cursor_last(cursor, &found);
    for (int i = 0; i < STEPS_MAX && !status && found; i++) {
        status = mn_cursor_prev(cursor, &found);
    }
    (void)mn_cursor_nth(cursor, 17, &found);
    (void)mn_cursor_seek(cursor, mn_bytes_of("kk", 2), MN_SEEK_LE, &found);
    mn_cursor_close(cursor);
}

static enum mn_status tree_write(struct mn_view *view, uint64_t tree, uint64_t salt)
{
    static uint8_t key[300], value[4000];
    enum mn_status status = MN_OK;

    for (uint64_t i = 0; i < 12 && !status; i++) {
        struct mn_bytes k = key_of(key, salt + i * 7, tree == MN_TREE_FIRST ? 8 : 20 + i * 9);

        if (i % 3 == 2)
            status = mn_tree_delete(view, tree, k, NULL);
        else
            status = mn_tree_put(view, tree, k, mn_bytes_of(value, i * i * 20), MN_PUT_UPSERT);
    }
    return status;
}

/* Reads and changes every tree; MN_OK when the commit was done. */
static enum mn_status store_use(struct mn_store *store)
{
    struct trees trees = {.count = 0};
    struct mn_view *view;
    uint32_t savepoint;
    enum mn_status status = mn_view_begin_read(store, &view);

    if (status) return status;
    (void)mn_tree_each(view, tree_note, &trees);
    for (size_t i = 0; i < trees.count; i++) tree_read(view, trees.list[i]);
    mn_view_end(view);

    status = mn_write_begin(store, 0, &view);
    if (status) return status;
    for (size_t i = 0; i < trees.count && !status; i++) {
        status = mn_savepoint_begin(view, &savepoint);
        if (!status) status = tree_write(view, trees.list[i], 1000);
        if (!status) {
            mn_savepoint_rollback(view, savepoint);
            mn_savepoint_release(view, savepoint);
            status = tree_write(view, trees.list[i], i);
        }
    }
    if (status) {
        mn_write_abort(view);
        return status;
    }
    return mn_write_commit(view, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mn_store_options options;
    struct mn_store *store;
    struct patient p;
    struct mn_os *os;
    enum mn_status status;

    if (size < 2) return 0;
    for (int i = 0; i < IMAGES && !images[i].bytes; i++) image_build(&images[i], i);
    patient_make(&p, data, size);
    os = mn_sim_new(11, map_bytes);
    must(os && mn_sim_put(os, "image", p.bytes, p.size) == MN_OK, "put");
    options = options_of(os, 0);
    status = mn_store_open(&options, &store);
    must(status == MN_OK || size > 2 || data[1], "an image as it was built does not open");
    if (status == MN_OK) {
        bool clean = store_is_clean(store);

        must(clean || size > 2 || data[1], "an image as it was built has faults");
        status = store_use(store);
        if (clean) {
            must(status == MN_OK || status == MN_READONLY_DB,
                 "a file without fault refuses a write");
            must(store_is_clean(store), "a write to a file without fault left one");
        }
        must(mn_store_close(store) == MN_OK || !clean, "close");
    }
    mn_sim_free(os);
    free(p.bytes);
    free(p.sums);
    free(p.sick);
    return 0;
}
