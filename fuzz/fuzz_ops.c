/*
 * fuzz_ops: any bytes as a list of operations on one tree, held against a model.
 *
 * Three bytes an operation: what, which key, how long; the tree is read, loaded in bulk, compacted
 * and copied too. The model is an array with one place a key.
 * Commits may be cut by a power loss: at an event chosen by the input the machine is copied as the
 * loss would leave it, and the copy must hold the state before or after. They may also meet one
 * failing call: the answer says which state follows, and after MN_UNCERTAIN the next open does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btree/salvage.h"
#include "btree/tree.h"
#include "fuzz.h"
#include "os/sim.h"

enum { KEYS = 256, DEPTH = 3, OPS_MAX = 400, PAGE = 512, KEY_BYTES_MAX = 710 };

/* What is stored under a key: 0 nothing, else the length of its value and 1, and whether that is a
 * run beside an inline byte; all bytes follow from it. */
enum { IS_RUN = 0x8000 };
typedef uint16_t state[KEYS];

struct world {
    struct mn_os *os;
    struct mn_store *store;
    struct mn_view *writer, *reader;
    uint64_t tree, groups; /* groups: (key / 8, key) of every key that is there, 8 bytes each */
    state now, committed, read, saved[DEPTH];
    uint32_t depth, ids[DEPTH];
    struct mn_os *lost; /* the machine as a power loss left it */
    uint64_t lose_at, fail_at, events;
    uint8_t chance;
};

static void must(bool good)
{
    if (!good) {
        (void)fprintf(stderr, "%s\n", mn_error_last()->message);
        abort();
    }
}

/* Ascends with i; some are longer than a node holds. */
static struct mn_bytes key_of(uint32_t i, uint8_t *room)
{
    size_t length = i % 7 == 3 ? 200 + i * 2 : 1 + i % 12;

    memset(room, (int)(i % 3), length);
    room[0] = (uint8_t)i;
    return mn_bytes_of(room, length);
}

static size_t length_of(uint8_t chance)
{
    return chance < 200 ? chance % 50 : (size_t)(chance - 199) * 70;
}

static void value_fill(uint8_t *value, uint32_t key, size_t length)
{
    for (size_t i = 0; i < length; i++) value[i] = (uint8_t)(key + i * 7 + length);
}

/* ---- the file ---- */

static enum mn_sim_fault on_event(void *context, const struct mn_sim_event *event)
{
    struct world *w = context;

    (void)event;
    w->events++;
    if (w->events == w->lose_at) {
        struct mn_sim_loss loss = {.random = true, .seed = w->chance, .keep = w->chance};

        loss.tear = (enum mn_sim_tear)(w->chance % 4);
        loss.torn = w->chance / 4 % 8;
        w->lost = mn_sim_crash(w->os, &loss);
        must(w->lost != NULL);
    }
    return w->events == w->fail_at ? MN_SIM_EIO : MN_SIM_PASS;
}

static void file_open(struct mn_os *os, struct mn_store **store)
{
    struct mn_store_options options = {.path = "ops",
                                       .flags = MN_STORE_CREATE,
                                       .page_size = PAGE,
                                       .grow_bytes = 16 << 10,
                                       .os = os,
                                       .hooks = mn_tree_hooks()};

    must(mn_store_open(&options, store) == MN_OK);
}

static void report(void *context, uint64_t page, const char *message)
{
    (void)context;
    (void)page;
    (void)message;
    abort();
}

static bool item_equals(const struct mn_item *item, uint32_t i, uint16_t want)
{
    uint8_t room[KEY_BYTES_MAX + 1], bytes[4096];
    struct mn_bytes key = key_of(i, room), value = item->value;
    size_t length = (size_t)(want & ~IS_RUN) - 1;

    if (item->key.len != key.len || memcmp(item->key.data, key.data, key.len) != 0) return false;
    if (want & IS_RUN) {
        if (value.len != 1 || value.data[0] != 'r') return false;
        value = item->run;
    }
    value_fill(bytes, i, length);
    return value.len == length && (length == 0 || memcmp(value.data, bytes, length) == 0);
}

/* Every entry, in order, and nothing else. */
static bool view_equals(struct mn_view *view, uint64_t tree, const state want)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    bool found, equal = true;

    must(mn_cursor_open(view, tree, &cursor) == MN_OK);
    must(mn_cursor_first(cursor, &found) == MN_OK);
    for (uint32_t i = 0; i < KEYS && equal; i++) {
        if (!want[i]) continue;
        equal = found && mn_cursor_item(cursor, &item) == MN_OK && item_equals(&item, i, want[i]);
        if (equal) must(mn_cursor_next(cursor, &found) == MN_OK);
    }
    mn_cursor_close(cursor);
    return equal && !found;
}

static bool store_equals(struct mn_store *store, uint64_t tree, const state want)
{
    struct mn_view *view;
    bool equal;

    must(mn_view_begin_read(store, &view) == MN_OK);
    equal = view_equals(view, tree, want);
    mn_view_end(view);
    return equal;
}

/* ---- operations ---- */

static void group_put(uint8_t at[16], uint32_t key)
{
    memset(at, 0, 16);
    at[7] = (uint8_t)(key / 8);
    at[15] = (uint8_t)key;
}

static void group_set(struct world *w, uint32_t key, bool there)
{
    uint8_t at[16];

    group_put(at, key);
    if (there) {
        must(mn_tree_put(w->writer, w->groups, mn_bytes_of(at, 16), mn_bytes_of("", 0), 0) ==
             MN_OK);
    } else {
        must(mn_tree_delete(w->writer, w->groups, mn_bytes_of(at, 16), NULL) == MN_OK);
    }
}

/* Several groups at once, as a walk along relations asks for neighbours. */
static void groups_probe(struct mn_view *view, const struct world *w, const uint16_t *want,
                         uint8_t how)
{
    uint8_t prefixes[8 * MN_FAN_WIDTH] = {0}, tails[8 * 3];
    uint32_t lanes = how % (MN_FAN_WIDTH + 1);
    struct mn_fan *fan;

    for (uint32_t i = 0; i < lanes; i++) prefixes[8 * i + 7] = (uint8_t)((how + i * 5) % 34);
    must(mn_fan_open(view, w->groups, &fan) == MN_OK);
    must(mn_fan_seek(fan, prefixes, 8, lanes) == MN_OK);
    for (uint32_t i = 0; i < lanes; i++) {
        struct mn_tails out = {tails, 8, 3, 0, false};
        uint32_t key = 8 * prefixes[8 * i + 7], end = key + 8 < KEYS ? key + 8 : KEYS;

        do {
            must(mn_fan_next(fan, i, &out) == MN_OK);
            for (size_t n = 0; n < out.count; n++, key++) {
                while (key < end && !want[key]) key++;
                must(key < end && tails[8 * n + 7] == key);
            }
        } while (out.count > 0);
        while (key < end && !want[key]) key++;
        must(key >= end);
    }
    mn_fan_close(fan);
}

static void writer_begin(struct world *w)
{
    if (w->writer) return;
    must(mn_write_begin(w->store, 0, &w->writer) == MN_OK);
    memcpy(w->now, w->committed, sizeof w->now);
    w->depth = 0;
}

static void put(struct world *w, uint32_t key, uint8_t chance, bool run)
{
    uint8_t room[KEY_BYTES_MAX + 1], value[4096], *bytes;
    size_t length = length_of(chance) + (run ? 1 : 0);

    writer_begin(w);
    value_fill(value, key, length);
    if (run) {
        must(mn_tree_put_run(w->writer, w->tree, key_of(key, room), mn_bytes_of("r", 1), length,
                             &bytes) == MN_OK);
        memcpy(bytes, value, length);
    } else {
        must(mn_tree_put(w->writer, w->tree, key_of(key, room), mn_bytes_of(value, length), 0) ==
             MN_OK);
    }
    w->now[key] = (uint16_t)((length + 1) | (run ? IS_RUN : 0));
    group_set(w, key, true);
}

static void take(struct world *w, uint32_t key)
{
    uint8_t room[KEY_BYTES_MAX + 1];
    bool found;

    writer_begin(w);
    must(mn_tree_delete(w->writer, w->tree, key_of(key, room), &found) == MN_OK);
    must(found == (w->now[key] != 0));
    w->now[key] = 0;
    group_set(w, key, false);
}

static void savepoint(struct world *w, uint8_t how)
{
    writer_begin(w);
    if (how % 3 == 0 && w->depth < DEPTH) {
        must(mn_savepoint_begin(w->writer, &w->ids[w->depth]) == MN_OK);
        memcpy(w->saved[w->depth++], w->now, sizeof w->now);
    } else if (how % 3 == 1 && w->depth > 0) {
        uint32_t to = how / 3 % w->depth;

        mn_savepoint_rollback(w->writer, w->ids[to]);
        memcpy(w->now, w->saved[to], sizeof w->now);
        w->depth = to + 1;
    } else if (how % 3 == 2 && w->depth > 0) {
        mn_savepoint_release(w->writer, w->ids[--w->depth]);
    }
}

static void reader_turn(struct world *w)
{
    if (!w->reader) {
        must(mn_view_begin_read(w->store, &w->reader) == MN_OK);
        memcpy(w->read, w->committed, sizeof w->read);
        return;
    }
    must(view_equals(w->reader, w->tree, w->read));
    mn_view_end(w->reader);
    w->reader = NULL;
}

static void file_close(struct world *w)
{
    if (w->reader) reader_turn(w);
    if (w->writer) mn_write_abort(w->writer);
    w->writer = NULL;
    must(mn_store_close(w->store) == MN_OK);
}

/* What the power loss left is one of the two states, whole; *after says which. */
static void loss_judge(struct world *w)
{
    struct mn_store *store;

    file_open(w->lost, &store);
    must(store_equals(store, w->tree, w->committed) || store_equals(store, w->tree, w->now));
    must(mn_store_close(store) == MN_OK);
    mn_machine_free(w->lost);
    w->lost = NULL;
}

static void commit(struct world *w, uint8_t lose, uint8_t fail)
{
    enum mn_status status;

    writer_begin(w);
    w->events = 0;
    w->lose_at = lose;
    w->fail_at = fail;
    w->chance = (uint8_t)(lose * 31 + fail);
    mn_sim_set_hook(w->os, on_event, w);
    status = mn_write_commit(w->writer, NULL);
    mn_sim_set_hook(w->os, NULL, NULL);
    w->writer = NULL;
    must(status == MN_OK || (fail && (status == MN_IOERR || status == MN_UNCERTAIN)));
    if (w->lost) loss_judge(w);
    if (status == MN_UNCERTAIN) {
        file_close(w);
        file_open(w->os, &w->store);
        if (store_equals(w->store, w->tree, w->now)) status = MN_OK;
    }
    if (status == MN_OK) memcpy(w->committed, w->now, sizeof w->now);
    must(store_equals(w->store, w->tree, w->committed));
}

/* Where keys stand, by every way of asking. */
static void probe(struct world *w, uint32_t key, uint8_t how)
{
    const uint16_t *want = w->writer ? w->now : w->committed;
    struct mn_view *view = w->writer;
    uint8_t room[KEY_BYTES_MAX + 1];
    struct mn_cursor *cursor;
    struct mn_bytes value;
    uint64_t below = 0, rank, total = 0;
    uint32_t at = key;
    bool found;

    if (!view) must(mn_view_begin_read(w->store, &view) == MN_OK);
    for (uint32_t i = 0; i < KEYS; i++) {
        below += i < key && want[i];
        total += want[i] != 0;
    }
    must(mn_tree_rank(view, w->tree, key_of(key, room), &rank) == MN_OK && rank == below);
    must(mn_tree_count(view, w->tree, &rank) == MN_OK && rank == total);
    must(mn_tree_get(view, w->tree, key_of(key, room), &value, &found) == MN_OK);
    must(found == (want[key] != 0));
    must(mn_cursor_open(view, w->tree, &cursor) == MN_OK);
    must(mn_cursor_nth(cursor, below, &found) == MN_OK && found == (below < total));
    must(mn_cursor_seek(cursor, key_of(key, room), (enum mn_seek)(how % 4), &found) == MN_OK);
    bool up = how % 4 < 2;
    if (how % 2 && up) at++;
    if (how % 2 && !up) at--;
    while (at < KEYS && !want[at]) at += up ? 1u : UINT32_MAX;
    must(found == (at < KEYS));
    for (uint8_t i = 0; i < how / 4 && found; i++) {
        struct mn_item item;

        must(mn_cursor_item(cursor, &item) == MN_OK && item_equals(&item, at, want[at]));
        must((up ? mn_cursor_next(cursor, &found) : mn_cursor_prev(cursor, &found)) == MN_OK);
        do at += up ? 1u : UINT32_MAX;
        while (at < KEYS && !want[at]);
        must(found == (at < KEYS));
    }
    mn_cursor_close(cursor);
    groups_probe(view, w, want, how);
    if (!w->writer) mn_view_end(view);
}

/* Puts the keys behind the last one in order, as a load does. */
static void load(struct world *w, uint8_t chance)
{
    uint8_t room[KEY_BYTES_MAX + 1], value[4096], *bytes;
    struct mn_bulk *bulk;
    uint32_t from = KEYS;

    writer_begin(w);
    while (from > 0 && !w->now[from - 1]) from--;
    if (w->depth > 0) return; /* a load rolls back as a whole */
    must(mn_bulk_begin(w->writer, w->tree, &bulk) == MN_OK);
    for (uint32_t i = from; i < KEYS; i += 1 + chance % 4) {
        bool run = (i + chance) % 9 == 0;
        size_t length = length_of((uint8_t)(chance + i)) + (run ? 1 : 0);

        value_fill(value, i, length);
        if (run) {
            must(mn_bulk_add_run(bulk, key_of(i, room), mn_bytes_of("r", 1), length, &bytes) ==
                 MN_OK);
            memcpy(bytes, value, length);
        } else {
            must(mn_bulk_add(bulk, key_of(i, room), mn_bytes_of(value, length)) == MN_OK);
        }
        w->now[i] = (uint16_t)((length + 1) | (run ? IS_RUN : 0));
    }
    must(mn_bulk_end(bulk) == MN_OK);
    for (uint32_t i = from; i < KEYS; i++) {
        if (w->now[i]) group_set(w, i, true);
    }
}

/* The file made small, or all of it copied to another. */
static void rewrite(struct world *w, uint8_t how)
{
    struct mn_compact_result result;

    if (w->writer) commit(w, 0, 0);
    if (how % 2) {
        must(mn_tree_compact(w->store, NULL, NULL, &result) == MN_OK);
    } else {
        struct mn_store_options options = {
            .flags = MN_STORE_CREATE, .page_size = PAGE, .hooks = mn_tree_hooks()};
        struct mn_store *copy;
        struct mn_view *from, *to;

        must(mn_store_open(&options, &copy) == MN_OK);
        must(mn_view_begin_read(w->store, &from) == MN_OK);
        must(mn_write_begin(copy, 0, &to) == MN_OK);
        must(mn_tree_copy_all(from, to, NULL, NULL) == MN_OK);
        must(mn_write_commit(to, NULL) == MN_OK);
        must(store_equals(copy, w->tree, w->committed));
        mn_view_end(from);
        must(mn_store_close(copy) == MN_OK);
    }
    must(store_equals(w->store, w->tree, w->committed));
}

static void step(struct world *w, const uint8_t *op)
{
    switch (op[0] % 20) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: put(w, op[1], op[2], false); break;
    case 5: put(w, op[1], op[2], true); break;
    case 6:
    case 7:
    case 8: take(w, op[1]); break;
    case 9: commit(w, 0, 0); break;
    case 10: commit(w, op[1] % 24, 0); break;
    case 11: commit(w, 0, op[2] % 24); break;
    case 12: savepoint(w, op[1]); break;
    case 13: reader_turn(w); break;
    case 15:
    case 16: probe(w, op[1], op[2]); break;
    case 17: load(w, op[2]); break;
    case 18: rewrite(w, op[1]); break;
    case 14:
        if (w->writer && op[1] % 2) must(view_equals(w->writer, w->tree, w->now));
        if (w->writer && op[1] % 2 == 0) {
            mn_write_abort(w->writer);
            w->writer = NULL;
        }
        break;
    default:
        file_close(w);
        file_open(w->os, &w->store);
        must(store_equals(w->store, w->tree, w->committed));
    }
}

static void world_open(struct world *w)
{
    struct mn_view *view;

    memset(w, 0, sizeof *w);
    w->os = mn_machine_new(1, 0);
    must(w->os != NULL);
    file_open(w->os, &w->store);
    must(mn_write_begin(w->store, 0, &view) == MN_OK);
    must(mn_tree_create(view, &w->tree) == MN_OK);
    must(mn_tree_create(view, &w->groups) == MN_OK);
    must(mn_write_commit(view, NULL) == MN_OK);
}

/* From a file that is not damaged everything is saved. */
static void salvage_judge(struct world *w)
{
    struct mn_salvage *salvage;
    struct mn_salvage_forest *forest;
    struct mn_salvage_cursor *cursor;
    struct mn_item item;
    bool found;

    must(mn_salvage_open("ops", w->os, mn_tree_hooks(), &salvage) == MN_OK);
    must(mn_salvage_forest_new(salvage, &forest) == MN_OK);
    must(mn_salvage_cursor_open(forest, w->tree, &cursor) == MN_OK);
    for (uint32_t i = 0; i < KEYS; i++) {
        if (!w->committed[i]) continue;
        must(mn_salvage_cursor_next(cursor, &item, &found) == MN_OK && found);
        if (item.value.len == 0 && item.run.len > 0) item.value = item.run; /* as a cursor says */
        must(item_equals(&item, i, w->committed[i]));
    }
    must(mn_salvage_cursor_next(cursor, &item, &found) == MN_OK && !found);
    mn_salvage_cursor_close(cursor);
    mn_salvage_forest_free(forest);
    mn_salvage_close(salvage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct mn_view *view;
    struct mn_store_check *check;
    uint64_t faults = 0;

    world_open(&w);
    for (size_t i = 0; i + 3 <= size && i < 3 * (size_t)OPS_MAX; i += 3) step(&w, data + i);
    if (w.writer) commit(&w, 0, 0);
    if (w.reader) reader_turn(&w);
    must(mn_view_begin_read(w.store, &view) == MN_OK);
    must(mn_store_check_begin(view, report, NULL, &check) == MN_OK);
    must(mn_tree_check_all(view, check, report, NULL) == MN_OK);
    must(mn_store_check_end(check, &faults) == MN_OK);
    must(faults == 0);
    mn_view_end(view);
    file_close(&w);
    salvage_judge(&w);
    mn_machine_free(w.os);
    return 0;
}
