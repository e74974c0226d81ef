/*
 * crash_record: what a workload did to its file, and faults put into its way.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "support/crash.h"

static void *grown(void *memory, size_t *capacity, size_t need, size_t item)
{
    if (need <= *capacity) return memory;
    *capacity = need * 2 > 64 ? need * 2 : 64;
    memory = realloc(memory, *capacity * item);
    if (!memory) abort();
    return memory;
}

static struct record_entry *entry_add(struct record *record, enum record_kind kind)
{
    record->entries =
        grown(record->entries, &record->capacity, record->count + 1, sizeof *record->entries);
    record->entries[record->count] = (struct record_entry){.kind = kind};
    return &record->entries[record->count++];
}

void record_note(struct record *record, enum record_kind kind, uint64_t print)
{
    struct record_entry *entry = entry_add(record, kind);

    entry->print = print;
}

void record_begin(struct record *record, uint64_t print, bool moves)
{
    struct record_entry *entry = entry_add(record, REC_BEGIN);

    entry->print = print;
    entry->moves = moves;
    entry->first = record->change_first;
    entry->size = record->change_count - record->change_first;
    record->change_first = record->change_count;
}

void record_change(struct record *record, struct change change)
{
    record->changes = grown(record->changes, &record->change_capacity, record->change_count + 1,
                            sizeof *record->changes);
    record->changes[record->change_count++] = change;
}

uint64_t record_newest(const struct record *record)
{
    uint64_t newest = 0;

    for (int i = 0; i < SLOTS; i++) {
        if (record->slot_of[i] > newest) newest = record->slot_of[i];
    }
    return newest;
}

static const struct version *version_find(const struct record *record, uint64_t number)
{
    for (uint32_t i = record->version_count; i > 0; i--) {
        if (record->versions[i - 1].number == number) return &record->versions[i - 1];
    }
    return NULL;
}

/* (I5): neither the slot nor a page of a guarded version may be written. */
static void guard_check(struct record *record, uint64_t offset, uint64_t size)
{
    uint64_t first = offset / record->image.page_size;
    uint64_t end = (offset + size + record->image.page_size - 1) / record->image.page_size;

    for (uint32_t g = 0; g < record->guarded_count && !record->fault[0]; g++) {
        if (record->guarded[g] == 0) continue;
        const struct version *version = version_find(record, record->guarded[g]);

        for (uint64_t p = first; version && p < end && p < PAGES_MAX; p++) {
            if (is_fixed(p * record->image.page_size)) continue;
            if (!(version->reach[p / 8] >> p % 8 & 1)) continue;
            snprintf(record->fault, sizeof record->fault,
                     "page %" PRIu64 " of version %" PRIu64 " was written over", p,
                     record->guarded[g]);
            return;
        }
        for (uint64_t i = 0; i < SLOTS && g < 2; i++) {
            if (record->slot_of[i] != record->guarded[g] || slot_at(i) >= offset + size ||
                offset >= slot_at(i) + UNIT) {
                continue;
            }
            snprintf(record->fault, sizeof record->fault,
                     "the slot of version %" PRIu64 " was written over", record->guarded[g]);
        }
    }
}

/* The notice says which version is durable: within one call that may be a newer one. */
static void guard_move(struct record *record, const struct mn_sim_event *event)
{
    enum { NOTICE_BYTES = 32, AT_DURABLE = 8 };
    uint64_t durable;

    if (event->offset != 12 * UNIT || event->size_bytes != NOTICE_BYTES) return;
    memcpy(&durable, (const uint8_t *)event->slices[0].data + AT_DURABLE, sizeof durable);
    if (record->guarded_count > 0 && durable > record->guarded[0]) record->guarded[0] = durable;
}

static void write_record(struct record *record, const struct mn_sim_event *event, uint64_t size)
{
    struct record_entry *entry = entry_add(record, REC_WRITE);

    entry->offset = event->offset;
    entry->size = size;
    entry->bytes = record->used;
    entry->slice = record->slice_count;
    record->arena =
        grown(record->arena, &record->arena_capacity, record->used + event->size_bytes, 1);
    record->slices = grown(record->slices, &record->slice_capacity,
                           record->slice_count + event->slice_count, sizeof *record->slices);
    for (size_t i = 0; i < event->slice_count; i++) {
        record->slices[record->slice_count++] = event->slices[i].size_bytes;
        memcpy(record->arena + record->used, event->slices[i].data, event->slices[i].size_bytes);
        record->used += event->slices[i].size_bytes;
    }
    guard_check(record, event->offset, event->size_bytes);
    guard_move(record, event);
}

/* The simulated machine does the first half of a short write, in whole sectors. */
static enum mn_sim_fault write_fault(struct record *record, const struct mn_sim_event *event)
{
    enum { SECTOR = 512 };
    static const enum mn_sim_fault faults[] = {MN_SIM_EIO, MN_SIM_FULL, MN_SIM_SHORT};
    enum mn_sim_fault fault = faults[record->write_fault];
    uint64_t half = event->size_bytes / 2 / SECTOR * SECTOR;

    if (fault == MN_SIM_SHORT && half) write_record(record, event, half);
    return fault;
}

static enum mn_sim_fault sync_record(struct record *record, const struct mn_sim_event *event)
{
    struct record_entry *entry;

    if (record->waits_growth || record->sync_fails < 0 || record->sync_fails-- > 0) {
        record_note(record, REC_SYNC, 0);
        return MN_SIM_PASS;
    }
    entry = entry_add(record, REC_SYNC_FAILED);
    entry->mask = record->sync_mask;
    *event->loss = (struct mn_sim_loss){.keep = entry->mask, .sizes = true, .rest_lost = true};
    record->sync_failed = true;
    if (record->sync_kills) { /* before it can say so to anybody */
        record->victim = event->file;
        record->dies = 0;
    }
    return MN_SIM_EIO;
}

/*
 * What the kernel has done of a write when it stops a process inside: whole pages from its front,
 * about `dies_within` of AFTER_GROWTH parts. 0: no page ends inside.
 */
static uint64_t part_done(const struct record *record, const struct mn_sim_event *event)
{
    uint64_t part = event->size_bytes * record->dies_within / AFTER_GROWTH;
    uint64_t end = (event->offset + part) / BLOCK * BLOCK;

    if (end <= event->offset) end = (event->offset / BLOCK + 1) * BLOCK;
    return end < event->offset + event->size_bytes ? end - event->offset : 0;
}

static void part_write(const struct record *record, const struct mn_sim_event *event)
{
    uint64_t offset = event->offset, left = part_done(record, event);
    struct mn_file *file;

    if (record->os->ops->open(record->os, "walk", 0, &file)) return; /* it has no name yet */
    for (size_t i = 0; i < event->slice_count && left > 0; i++) {
        struct mn_slice part = event->slices[i];

        if (part.size_bytes > left) part.size_bytes = left;
        (void)mn_file_write(file, offset, part.data, part.size_bytes);
        offset += part.size_bytes;
        left -= part.size_bytes;
    }
    file->ops->close(file);
}

/* Does the process die here? Within a write if it shall, of those that it can die within. */
static bool is_death(struct record *record, const struct mn_sim_event *event)
{
    if (record->waits_growth || record->dies < 0 || event->file != record->victim) return false;
    if (record->dies > 0) {
        record->dies--;
        return false;
    }
    return !record->dies_within || (event->op == MN_SIM_WRITE && part_done(record, event));
}

/* Another handle's step, or the death of the process, before this event is done. */
static bool dies_here(struct record *record, const struct mn_sim_event *event)
{
    if (record->interrupt && record->interrupt_after-- == 0) {
        void (*interrupt)(void *context) = record->interrupt;

        record->interrupt = NULL;
        interrupt(record->interrupt_context);
    }
    if (!is_death(record, event)) return false;
    record->dies = -1;
    if (record->dies_within) part_write(record, event);
    mn_sim_kill(event->file);
    record->died = true;
    return true;
}

static enum mn_sim_fault record_hook(void *context, const struct mn_sim_event *event)
{
    struct record *record = context;

    if (event->op == MN_SIM_READ || event->op == MN_SIM_READ_DEVICE) return MN_SIM_PASS;
    if (dies_here(record, event)) return MN_SIM_PASS;
    if (event->op == MN_SIM_PREWRITE) {
        write_record(record, event, event->size_bytes);
    } else if (event->op == MN_SIM_WRITE) {
        if (!record->waits_growth && record->write_fails >= 0 && record->write_fails-- == 0)
            return write_fault(record, event);
        write_record(record, event, event->size_bytes);
    } else if (event->op == MN_SIM_RESIZE) {
        entry_add(record, REC_RESIZE)->size = event->size_bytes;
        if (event->size_bytes > mn_sim_size(record->os, "walk")) record->waits_growth = false;
    } else if (event->op == MN_SIM_SYNC) {
        return sync_record(record, event);
    } else if (event->op == MN_SIM_PUBLISH && record->from_name) {
        record_note(record, REC_START, record->name_print);
    }
    return MN_SIM_PASS;
}

void record_start(struct record *record, struct mn_os *os, const struct place *place, bool raw)
{
    record->os = os;
    record->image = (struct image){.page_size = place->page_size, .raw = raw};
    record->sync_fails = record->dies = record->write_fails = -1;
    mn_sim_set_hook(os, record_hook, record);
}

void record_stop(struct record *record)
{
    mn_sim_set_hook(record->os, NULL, NULL);
}

void record_free(struct record *record)
{
    for (uint32_t i = 0; i < record->version_count; i++) free(record->versions[i].reach);
    free(record->entries);
    free(record->arena);
    free(record->slices);
    free(record->changes);
    memset(record, 0, sizeof *record);
}

static void version_add(struct record *record, uint64_t slot)
{
    const uint8_t *bytes = record->image.bytes + slot_at(slot);
    uint64_t number = image_slot_version(bytes), hash = mn_hash(bytes, SLOT_BYTES, 5);
    struct version *version;

    record->slot_of[slot] = 0; /* also when the cache was dropped and an older one shows again */
    for (uint32_t i = 0; i < record->version_count; i++) {
        if (record->versions[i].slot_hash != hash) continue;
        record->slot_of[slot] = number;
        return;
    }
    if (number == 0 || record->version_count == VERSIONS_MAX) return;
    if (!image_slot_is_whole(&record->image, bytes)) return;
    record->slot_of[slot] = number;
    version = &record->versions[record->version_count++];
    *version = (struct version){number, hash, calloc(1, PAGES_MAX / 8)};
    if (!version->reach) abort();
    /* Of what a process that died within a write left, not all is there. */
    if (!image_reach(&record->image, bytes, version->reach, PAGES_MAX) && !record->fault[0] &&
        !(record->died && record->dies_within)) {
        snprintf(record->fault, sizeof record->fault,
                 "version %" PRIu64 " has a pointer that leads nowhere", number);
    }
}

void record_versions(struct record *record)
{
    record->image.bytes = mn_sim_content(record->os, "walk");
    record->image.size = mn_sim_size(record->os, "walk");
    for (uint64_t i = 0; record->image.bytes && i < SLOTS; i++) version_add(record, i);
}
