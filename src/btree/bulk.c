/*
 * bulk: appending sorted entries with full leaves, each page written once.
 *
 * The path to the rightmost leaf stays open and writable. What lies left of it is full for good: it
 * goes to its place in the file at once, but for branches above leaves, which go together with the
 * one above them. So a bulk build keeps one path and a branch's children in memory, whatever its
 * size.
 *
 *   stage   a draft of a dense leaf, or  | key, length, value | key, length, value | ...
 *
 * The rightmost leaf is filled from a stage: plain entries are gathered there until they would no
 * longer fit into a page; then a leaf is made of them in one pass, goes to its place at once, and
 * the rightmost one is behind it. Until then that holds one entry. Numbers are gathered as a draft
 * (draft.h), until one comes that a dense leaf cannot hold.
 *
 *   (B1) the stage is empty, or what the rightmost leaf will hold: a leaf of one entry until then,
 *        the first of the stage or of one before it
 *   (B2) entries not yet counted above the leaf are `pending`
 *
 * Any other entry, and one for which the parent has no room, goes by the ordinary insert after the
 * stage was emptied. One that stands alone in its leaf then begins the next stage.
 */
#include <string.h>

#include "base/alloc.h"
#include "btree/draft.h"
#include "btree/inside.h"

enum { STAGE_PAGES = 4, NUMBER_BYTES = MN_DENSE_KEY_BYTES, LEAVES_BELOW = 3 };

struct stage {
    uint8_t *bytes;
    size_t used, capacity;
    struct mn_packed *cells;
    uint32_t count;
    size_t common;         /* bytes that all keys begin with */
    bool drafting;         /* what is staged is in the draft, and none of it in `bytes` */
    struct mn_draft draft; /* where leaves may be dense */
};

struct mn_bulk {
    struct mn_view *view;
    struct mn_scratch *scratch;
    struct mn_root root;
    struct mn_path path; /* rightmost and writable; depth 0: the tree is empty */
    uint32_t page_size, inline_max;
    struct stage stage;
    bool may_be_dense;
    const uint8_t *next;       /* mn_page_next, for the leaf that is being drafted; or NULL */
    bool full;                 /* the entry at hand does not fit into the leaf */
    uint64_t pending;          /* entries appended to the leaf and not yet counted above it */
    uint64_t seals, rollbacks; /* of the scratch when the path was taken */
    uint8_t *last;             /* the last key where the stage is empty, to check the order */
    size_t last_len, last_capacity;
    bool any;
};

static enum mn_status last_keep(struct mn_bulk *bulk, struct mn_bytes key)
{
    if (!mn_grow(&bulk->last, &bulk->last_capacity, key.len, 1)) return mn_fail_nomem();
    if (key.len) memcpy(bulk->last, key.data, key.len);
    bulk->last_len = key.len;
    bulk->any = true;
    return MN_OK;
}

/* Takes the path anew, from the root down the last children. */
static enum mn_status rightmost_open(struct mn_bulk *bulk)
{
    struct mn_path *path = &bulk->path;
    enum mn_status status = mn_path_root(path, bulk->view, &bulk->root);

    for (uint32_t level = 0; status == MN_OK && level < path->depth; level++) {
        path->step[level].index = mn_node_count(path->step[level].page) - 1;
        if (level + 1 < path->depth) status = mn_path_down(path, level);
    }
    bulk->seals = bulk->scratch->seals;
    if (status == MN_OK) status = mn_path_edit(path, &bulk->root);
    /* The root is kept where a seal finds it, if another tree's change makes one. */
    return status == MN_OK ? mn_root_set(bulk->view, &bulk->root) : status;
}

/* Takes the path anew where another tree's change sealed it; entries are counted here alone. */
static enum mn_status path_refresh(struct mn_bulk *bulk)
{
    uint64_t entries = bulk->root.entries;
    enum mn_status status;

    if (bulk->rollbacks != bulk->scratch->rollbacks) {
        return mn_fail(MN_MISUSE, "a bulk build does not survive the rollback of a savepoint");
    }
    if (bulk->seals == bulk->scratch->seals) return MN_OK;
    status = mn_root_get(bulk->view, bulk->root.tree, &bulk->root);
    bulk->root.entries = entries;
    return status == MN_OK ? rightmost_open(bulk) : status;
}

static enum mn_status last_read(struct mn_bulk *bulk)
{
    struct mn_cursor *cursor;
    struct mn_item item;
    bool found = false;
    enum mn_status status = mn_cursor_open(bulk->view, bulk->root.tree, &cursor);

    if (status != MN_OK) return status;
    status = mn_cursor_last(cursor, &found);
    if (status == MN_OK && found) status = mn_cursor_item(cursor, &item);
    if (status == MN_OK && found) status = last_keep(bulk, item.key);
    mn_cursor_close(cursor);
    return status;
}

static void bulk_free(struct mn_bulk *bulk)
{
    mn_dealloc(bulk->stage.bytes);
    mn_dealloc(bulk->stage.cells);
    mn_draft_free(&bulk->stage.draft);
    mn_dealloc(bulk->last);
    mn_dealloc(bulk);
}

static enum mn_status stage_make(struct mn_bulk *bulk)
{
    struct stage *stage = &bulk->stage;

    stage->capacity = (size_t)STAGE_PAGES * bulk->page_size;
    stage->bytes = mn_alloc(stage->capacity);
    stage->cells = mn_alloc(bulk->page_size / MN_ENTRY_LEAST * sizeof *stage->cells);
    if (!stage->bytes || !stage->cells) return mn_fail_nomem();
    return bulk->may_be_dense ? mn_draft_make(&stage->draft, bulk->page_size) : MN_OK;
}

enum mn_status mn_bulk_begin(struct mn_view *view, uint64_t tree, struct mn_bulk **out)
{
    struct mn_bulk *bulk;
    enum mn_status status;

    *out = NULL;
    if (!mn_view_writable(view)) {
        return mn_fail(MN_READONLY_DB, "this transaction only reads");
    }
    bulk = mn_zalloc(sizeof *bulk);
    if (!bulk) return mn_fail_nomem();
    bulk->view = view;
    bulk->page_size = mn_view_page_size(view);
    bulk->inline_max = mn_node_inline_max(bulk->page_size);
    bulk->may_be_dense = mn_node_may_be_dense(&(struct mn_node){NULL, bulk->page_size, bulk->view});
    status = stage_make(bulk);
    if (status == MN_OK) status = mn_scratch_get(view, &bulk->scratch);
    if (status == MN_OK) bulk->rollbacks = bulk->scratch->rollbacks;
    if (status == MN_OK) status = mn_root_get(view, tree, &bulk->root);
    if (status == MN_OK) status = last_read(bulk);
    if (status == MN_OK) status = rightmost_open(bulk);
    if (status != MN_OK) {
        bulk_free(bulk);
        return status;
    }
    *out = bulk;
    return MN_OK;
}

static enum mn_status plant(struct mn_bulk *bulk)
{
    struct mn_step *step = &bulk->path.step[0];
    enum mn_status status = mn_page_new(bulk->view, MN_PAGE_LEAF, &step->ref, &step->page);

    if (status != MN_OK) return status;
    mn_page_set_label(step->page, bulk->root.tree);
    step->index = 0;
    bulk->path.depth = 1;
    bulk->root.ref = step->ref;
    bulk->root.height = 1;
    return mn_root_set(bulk->view, &bulk->root);
}

/*
 * What lies left of the path under the same parents is full: it goes to its place. Branches above
 * leaves wait for the one above them, and lie side by side then: a search in a file of gigabytes
 * reads one of them and a leaf, and what is strewn among the leaves costs it a second page of the
 * processor's page tables.
 */
static enum mn_status left_place(struct mn_bulk *bulk)
{
    struct mn_path *path = &bulk->path;
    enum mn_status status = MN_OK;

    for (uint32_t level = path->depth - 1; status == MN_OK && level-- > 0;) {
        const struct mn_step *step = &path->step[level];
        struct mn_ref ref;

        if (step->index == 0 || level + LEAVES_BELOW == path->depth) continue;
        ref = mn_node_child(step->page, step->index - 1);
        if (!mn_ref_is_dirty(ref)) continue;
        status = mn_node_seal(bulk->view, &ref, path->depth - 1 - level);
        mn_node_child_set(step->page, step->index - 1, ref,
                          mn_node_child_entries(step->page, step->index - 1));
    }
    return status;
}

static void pending_count(struct mn_bulk *bulk)
{
    if (bulk->pending > 0) mn_path_count(&bulk->path, (int64_t)bulk->pending);
    bulk->pending = 0;
}

/* ---- the stage ---- */

static size_t common_bytes(struct mn_bytes a, struct mn_bytes b, size_t most)
{
    size_t n = 0, both = a.len < b.len ? a.len : b.len;

    if (most > both) most = both;
    for (; n < most && n + 8 <= both; n += 8) {
        uint64_t differ = mn_get_u64_be(a.data + n) ^ mn_get_u64_be(b.data + n);

        if (differ) {
            n += (size_t)__builtin_clzll(differ) / 8;
            return n < most ? n : most;
        }
    }
    while (n < most && a.data[n] == b.data[n]) n++;
    return n < most ? n : most;
}

static bool key_ascends(struct mn_bytes last, struct mn_bytes key)
{
    size_t common;

    if (last.len == 8 && key.len == 8) return mn_get_u64_be(last.data) < mn_get_u64_be(key.data);
    common = common_bytes(last, key, SIZE_MAX);
    if (common == last.len) return key.len > common;
    return common < key.len && last.data[common] < key.data[common];
}

static bool is_plain(const struct mn_bulk *bulk, struct mn_bytes key, size_t value_bytes)
{
    return key.len <= bulk->inline_max && value_bytes <= bulk->inline_max;
}

static uint32_t stage_count(const struct stage *stage)
{
    return stage->drafting ? stage->draft.count : stage->count;
}

static struct mn_bytes packed_key(const struct stage *stage, uint32_t index)
{
    const struct mn_packed *cell = &stage->cells[index];

    return mn_bytes_of(stage->bytes + cell->at, cell->key_bytes);
}

/* The last key staged; that of a draft is written to `number`. */
static struct mn_bytes stage_last(const struct stage *stage, uint8_t number[NUMBER_BYTES])
{
    if (!stage->drafting) return packed_key(stage, stage->count - 1);
    mn_put_u64_be(number, stage->draft.last);
    return mn_bytes_of(number, NUMBER_BYTES);
}

/* Puts the key there and gives the place of the value. */
static uint8_t *packed_put(struct stage *stage, struct mn_bytes key, size_t value_bytes)
{
    uint8_t *at = stage->bytes + stage->used;
    size_t bytes = key.len + 2 + value_bytes;

    stage->cells[stage->count++] =
        (struct mn_packed){(uint32_t)stage->used, (uint16_t)key.len, (uint16_t)bytes};
    if (key.len == 8) {
        memcpy(at, key.data, 8); /* most keys: no call */
    } else if (key.len) {
        memcpy(at, key.data, key.len);
    }
    mn_put_u16(at + key.len, (uint16_t)value_bytes);
    stage->used += bytes;
    return at + key.len + 2;
}

/* The rightmost leaf has room for one entry, and will have what is staged from here on (B1). */
static void stage_begin(struct mn_bulk *bulk, struct mn_bytes key, struct mn_bytes value)
{
    struct stage *stage = &bulk->stage;
    uint8_t *at;

    stage->count = 0;
    stage->used = 0;
    stage->drafting = bulk->may_be_dense && key.len == NUMBER_BYTES;
    if (stage->drafting) {
        at = mn_draft_begin(&stage->draft, mn_get_u64_be(key.data), value.len);
    } else {
        stage->common = key.len;
        at = packed_put(stage, key, value.len);
    }
    if (value.len) memcpy(at, value.data, value.len);
}

/* What was drafted will be a leaf of another kind. */
static void stage_undraft(struct stage *stage)
{
    const struct mn_draft *draft = &stage->draft;
    uint8_t number[NUMBER_BYTES];

    stage->drafting = false;
    stage->common = mn_draft_common(draft->first, draft->last);
    for (uint32_t i = 0; i < draft->count; i++) {
        struct mn_bytes value = mn_draft_value(draft, i);
        uint8_t *at;

        mn_put_u64_be(number, mn_draft_key(draft, i));
        at = packed_put(stage, mn_bytes_of(number, NUMBER_BYTES), value.len);
        if (value.len) memcpy(at, value.data, value.len);
    }
}

/*
 * Of the page that the leaf will be copied to, as much as the draft grows by. In a large load
 * another thread has written its former content, so every line is in that processor's cache: asked
 * for one by one, all are here when the leaf is full.
 */
static inline void next_fetch(const uint8_t *next, size_t used, size_t value_bytes)
{
    if (!next) return;
    for (size_t at = used & ~(size_t)63; at < used + value_bytes; at += 64) {
        __builtin_prefetch(next + at, 1);
    }
}

/* As mn_bulk_numbers, as long as all keys have the same bytes in common as before. */
static size_t draft_run(struct mn_bulk *bulk, struct mn_numbered *numbers, size_t count)
{
    struct mn_draft draft = bulk->stage.draft; /* in registers */
    const uint8_t *next = bulk->next;
    uint32_t most = bulk->inline_max;
    size_t n = 0;

    if (!bulk->stage.drafting || bulk->rollbacks != bulk->scratch->rollbacks) return 0;
    for (; n < count; n++) {
        uint64_t key = numbers[n].key;
        uint32_t value_bytes = numbers[n].value_bytes;

        if (key <= draft.last || value_bytes > most) break;
        if (!mn_draft_takes(&draft, key, value_bytes)) break;
        next_fetch(next, draft.used, value_bytes);
        numbers[n].at = mn_draft_put(&draft, key, value_bytes);
    }
    bulk->stage.draft = draft;
    bulk->root.entries += n;
    bulk->pending += n;
    return n;
}

uint8_t *mn_bulk_number(struct mn_bulk *bulk, uint64_t key, size_t value_bytes)
{
    struct mn_draft *draft = &bulk->stage.draft;

    if (!bulk->stage.drafting || bulk->rollbacks != bulk->scratch->rollbacks) return NULL;
    if (key <= draft->last || value_bytes > bulk->inline_max) return NULL;
    if (!mn_draft_takes(draft, key, value_bytes)) {
        if (mn_draft_ask(draft, key, value_bytes) != MN_DRAFT_TAKES) return NULL;
        mn_draft_widen(draft, key);
    }
    bulk->root.entries++;
    bulk->pending++;
    next_fetch(bulk->next, draft->used, value_bytes);
    return mn_draft_put(draft, key, value_bytes);
}

size_t mn_bulk_numbers(struct mn_bulk *bulk, struct mn_numbered *numbers, size_t count)
{
    size_t n = draft_run(bulk, numbers, count);

    while (n < count) {
        numbers[n].at = mn_bulk_number(bulk, numbers[n].key, numbers[n].value_bytes);
        if (!numbers[n].at) break;
        n++;
        n += draft_run(bulk, numbers + n, count - n);
    }
    return n;
}

/* Would `count` entries of so many bytes fill more than a page? */
static inline bool packed_is_over(const struct mn_bulk *bulk, size_t count, size_t bytes,
                                  size_t common)
{
    return MN_PAGE_HEADER + common + bytes - count * common + 8 * count > bulk->page_size;
}

/* Would a leaf that is not dense be over with what is drafted and the entry? */
static bool undrafted_is_over(const struct mn_bulk *bulk, struct mn_bytes key, size_t value_bytes)
{
    const struct mn_draft *draft = &bulk->stage.draft;
    size_t bytes = draft->used + draft->count * (NUMBER_BYTES + 2) + key.len + 2 + value_bytes;
    uint8_t first[NUMBER_BYTES];

    mn_put_u64_be(first, draft->first);
    return packed_is_over(bulk, (size_t)draft->count + 1, bytes,
                          common_bytes(mn_bytes_of(first, NUMBER_BYTES), key,
                                       mn_draft_common(draft->first, draft->last)));
}

/* As mn_bulk_room, in a draft. *done false: it goes on as a stage of another kind. */
static uint8_t *draft_room(struct mn_bulk *bulk, struct mn_bytes key, size_t value_bytes,
                           bool *done)
{
    enum mn_draft_answer answer = MN_DRAFT_NOT_DENSE;

    *done = true;
    if (key.len == NUMBER_BYTES) {
        uint64_t number = mn_get_u64_be(key.data);
        uint8_t *at = mn_bulk_number(bulk, number, value_bytes);

        if (at) return at;
        answer = mn_draft_ask(&bulk->stage.draft, number, value_bytes);
    }
    bulk->full = answer == MN_DRAFT_FULL || undrafted_is_over(bulk, key, value_bytes);
    *done = bulk->full;
    if (!*done) stage_undraft(&bulk->stage);
    return NULL;
}

uint8_t *mn_bulk_room(struct mn_bulk *bulk, struct mn_bytes key, size_t value_bytes)
{
    struct stage *stage = &bulk->stage;
    size_t bytes = key.len + 2 + value_bytes, common;
    uint8_t number[NUMBER_BYTES];

    bulk->full = false;
    if (stage_count(stage) == 0 || bulk->rollbacks != bulk->scratch->rollbacks) return NULL;
    if (!is_plain(bulk, key, value_bytes)) return NULL;
    if (!key_ascends(stage_last(stage, number), key)) return NULL;
    if (stage->drafting) {
        bool done;
        uint8_t *at = draft_room(bulk, key, value_bytes, &done);

        if (done) return at;
    }
    if (stage->used + bytes > stage->capacity) return NULL;
    common = common_bytes(packed_key(stage, 0), key, stage->common);
    bulk->full = packed_is_over(bulk, (size_t)stage->count + 1, stage->used + bytes, common);
    if (bulk->full) return NULL;
    stage->common = common;
    bulk->root.entries++;
    bulk->pending++;
    return packed_put(stage, key, value_bytes);
}

static void stage_fill(const struct mn_bulk *bulk, uint8_t *page)
{
    const struct stage *stage = &bulk->stage;
    struct mn_node leaf = {page, bulk->page_size, bulk->view};

    if (stage->drafting) {
        mn_draft_fill(&stage->draft, page);
    } else {
        mn_node_fill(&leaf, stage->bytes, stage->cells, stage->count, (uint32_t)stage->common);
    }
}

/* The leaf is made of what was staged. */
static enum mn_status stage_end(struct mn_bulk *bulk)
{
    struct stage *stage = &bulk->stage;
    uint8_t number[NUMBER_BYTES];
    enum mn_status status;

    if (stage_count(stage) == 0) return MN_OK;
    status = path_refresh(bulk);
    if (status == MN_OK) status = last_keep(bulk, stage_last(stage, number));
    if (status != MN_OK) return status;
    stage_fill(bulk, bulk->path.step[bulk->path.depth - 1].page);
    stage->drafting = false;
    stage->count = 0;
    stage->used = 0;
    return MN_OK;
}

/* A leaf of what is staged goes to its place, and the rightmost one goes on with the entry. *done
 * false: its parent takes no more, nothing has changed. */
static enum mn_status stage_turn(struct mn_bulk *bulk, struct mn_bytes key, struct mn_bytes value,
                                 bool *done)
{
    struct mn_path *path = &bulk->path;
    struct stage *stage = &bulk->stage;
    uint8_t number[NUMBER_BYTES];
    struct mn_cell pair[2] = {{.suffix = stage_last(stage, number)}, {.suffix = key}};
    struct mn_step *above;
    struct mn_ref ref;
    uint8_t *page;
    enum mn_status status = path_refresh(bulk);

    if (status == MN_OK) status = mn_path_turn(path, pair, done);
    if (status != MN_OK || !*done) return status;
    status = mn_page_new_bare(bulk->view, MN_PAGE_LEAF, &ref, &page);
    if (status != MN_OK) return status;
    mn_page_set_label(page, bulk->root.tree);
    stage_fill(bulk, page);
    status = mn_page_place(bulk->view, &ref);
    if (status != MN_OK) return status;
    bulk->root.entries++;
    bulk->pending++;
    pending_count(bulk);
    above = &path->step[path->depth - 2];
    mn_node_child_set(above->page, above->index - 1, ref, stage_count(stage));
    mn_node_child_set(above->page, above->index, path->step[path->depth - 1].ref, 1);
    stage_begin(bulk, key, value);
    bulk->next = mn_page_next(bulk->view);
    return MN_OK;
}

/* ---- one entry ---- */

static enum mn_status entry_append(struct mn_bulk *bulk, const struct mn_entry *entry)
{
    struct mn_path *path = &bulk->path;
    struct mn_node leaf;
    uint32_t count;
    enum mn_status status = path->depth == 0 ? plant(bulk) : MN_OK;

    if (status != MN_OK) return status;
    leaf = mn_path_node(path, path->depth - 1);
    count = mn_node_count(leaf.page);
    bulk->root.entries++;
    bulk->pending++;
    path->step[path->depth - 1].index = count;
    if (!bulk->full && mn_node_insert(&leaf, count, &entry->cell)) return MN_OK;
    pending_count(bulk);
    status = bulk->full ? mn_path_append(path, &bulk->root, &entry->cell)
                        : mn_path_insert(path, &bulk->root, &entry->cell);
    bulk->full = false;
    if (status == MN_OK) status = rightmost_open(bulk);
    return status == MN_OK ? left_place(bulk) : status;
}

static enum mn_status entry_begin(struct mn_bulk *bulk, struct mn_bytes key)
{
    enum mn_status status = stage_end(bulk);

    if (status != MN_OK) return status;
    if (bulk->any && !key_ascends(mn_bytes_of(bulk->last, bulk->last_len), key)) {
        return mn_fail(MN_MISUSE, "a bulk build takes keys in ascending order");
    }
    if (mn_key_check(key) != MN_OK) return MN_TOOBIG;
    return path_refresh(bulk);
}

/* Gives the cell, whose value is there already, its key and appends it. */
static enum mn_status entry_end(struct mn_bulk *bulk, struct mn_entry *entry, struct mn_bytes key)
{
    enum mn_status status = mn_entry_key(entry, bulk->view, key);

    if (status == MN_OK) status = entry_append(bulk, entry);
    return status == MN_OK ? last_keep(bulk, key) : status;
}

enum mn_status mn_bulk_add(struct mn_bulk *bulk, struct mn_bytes key, struct mn_bytes value)
{
    struct mn_entry entry = {.payload = bulk->scratch->payload};
    uint8_t *at = mn_bulk_room(bulk, key, value.len);
    bool done = false;
    enum mn_status status = MN_OK;

    if (at) {
        if (value.len) memcpy(at, value.data, value.len);
        return MN_OK;
    }
    if (bulk->full) status = stage_turn(bulk, key, value, &done);
    if (status != MN_OK || done) return status;
    status = entry_begin(bulk, key);
    if (status == MN_OK) status = mn_entry_store(&entry, bulk->view, value);
    if (status == MN_OK) status = entry_end(bulk, &entry, key);
    if (status == MN_OK && is_plain(bulk, key, value.len) &&
        mn_node_count(bulk->path.step[bulk->path.depth - 1].page) == 1) {
        stage_begin(bulk, key, value);
    }
    return status;
}

enum mn_status mn_bulk_add_run(struct mn_bulk *bulk, struct mn_bytes key, struct mn_bytes value,
                               uint64_t run_bytes, uint8_t **run)
{
    struct mn_entry entry = {.payload = bulk->scratch->payload};
    struct mn_run made;
    enum mn_status status;

    *run = NULL;
    bulk->full = false;
    status = entry_begin(bulk, key);
    if (status != MN_OK) return status;
    if (value.len == 0 || value.len > mn_node_inline_max(mn_view_page_size(bulk->view)) ||
        run_bytes == 0) {
        return mn_fail(MN_MISUSE, "a run needs an inline part of 1 to %u bytes beside it",
                       mn_node_inline_max(mn_view_page_size(bulk->view)));
    }
    status = mn_run_new(bulk->view, run_bytes, &made, run);
    if (status != MN_OK) return status;
    mn_entry_value(&entry, value, &made);
    status = entry_end(bulk, &entry, key);
    /* The tail of the key is a run too: making it may have moved this one out of memory. */
    return status == MN_OK ? mn_run_edit(bulk->view, &made, run) : status;
}

enum mn_status mn_bulk_end(struct mn_bulk *bulk)
{
    enum mn_status status;

    if (!bulk) return MN_OK;
    status = stage_end(bulk);
    if (status == MN_OK) status = path_refresh(bulk);
    if (status == MN_OK) {
        if (bulk->path.depth > 0) pending_count(bulk);
        bulk->scratch->changes[bulk->root.tree & 63]++;
        status = mn_root_set(bulk->view, &bulk->root);
    }
    bulk_free(bulk);
    return status;
}
