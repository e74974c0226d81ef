/*
 * pins: which versions are being read, here and by others.
 *
 * A reader holds byte LOCK_PINS + version shared, once per open file, counted here. The kernel
 * drops it when the process dies. After taking it the reader looks at the notice again: a writer
 * that published in between may have listed the pins before this one was there (PROTOCOL, BEGIN
 * READ 3 and 4).
 *
 * An open file whose descriptor cannot write reads in private mode while no writer has the file
 * open: it chooses a version as recovery would, under the settle lock, and never touches the
 * notice.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/plant.h"
#include "store/inside.h"

enum { PIN_TRIES = 2000, PIN_NAP_AFTER = 20, PIN_NAP_US = 100 };

static struct mn_pin *pin_find(struct mn_store *store, uint64_t version)
{
    for (size_t i = 0; i < store->pin_count; i++) {
        if (store->pins[i]->version == version) return store->pins[i];
    }
    return NULL;
}

static struct mn_range pin_byte(uint64_t version)
{
    return mn_lock_byte(MN_LOCK_PINS + version);
}

static void pin_unlock(struct mn_store *store, uint64_t version)
{
    (void)store->file->ops->lock(store->file, pin_byte(version), MN_LOCK_NONE, 0);
}

/* A pin that nobody uses yet: the one kept from before if it is of this version (*known). */
static struct mn_pin *pin_new(struct mn_store *store, uint64_t version, bool *known)
{
    struct mn_pin *pin = store->idle;

    *known = false;
    if (!mn_grow(&store->pins, &store->pin_capacity, store->pin_count + 1, sizeof *store->pins)) {
        return NULL;
    }
    if (pin) {
        store->idle = NULL;
        *known = pin->version == version && pin->meta.version == version;
    } else {
        pin = mn_alloc(sizeof *pin);
        if (!pin) return NULL;
    }
    pin->version = version;
    pin->users = 0;
    pin->locked = false;
    if (!*known) pin->meta.version = 0;
    return pin;
}

static void pin_keep_idle(struct mn_store *store, struct mn_pin *pin)
{
    mn_dealloc(store->idle);
    store->idle = pin;
}

/* The version's slot, copied out; meta.version 0 when it is not in the ring. */
static enum mn_status pin_load(struct mn_store *store, struct mn_pin *pin)
{
    struct mn_ring ring;
    uint64_t file_pages = 0;
    enum mn_status status = mn_ring_read(store, &ring, pin->version, &pin->meta);

    if (status || pin->meta.version == 0) return status;
    status = mn_file_pages(store, &file_pages);
    return status ? status : mn_meta_validate(&pin->meta, store->layout.plain, file_pages);
}

/* One try of BEGIN READ 2 to 5; *pin is NULL where the version went away meanwhile. */
static enum mn_status pin_try(struct mn_store *store, uint64_t version, struct mn_pin **out)
{
    bool known;
    struct mn_pin *pin = pin_new(store, version, &known);
    uint64_t now = 0;
    enum mn_status status;

    *out = NULL;
    if (!pin) return mn_fail_nomem();
    status = store->file->ops->lock(store->file, pin_byte(version), MN_LOCK_SHARED, 0);
    if (!status) {
        pin->locked = true;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        status = mn_notice_published(store, &now);
        if (MN_PLANT(PIN_NO_RECHECK)) now = version;
        if (!status && now == version && !known) status = pin_load(store, pin);
        /* A file shorter than the slot says is damage only while the slot is the published one. */
        if (status == MN_CORRUPT && mn_notice_published(store, &now) == MN_OK && now != version) {
            status = MN_OK;
        }
        if (!status && now == version && pin->meta.version == version) {
            store->pins[store->pin_count++] = pin;
            *out = pin;
            return MN_OK;
        }
        pin_unlock(store, version);
    }
    if (status) pin->meta.version = 0;
    pin_keep_idle(store, pin);
    return status;
}

static enum mn_status pin_published(struct mn_store *store, struct mn_pin **pin)
{
    uint64_t version = 0;

    for (int i = 0; i < PIN_TRIES; i++) {
        enum mn_status status = mn_notice_published(store, &version);

        if (status) return status;
        *pin = pin_find(store, version);
        if (!*pin) status = pin_try(store, version, pin);
        if (status || *pin) return status;
        if (i >= PIN_NAP_AFTER) store->os->ops->sleep_us(store->os, PIN_NAP_US);
    }
    return mn_fail(MN_CORRUPT, "the slot of the published version %" PRIu64 " is damaged", version);
}

/* ---- private mode ---- */

/* The slots as they are; *same when they are as they were when the last version was chosen. */
static enum mn_status slots_compare(struct mn_store *store, bool *same)
{
    uint8_t bytes[MN_SLOT_BYTES];

    *same = store->slots_known;
    for (uint32_t i = 0; i < MN_META_SLOTS; i++) {
        uint8_t *known = store->slots + (size_t)i * MN_SLOT_BYTES;
        struct mn_range at = {mn_slot_offset(store, i), MN_SLOT_BYTES};
        enum mn_status status = mn_file_read(store->file, bytes, at, "a meta slot");

        if (status) return status;
        if (memcmp(bytes, known, sizeof bytes) != 0) *same = false;
        memcpy(known, bytes, sizeof bytes);
    }
    return MN_OK;
}

static enum mn_status choose_private(struct mn_store *store)
{
    bool same;
    enum mn_status status;

    if (!store->slots) store->slots = mn_zalloc(MN_META_SLOTS * MN_SLOT_BYTES);
    if (!store->chosen) store->chosen = mn_alloc(sizeof *store->chosen);
    if (!store->slots || !store->chosen) return mn_fail_nomem();
    status = slots_compare(store, &same);
    if (status || same) return status;
    store->slots_known = false;
    /* On a read-only mount nothing is dirty, and some refuse to sync: the device is asked anyway.
     */
    (void)store->file->ops->sync(store->file);
    status = mn_choose(store, store->chosen);
    store->slots_known = !status;
    return status;
}

/* Pins what was chosen; where the file system refuses locks there is no writer to keep off. */
static enum mn_status pin_chosen(struct mn_store *store, struct mn_pin **out)
{
    struct mn_pin *pin = pin_find(store, store->chosen->version);
    bool known;

    if (!pin) {
        pin = pin_new(store, store->chosen->version, &known);
        if (!pin) return mn_fail_nomem();
        pin->meta = *store->chosen;
        pin->locked =
            store->file->ops->lock(store->file, pin_byte(pin->version), MN_LOCK_SHARED, 0) == MN_OK;
        store->pins[store->pin_count++] = pin;
    }
    *out = pin;
    return MN_OK;
}

/* OPEN of a read-only descriptor, repeated at each begin until somebody holds P. */
static enum mn_status pin_private(struct mn_store *store, struct mn_pin **pin)
{
    struct mn_file *file = store->file;
    int64_t wait_us = __atomic_load_n(&store->busy_ms, __ATOMIC_RELAXED) * 1000;
    struct mn_range settle = mn_lock_byte(MN_LOCK_SETTLE), found;
    enum mn_lock held = MN_LOCK_NONE;
    enum mn_status status = file->ops->lock(file, settle, MN_LOCK_SHARED, wait_us);
    bool locks = status != MN_IOERR;

    if (status && locks) return status;
    status = MN_OK;
    if (locks) {
        status = file->ops->lock_query(file, mn_lock_byte(MN_LOCK_PRESENCE), MN_LOCK_EXCLUSIVE,
                                       &found, &held);
    }
    if (!status && held != MN_LOCK_NONE) {
        status = file->ops->lock(file, mn_lock_byte(MN_LOCK_PRESENCE), MN_LOCK_SHARED, wait_us);
        if (!status) store->present = true;
    } else if (!status) {
        status = choose_private(store);
        if (!status) status = pin_chosen(store, pin);
    }
    if (locks) (void)file->ops->lock(file, settle, MN_LOCK_NONE, 0);
    return status;
}

/* ---- for views ---- */

enum mn_status mn_pin_acquire(struct mn_store *store, struct mn_pin **pin)
{
    enum mn_status status = MN_OK;

    *pin = NULL;
    pthread_mutex_lock(&store->mutex);
    if (!store->present) status = pin_private(store, pin);
    if (!status && !*pin) status = pin_published(store, pin);
    if (!status) {
        if (!MN_PLANT(PIN_UNCOUNTED) || (*pin)->users == 0) (*pin)->users++;
        store->views++;
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

void mn_pin_release(struct mn_store *store, struct mn_pin *pin)
{
    pthread_mutex_lock(&store->mutex);
    store->views--;
    if (--pin->users == 0) {
        for (size_t i = 0; i < store->pin_count; i++) {
            if (store->pins[i] != pin) continue;
            store->pins[i] = store->pins[--store->pin_count];
            break;
        }
        if (pin->locked) pin_unlock(store, pin->version);
        pin_keep_idle(store, pin);
    }
    pthread_mutex_unlock(&store->mutex);
}

/* ---- for the writer ---- */

static enum mn_status list_add(struct mn_writer *writer, uint64_t version)
{
    if (!mn_grow(&writer->pins, &writer->pin_capacity, writer->pin_count + 1,
                 sizeof *writer->pins)) {
        return mn_fail_nomem();
    }
    writer->pins[writer->pin_count++] = version;
    return MN_OK;
}

/* Every version in a locked range that can still be read: not after the base, and where the pages
 * are. */
static enum mn_status list_range(struct mn_writer *writer, struct mn_range found, uint64_t base)
{
    uint64_t first = found.start - MN_LOCK_PINS;
    uint64_t end = found.length ? first + found.length : UINT64_MAX;
    enum mn_status status = MN_OK;

    /* A long locked range is no reader's. What matters of it is its end: lifetimes are intervals.
     */
    for (uint64_t v = first; v < end && v <= base && !status; v++) status = list_add(writer, v);
    return status;
}

static int version_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/*
 * The pins of other open files. The system answers with any lock in the range, not with the lowest:
 * it keeps them by holder. So below an answer is asked again, until nothing is left there.
 */
static enum mn_status list_others(struct mn_store *store, uint64_t base, struct mn_writer *writer)
{
    const uint64_t end = MN_LOCK_PINS + base + 1;
    uint64_t start = MN_LOCK_PINS, limit = end;

    while (start < end) {
        struct mn_range rest = {start, limit - start}, found = {0, 0};
        enum mn_lock held = MN_LOCK_NONE;
        enum mn_status status =
            store->file->ops->lock_query(store->file, rest, MN_LOCK_EXCLUSIVE, &found, &held);

        if (status) return status;
        if (held == MN_LOCK_NONE) {
            start = limit;
            limit = end;
        } else if (found.start > start && !MN_PLANT(PINS_FIRST_ANSWER)) {
            limit = found.start;
        } else {
            /* The answer may begin before the question. */
            if (MN_PLANT(PINS_FIRST_ANSWER) && found.start > start) start = found.start;
            if (found.length) found.length -= start - found.start;
            found.start = start;
            status = list_range(writer, found, base);
            if (status || found.length == 0) return status;
            start += found.length;
            limit = end;
        }
    }
    return MN_OK;
}

enum mn_status mn_pins_list(struct mn_store *store, uint64_t base, struct mn_writer *writer)
{
    enum mn_status status;

    writer->pin_count = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    status = list_add(writer, base);
    if (!status && writer->durable && writer->durable < base && !MN_PLANT(DURABLE_UNPINNED)) {
        status = list_add(writer, writer->durable);
    }
    if (!status && !MN_PLANT(PINS_OF_OTHERS)) status = list_others(store, base, writer);
    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < store->pin_count && !status && !MN_PLANT(PINS_OWN); i++) {
        status = list_add(writer, store->pins[i]->version);
    }
    pthread_mutex_unlock(&store->mutex);
    if (status) return status;
    qsort(writer->pins, writer->pin_count, sizeof *writer->pins, version_compare);
    for (size_t i = 1, kept = 0; i < writer->pin_count; i++) {
        if (writer->pins[i] != writer->pins[kept]) writer->pins[++kept] = writer->pins[i];
        if (i + 1 == writer->pin_count) writer->pin_count = kept + 1;
    }
    return MN_OK;
}
