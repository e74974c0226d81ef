/*
 * sorter: sorting entries by key, and bringing them into a tree.
 */
#include "index/sorter.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"

/*
 * Keys and values lie in chunks, the first small, so that a load moves nothing as it grows.
 *
 * Sorting goes eight bytes of the key at a time: entries of one run are put in order by the word
 * behind what all their keys begin with, by radix passes over the bytes in which the words differ;
 * then each run of equal words is sorted by what follows. Only short, deep or odd runs are
 * compared key by key. The first word is kept beside the entry: where it tells keys apart, as row
 * ids, no key is read.
 */
enum { WORD = MN_ENTRY_WORD, ROW_BYTES = MN_ENTRY_ROW_BYTES };
enum { SMALL_RUN = 24, DEPTH_MAX = 32, DIGITS = 256 };
enum { FETCH_AHEAD = 12, CHUNK_LEAST = 1 << 16, CHUNK_MOST = 1 << 22 };

/* Memory for entries, and what is in it. */
static void chunks_free(struct mn_sorter *sorter)
{
    for (size_t i = 0; i < sorter->chunk_count; i++) mn_dealloc(sorter->chunks[i].bytes);
    mn_dealloc(sorter->chunks);
    mn_buf_release(&sorter->entries);
    *sorter =
        (struct mn_sorter){.tree = sorter->tree, .spill = sorter->spill, .watch = sorter->watch};
}

void mn_sorter_release(struct mn_sorter *sorter)
{
    chunks_free(sorter);
    mn_spill_free(sorter->spill);
    sorter->spill = NULL;
}

size_t mn_sorter_bytes(const struct mn_sorter *sorter)
{
    return sorter->entries.len + sorter->bytes;
}

bool mn_sorter_is_empty(const struct mn_sorter *sorter)
{
    return sorter->entries.len == 0 && !sorter->spill;
}

/* All entries are gone; their memory is for the next. */
static void sorter_clear(struct mn_sorter *sorter)
{
    sorter->entries.len = sorter->bytes = 0;
    sorter->chunk = sorter->used = 0;
}

/* The next chunk, of at least that size: one of before, or a new one. */
static bool chunk_next(struct mn_sorter *sorter, size_t need)
{
    size_t at = sorter->chunk_count ? sorter->chunk + 1 : 0, size = CHUNK_LEAST;
    struct mn_sorter_chunk *chunk;

    if (at == sorter->chunk_count) {
        if (!mn_grow(&sorter->chunks, &sorter->chunk_capacity, at + 1, sizeof *sorter->chunks)) {
            return false;
        }
        sorter->chunks[at] = (struct mn_sorter_chunk){NULL, 0};
        sorter->chunk_count++;
    }
    chunk = &sorter->chunks[at];
    if (chunk->size < need) {
        if (at > 0) size = sorter->chunks[at - 1].size * 2;
        if (size > CHUNK_MOST) size = CHUNK_MOST;
        if (size < need) size = need;
        mn_dealloc(chunk->bytes);
        chunk->bytes = mn_alloc(size);
        chunk->size = chunk->bytes ? size : 0;
    }
    sorter->chunk = at;
    sorter->used = 0;
    return chunk->bytes != NULL;
}

uint8_t *mn_sorter_room(struct mn_sorter *sorter, const struct mn_sorted *entry)
{
    size_t need = ROW_BYTES + entry->key.len + entry->value.len;
    struct mn_sorter_entry made = {.word = mn_entry_word(entry->key),
                                   .key_bytes = (uint16_t)entry->key.len,
                                   .value_bytes = (uint32_t)entry->value.len,
                                   .unique_bytes = (uint16_t)entry->unique_bytes};
    struct mn_buf *entries = &sorter->entries;
    uint8_t *at;

    if (entries->capacity - entries->len < sizeof made &&
        mn_buf_reserve(entries, sizeof made) != MN_OK) {
        return NULL;
    }
    if ((sorter->chunk_count == 0 || sorter->chunks[sorter->chunk].size - sorter->used < need) &&
        !chunk_next(sorter, need)) {
        mn_fail_nomem();
        return NULL;
    }
    at = sorter->chunks[sorter->chunk].bytes + sorter->used;
    made.at = at;
    mn_put_u64(at, entry->row);
    if (entry->key.len == WORD) {
        memcpy(at + ROW_BYTES, entry->key.data, WORD); /* row ids: no call */
    } else if (entry->key.len) {
        memcpy(at + ROW_BYTES, entry->key.data, entry->key.len);
    }
    memcpy(entries->data + entries->len, &made, sizeof made);
    entries->len += sizeof made;
    sorter->used += need;
    sorter->bytes += need;
    return at + ROW_BYTES + entry->key.len;
}

enum mn_status mn_sorter_add(struct mn_sorter *sorter, const struct mn_sorted *entry)
{
    uint8_t *at = mn_sorter_room(sorter, entry);

    if (!at) return MN_NOMEM;
    if (entry->value.len) memcpy(at, entry->value.data, entry->value.len);
    return MN_OK;
}

/* ---- sorting ---- */

static uint64_t word_at(const struct mn_sorter_entry *entry, size_t offset)
{
    const uint8_t *key = mn_entry_key(entry);
    uint64_t word = 0;

    if (offset + WORD <= entry->key_bytes) return mn_get_u64_be(key + offset);
    for (size_t i = 0; i < WORD; i++) {
        word = word << 8 | (offset + i < entry->key_bytes ? key[offset + i] : 0);
    }
    return word;
}

/* How many bytes from offset on all keys share. */
static size_t common_bytes(const struct mn_sorter_entry *entries, size_t count, size_t offset)
{
    const uint8_t *first = mn_entry_key(&entries[0]) + offset;
    size_t common = entries[0].key_bytes - offset;

    for (size_t i = 1; i < count && common > 0; i++) {
        const uint8_t *key = mn_entry_key(&entries[i]) + offset;
        size_t least = entries[i].key_bytes - offset;

        if (common > least) common = least;
        for (size_t n = 0; n < common; n++) {
            if (key[n] != first[n]) common = n;
        }
    }
    return common;
}

/* Stable passes over the bytes of the word that are not the same in all; the result is in entries.
 */
static void radix_sort(struct mn_sorter_entry *entries, struct mn_sorter_entry *scratch,
                       size_t count, uint64_t differ)
{
    struct mn_sorter_entry *from = entries, *to = scratch;

    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t starts[DIGITS] = {0}, sum = 0;
        struct mn_sorter_entry *swap = from;

        if ((differ >> shift & 0xff) == 0) continue;
        for (size_t i = 0; i < count; i++) starts[from[i].word >> shift & 0xff]++;
        for (size_t d = 0; d < DIGITS; d++) {
            size_t n = starts[d];

            starts[d] = sum;
            sum += n;
        }
        for (size_t i = 0; i < count; i++) to[starts[from[i].word >> shift & 0xff]++] = from[i];
        from = to;
        to = swap;
    }
    if (from != entries) memcpy(entries, from, count * sizeof *entries);
}

/* The words of the run, and how they differ. `ends`: a key ends within its word. */
static uint64_t words_read(struct mn_sorter_entry *entries, size_t count, size_t offset, bool *ends)
{
    uint64_t differ = 0;

    for (size_t i = 0; i < count; i++) {
        entries[i].word = word_at(&entries[i], offset);
        differ |= entries[i].word ^ entries[0].word;
        *ends = *ends || entries[i].key_bytes < offset + WORD;
    }
    return differ;
}

/* Are the first words, which are there already, of keys of one word? */
static bool words_are_keys(const struct mn_sorter_entry *entries, size_t count, uint64_t *differ)
{
    uint32_t odd = 0;

    for (size_t i = 0; i < count; i++) {
        *differ |= entries[i].word ^ entries[0].word;
        odd |= entries[i].key_bytes ^ (uint32_t)WORD;
    }
    return odd == 0;
}

static void run_sort(struct mn_sorter_entry *entries, struct mn_sorter_entry *scratch, size_t count,
                     size_t offset, int depth)
{
    uint64_t differ = 0;
    bool ends = false;

    if (count < 2) return;
    if (count <= SMALL_RUN || depth > DEPTH_MAX) {
        qsort(entries, count, sizeof *entries, mn_entry_order);
        return;
    }
    if (depth > 0 || !words_are_keys(entries, count, &differ)) {
        offset += common_bytes(entries, count, offset);
        differ = words_read(entries, count, offset, &ends);
    }
    radix_sort(entries, scratch, count, differ);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && entries[end].word == entries[begin].word;) end++;
        if (ends && end - begin > 1) { /* zeros of a key and zeros past its end are not the same */
            qsort(entries + begin, end - begin, sizeof *entries, mn_entry_order);
        } else {
            run_sort(entries + begin, scratch, end - begin, offset + WORD, depth + 1);
        }
    }
}

static enum mn_status entries_sort(struct mn_sorter *sorter, struct mn_sorter_entry **sorted,
                                   size_t *count)
{
    struct mn_sorter_entry *entries = (struct mn_sorter_entry *)(void *)sorter->entries.data,
                           *scratch;
    bool ascending = true;

    *sorted = entries;
    *count = sorter->entries.len / sizeof *entries;
    for (size_t i = 1; i < *count && ascending; i++) {
        ascending = mn_entry_order(&entries[i - 1], &entries[i]) < 0;
    }
    if (ascending) return MN_OK;
    scratch = mn_alloc(*count * sizeof *scratch);
    if (!scratch) return mn_fail_nomem();
    run_sort(entries, scratch, *count, 0, 0);
    mn_dealloc(scratch);
    return MN_OK;
}

/* ---- into the tree ---- */

static struct mn_bytes entry_key(const struct mn_sorter_entry *entry)
{
    return mn_bytes_of(mn_entry_key(entry), entry->key_bytes);
}

static struct mn_bytes entry_value(const struct mn_sorter_entry *entry)
{
    return mn_bytes_of(mn_entry_key(entry) + entry->key_bytes, entry->value_bytes);
}

/* Two neighbours that may not both be. */
static bool entries_clash(const struct mn_sorter_entry *a, const struct mn_sorter_entry *b)
{
    uint32_t bytes = a->unique_bytes;

    if (a->key_bytes == WORD && b->key_bytes == WORD && bytes == WORD) {
        return mn_get_u64(mn_entry_key(a)) == mn_get_u64(mn_entry_key(b));
    }
    if (a->key_bytes == b->key_bytes &&
        memcmp(mn_entry_key(a), mn_entry_key(b), a->key_bytes) == 0) {
        return true;
    }
    return bytes > 0 && bytes == b->unique_bytes && bytes <= b->key_bytes &&
           memcmp(mn_entry_key(a), mn_entry_key(b), bytes) == 0;
}

static enum mn_status clash_report(const struct mn_sorter_entry *entry, struct mn_clash *clash)
{
    *clash = (struct mn_clash){entry_key(entry), mn_entry_row(entry)};
    return MN_EXISTS;
}

/* True where the tree holds nothing at or above the first key. */
static enum mn_status tree_is_below(struct mn_view *view, uint64_t tree, struct mn_bytes first,
                                    bool *below)
{
    struct mn_cursor *cursor;
    bool found = false;
    enum mn_status status = mn_cursor_open(view, tree, &cursor);

    if (status != MN_OK) return status;
    status = mn_cursor_seek(cursor, first, MN_SEEK_GE, &found);
    mn_cursor_close(cursor);
    *below = !found;
    return status;
}

/* Finds out whether the tree has a key with the entry's unique bytes, beside the one just below
 * that a seek cannot see. */
static enum mn_status tree_clashes(struct mn_cursor *cursor, const struct mn_sorter_entry *entry,
                                   bool *clashes)
{
    struct mn_item item;
    enum mn_status status;

    status = mn_cursor_seek(cursor, mn_bytes_of(mn_entry_key(entry), entry->unique_bytes),
                            MN_SEEK_GE, clashes);
    if (status != MN_OK || !*clashes) return status;
    status = mn_cursor_item(cursor, &item);
    if (status == MN_OK) {
        *clashes = item.key.len >= entry->unique_bytes &&
                   memcmp(item.key.data, mn_entry_key(entry), entry->unique_bytes) == 0;
    }
    return status;
}

/* What a flush brings into the tree, one after the other: sorted in memory, or merged. */
struct stream {
    const struct mn_sorter_entry *entries;
    size_t count, next;
    struct mn_spill *spill;                       /* NULL: the entries are all there is */
    const struct mn_sorter_entry *entry, *before; /* NULL: behind the last; at the first */
    const struct mn_watch *watch;
    size_t given; /* entries so far */
};

/* Sorted entries lie anywhere: their bytes are asked for in time. */
static void entry_fetch(const struct stream *stream, size_t i)
{
    if (i >= stream->count) return;
    __builtin_prefetch(stream->entries[i].at);
    __builtin_prefetch(stream->entries[i].at + 64);
    __builtin_prefetch(stream->entries[i].at + 128);
}

static inline enum mn_status stream_next(struct stream *stream)
{
    if (++stream->given % MN_ENTRIES_BETWEEN_TICKS == 0) {
        enum mn_status status = mn_watch_tick(stream->watch);

        if (status != MN_OK) return status;
    }
    if (stream->spill) return mn_spill_next(stream->spill, &stream->entry, &stream->before);
    stream->before = stream->entry;
    stream->entry = stream->next < stream->count ? &stream->entries[stream->next++] : NULL;
    entry_fetch(stream, stream->next + FETCH_AHEAD);
    return MN_OK;
}

static bool stream_clashes(const struct stream *stream)
{
    return stream->before && entries_clash(stream->before, stream->entry);
}

/* Both begin with the stream's first entry. */
static enum mn_status stream_append(struct stream *stream, struct mn_view *view, uint64_t tree,
                                    struct mn_clash *clash)
{
    struct mn_bulk *bulk;
    enum mn_status status = mn_bulk_begin(view, tree, &bulk), ended;

    if (status != MN_OK) return status;
    while (status == MN_OK && stream->entry) {
        if (stream_clashes(stream)) {
            status = clash_report(stream->entry, clash);
        } else {
            status = mn_bulk_add(bulk, entry_key(stream->entry), entry_value(stream->entry));
        }
        if (status == MN_OK) status = stream_next(stream);
    }
    ended = mn_bulk_end(bulk);
    return status == MN_OK ? ended : status;
}

static enum mn_status stream_merge(struct stream *stream, struct mn_view *view, uint64_t tree,
                                   struct mn_clash *clash)
{
    struct mn_cursor *cursor;
    enum mn_status status = mn_cursor_open(view, tree, &cursor);

    while (status == MN_OK && stream->entry) {
        const struct mn_sorter_entry *entry = stream->entry;
        bool clashes = stream_clashes(stream);

        if (!clashes && entry->unique_bytes > 0 && entry->unique_bytes < entry->key_bytes) {
            status = tree_clashes(cursor, entry, &clashes);
        }
        if (status == MN_OK && !clashes) {
            status = mn_tree_put(view, tree, entry_key(entry), entry_value(entry), MN_PUT_INSERT);
        }
        if (clashes || status == MN_EXISTS) status = clash_report(entry, clash);
        if (status == MN_OK) status = stream_next(stream);
    }
    mn_cursor_close(cursor);
    return status;
}

/* Into the tree: behind all that is there, or among it. */
static enum mn_status stream_bring(struct stream *stream, struct mn_view *view, uint64_t tree,
                                   struct mn_clash *clash)
{
    const struct mn_sorter_entry *first;
    bool below;
    enum mn_status status = stream_next(stream);

    first = stream->entry;
    if (status != MN_OK || !first) return status;
    status = tree_is_below(view, tree, entry_key(first), &below);
    if (status == MN_OK && below && first->unique_bytes > 0 &&
        first->unique_bytes < first->key_bytes) {
        status = tree_is_below(view, tree, mn_bytes_of(mn_entry_key(first), first->unique_bytes),
                               &below);
    }
    if (status != MN_OK) return status;
    return below ? stream_append(stream, view, tree, clash)
                 : stream_merge(stream, view, tree, clash);
}

/* ---- flush and spill ---- */

/* Memory to the file. */
static enum mn_status run_write(struct mn_sorter *sorter)
{
    struct mn_sorter_entry *entries;
    size_t count;
    enum mn_status status = entries_sort(sorter, &entries, &count);

    if (status == MN_OK && count > 0) status = mn_spill_run(sorter->spill, entries, count);
    if (status == MN_OK) sorter_clear(sorter);
    return status;
}

static enum mn_status spilled_flush(struct mn_sorter *sorter, struct mn_view *view,
                                    struct mn_clash *clash)
{
    struct stream stream = {.spill = sorter->spill, .watch = sorter->watch};
    enum mn_status status = run_write(sorter);

    if (status != MN_OK) return status;
    chunks_free(sorter); /* merging takes as much */
    status = mn_spill_begin(sorter->spill);
    if (status == MN_OK) status = stream_bring(&stream, view, sorter->tree, clash);
    if (status != MN_OK) return status;
    mn_spill_free(sorter->spill);
    sorter->spill = NULL;
    return MN_OK;
}

enum mn_status mn_sorter_flush(struct mn_sorter *sorter, struct mn_view *view,
                               struct mn_clash *clash)
{
    struct mn_sorter_entry *entries;
    struct stream stream = {.watch = sorter->watch};
    enum mn_status status;

    if (sorter->spill) return spilled_flush(sorter, view, clash);
    status = entries_sort(sorter, &entries, &stream.count);
    stream.entries = entries;
    if (status == MN_OK) status = stream_bring(&stream, view, sorter->tree, clash);
    if (status == MN_OK) sorter_clear(sorter);
    return status;
}

enum mn_status mn_sorter_spill(struct mn_sorter *sorter, struct mn_view *view,
                               uint64_t memory_bytes, struct mn_clash *clash)
{
    struct mn_store *store = mn_view_store(view);
    enum mn_status status;

    if (sorter->spill) return run_write(sorter);
    if (mn_store_in_memory(store)) return mn_sorter_flush(sorter, view, clash);
    status = mn_spill_make(store, memory_bytes, sorter->watch, &sorter->spill);
    if (status == MN_READONLY_DB) return mn_sorter_flush(sorter, view, clash);
    return status == MN_OK ? run_write(sorter) : status;
}
