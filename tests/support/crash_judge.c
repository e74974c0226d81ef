/*
 * crash_judge: opens the engine on a crash state and says whether it is what it may be.
 *
 * A state that was judged before is not opened again: what it held is remembered by the hash of all
 * that decides it, and compared with what is permitted now.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "support/crash.h"

enum { REFUSED = 2 }; /* prints are odd */
enum { VERSION_BYTES_MAX = 1 << 20, RING_BYTES_MAX = 128 << 10 };
enum { OPEN_WRITES_MAX = 1, NOTICE_BYTES = 32 };
enum {
    COMMIT_ONE_IN = 4,
    COMMIT_TORN_ONE_IN = 2,
    AGAIN_ONE_IN = 8,
    SECOND_ONE_IN = 96,
    SECOND_RARE_ONE_IN = 768, /* where one transaction writes many pages */
    COMMITS = 3
};

const char *const kind_names[KINDS] = {"subset",     "tear 512",    "tear 8", "garbage",
                                       "size",       "failed sync", "kill",   "recovery",
                                       "lying sync", "damage"};

uint64_t crash_random(struct explorer *x)
{
    x->random += UINT64_C(0x9E3779B97F4A7C15);
    return mn_hash_mix(mn_hash_mix(x->random, x->random >> 31), 0x5DEECE66D);
}

void explorer_found(struct explorer *x, int invariant, const char *format, ...)
{
    va_list arguments;

    if (x->finding.invariant || !(x->checks >> invariant & 1)) return;
    x->finding.invariant = invariant;
    x->finding.state = x->tally->raw;
    va_start(arguments, format);
    vsnprintf(x->finding.text, sizeof x->finding.text, format, arguments);
    va_end(arguments);
}

/* ---- what an opening costs ---- */

struct costs {
    uint64_t read[2], writes, others; /* read: from the cache, from the device */
};

static enum mn_sim_fault costs_hook(void *context, const struct mn_sim_event *event)
{
    struct costs *costs = context;

    if (event->op == MN_SIM_READ || event->op == MN_SIM_READ_DEVICE) {
        costs->read[event->op == MN_SIM_READ_DEVICE] += event->size_bytes;
    } else if (event->op == MN_SIM_WRITE) {
        costs->writes++;
        if (event->offset != 12 * UNIT || event->size_bytes != NOTICE_BYTES) costs->others++;
    } else if (event->op == MN_SIM_RESIZE) {
        costs->others++;
    }
    return MN_SIM_PASS;
}

/*
 * (I6): the fixed pages, and at most 1 MiB of each version that had to be tried: those of whole
 * slots from the newest down to the one that was chosen; where the device lied also the older ones,
 * before the notice spoke for one that is not whole. The same of the cache, to compare.
 */
static uint64_t open_bytes_max(const struct stage *stage, bool lied)
{
    struct image image = {.bytes = mn_sim_content(stage->os, "walk"),
                          .size = mn_sim_size(stage->os, "walk"),
                          .page_size = 1u << stage->page_shift};
    uint64_t published = 0, tried = 0;

    (void)mn_sim_peek(stage->os, "walk", 12 * UNIT, &published, sizeof published);
    for (uint64_t i = 0; i < SLOTS && image.size >= FIXED; i++) {
        const uint8_t *slot = image.bytes + slot_at(i);

        if (!lied && image_slot_version(slot) < published) continue;
        tried += image_slot_is_whole(&image, slot);
    }
    return RING_BYTES_MAX + tried * VERSION_BYTES_MAX;
}

static bool costs_exceed(const struct stage *stage, const struct costs *costs, bool lied)
{
    uint64_t most = VERSION_BYTES_MAX;

    if (costs->writes > OPEN_WRITES_MAX || costs->others) return true;
    if (costs->read[0] > most || costs->read[1] > most) most = open_bytes_max(stage, lied);
    return costs->read[0] > most || costs->read[1] > most;
}

/* ---- one state ---- */

struct trial {
    struct explorer *x;
    struct stage *stage;
    struct place place;
    struct handle handle;
    struct cells cells;
    bool may_refuse;
    enum fault_kind kind;
};

/* An answer that damage may get: it says where. */
static bool names_place(void)
{
    const char *text = mn_error_last()->message;

    return strstr(text, "page") || strstr(text, "slot") || strstr(text, "version") ||
           strstr(text, "the file is not") || strstr(text, "the file is empty") ||
           strstr(text, "byte");
}

static uint64_t refused(struct trial *t, enum mn_status status, const char *what)
{
    bool answer = status == MN_CORRUPT || status == MN_NOTADB || status == MN_VERSION;

    /* A device that ignored every sync may show the version before the tree was made. */
    if (t->may_refuse && t->kind == KIND_LYING && status == MN_NOTFOUND) return REFUSED;
    if (!t->may_refuse) {
        explorer_found(t->x, 1, "%s: %s", what, mn_error_last()->message);
    } else if (!answer || !names_place()) {
        explorer_found(t->x, 9, "%s, and no place is named: %s", what, mn_error_last()->message);
    }
    return REFUSED;
}

static uint64_t look(struct trial *t)
{
    enum mn_status status = t->handle.layer->read(&t->handle, &t->cells);

    if (status == MN_ERROR) {
        explorer_found(t->x, t->may_refuse ? 9 : 1, "%s", mn_error_last()->message);
        return REFUSED;
    }
    if (status) return refused(t, status, "cannot read");
    if (t->cells.ghost) {
        explorer_found(t->x, t->may_refuse ? 9 : 3, "%u rows and index entries do not agree",
                       t->cells.ghost);
    }
    return cells_print(&t->cells);
}

static void check(struct trial *t)
{
    uint32_t faults[10] = {0};
    char text[200] = "";

    if (t->handle.layer->check(&t->handle, faults, text, sizeof text)) {
        explorer_found(t->x, 2, "the check fails: %s", mn_error_last()->message);
    }
    for (int i = 1; i < 10; i++) {
        if (faults[i]) explorer_found(t->x, i, "%s", text);
    }
}

static enum mn_status change_make(struct trial *t, const struct change *change)
{
    struct handle *h = &t->handle;

    t->cells.value[change->cell] = change->value;
    t->cells.bytes[change->cell] = change->bytes;
    return h->layer->set(h, change->cell, change->value, change->bytes);
}

/* The transaction that was in flight, once more: the same nodes, perhaps in the same places. */
static enum mn_status retry_make(struct trial *t)
{
    const struct retry *retry = &t->x->retry;
    enum mn_status status = MN_OK;

    for (size_t i = 0; i < retry->count && !status; i++) {
        status = change_make(t, &retry->changes[i]);
    }
    return status;
}

static enum mn_status random_make(struct trial *t)
{
    const struct layer *layer = t->handle.layer;
    uint32_t changes = 1 + (uint32_t)(crash_random(t->x) % 3);
    enum mn_status status = MN_OK;

    for (uint32_t i = 0; i < changes && !status; i++) {
        uint64_t chance = crash_random(t->x);
        struct change change = {.value = chance >> 8 & 3 ? chance | 1 : 0,
                                .cell = (uint32_t)(chance % layer->cells)};

        change.bytes = change.value ? 8 + (chance >> 20) % 600 : 0;
        if (layer->raw && change.cell < 16) change.bytes = 0;
        if (change.bytes > layer->run_bytes_max) change.bytes = layer->run_bytes_max;
        status = change_make(t, &change);
    }
    return status;
}

/* One transaction of a few cells, and what then is read. */
static bool commit_one(struct trial *t, struct record *record, bool again)
{
    struct handle *h = &t->handle;
    enum mn_status status = h->layer->begin(h);
    uint64_t form = 0;

    if (status) return false;
    if (record && h->layer->form) form = h->layer->form(h);
    status = again ? retry_make(t) : random_make(t);
    if (status) {
        h->layer->abort(h);
        return false;
    }
    if (record) {
        bool moves = h->layer->form && h->layer->form(h) != form;

        record_begin(record, cells_print(&t->cells), moves);
    }
    status = h->layer->commit(h);
    t->x->tally->commits++;
    if (record) {
        record_versions(record);
        if (!status) record_note(record, REC_ACK, cells_print(&t->cells));
    }
    return status == MN_OK;
}

/* The transaction in flight did not happen: half of those that find that make it again first. */
static bool is_undone(const struct trial *t)
{
    return t->x->retry.count > 0 && t->x->retry.from == cells_print(&t->cells);
}

static void commits(struct trial *t, uint32_t count, struct record *record)
{
    struct cells have;
    bool again = is_undone(t) && mn_hash_mix(t->x->random, 7) & 1;

    for (uint32_t i = 0; i < count; i++) {
        if (!commit_one(t, record, again && i == 0)) {
            explorer_found(t->x, 7, "cannot commit after a crash: %s", mn_error_last()->message);
            return;
        }
    }
    if (t->handle.layer->read(&t->handle, &have)) {
        explorer_found(t->x, 7, "cannot read what was committed: %s", mn_error_last()->message);
    } else if (cells_print(&have) != cells_print(&t->cells) || have.ghost) {
        explorer_found(t->x, 7, "what was committed after a crash is not what is read");
    } else {
        uint32_t faults[10] = {0};
        char text[200] = "";

        if (t->handle.layer->check(&t->handle, faults, text, sizeof text)) {
            explorer_found(t->x, 7, "the check fails: %s", mn_error_last()->message);
        }
        for (int n = 1; n < 10; n++) {
            if (faults[n]) explorer_found(t->x, n, "after a commit: %s", text);
        }
    }
}

static void trial_close(struct trial *t)
{
    if (t->handle.store) t->handle.layer->close(&t->handle);
}

static bool trial_open(struct trial *t, struct mn_os *os, enum mn_status *status)
{
    t->place = (struct place){
        .os = os, .page_size = t->x->workload->page_size, .sync = t->x->workload->sync};
    t->handle = (struct handle){.layer = t->x->workload->layer};
    *status = t->handle.layer->open(&t->place, &t->handle);
    return *status == MN_OK;
}

/* (I6): a second opening finds the same. */
static void again(struct trial *t, struct mn_os *os, uint64_t print, int invariant)
{
    enum mn_status status;

    trial_close(t);
    if (!trial_open(t, os, &status)) {
        explorer_found(t->x, invariant, "cannot open again: %s", mn_error_last()->message);
    } else if (look(t) != print) {
        explorer_found(t->x, invariant, "a second opening finds something else");
    }
}

/* A process died: what the one that settled has seen, no power loss may take back. */
static void kill_judge(struct trial *t, uint64_t print)
{
    struct mn_sim_loss loss = {.random = true, .seed = crash_random(t->x)};
    struct mn_os *after;

    trial_close(t);
    for (int i = 0; i < 2 && !t->x->finding.invariant; i++) {
        if (i) loss = (struct mn_sim_loss){0};
        after = mn_sim_crash(t->stage->os, &loss);
        if (!after) abort();
        again(t, after, print, 1);
        trial_close(t);
        mn_machine_free(after);
    }
}

/* A torn page that is made again in its place is where most can go wrong. */
static uint64_t commit_one_in(const struct trial *t)
{
    bool torn = t->kind == KIND_TEAR_512 || t->kind == KIND_TEAR_8 || t->kind == KIND_GARBAGE;

    return torn && is_undone(t) ? COMMIT_TORN_ONE_IN : COMMIT_ONE_IN;
}

/* Is the state one of those that are crashed again while they recover? */
static bool is_second(struct explorer *x, const struct trial *t)
{
    uint64_t one_in = x->workload->layer->form ? SECOND_RARE_ONE_IN : SECOND_ONE_IN;

    return x->depth == 0 && !x->lean && t->kind != KIND_KILL && !t->may_refuse &&
           crash_random(x) % one_in == 0;
}

/* Opens what is there now, and looks at it from all sides. The print of what it holds. */
static uint64_t state_open(struct trial *t, struct record *record)
{
    struct costs costs = {0};
    enum mn_status status;
    uint64_t print;
    bool opened;

    if (!record) mn_sim_set_hook(t->stage->os, costs_hook, &costs);
    opened = trial_open(t, t->stage->os, &status);
    if (!record) mn_sim_set_hook(t->stage->os, NULL, NULL);
    if (!opened) return refused(t, status, "cannot open");
    t->x->tally->opened++;
    if (costs_exceed(t->stage, &costs, t->kind == KIND_LYING || t->kind == KIND_DAMAGE)) {
        explorer_found(t->x, 6,
                       "opening reads %" PRIu64 " bytes of the device, %" PRIu64
                       " of the cache, and writes %" PRIu64 " times",
                       costs.read[1], costs.read[0], costs.writes);
    }
    print = look(t);
    if (t->x->finding.invariant || print == REFUSED || t->may_refuse) return print;
    check(t);
    if (t->x->finding.invariant) return print;
    if (t->kind == KIND_KILL) {
        kill_judge(t, print);
    } else if (record || crash_random(t->x) % commit_one_in(t) == 0) {
        commits(t, record ? COMMITS : 1 + (crash_random(t->x) & 1), record);
    } else if (crash_random(t->x) % AGAIN_ONE_IN == 0) {
        again(t, t->stage->os, print, 6);
    }
    return print;
}

/* Recovery and the commits after it are recorded, and crashed again. */
static uint64_t state_open_twice(struct trial *t)
{
    struct explorer *x = t->x;
    uint64_t size = mn_sim_size(t->stage->os, "walk"), print;
    struct record *record = calloc(1, sizeof *record);
    uint8_t *bytes = malloc(size);

    if (!record || !bytes) abort();
    memcpy(bytes, mn_sim_content(t->stage->os, "walk"), size);
    record_start(record, t->stage->os, &t->place, x->workload->layer->raw);
    record_versions(record);
    print = state_open(t, record);
    trial_close(t);
    record_versions(record);
    record_stop(record);
    stage_rewind(t->stage);
    if (!x->finding.invariant && print != REFUSED) {
        struct retry retry = x->retry;
        bool moving = x->moving;

        x->depth++;
        states_walk(x, record, bytes, size, print);
        x->depth--;
        x->retry = retry;
        x->moving = moving;
    }
    record_free(record);
    free(record);
    free(bytes);
    return print;
}

static void outcome(struct explorer *x, const struct permit *permit, enum fault_kind kind,
                    uint64_t print)
{
    x->log_hash = mn_hash_mix(x->log_hash, print);
    if (print == REFUSED) {
        x->tally->outcomes[OUT_REFUSED]++;
        if (!permit->refuse) explorer_found(x, 1, "a state that was opened before is refused");
        return;
    }
    for (uint32_t i = 0; i < permit->count; i++) {
        if (permit->prints[i] != print) continue;
        if (kind == KIND_LYING && i + 2 < permit->count) {
            x->tally->outcomes[OUT_OLDER]++;
        } else {
            x->tally->outcomes[i + 1 == permit->count && i > 0 ? OUT_I : OUT_A]++;
        }
        return;
    }
    explorer_found(x, permit->refuse ? 9 : 1,
                   "%s at depth %u: the state is none of the %u permitted", kind_names[kind],
                   x->depth, permit->count);
}

void judge(struct explorer *x, struct stage *stage, const struct permit *permit,
           enum fault_kind kind)
{
    struct trial t = {.x = x, .stage = stage, .may_refuse = permit->refuse, .kind = kind};
    uint64_t state, all, print, random = x->random;
    const uint64_t *known;

    x->tally->raw++;
    x->tally->kinds[kind]++;
    x->tally->moving += x->moving;
    stage_hash(stage, &state, &all);
    x->log_hash = mn_hash_mix(x->log_hash, all);
    if (!table_get(&x->seen, state)) {
        table_add(&x->seen, state, 0);
        x->tally->distinct++;
        x->tally->moving_distinct += x->moving;
    }
    /* What is done with a state depends on it alone, so that a token tells the whole story. */
    x->random = all + (uint64_t)kind;
    known = kind == KIND_KILL ? NULL : table_get(&x->memo, all);
    if (known) {
        print = *known;
        stage_rewind(stage);
    } else {
        t.place.page_size = x->workload->page_size;
        if (is_second(x, &t)) {
            print = state_open_twice(&t);
        } else {
            print = state_open(&t, NULL);
            trial_close(&t);
            stage_rewind(stage);
        }
        if (kind != KIND_KILL) table_add(&x->memo, all, print);
    }
    x->random = random;
    if (!x->finding.invariant) outcome(x, permit, kind, print);
    if (x->finding.invariant && x->finding.kind == 0) x->finding.kind = kind;
}

/* ---- a workload ---- */

bool crash_explore(struct explorer *x, const struct workload *workload)
{
    static const struct cells nothing;
    struct record *record = calloc(1, sizeof *record);

    if (!record) abort();
    x->workload = workload;
    x->random = workload->seed * 77 + 5;
    x->retry.count = 0;
    x->moving = false;
    memset(&x->finding, 0, sizeof x->finding);
    world_run(x, record);
    if (!x->finding.invariant)
        states_walk(x, record, (const uint8_t *)"", 0, cells_print(&nothing));
    record_free(record);
    free(record);
    return x->finding.invariant == 0;
}

void explorer_free(struct explorer *x)
{
    table_free(&x->seen);
    table_free(&x->memo);
    for (int i = 0; x->stages && i < STAGES; i++) stage_free(&x->stages[i]);
    free(x->stages);
    x->stages = NULL;
}
