/*
 * sim_log: what a program did to one simulated file (see sim_log.h).
 */
#include "os/sim_log.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "os/sim_inode.h"

uint64_t mn_sim_log_print(const struct mn_sim_log *log, size_t count)
{
    return count ? log->entries[count - 1].print
                 : mn_hash(log->base_bytes ? (const void *)log->base : "", log->base_bytes, 3);
}

static struct mn_sim_entry *entry_add(struct mn_sim_log *log, enum mn_sim_entry_kind kind)
{
    struct mn_sim_entry *entry;

    if (log->status || !mn_grow(&log->entries, &log->capacity, log->count + 1, sizeof *entry)) {
        log->status = MN_NOMEM;
        return NULL;
    }
    entry = &log->entries[log->count];
    *entry = (struct mn_sim_entry){.kind = kind, .now_us = log->os->ops->now_us(log->os)};
    entry->print = mn_hash_mix(mn_sim_log_print(log, log->count), (uint64_t)kind);
    log->count++;
    return entry;
}

static void print_add(struct mn_sim_entry *entry, uint64_t word)
{
    entry->print = mn_hash_mix(entry->print, word);
}

static void write_add(struct mn_sim_log *log, const struct mn_sim_event *event)
{
    struct mn_sim_entry *entry;

    if (!mn_grow(&log->bytes, &log->room, log->used + event->size_bytes, 1)) {
        log->status = MN_NOMEM;
        return;
    }
    entry = entry_add(log, MN_ENTRY_WRITE);
    if (!entry) return;
    entry->offset = event->offset;
    entry->size_bytes = event->size_bytes;
    entry->at = log->used;
    for (size_t i = 0; i < event->slice_count; i++) {
        memcpy(log->bytes + log->used, event->slices[i].data, event->slices[i].size_bytes);
        log->used += event->slices[i].size_bytes;
    }
    print_add(entry, entry->offset);
    print_add(entry, mn_hash(log->bytes + entry->at, entry->size_bytes, 3));
}

/* The file as it is at the first call after it got its name. */
static void base_take(struct mn_sim_log *log, const struct mn_inode *inode)
{
    log->begun = true;
    log->base_bytes = inode->size;
    log->base = mn_alloc(inode->size);
    if (!log->base) {
        log->status = MN_NOMEM;
    } else {
        memcpy(log->base, inode->cache, inode->size);
    }
}

/* A write or size beyond the end of the disk is refused here, so that the log has what was done. */
static bool fits(const struct mn_sim_event *event)
{
    return event->size_bytes <= event->inode->capacity &&
           event->offset <= event->inode->capacity - event->size_bytes;
}

static enum mn_sim_fault log_hook(void *context, const struct mn_sim_event *event)
{
    struct mn_sim_log *log = context;
    enum mn_sim_fault fault = MN_SIM_PASS;

    if (!event->inode->named) return MN_SIM_PASS;
    pthread_mutex_lock(&log->mutex);
    if (!log->begun) base_take(log, event->inode);
    if (event->op == MN_SIM_WRITE || event->op == MN_SIM_PREWRITE) {
        if (fits(event)) {
            write_add(log, event);
        } else {
            fault = MN_SIM_FULL;
        }
    } else if (event->op == MN_SIM_RESIZE) {
        struct mn_sim_entry *entry = fits(event) ? entry_add(log, MN_ENTRY_RESIZE) : NULL;

        if (entry) {
            entry->size_bytes = event->size_bytes;
            print_add(entry, entry->size_bytes);
        }
        if (!fits(event)) fault = MN_SIM_FULL;
    } else if (event->op == MN_SIM_SYNC) {
        (void)entry_add(log, MN_ENTRY_SYNC);
    }
    pthread_mutex_unlock(&log->mutex);
    return fault;
}

void mn_sim_log_begin(struct mn_sim_log *log, struct mn_os *os)
{
    memset(log, 0, sizeof *log);
    pthread_mutex_init(&log->mutex, NULL);
    log->os = os;
    mn_sim_set_hook(os, log_hook, log);
}

void mn_sim_log_release(struct mn_sim_log *log)
{
    mn_dealloc(log->base);
    mn_dealloc(log->entries);
    mn_dealloc(log->bytes);
    pthread_mutex_destroy(&log->mutex);
}

enum mn_status mn_sim_log_ack(struct mn_sim_log *log, uint64_t number)
{
    enum mn_status status;

    pthread_mutex_lock(&log->mutex);
    if (log->begun) {
        struct mn_sim_entry *entry = entry_add(log, MN_ENTRY_ACK);

        if (entry) {
            entry->number = number;
            print_add(entry, number);
        }
        status = log->status ? mn_fail_nomem() : MN_OK;
    } else {
        status = mn_fail(MN_MISUSE, "no database was opened on the simulated disk");
    }
    pthread_mutex_unlock(&log->mutex);
    return status;
}

enum mn_status mn_sim_log_redo(const struct mn_sim_log *log, size_t at, struct mn_file *file)
{
    const struct mn_sim_entry *entry = &log->entries[at];

    switch (entry->kind) {
    case MN_ENTRY_WRITE:
        return mn_file_write(file, entry->offset, log->bytes + entry->at, entry->size_bytes);
    case MN_ENTRY_RESIZE: return file->ops->resize(file, entry->size_bytes);
    case MN_ENTRY_SYNC: return file->ops->sync(file);
    case MN_ENTRY_ACK: break;
    }
    return MN_OK;
}
