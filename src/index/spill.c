/*
 * spill: sorted runs in a file without a name, and their merging (see spill.h).
 */
#include "index/spill.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "os/file.h"

enum { BLOCK = 1 << 16, HASH_BYTES = 8, BLOCK_ROOM = BLOCK - HASH_BYTES };
enum { HEAD_BYTES = 8 };                    /* of an entry, before its row */
enum { RUNS_LEAST = 16, RUNS_MOST = 4096 }; /* that are merged at once */

struct run {
    uint64_t start;   /* in the file */
    uint64_t bytes;   /* of entries */
    uint64_t entries; /* how many */
    uint32_t level;
};

/* One run while it is merged. */
struct reader {
    struct run run;
    uint64_t block, left; /* the next one to be read; bytes of the run behind the buffer */
    uint64_t entries;     /* not yet given, the one at hand among them */
    struct mn_buf buf;
    size_t used; /* of it: what was given, and the entry at hand */
    struct mn_sorter_entry at_hand;
};

struct mn_spill {
    const struct mn_watch *watch;
    struct mn_file *file;
    uint64_t end; /* of the file */
    size_t fan;   /* runs that are merged at once */
    struct run *runs;
    size_t run_count, run_capacity;

    uint8_t *block; /* being written */
    size_t filled;

    struct reader *readers; /* while merging */
    size_t reader_count;
    uint32_t *heap; /* of readers that have an entry at hand, the least first */
    size_t heap_count;
    struct mn_sorter_entry given; /* the entry that was given last */
    struct mn_buf kept;           /* its row and key, where its block is no longer there */
    bool any;
};

/* ---- entries ---- */

uint64_t mn_entry_word(struct mn_bytes key)
{
    uint64_t word = 0;

    if (key.len >= MN_ENTRY_WORD) return mn_get_u64_be(key.data);
    for (size_t i = 0; i < MN_ENTRY_WORD; i++) {
        word = word << 8 | (i < key.len ? key.data[i] : 0);
    }
    return word;
}

int mn_entry_order(const void *a, const void *b)
{
    const struct mn_sorter_entry *x = a, *y = b;
    size_t least = x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes;
    int order = memcmp(mn_entry_key(x), mn_entry_key(y), least);

    if (order == 0) order = (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
    return order ? order
                 : (mn_entry_row(x) > mn_entry_row(y)) - (mn_entry_row(x) < mn_entry_row(y));
}

/* ---- begin and end ---- */

enum mn_status mn_spill_make(struct mn_store *store, uint64_t memory_bytes,
                             const struct mn_watch *watch, struct mn_spill **out)
{
    struct mn_spill *spill = mn_zalloc(sizeof *spill);
    uint64_t fan = memory_bytes / BLOCK;
    enum mn_status status;

    *out = NULL;
    if (!spill) return mn_fail_nomem();
    spill->watch = watch;
    spill->fan = fan < RUNS_LEAST ? RUNS_LEAST : fan > RUNS_MOST ? RUNS_MOST : (size_t)fan;
    spill->block = mn_alloc(BLOCK);
    status = spill->block ? mn_store_scratch(store, &spill->file) : mn_fail_nomem();
    if (status != MN_OK) {
        mn_spill_free(spill);
        return status;
    }
    *out = spill;
    return MN_OK;
}

static void readers_free(struct mn_spill *spill)
{
    for (size_t i = 0; i < spill->reader_count; i++) mn_buf_release(&spill->readers[i].buf);
    mn_dealloc(spill->readers);
    mn_dealloc(spill->heap);
    mn_buf_release(&spill->kept);
    spill->readers = NULL;
    spill->heap = NULL;
    spill->reader_count = spill->heap_count = 0;
    spill->any = false;
}

void mn_spill_free(struct mn_spill *spill)
{
    if (!spill) return;
    readers_free(spill);
    if (spill->file) spill->file->ops->close(spill->file);
    mn_dealloc(spill->block);
    mn_dealloc(spill->runs);
    mn_dealloc(spill);
}

/* ---- writing ---- */

static enum mn_status block_write(struct mn_spill *spill)
{
    enum mn_status status;

    if (spill->filled == 0) return MN_OK;
    mn_put_u64(spill->block + spill->filled, mn_hash(spill->block, spill->filled, spill->end));
    status = mn_file_write(spill->file, spill->end, spill->block, spill->filled + HASH_BYTES);
    if (status == MN_FULL) {
        return mn_hint("rows that are sorted need room in the database's folder, as much as they "
                       "take; a larger memory_limit sorts more of them in memory");
    }
    if (status != MN_OK) return status;
    spill->end += BLOCK;
    spill->filled = 0;
    return MN_OK;
}

static enum mn_status bytes_write(struct mn_spill *spill, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        size_t some = BLOCK_ROOM - spill->filled;
        enum mn_status status;

        if (some > count) some = count;
        memcpy(spill->block + spill->filled, bytes, some);
        spill->filled += some;
        bytes += some;
        count -= some;
        status = spill->filled == BLOCK_ROOM ? block_write(spill) : MN_OK;
        if (status != MN_OK) return status;
    }
    return MN_OK;
}

static enum mn_status entry_write(struct mn_spill *spill, struct run *run,
                                  const struct mn_sorter_entry *entry)
{
    size_t bytes = MN_ENTRY_ROW_BYTES + (size_t)entry->key_bytes + entry->value_bytes;
    uint8_t head[HEAD_BYTES];
    enum mn_status status;

    mn_put_u32(head, entry->value_bytes);
    mn_put_u16(head + 4, entry->key_bytes);
    mn_put_u16(head + 6, entry->unique_bytes);
    status = bytes_write(spill, head, sizeof head);
    if (status == MN_OK) status = bytes_write(spill, entry->at, bytes);
    run->bytes += sizeof head + bytes;
    run->entries++;
    return status;
}

static enum mn_status run_end(struct mn_spill *spill, const struct run *run)
{
    enum mn_status status = block_write(spill);

    if (status != MN_OK) return status;
    if (!mn_grow(&spill->runs, &spill->run_capacity, spill->run_count + 1, sizeof *spill->runs)) {
        return mn_fail_nomem();
    }
    spill->runs[spill->run_count++] = *run;
    return MN_OK;
}

/* ---- reading ---- */

/* Puts the next block behind what the buffer still has to give. */
static enum mn_status block_read(struct mn_spill *spill, struct reader *reader)
{
    struct mn_range at = {reader->run.start + reader->block * BLOCK, HASH_BYTES};
    struct mn_buf *buf = &reader->buf;
    size_t rest = buf->len - reader->used, got = 0, some = BLOCK_ROOM;
    uint8_t *to;
    enum mn_status status;

    if (some > reader->left) some = (size_t)reader->left;
    at.length += some;
    if (rest) memmove(buf->data, buf->data + reader->used, rest);
    buf->len = rest;
    reader->used = 0;
    status = mn_buf_reserve(buf, at.length);
    if (status != MN_OK) return status;
    to = buf->data + rest;
    status = spill->file->ops->pread(spill->file, to, at, &got);
    if (status != MN_OK) return status;
    if (some == 0 || got != at.length || mn_get_u64(to + some) != mn_hash(to, some, at.start)) {
        return mn_fail(MN_IOERR, "a file for sorting does not give what was written to it");
    }
    buf->len += some;
    reader->left -= some;
    reader->block++;
    return MN_OK;
}

/* What the entry that was given last points to goes with its block. */
static enum mn_status given_keep(struct mn_spill *spill, const struct reader *reader)
{
    size_t bytes = MN_ENTRY_ROW_BYTES + (size_t)spill->given.key_bytes;
    enum mn_status status;

    if (!spill->any || spill->given.at != reader->at_hand.at) return MN_OK;
    spill->kept.len = 0;
    status = mn_buf_append(&spill->kept, spill->given.at, bytes);
    spill->given.at = spill->kept.data;
    spill->given.value_bytes = 0;
    return status;
}

/* At least so many bytes behind `used`. */
static enum mn_status reader_fill(struct mn_spill *spill, struct reader *reader, size_t bytes)
{
    enum mn_status status = MN_OK;

    if (reader->buf.len - reader->used >= bytes) return MN_OK;
    status = given_keep(spill, reader);
    while (status == MN_OK && reader->buf.len - reader->used < bytes) {
        status = block_read(spill, reader);
    }
    return status;
}

/* The next entry of a run that has one. */
static enum mn_status reader_next(struct mn_spill *spill, struct reader *reader)
{
    struct mn_sorter_entry *entry = &reader->at_hand;
    enum mn_status status = reader_fill(spill, reader, HEAD_BYTES);
    const uint8_t *head;
    size_t bytes;

    if (status != MN_OK) return status;
    head = reader->buf.data + reader->used;
    entry->value_bytes = mn_get_u32(head);
    entry->key_bytes = mn_get_u16(head + 4);
    entry->unique_bytes = mn_get_u16(head + 6);
    bytes = HEAD_BYTES + MN_ENTRY_ROW_BYTES + (size_t)entry->key_bytes + entry->value_bytes;
    status = reader_fill(spill, reader, bytes);
    if (status != MN_OK) return status;
    entry->at = reader->buf.data + reader->used + HEAD_BYTES;
    entry->word = mn_entry_word(mn_bytes_of(mn_entry_key(entry), entry->key_bytes));
    reader->used += bytes;
    return MN_OK;
}

/* ---- merging ---- */

static bool reader_is_less(const struct mn_spill *spill, uint32_t a, uint32_t b)
{
    const struct mn_sorter_entry *x = &spill->readers[a].at_hand, *y = &spill->readers[b].at_hand;
    int order;

    if (x->word != y->word) return x->word < y->word;
    order = mn_entry_order(x, y);
    return order ? order < 0 : a < b;
}

static void heap_sink(struct mn_spill *spill, size_t at)
{
    uint32_t *heap = spill->heap, moved = heap[at];

    for (size_t child; (child = 2 * at + 1) < spill->heap_count; at = child) {
        if (child + 1 < spill->heap_count && reader_is_less(spill, heap[child + 1], heap[child])) {
            child++;
        }
        if (!reader_is_less(spill, heap[child], moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static enum mn_status readers_begin(struct mn_spill *spill, size_t first, size_t count)
{
    spill->readers = mn_zalloc(count * sizeof *spill->readers);
    spill->heap = mn_alloc(count * sizeof *spill->heap);
    if (!spill->readers || !spill->heap) return mn_fail_nomem();
    spill->reader_count = count;
    for (size_t i = 0; i < count; i++) {
        struct reader *reader = &spill->readers[i];
        enum mn_status status;

        reader->run = spill->runs[first + i];
        reader->left = reader->run.bytes;
        reader->entries = reader->run.entries;
        status = reader_next(spill, reader);
        if (status != MN_OK) return status;
        spill->heap[i] = (uint32_t)i;
    }
    spill->heap_count = count;
    for (size_t i = count / 2; i-- > 0;) heap_sink(spill, i);
    return MN_OK;
}

/* The reader of the entry that was given last goes on. */
static enum mn_status least_advance(struct mn_spill *spill)
{
    struct reader *reader = &spill->readers[spill->heap[0]];

    if (--reader->entries > 0) {
        enum mn_status status = reader_next(spill, reader);

        if (status != MN_OK) return status;
    } else {
        spill->heap[0] = spill->heap[--spill->heap_count];
    }
    if (spill->heap_count > 0) heap_sink(spill, 0);
    return MN_OK;
}

enum mn_status mn_spill_next(struct mn_spill *spill, const struct mn_sorter_entry **entry,
                             const struct mn_sorter_entry **before)
{
    enum mn_status status = MN_OK;

    *entry = NULL;
    *before = NULL;
    if (spill->any) {
        spill->given = spill->readers[spill->heap[0]].at_hand;
        status = least_advance(spill);
        *before = &spill->given;
    }
    if (status != MN_OK || spill->heap_count == 0) return status;
    spill->any = true;
    *entry = &spill->readers[spill->heap[0]].at_hand;
    return MN_OK;
}

/* The last `count` runs, all of one level, become one of the next. */
static enum mn_status runs_join(struct mn_spill *spill, size_t count)
{
    size_t first = spill->run_count - count;
    struct run made = {.start = spill->end, .level = spill->runs[first].level + 1};
    const struct mn_sorter_entry *entry, *before;
    enum mn_status status = readers_begin(spill, first, count);

    while (status == MN_OK) {
        status = mn_spill_next(spill, &entry, &before);
        if (status != MN_OK || !entry) break;
        status = entry_write(spill, &made, entry);
        if (status == MN_OK && made.entries % MN_ENTRIES_BETWEEN_TICKS == 0) {
            status = mn_watch_tick(spill->watch);
        }
    }
    readers_free(spill);
    if (status != MN_OK) return status;
    spill->run_count = first;
    return run_end(spill, &made);
}

/* How many of the last runs are of the level of the last one. */
static size_t runs_alike(const struct mn_spill *spill)
{
    size_t count = 0;

    while (count < spill->run_count && spill->runs[spill->run_count - 1 - count].level ==
                                           spill->runs[spill->run_count - 1].level) {
        count++;
    }
    return count;
}

enum mn_status mn_spill_run(struct mn_spill *spill, const struct mn_sorter_entry *entries,
                            size_t count)
{
    struct run made = {.start = spill->end};
    enum mn_status status = MN_OK;

    for (size_t i = 0; status == MN_OK && i < count; i++) {
        status = entry_write(spill, &made, &entries[i]);
    }
    if (status == MN_OK) status = run_end(spill, &made);
    while (status == MN_OK && runs_alike(spill) >= spill->fan) {
        status = runs_join(spill, spill->fan);
    }
    return status;
}

enum mn_status mn_spill_begin(struct mn_spill *spill)
{
    enum mn_status status = MN_OK;

    /* Those of the lowest levels first, which are the last and the smallest. */
    while (status == MN_OK && spill->run_count > spill->fan) {
        size_t over = spill->run_count - spill->fan + 1;

        status = runs_join(spill, over < spill->fan ? over : spill->fan);
    }
    return status == MN_OK ? readers_begin(spill, 0, spill->run_count) : status;
}
