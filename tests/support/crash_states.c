/*
 * crash_states: which crash states there are at each position of a record.
 *
 * Between two syncs the pending pieces may arrive in any subset. Up to 12 of them every subset is
 * tried (up to 9 of an index of vectors, where a state takes ten times as long): at each write
 * those subsets that contain one of its pieces, so that each subset of each position is tried once.
 * With more there are prefixes, all but one, only one, pairs and random ones. Tears, garbage and
 * sizes are tried where a window of pending pieces closes.
 */
#include <stdlib.h>
#include <string.h>

#include "support/crash.h"

enum {
    SUBSETS_BITS = 12,
    DEAR_SUBSETS_BITS = 9,
    SECTOR = 512,
    KEEP_MAX = 4096,
    SECTORS = BLOCK / SECTOR
};

struct walk {
    struct explorer *x;
    const struct record *record;
    struct stage *stage, *late;                 /* late: one sync behind, for syncs that lie */
    struct permit permit, killed, history;      /* killed: where only the process dies */
    struct permit permit_before, killed_before; /* before the transaction in flight */
    struct permit older;                        /* of a start to come */
    uint64_t flying;                            /* print of the transaction that began last */
    size_t position;                            /* in the record */
    size_t late_window; /* pieces of `late` that were pending before the last sync */
    bool lying, started;
    bool lost; /* without syncs: one failed since the last promise */
    uint8_t keep[KEEP_MAX];
    enum fault_kind kind; /* of subsets */
};

static uint64_t draw(struct walk *w, uint64_t below)
{
    return below ? crash_random(w->x) % below : 0;
}

static bool done(const struct walk *w)
{
    return w->x->finding.invariant != 0;
}

static void permit_add(struct permit *permit, uint64_t print)
{
    for (uint32_t i = 0; i < permit->count; i++) {
        if (permit->prints[i] == print) return;
    }
    if (permit->count < PRINTS_MAX) permit->prints[permit->count++] = print;
}

static void permit_set(struct walk *w, uint64_t print)
{
    w->permit.prints[0] = w->killed.prints[0] = print;
    w->permit.count = w->killed.count = 1;
}

/* ---- subsets ---- */

static void subset_try(struct walk *w, struct stage *stage, const struct permit *permit,
                       enum fault_kind kind)
{
    for (size_t i = 0; i < stage->count; i++) {
        if (w->keep[i]) stage_arrive(stage, &stage->pieces[i]);
    }
    judge(w->x, stage, permit, kind);
}

static void subsets_all(struct walk *w, size_t fresh)
{
    size_t count = w->stage->count;

    for (uint32_t mask = 0; mask < 1u << count && !done(w); mask++) {
        if (fresh < count && mask >> fresh == 0) continue;
        for (size_t i = 0; i < count; i++) w->keep[i] = mask >> i & 1;
        subset_try(w, w->stage, &w->permit, w->kind);
    }
}

static void keep_set(struct walk *w, size_t from, size_t to, uint8_t value)
{
    if (from < to) memset(w->keep + from, value, to - from);
}

static void subsets_some(struct walk *w)
{
    size_t count = w->stage->count < KEEP_MAX ? w->stage->count : KEEP_MAX;
    bool many =
        count > 64; /* then a state is dear, and most differ in pages that nothing reaches */
    size_t step = many ? count / 8 : 1, random = many ? 2 : 8 * w->x->effort;

    for (size_t i = 0; i <= count && !done(w); i += step) { /* prefixes */
        keep_set(w, 0, i, 1);
        keep_set(w, i, count, 0);
        subset_try(w, w->stage, &w->permit, w->kind);
    }
    for (size_t i = draw(w, step); i < count && !done(w); i += step) { /* all but one, only one */
        keep_set(w, 0, count, 1);
        w->keep[i] = 0;
        subset_try(w, w->stage, &w->permit, w->kind);
        keep_set(w, 0, count, 0);
        w->keep[i] = 1;
        subset_try(w, w->stage, &w->permit, w->kind);
    }
    for (size_t i = 0; i < random && !done(w); i++) { /* all but a pair */
        keep_set(w, 0, count, 1);
        w->keep[draw(w, count)] = w->keep[draw(w, count)] = 0;
        subset_try(w, w->stage, &w->permit, w->kind);
        for (size_t j = 0; j < count; j++) w->keep[j] = crash_random(w->x) >> 17 & 1;
        subset_try(w, w->stage, &w->permit, w->kind);
    }
}

/* All states of this position that need one of the pieces from `fresh` on. */
static void subsets(struct walk *w, size_t fresh)
{
    size_t most = w->x->depth ? SUBSETS_BITS / 2 : SUBSETS_BITS;

    if (w->x->workload->layer->form && most > DEAR_SUBSETS_BITS) most = DEAR_SUBSETS_BITS;
    if (w->stage->count <= most) {
        subsets_all(w, fresh);
    } else {
        subsets_some(w);
    }
}

/* ---- tears ---- */

struct tear {
    enum fault_kind kind;
    uint32_t sectors; /* bits: those that arrive; of garbage: those that are garbage */
    uint32_t cut;     /* KIND_TEAR_8: bytes that arrive */
};

static void torn_arrive(struct walk *w, const struct piece *piece, const struct tear *tear)
{
    uint8_t garbage[SECTOR];

    for (uint64_t at = 0; at < piece->size; at += SECTOR) {
        uint64_t size = piece->size - at < SECTOR ? piece->size - at : SECTOR;
        struct piece part = {piece->offset + at, size, piece->bytes + at};
        bool in = tear->sectors >> at / SECTOR & 1;

        if (tear->kind == KIND_TEAR_8) {
            if (at >= tear->cut) continue;
            if (size > tear->cut - at) part.size = tear->cut - at;
        } else if (tear->kind == KIND_GARBAGE && in) {
            for (size_t i = 0; i < SECTOR; i++) garbage[i] = (uint8_t)crash_random(w->x);
            part.bytes = garbage;
        } else if (tear->kind == KIND_TEAR_512 && !in) {
            continue;
        }
        stage_arrive(w->stage, &part);
    }
}

static void tear_try(struct walk *w, size_t torn, const struct tear *tear)
{
    for (size_t i = 0; i < w->stage->count && i < KEEP_MAX; i++) {
        const struct piece *piece = &w->stage->pieces[i];

        if (i == torn) {
            torn_arrive(w, piece, tear);
        } else if (w->keep[i]) {
            stage_arrive(w->stage, piece);
        }
    }
    judge(w->x, w->stage, &w->permit, tear->kind);
}

/* Each torn piece among all others, among those before it, and among a random part of them. */
static void others_choose(struct walk *w, size_t torn, int way)
{
    size_t count = w->stage->count < KEEP_MAX ? w->stage->count : KEEP_MAX;

    keep_set(w, 0, count, 1);
    if (way == 1) keep_set(w, torn, count, 0);
    if (way == 2) {
        for (size_t i = 0; i < count; i++) w->keep[i] = crash_random(w->x) >> 23 & 1;
    }
}

static bool is_slot(const struct piece *piece)
{
    return is_fixed(piece->offset) && piece->offset >= UNIT && piece->offset / UNIT != 12;
}

static void piece_tears(struct walk *w, size_t torn)
{
    const struct piece *piece = &w->stage->pieces[torn];
    uint32_t sectors = (uint32_t)((piece->size + SECTOR - 1) / SECTOR);
    uint32_t all = sectors < 32 ? (1u << sectors) - 1 : UINT32_MAX;
    /* A torn slot is another state whatever else there is; a torn page only if a slot reaches it.
     */
    uint32_t tries = w->x->effort * (is_slot(piece) ? 16 : 3);

    if (w->x->depth) tries = 2;
    for (uint32_t i = 0; i < tries && !done(w); i++) {
        struct tear tear = {.kind = KIND_TEAR_512};

        others_choose(w, torn, (int)(i % 3));
        /* A prefix, a suffix, one sector, all but one, any. */
        tear.sectors = (uint32_t)crash_random(w->x);
        if (i % 5 == 0) tear.sectors = (1u << draw(w, sectors)) - 1;
        if (i % 5 == 1) tear.sectors = ~((1u << draw(w, sectors)) - 1);
        if (i % 5 == 2) tear.sectors = 1u << draw(w, sectors);
        if (i % 5 == 3) tear.sectors = ~(1u << draw(w, sectors));
        tear.sectors &= all;
        if (sectors > 1) tear_try(w, torn, &tear);
        if (done(w)) return;
        tear.kind = KIND_TEAR_8;
        tear.cut = (uint32_t)(8 * (1 + draw(w, piece->size / 8)));
        tear_try(w, torn, &tear);
        if (done(w)) return;
        tear.kind = KIND_GARBAGE;
        tear.sectors = i % 4 == 3 ? (uint32_t)crash_random(w->x) & all : 1u << draw(w, sectors);
        tear_try(w, torn, &tear);
    }
}

static void tears(struct walk *w)
{
    size_t count = w->stage->count, step = count > 64 ? count / 4 : count > 24 ? count / 12 : 1;

    for (size_t i = count; i > 0 && !done(w); i -= i > step ? step : i) {
        if (w->stage->pieces[i - 1].bytes) piece_tears(w, i - 1);
    }
}

/* The size leads: it has arrived and nothing else has; behind the old end are zeros, or garbage. */
static void sizes(struct walk *w)
{
    for (size_t i = 0; i < w->stage->count; i++) {
        uint64_t before;

        if (w->stage->pieces[i].bytes) continue;
        for (int stale = 0; stale < 2 && !done(w); stale++) {
            before = mn_sim_size(w->stage->os, "walk");
            stage_arrive(w->stage, &w->stage->pieces[i]);
            for (uint64_t at = before; stale && at < mn_sim_size(w->stage->os, "walk"); at += 8) {
                uint64_t word = crash_random(w->x);
                struct piece piece = {at, 8, (const uint8_t *)&word};

                stage_arrive(w->stage, &piece);
            }
            judge(w->x, w->stage, &w->permit, KIND_SIZE);
        }
    }
}

/* ---- the process dies, another settles, power fails ---- */

/* All pieces that were written by then; the last of them may be within one write. */
static void kill_try(struct walk *w, size_t count)
{
    struct mn_file *file;

    if (w->stage->os->ops->open(w->stage->os, "walk", 0, &file)) return;
    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = &w->stage->pieces[i];

        if (piece->bytes) {
            (void)mn_file_write(file, piece->offset, piece->bytes, piece->size);
        } else {
            (void)file->ops->resize(file, piece->size);
        }
    }
    file->ops->close(file);
    judge(w->x, w->stage, &w->killed, KIND_KILL);
}

/* ---- a sync that lied ---- */

static void lies_try(struct walk *w)
{
    struct permit any = w->history;
    size_t count = w->late->count < KEEP_MAX ? w->late->count : KEEP_MAX;
    size_t old = w->late_window < count ? w->late_window : count;

    any.refuse = true;
    for (uint32_t n = 0; n < 4 * w->x->effort && old > 0 && !done(w); n++) {
        keep_set(w, 0, count, n % 2 == 0);
        for (size_t i = 0; n % 2 && i < count; i++) w->keep[i] = crash_random(w->x) >> 29 & 1;
        w->keep[draw(w, old)] = 0;
        subset_try(w, w->late, &any, KIND_LYING);
    }
}

/* ---- damage to what is durable ---- */

static bool page_reached(const struct record *record, uint64_t page)
{
    for (uint32_t i = 0; i < record->version_count && page < PAGES_MAX; i++) {
        if (record->versions[i].reach[page / 8] >> page % 8 & 1) return true;
    }
    return false;
}

/* The bytes of an earlier write of this page, of those that reached the device; else none. */
static void older_take(struct walk *w, uint64_t offset, uint64_t size, uint8_t *bytes)
{
    const struct record *record = w->record;
    const uint8_t *written = NULL, *durable = NULL;

    for (size_t i = 0; i < w->position; i++) {
        const struct record_entry *e = &record->entries[i];

        if (e->kind == REC_WRITE && e->offset <= offset && e->offset + e->size >= offset + size) {
            written = record->arena + e->bytes + (offset - e->offset);
        } else if (e->kind == REC_SYNC_FAILED) {
            written = NULL;
        } else if (e->kind == REC_SYNC && written) {
            if (durable) memcpy(bytes, durable, size);
            if (durable && draw(w, 3) == 0) return;
            durable = written;
            written = NULL;
        }
    }
}

/* One of five: a bit, an older write, another page's bytes, zeros, another page overwritten. */
static void damage_one(struct walk *w, uint64_t page, uint64_t other)
{
    uint64_t size = w->record->image.page_size;
    const uint8_t *content = mn_sim_content(w->stage->os, "walk");
    uint8_t bytes[BLOCK];
    struct piece piece = {page * size, size, bytes};

    memcpy(bytes, content + page * size, size);
    switch (draw(w, 5)) {
    case 0: bytes[draw(w, size)] ^= (uint8_t)(1u << draw(w, 8)); break;
    case 1: older_take(w, piece.offset, size, bytes); break; /* the last write was lost */
    case 2: memcpy(bytes, content + other * size, size); break;
    case 3: memset(bytes, 0, size); break;
    default: /* misdirected: this page's bytes lie over another page */ piece.offset = other * size;
    }
    stage_arrive(w->stage, &piece);
}

/* The end of the file is gone. */
static void damage_cut(struct walk *w)
{
    uint64_t more = mn_sim_size(w->stage->os, "walk") - FIXED;
    struct piece piece = {0, FIXED + draw(w, more) / UNIT * UNIT, NULL};

    stage_arrive(w->stage, &piece);
}

static void damage(struct walk *w, uint32_t tries)
{
    uint64_t pages = mn_sim_size(w->stage->os, "walk") >> w->stage->page_shift;
    uint64_t fixed = FIXED >> w->stage->page_shift;
    struct permit permit = w->permit;

    permit.refuse = true;
    for (uint32_t n = 0; n < tries && !done(w); n++) {
        uint64_t page = draw(w, pages), other = fixed + draw(w, pages - fixed);

        bool cut = n % 4 == 3;

        /* What is pending has arrived: one fault at a time. But a cut is told without a notice. */
        for (size_t i = 0; i < w->stage->count && !(cut && n % 8 == 3); i++)
            stage_arrive(w->stage, &w->stage->pieces[i]);
        for (int i = 0; i < 8 && page >= fixed && !page_reached(w->record, page); i++) {
            page = draw(w, pages);
        }
        if (cut) {
            damage_cut(w);
        } else {
            damage_one(w, page, other);
        }
        judge(w->x, w->stage, &permit, KIND_DAMAGE);
    }
}

/* ---- the walk ---- */

static void window_closes(struct walk *w)
{
    tears(w);
    if (!done(w)) sizes(w);
    if (!done(w) && w->lying) lies_try(w);
}

static void synced(struct walk *w, const struct record_entry *entry)
{
    if (entry->kind == REC_SYNC) {
        stage_sync(w->stage, NULL);
    } else {
        for (size_t i = 0; i < w->stage->count && i < KEEP_MAX; i++) {
            w->keep[i] = !w->stage->pieces[i].bytes || (i < 64 && entry->mask >> i & 1);
        }
        stage_sync(w->stage, w->keep);
        w->kind = KIND_FAILED;
        w->lost = w->x->workload->sync != MN_STORE_FULL;
        if (w->lost) w->killed = w->permit;
        if (w->started) judge(w->x, w->stage, &w->permit, w->kind);
    }
    /* The late stage is where the device would be had it ignored this sync, but not the last. */
    if (w->lying) {
        size_t window = w->late_window;

        w->late_window = w->late->count - window;
        stage_sync_first(w->late, window);
    }
}

/* A commit is acknowledged, or it is known what became of one. */
static void acknowledged(struct walk *w, const struct record_entry *entry)
{
    w->x->retry.count = 0;
    w->x->moving = false;
    if (!w->started) return;
    if (w->x->workload->sync == MN_STORE_FULL) {
        permit_set(w, entry->print);
    } else {
        /* What was found not to have happened does not come back. */
        if (entry->kind == REC_SETTLE && entry->print != w->flying && !w->lost)
            w->permit = w->permit_before;
        permit_add(&w->permit, entry->print);
        if (!w->lost) w->killed.count = 0; /* else the process may find less than it had */
        permit_add(&w->killed, entry->print);
    }
    subsets(w, w->stage->count);
    /* What nobody waits for is there still when all processes end now. */
    if (!w->x->lean && !done(w) && w->stage->count > 0) kill_try(w, w->stage->count);
    if (entry->kind == REC_ACK) w->kind = w->x->depth ? KIND_RECOVERY : KIND_SUBSET;
    /* A failed sync may have dropped the notice, which alone tells of a damaged newest slot:
     * one fault at a time. */
    if (!w->x->lean && !done(w) && w->kind != KIND_FAILED && !w->lost) damage(w, 3 * w->x->effort);
}

static void entry_walk(struct walk *w, const struct record_entry *entry)
{
    size_t fresh = w->stage->count;

    switch (entry->kind) {
    case REC_WRITE:
    case REC_RESIZE:
        stage_pend(w->stage, entry);
        if (w->lying) stage_pend(w->late, entry);
        if (!w->started) break;
        subsets(w, fresh);
        if (!w->x->lean && !done(w) && draw(w, 3) == 0) {
            bool within = draw(w, 2) && w->stage->count > fresh + 1;

            kill_try(w,
                     within ? fresh + 1 + draw(w, w->stage->count - fresh - 1) : w->stage->count);
        }
        break;
    case REC_SYNC:
    case REC_SYNC_FAILED:
        if (w->started) window_closes(w);
        synced(w, entry);
        break;
    case REC_PAUSE: w->started = false; break;
    case REC_OLDER: permit_add(&w->older, entry->print); break;
    case REC_START:
        permit_set(w, entry->print);
        for (uint32_t i = 0; i < w->older.count; i++) permit_add(&w->permit, w->older.prints[i]);
        w->older.count = 0;
        w->started = true;
        if (w->stage->count > 0) subsets(w, 0);
        break;
    case REC_BEGIN:
        w->x->retry = (struct retry){w->record->changes + entry->first, (size_t)entry->size,
                                     w->killed.prints[0]};
        w->x->moving = entry->moves;
        w->permit_before = w->permit;
        w->killed_before = w->killed;
        permit_add(&w->permit, entry->print);
        permit_add(&w->killed, entry->print);
        permit_add(&w->history, entry->print);
        w->flying = entry->print;
        break;
    case REC_PROMISE:
        w->lost = false;
        if (w->started) permit_set(w, entry->print);
        break;
    case REC_ACK:
    case REC_SETTLE: acknowledged(w, entry); break;
    case REC_REFUSE:
        w->x->retry.count = 0;
        w->x->moving = false;
        w->permit = w->permit_before;
        w->killed = w->killed_before;
        break;
    }
}

void states_walk(struct explorer *x, const struct record *record, const uint8_t *bytes,
                 uint64_t size, uint64_t print)
{
    struct walk *w = calloc(1, sizeof *w);

    if (!x->stages) x->stages = calloc(STAGES, sizeof *x->stages);
    if (!w || !x->stages) abort();
    w->stage = &x->stages[x->depth];
    w->late = &x->stages[STAGE_LEVELS];
    if (!stage_begin(w->stage, record, bytes, size)) abort();
    x->moving = false;
    w->x = x;
    w->record = record;
    w->kind = x->depth ? KIND_RECOVERY : KIND_SUBSET;
    w->permit = w->history = w->killed = (struct permit){.prints = {print}, .count = 1};
    w->permit.refuse = x->workload->sync == MN_STORE_OFF;
    w->started = x->depth > 0;
    w->lying = !x->lean && x->depth == 0 && x->workload->seed % 2 == 0;
    for (size_t i = 0; i < record->count; i++) {
        if (record->entries[i].kind == REC_SYNC_FAILED) w->lying = false;
    }
    if (w->lying && !stage_begin(w->late, record, bytes, size)) abort();
    for (w->position = 0; w->position < record->count && !done(w); w->position++) {
        entry_walk(w, &record->entries[w->position]);
    }
    if (!done(w)) window_closes(w);
    free(w);
}
