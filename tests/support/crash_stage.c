/*
 * crash_stage: a simulated file that stands at a position of a record, and takes on one crash
 * state after the other.
 *
 * What is durable is the file's mark; a state is made by letting pieces arrive and undone by going
 * back to the mark, so a state costs what it changes. The hash of a state covers the size, all
 * slots, and every page that a whole slot reaches: sums over pages are kept for what is durable and
 * corrected for the blocks that changed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "support/crash.h"

static const char name[] = "walk";

static uint64_t page_mix(uint64_t page, uint64_t hash)
{
    return mn_hash_mix(hash, page * 2 + 1);
}

static uint64_t page_hash_now(struct stage *stage, const uint8_t *content, uint64_t size,
                              uint64_t page)
{
    uint64_t bytes = UINT64_C(1) << stage->page_shift;

    if ((page + 1) << stage->page_shift > size) return 0;
    return mn_hash(content + (page << stage->page_shift), bytes, 11);
}

/* The most bytes that the file has in this record, and room for the transactions after a crash: one
 * of them may be one that failed before the file grew for it. */
static uint64_t room_of(const struct record *record, uint64_t size)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct record_entry *entry = &record->entries[i];
        uint64_t end = entry->kind == REC_RESIZE  ? entry->size
                       : entry->kind == REC_WRITE ? entry->offset + entry->size
                                                  : 0;

        if (end > size) size = end;
    }
    return size + size / 4 + (2 << 20);
}

static bool machine_need(struct stage *stage, uint64_t room)
{
    if (stage->os && room <= stage->room) return true;
    if (stage->os) mn_machine_free(stage->os);
    stage->room = room;
    stage->os = mn_machine_new(77, room);
    if (!stage->page_hash) stage->page_hash = malloc(PAGES_MAX * sizeof *stage->page_hash);
    return stage->os && stage->page_hash && !mn_sim_put(stage->os, name, "", 0) &&
           !mn_sim_mark(stage->os, name);
}

bool stage_begin(struct stage *stage, const struct record *record, const uint8_t *bytes,
                 uint64_t size)
{
    uint64_t pages;

    if (!machine_need(stage, room_of(record, size))) return false;
    stage->record = record;
    stage->page_shift = (uint32_t)__builtin_ctz(record->image.page_size);
    stage->count = 0;
    if (mn_sim_cut(stage->os, name, 0) || mn_sim_cut(stage->os, name, size) ||
        mn_sim_poke(stage->os, name, 0, bytes, size) || mn_sim_mark(stage->os, name)) {
        return false;
    }
    pages = size >> stage->page_shift;
    for (uint64_t p = 0; p < PAGES_MAX && p < pages; p++) {
        stage->page_hash[p] = page_hash_now(stage, bytes, size, p);
    }
    if (pages < PAGES_MAX) {
        memset(stage->page_hash + pages, 0, (PAGES_MAX - pages) * sizeof *stage->page_hash);
    }
    stage_sync(stage, NULL);
    return true;
}

void stage_free(struct stage *stage)
{
    if (stage->os) mn_machine_free(stage->os);
    free(stage->pieces);
    free(stage->page_hash);
    memset(stage, 0, sizeof *stage);
}

/* ---- pieces ---- */

static void piece_add(struct stage *stage, struct piece piece)
{
    if (stage->count == stage->capacity) {
        stage->capacity = stage->capacity ? stage->capacity * 2 : 64;
        stage->pieces = realloc(stage->pieces, stage->capacity * sizeof *stage->pieces);
        if (!stage->pieces) abort();
    }
    stage->pieces[stage->count++] = piece;
}

/* In the pieces that the simulated file makes of it: blocks, within each slice. */
void stage_pend(struct stage *stage, const struct record_entry *entry)
{
    const uint8_t *bytes = stage->record->arena + entry->bytes;
    const size_t *slice = stage->record->slices + entry->slice;
    uint64_t offset = entry->offset, left = entry->size, of_slice = 0;

    if (entry->kind == REC_RESIZE) {
        piece_add(stage, (struct piece){0, entry->size, NULL});
        return;
    }
    while (left > 0) {
        uint64_t size = BLOCK - offset % BLOCK < left ? BLOCK - offset % BLOCK : left;

        while (of_slice == 0) of_slice = *slice++;
        if (size > of_slice) size = of_slice;
        of_slice -= size;
        piece_add(stage, (struct piece){offset, size, bytes});
        offset += size;
        bytes += size;
        left -= size;
    }
}

/* A write past the size that the device knows is lost with the size. */
void stage_arrive(struct stage *stage, const struct piece *piece)
{
    uint64_t have = mn_sim_size(stage->os, name), size = piece->size;

    if (!piece->bytes) {
        (void)mn_sim_cut(stage->os, name, size);
    } else if (piece->offset < have) {
        if (size > have - piece->offset) size = have - piece->offset;
        (void)mn_sim_poke(stage->os, name, piece->offset, piece->bytes, size);
    }
}

void stage_rewind(struct stage *stage)
{
    mn_sim_rewind(stage->os, name);
}

/* ---- hashes ---- */

static uint64_t block_hash(const uint8_t *content, uint64_t size, uint64_t block)
{
    return (block + 1) * BLOCK <= size ? mn_hash(content + block * BLOCK, BLOCK, 5) : 0;
}

/* What is in the file now becomes what is durable. */
static void durable_now(struct stage *stage)
{
    const uint8_t *content = mn_sim_content(stage->os, name);
    uint64_t size = mn_sim_size(stage->os, name);

    for (uint64_t i = 0; i < SLOTS; i++)
        stage->slot_hash[i] = block_hash(content, size, slot_at(i) / BLOCK);
    stage->fixed_hash = block_hash(content, size, 0) ^ block_hash(content, size, 12) * 3;
    memset(stage->sums, 0, sizeof stage->sums);
}

static void changed_hash(struct stage *stage)
{
    const uint8_t *content = mn_sim_content(stage->os, name);
    uint64_t size = mn_sim_size(stage->os, name), each = BLOCK >> stage->page_shift;
    size_t count;
    const uint32_t *changed = mn_sim_changed(stage->os, name, &count);

    for (size_t i = 0; i < count; i++) {
        for (uint64_t p = changed[i] * each; p < (changed[i] + 1) * each && p < PAGES_MAX; p++) {
            stage->page_hash[p] = page_hash_now(stage, content, size, p);
        }
    }
}

void stage_sync(struct stage *stage, const uint8_t *keep)
{
    for (size_t i = 0; i < stage->count; i++) {
        if (!keep || keep[i]) stage_arrive(stage, &stage->pieces[i]);
    }
    changed_hash(stage);
    durable_now(stage);
    stage->count = 0;
    (void)mn_sim_mark(stage->os, name);
}

void stage_sync_first(struct stage *stage, size_t count)
{
    size_t rest = stage->count - count;

    stage->count = count;
    stage_sync(stage, NULL);
    memmove(stage->pieces, stage->pieces + count, rest * sizeof *stage->pieces);
    stage->count = rest;
}

/* The number of a known slot image from 1, 0 for any other. */
static uint32_t slot_known(const struct record *record, uint64_t hash)
{
    for (uint32_t i = record->version_count; i > 0; i--) {
        if (record->versions[i - 1].slot_hash == hash) return i;
    }
    return 0;
}

static void reach_add(const struct record *record, const uint32_t known[SLOTS],
                      uint8_t bits[PAGES_MAX / 8])
{
    memset(bits, 0, PAGES_MAX / 8);
    for (int i = 0; i < SLOTS; i++) {
        const uint64_t *from;
        uint64_t *to = (uint64_t *)(void *)bits;

        if (!known[i]) continue;
        from = (const uint64_t *)(const void *)record->versions[known[i] - 1].reach;
        for (size_t w = 0; w < PAGES_MAX / 64; w++) to[w] |= from[w];
    }
}

static bool reached(const struct record *record, const uint32_t known[SLOTS], uint64_t page)
{
    for (int i = 0; i < SLOTS; i++) {
        if (known[i] && record->versions[known[i] - 1].reach[page / 8] >> page % 8 & 1) return true;
    }
    return false;
}

/* The sum over the durable images of all pages that these slots reach. */
static uint64_t durable_sum(struct stage *stage, const uint32_t known[SLOTS])
{
    uint32_t key = known[0] | known[1] << 8 | known[2] << 16 | known[3] << 24;
    uint32_t at = (key ^ key >> 13 ^ key >> 22) % 64;
    uint64_t bits[PAGES_MAX / 64], sum = 0;

    if (stage->sums[at].known && stage->sums[at].key == key) return stage->sums[at].sum;
    reach_add(stage->record, known, (uint8_t *)(void *)bits);
    for (uint64_t w = 0; w < PAGES_MAX / 64; w++) {
        for (uint64_t left = bits[w]; left; left &= left - 1) {
            uint64_t page = w * 64 + (uint64_t)__builtin_ctzll(left);

            sum += page_mix(page, stage->page_hash[page]);
        }
    }
    stage->sums[at].key = key;
    stage->sums[at].sum = sum;
    stage->sums[at].known = true;
    return sum;
}

void stage_hash(struct stage *stage, uint64_t *state, uint64_t *all)
{
    const uint8_t *content = mn_sim_content(stage->os, name);
    uint64_t size = mn_sim_size(stage->os, name), each = BLOCK >> stage->page_shift;
    uint64_t slots[SLOTS], fixed = stage->fixed_hash, hash = mn_hash_mix(1, size), sum;
    uint32_t known[SLOTS];
    size_t count;
    const uint32_t *changed = mn_sim_changed(stage->os, name, &count);

    memcpy(slots, stage->slot_hash, sizeof slots);
    for (size_t i = 0; i < count; i++) {
        for (uint64_t slot = 0; slot < SLOTS; slot++) {
            if (changed[i] != slot_at(slot) / BLOCK) continue;
            slots[slot] = block_hash(content, size, changed[i]);
        }
        if (changed[i] == 0 || changed[i] == 12) {
            fixed = block_hash(content, size, 0) ^ block_hash(content, size, 12) * 3;
        }
    }
    for (int i = 0; i < SLOTS; i++) {
        known[i] = slot_known(stage->record, slots[i]);
        hash = mn_hash_mix(hash, slots[i]);
    }
    sum = durable_sum(stage, known);
    for (size_t i = 0; i < count; i++) {
        for (uint64_t p = changed[i] * each; p < (changed[i] + 1) * each && p < PAGES_MAX; p++) {
            if (is_fixed(p << stage->page_shift) || !reached(stage->record, known, p)) continue;
            sum += page_mix(p, page_hash_now(stage, content, size, p)) -
                   page_mix(p, stage->page_hash[p]);
        }
    }
    *state = mn_hash_mix(hash, sum);
    *all = mn_hash_mix(*state, fixed);
}

/* ---- the table ---- */

static uint64_t *table_find(const struct table *table, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 20) & table->mask;

    while (table->keys[at] && table->keys[at] != key) at = (at + 1) & table->mask;
    return &table->keys[at];
}

static void table_grow(struct table *table)
{
    struct table grown = {.mask = table->mask ? table->mask * 2 + 1 : (1 << 16) - 1};

    if (table->keys && table->count * 2 < table->mask) return;
    grown.keys = calloc(grown.mask + 1, sizeof *grown.keys);
    grown.words = malloc((grown.mask + 1) * sizeof *grown.words);
    if (!grown.keys || !grown.words) abort();
    for (size_t i = 0; table->keys && i <= table->mask; i++) {
        uint64_t *place;

        if (!table->keys[i]) continue;
        place = table_find(&grown, table->keys[i]);
        *place = table->keys[i];
        grown.words[place - grown.keys] = table->words[i];
    }
    grown.count = table->count;
    table_free(table);
    *table = grown;
}

uint64_t *table_get(struct table *table, uint64_t key)
{
    const uint64_t *place;

    table_grow(table);
    place = table_find(table, key | 1);
    return *place ? &table->words[place - table->keys] : NULL;
}

void table_add(struct table *table, uint64_t key, uint64_t word)
{
    uint64_t *place;

    table_grow(table);
    place = table_find(table, key | 1);
    if (*place) return;
    *place = key | 1;
    table->words[place - table->keys] = word;
    table->count++;
}

void table_free(struct table *table)
{
    free(table->keys);
    free(table->words);
    memset(table, 0, sizeof *table);
}
