/*
 * history: what many workers did and saw, and whether it could have happened one after the other.
 */
#include "support/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "btree/tree.h"
#include "store/inside.h"
#include "support/test.h"

enum { FILLER_MAX = 300, SCAN_ONE_IN = 4, ABORT_ONE_IN = 8, ROLLBACK_ONE_IN = 4 };

int64_t history_tick(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- values ---- */

/* A list: the names of its writers. A register: one name, with a tail that follows from it. */
struct value {
    uint64_t names[HISTORY_LIST_MAX];
    uint32_t count;
};

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
    return hash;
}

static size_t value_encode(const struct value *value, unsigned key, uint8_t *bytes)
{
    size_t size = value->count * sizeof *value->names;

    memcpy(bytes, value->names, size);
    if (key >= HISTORY_LISTS && value->count) {
        size_t filler = value->names[0] * 7 % FILLER_MAX;

        memset(bytes + size, (int)(value->names[0] & 0xFF), filler);
        size += filler;
    }
    return size;
}

static uint64_t value_hash(const void *bytes, size_t size)
{
    return hash_bytes(UINT64_C(0xCBF29CE484222325), bytes, size) | 1;
}

static void value_write(struct value *value, unsigned key, uint64_t name)
{
    if (key >= HISTORY_LISTS || value->count == HISTORY_LIST_MAX) value->count = 0;
    value->names[value->count++] = name;
}

/* ---- trees ---- */

static struct mn_bytes key_bytes(unsigned key, char text[16])
{
    return mn_bytes_of(text, (size_t)snprintf(text, 16, "key %04u", key));
}

enum mn_status history_prepare(struct mn_store *store)
{
    struct mn_view *view;
    uint64_t tree = 0;
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status) return status;
    status = mn_tree_create(view, &tree);
    if (!status && tree != MN_TREE_FIRST) status = mn_fail(MN_ERROR, "not the first tree");
    if (status) {
        mn_write_abort(view);
        return status;
    }
    return mn_write_commit(view, NULL);
}

static enum mn_status value_read(struct mn_view *view, unsigned key, struct mn_bytes *bytes,
                                 uint64_t *hash)
{
    char text[16];
    bool found;
    enum mn_status status = mn_tree_get(view, MN_TREE_FIRST, key_bytes(key, text), bytes, &found);

    *hash = 0;
    if (status || !found) {
        *bytes = mn_bytes_of(NULL, 0);
        return status;
    }
    *hash = value_hash(bytes->data, bytes->len);
    return MN_OK;
}

/* The writer appends to what it read, whatever that was: the checker will tell. */
static enum mn_status value_change(struct mn_view *view, unsigned key, uint64_t name,
                                   uint64_t *hash)
{
    uint8_t bytes[HISTORY_LIST_MAX * 8 + FILLER_MAX];
    struct value value = {.count = 0};
    struct mn_bytes old;
    char text[16];
    size_t size;
    enum mn_status status = value_read(view, key, &old, hash);

    if (status) return status;
    size = old.len < sizeof value.names ? old.len : sizeof value.names;
    if (size && key < HISTORY_LISTS) memcpy(value.names, old.data, size);
    value.count = key < HISTORY_LISTS ? (uint32_t)(size / 8) : 0;
    value_write(&value, key, name);
    size = value_encode(&value, key, bytes);
    return mn_tree_put(view, MN_TREE_FIRST, key_bytes(key, text), mn_bytes_of(bytes, size), 0);
}

static enum mn_status scan(struct mn_view *view, uint64_t *hash)
{
    struct mn_cursor *cursor;
    bool found = false;
    enum mn_status status = mn_cursor_open(view, MN_TREE_FIRST, &cursor);

    *hash = 1;
    if (status) return status;
    for (status = mn_cursor_first(cursor, &found); !status && found;) {
        struct mn_item item;

        status = mn_cursor_item(cursor, &item);
        if (status) break;
        *hash = hash_bytes(*hash, item.key.data, item.key.len);
        *hash = hash_bytes(*hash, item.value.data, item.value.len);
        status = mn_cursor_next(cursor, &found);
    }
    mn_cursor_close(cursor);
    *hash |= 1;
    return status;
}

/* ---- workers ---- */

size_t history_bytes(uint32_t capacity)
{
    return sizeof(struct history) + capacity * sizeof(struct history_record);
}

void history_init(struct history *history, uint32_t worker, uint32_t capacity)
{
    memset(history, 0, sizeof *history);
    history->worker = worker;
    history->capacity = capacity;
}

static struct history_record *record_new(struct history *history)
{
    struct history_record *record;

    if (history->count == history->capacity) return NULL;
    record = &history->records[history->count];
    memset(record, 0, sizeof *record);
    record->name = (uint64_t)(history->worker + 1) << 32 | (history->count + 1);
    record->began = history_tick();
    history->count++;
    return record;
}

static void record_end(struct history_record *record, enum history_state state)
{
    record->ended = history_tick();
    __atomic_store_n(&record->state, state, __ATOMIC_RELEASE);
}

static bool failed(struct history *history, const char *what)
{
    if (!history->message[0]) {
        snprintf(history->message, sizeof history->message, "%s: %.200s", what,
                 mn_error_last()->message);
    }
    return false;
}

/* Distinct keys, in no order. */
static void keys_draw(struct history_record *record, uint64_t *random)
{
    unsigned wanted = 1 + (unsigned)(test_random(random) % HISTORY_OPS);

    while (record->count < wanted) {
        uint16_t key = (uint16_t)(test_random(random) % HISTORY_KEYS);
        bool there = false;

        for (unsigned i = 0; i < record->count; i++) there |= record->ops[i].key == key;
        if (!there) record->ops[record->count++].key = key;
    }
}

/* Written in a savepoint and taken back: it must not be seen by anybody. */
static enum mn_status change_in_vain(struct mn_view *view, uint64_t *random)
{
    uint32_t savepoint;
    uint64_t hash;
    enum mn_status status = mn_savepoint_begin(view, &savepoint);

    for (int i = 0; i < 3 && !status; i++) {
        status = value_change(view, (unsigned)(test_random(random) % HISTORY_KEYS), 13, &hash);
    }
    if (status) return status;
    mn_savepoint_rollback(view, savepoint);
    mn_savepoint_release(view, savepoint);
    return MN_OK;
}

static bool write_run(struct history *history, struct mn_store *store, uint64_t *random, bool brief)
{
    struct history_record *record = record_new(history);
    struct mn_view *view;
    uint64_t version = 0;
    enum mn_status status;

    if (!record) return false;
    record->brief = brief;
    if (brief ? mn_write_begin_brief(store, &view) : mn_write_begin(store, 0, &view))
        return failed(history, "begin to write");
    record->turn = history_tick();
    record->version = mn_view_version(view);
    record->base = view->writer->base.version;
    keys_draw(record, random);
    status = test_random(random) % ROLLBACK_ONE_IN ? MN_OK : change_in_vain(view, random);
    for (unsigned i = 0; i < record->count && !status; i++) {
        struct history_op *op = &record->ops[i];
        struct mn_bytes bytes;

        op->write = i == 0 || test_random(random) % 2 == 0;
        status = op->write ? value_change(view, op->key, record->name, &op->value)
                           : value_read(view, op->key, &bytes, &op->value);
    }
    if (status || test_random(random) % ABORT_ONE_IN == 0) {
        mn_write_abort(view);
        record_end(record, HISTORY_DROPPED);
        return status ? failed(history, "write") : true;
    }
    __atomic_store_n(&record->state, HISTORY_DOUBT, __ATOMIC_RELEASE);
    if (mn_write_commit(view, &version)) return failed(history, "commit");
    if (version != record->version) {
        (void)mn_fail(MN_ERROR, "version %" PRIu64 " became %" PRIu64, record->version, version);
        return failed(history, "commit");
    }
    record_end(record, HISTORY_DONE);
    return true;
}

bool history_write(struct history *history, struct mn_store *store, uint64_t *random)
{
    return write_run(history, store, random, false);
}

bool history_brief(struct history *history, struct mn_store *store, uint64_t *random)
{
    return write_run(history, store, random, true);
}

bool history_read(struct history *history, struct mn_store *store, uint64_t *random)
{
    return history_read_since(history, store, random, history_tick());
}

bool history_read_since(struct history *history, struct mn_store *store, uint64_t *random,
                        int64_t since)
{
    struct history_record *record = record_new(history);
    struct mn_view *view;
    enum mn_status status;
    uint64_t again = 0;

    if (!record) return false;
    record->began = since;
    if (mn_view_begin_read(store, &view)) return failed(history, "begin to read");
    record->base = mn_view_version(view);
    keys_draw(record, random);
    status = test_random(random) % SCAN_ONE_IN ? MN_OK : scan(view, &record->scan);
    for (unsigned look = 0; look < 2 && !status; look++) {
        for (unsigned i = 0; i < record->count && !status; i++) {
            struct history_op *op = &record->ops[i];
            struct mn_bytes bytes;

            status = value_read(view, op->key, &bytes, look ? &again : &op->value);
            if (look && again != op->value) history->mismatches++;
        }
    }
    if (!status && record->scan) status = scan(view, &again);
    if (!status && record->scan && again != record->scan) history->mismatches++;
    mn_view_end(view);
    record_end(record, status ? HISTORY_DROPPED : HISTORY_READ);
    return status ? failed(history, "read") : true;
}

/* ---- the checker ---- */

struct check {
    struct history_record **writes, **reads, **ends; /* ends: acknowledged writes by their end */
    size_t write_count, read_count, end_count, base_count;
    uint64_t *bases; /* every version that somebody began from, ascending */
    struct value values[HISTORY_KEYS];
    uint64_t first; /* the version before all writes */
};

static int by_version(const void *a, const void *b)
{
    const struct history_record *x = *(struct history_record *const *)a;
    const struct history_record *y = *(struct history_record *const *)b;

    if (x->version != y->version) return x->version < y->version ? -1 : 1;
    /* All but the last were killed before their slots were written. */
    if (x->state != y->state) return x->state == HISTORY_DOUBT ? -1 : 1;
    return (x->turn > y->turn) - (x->turn < y->turn);
}

static int by_base(const void *a, const void *b)
{
    const struct history_record *x = *(struct history_record *const *)a;
    const struct history_record *y = *(struct history_record *const *)b;

    return (x->base > y->base) - (x->base < y->base);
}

static bool contradiction(const struct history_record *record, const char *what, uint64_t number)
{
    print_error("history: transaction %" PRIx64 " (read version %" PRIu64 ", made %" PRIu64
                "): %s (%" PRIu64 ")\n",
                record->name, record->base, record->version, what, number);
    return false;
}

static bool state_equal(const struct check *check, const struct history_record *record)
{
    uint8_t bytes[HISTORY_LIST_MAX * 8 + FILLER_MAX];
    uint64_t hash = 1;

    for (unsigned i = 0; i < record->count; i++) {
        const struct history_op *op = &record->ops[i];
        size_t size = value_encode(&check->values[op->key], op->key, bytes);

        if (op->value != (size ? value_hash(bytes, size) : 0)) {
            return contradiction(record, "read another value than its version has under key",
                                 op->key);
        }
    }
    if (record->scan == 0) return true;
    for (unsigned key = 0; key < HISTORY_KEYS; key++) {
        size_t size = value_encode(&check->values[key], key, bytes);
        char text[16];
        struct mn_bytes name = key_bytes(key, text);

        if (size == 0) continue;
        hash = hash_bytes(hash_bytes(hash, name.data, name.len), bytes, size);
    }
    if (record->scan != (hash | 1)) return contradiction(record, "scanned another state", 0);
    return true;
}

static void state_apply(struct check *check, const struct history_record *record)
{
    for (unsigned i = 0; i < record->count; i++) {
        const struct history_op *op = &record->ops[i];

        if (op->write) value_write(&check->values[op->key], op->key, record->name);
    }
}

/* H1, H2: a write behind those that are applied; `before` is the one that made the newest version,
 * which began from `base`. It may be one more part of that version. */
static bool write_follows(const struct history_record *write, const struct history_record *before,
                          uint64_t version, uint64_t base)
{
    bool part = before && write->version == version && write->brief;

    if (write->version <= version && !part) {
        return contradiction(write, "made a version that was made before", version);
    }
    if (write->base != (part ? base : version)) {
        return contradiction(write, "did not begin from the version before its own", version);
    }
    return true;
}

/* H1, H2, H3: writes in the order of versions, the reads of each version in between. */
static bool order_holds(struct check *check, struct history_counts *counts)
{
    const struct history_record *before = NULL;
    uint64_t version = check->first, base = 0;
    size_t at = 0;

    for (size_t i = 0; i <= check->write_count; i++) {
        const struct history_record *write = i < check->write_count ? check->writes[i] : NULL;

        for (; at < check->read_count && (!write || check->reads[at]->base < write->version);
             at++) {
            const struct history_record *read = check->reads[at];

            if (read->base != version) {
                return contradiction(read, "read a version that nobody made; the newest is",
                                     version);
            }
            if (!state_equal(check, read)) return false;
        }
        if (!write) break;
        if (!write_follows(write, before, version, base)) return false;
        if (!state_equal(check, write)) return false;
        state_apply(check, write);
        counts->shared += write->version == version;
        if (write->version != version) base = version;
        version = write->version;
        before = write;
    }
    return true;
}

static int by_end(const void *a, const void *b)
{
    const struct history_record *x = *(struct history_record *const *)a;
    const struct history_record *y = *(struct history_record *const *)b;

    return (x->ended > y->ended) - (x->ended < y->ended);
}

static int by_begin(const void *a, const void *b)
{
    const struct history_record *x = *(struct history_record *const *)a;
    const struct history_record *y = *(struct history_record *const *)b;

    return (x->began > y->began) - (x->began < y->began);
}

/* H4. Sorts the reads by their begin, so it comes last. */
static bool time_holds(struct check *check)
{
    uint64_t newest = check->first;
    size_t at = 0;

    if (check->read_count) qsort(check->reads, check->read_count, sizeof *check->reads, by_begin);
    if (check->end_count) qsort(check->ends, check->end_count, sizeof *check->ends, by_end);
    for (size_t i = 0; i < check->read_count; i++) {
        const struct history_record *read = check->reads[i];

        for (; at < check->end_count && check->ends[at]->ended < read->began; at++) {
            if (check->ends[at]->version > newest) newest = check->ends[at]->version;
        }
        if (read->base < newest) {
            return contradiction(read, "began after a version was acknowledged and did not see it",
                                 newest);
        }
    }
    return true;
}

static int number_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Did anybody begin from this version, whose maker was killed? */
static bool survived(const struct check *check, uint64_t version)
{
    return check->base_count && bsearch(&version, check->bases, check->base_count, sizeof version,
                                        number_compare) != NULL;
}

static void collect(struct check *check, struct history *const *histories, unsigned workers,
                    struct history_counts *counts)
{
    for (unsigned w = 0; w < workers; w++) {
        for (uint32_t i = 0; i < histories[w]->count; i++) {
            struct history_record *record = &histories[w]->records[i];

            if (record->base) check->bases[check->base_count++] = record->base;
            if (record->state == HISTORY_READ) check->reads[check->read_count++] = record;
            if (record->state == HISTORY_DONE) check->ends[check->end_count++] = record;
            if (record->state == HISTORY_DONE || record->state == HISTORY_DOUBT) {
                check->writes[check->write_count++] = record;
            } else if (record->state != HISTORY_READ) {
                counts->dropped++;
            }
        }
    }
    if (check->base_count) {
        qsort(check->bases, check->base_count, sizeof *check->bases, number_compare);
    }
}

/* Of a version that a killed process and a later one made, or nobody read, the killed one's goes.
 */
static void doubt_settle(struct check *check, struct history_counts *counts)
{
    size_t kept = 0;

    for (size_t i = 0; i < check->write_count; i++) {
        struct history_record *write = check->writes[i];
        bool again = i + 1 < check->write_count && check->writes[i + 1]->version == write->version;

        if (write->state == HISTORY_DOUBT) {
            counts->doubtful++;
            if (again || !survived(check, write->version)) continue;
            counts->survived++;
        }
        check->writes[kept++] = write;
    }
    check->write_count = kept;
}

bool history_check(struct history *const *histories, unsigned workers,
                   struct history_counts *counts)
{
    struct check *check = calloc(1, sizeof *check);
    size_t total = 1;
    bool good;

    assert_non_null(check);
    memset(counts, 0, sizeof *counts);
    for (unsigned w = 0; w < workers; w++) total += histories[w]->count;
    check->writes = malloc(total * sizeof *check->writes);
    check->reads = malloc(total * sizeof *check->reads);
    check->ends = malloc(total * sizeof *check->ends);
    check->bases = malloc(total * sizeof *check->bases);
    assert_true(check->writes && check->reads && check->ends && check->bases);
    check->first = 2; /* history_prepare's */
    collect(check, histories, workers, counts);
    if (check->read_count) qsort(check->reads, check->read_count, sizeof *check->reads, by_base);
    if (check->write_count) {
        qsort(check->writes, check->write_count, sizeof *check->writes, by_version);
    }
    doubt_settle(check, counts);
    counts->writes = check->write_count;
    counts->reads = check->read_count;
    good = order_holds(check, counts) && time_holds(check);
    free(check->writes);
    free(check->reads);
    free(check->ends);
    free(check->bases);
    free(check);
    return good;
}
