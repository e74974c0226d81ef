/*
 * fuzz_crash: changes of rows, edges and vectors on a machine that loses power, again and again.
 *
 * The first byte chooses the sync mode; then three bytes a step. A step may arm a power loss at an
 * event to come, with what arrives of the pending writes drawn from the step: the machine is copied
 * there as the loss would leave it. When the call has returned, the copy is opened, itself cut by a
 * second loss during recovery if the step says so, and must hold
 *
 *   full   what was committed, or also what was in flight;
 *   lazy   one of the states since the last version that was known to be durable;
 *   off    the same, or be refused with MN_CORRUPT.
 *
 * Then the check must find nothing and a commit succeed; and the run may go on from the copy.
 * Syncs may fail: MN_UNCERTAIN is followed by closing and opening, which decides.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mneme.h"
#include "support/rows.h"

enum { STEPS_MAX = 160, LOSSES_MAX = 5, HISTORY = 48 }; /* a loss copies a mebibyte twice */

/* A state that a power loss may leave. */
struct known {
    uint64_t version;
    struct rows_state state;
};

struct world {
    struct mn_os *os, *lost;
    struct rows rows;
    unsigned sync;
    struct known history[HISTORY]; /* oldest first; the last is what is committed */
    unsigned count;
    uint64_t events, lose_at; /* 0: no loss is armed */
    struct mn_sim_loss loss;
    bool sync_fails, again, stay;
    unsigned losses;
};

static enum mn_sim_fault on_event(void *context, const struct mn_sim_event *event)
{
    struct world *w = context;

    w->events++;
    if (w->lose_at && w->events == w->lose_at && !w->lost) {
        w->lost = mn_sim_crash(w->os, &w->loss);
        rows_must(w->lost != NULL, "a copy of the machine");
    }
    if (event->op == MN_SIM_SYNC && w->sync_fails) {
        w->sync_fails = false;
        return MN_SIM_EIO;
    }
    return MN_SIM_PASS;
}

static void loss_draw(struct mn_sim_loss *loss, uint8_t a, uint8_t b)
{
    *loss = (struct mn_sim_loss){.random = (a & 1) != 0, .seed = b, .sizes = (a & 2) != 0};
    loss->tear = (enum mn_sim_tear)(a / 4 % 4);
    loss->torn = b % 8;
    loss->keep = a & 16 ? UINT64_C(1) << b % 16 : ~(UINT64_C(1) << b % 16);
    if (a & 32) loss->keep = (UINT64_C(1) << b % 20) - 1;
}

/* ---- what may be found ---- */

static void history_set(struct world *w, const struct rows_state *state)
{
    w->history[0] = (struct known){mn_current_version(w->rows.db), *state};
    w->count = 1;
}

/* No room for another state: all but the newest are made what can no longer be found. A loss or a
 * failing sync that a step armed is not for this call: its copy would be judged by what follows. */
static void history_sync(struct world *w)
{
    uint64_t lose_at = w->lose_at;
    bool sync_fails = w->sync_fails;

    w->lose_at = 0;
    w->sync_fails = false;
    rows_must(mn_sync(w->rows.db) == MN_OK, "sync");
    w->lose_at = lose_at;
    w->sync_fails = sync_fails;
    w->count = 0;
}

/* A commit returned: what is older than the newest durable version can no longer be found. */
static void history_add(struct world *w, const struct rows_state *state)
{
    mn_stats stats = {.size = sizeof stats};
    unsigned drop = 0;

    if (w->count == HISTORY) history_sync(w);
    rows_must(mn_stat(w->rows.db, &stats) == MN_OK, "stat");
    w->history[w->count++] = (struct known){stats.version, *state};
    if (w->sync == MN_SYNC_FULL) rows_must(stats.durable_version == stats.version, "durable");
    while (drop + 1 < w->count && w->history[drop + 1].version <= stats.durable_version) drop++;
    w->count -= drop;
    memmove(w->history, w->history + drop, w->count * sizeof *w->history);
}

static bool permitted(const struct world *w, const struct rows_state *found,
                      const struct rows_state *in_flight)
{
    if (in_flight && rows_equal(found, in_flight)) return true;
    for (unsigned i = 0; i < w->count; i++) {
        if (rows_equal(found, &w->history[i].state)) return true;
    }
    return false;
}

/* ---- a loss ---- */

/* Opens what a loss left; a second loss may cut the recovery, and the copy of it is opened then.
 * NULL: refused, as it may be with sync = off. */
static mn_db *survivor_open(struct world *w)
{
    struct mn_os *first = w->lost;
    int status;
    mn_db *db;

    w->lost = NULL;
    w->os = first;
    w->sync_fails = false;
    w->events = 0;
    w->lose_at = w->again ? 1 + w->loss.seed % 24 : 0;
    mn_sim_set_hook(first, on_event, w);
    db = rows_open(first, w->sync, &status);
    mn_sim_set_hook(first, NULL, NULL);
    w->lose_at = 0;
    if (w->lost) {
        if (db) rows_must(mn_close(db) == MN_OK, "close what is lost");
        mn_machine_free(first);
        first = w->lost;
        w->lost = NULL;
        db = rows_open(first, w->sync, &status);
    }
    w->os = first;
    if (!db) rows_must(w->sync == MN_SYNC_OFF && status == MN_CORRUPT, "what is left opens");
    return db;
}

static bool survivor_judge(struct world *w, mn_db *db, const struct rows_state *in_flight,
                           struct rows_state *found)
{
    int status = rows_read(db, found);

    if (status == MN_OK) rows_must(permitted(w, found, in_flight), "a permitted state");
    if (status == MN_OK) status = rows_check(db);
    if (status == MN_OK) return true;
    rows_must(w->sync == MN_SYNC_OFF && status == MN_CORRUPT, "what is left is sound");
    return false;
}

/* Three commits more, read back. */
static void survivor_commit(struct rows *rows, const struct rows_state *found, uint8_t seed)
{
    struct rows_state read;

    rows->now = *found;
    for (uint8_t i = 0; i < 3; i++) {
        struct rows_state next;

        rows_must(rows_change(rows, 0, (uint8_t)(i * 11), (uint8_t)(seed + i), &next) == MN_OK,
                  "a commit behind a loss");
        rows->now = rows->committed = next;
    }
    rows_must(rows_read(rows->db, &read) == MN_OK && rows_equal(&read, &rows->now),
              "what was committed behind a loss");
}

/*
 * The machine was copied during the last call: the copy is judged. in_flight is what that call
 * would have made; NULL: nothing new. True: the run goes on from the copy, the old one is gone.
 */
static bool loss_settle(struct world *w, const struct rows_state *in_flight)
{
    struct mn_os *os = w->os;
    struct rows rows = {0};
    struct rows_state found;
    bool moves = false;

    w->lose_at = 0;
    mn_sim_set_hook(os, NULL, NULL);
    rows.db = survivor_open(w);
    if (rows.db && survivor_judge(w, rows.db, in_flight, &found)) {
        survivor_commit(&rows, &found, (uint8_t)w->loss.seed);
        moves = !w->stay;
    }
    if (moves) {
        (void)mn_rollback(w->rows.db);
        (void)mn_close(w->rows.db);
        mn_machine_free(os);
        w->rows = rows;
        rows_must(mn_sync(rows.db) == MN_OK, "sync");
        history_set(w, &rows.now);
    } else {
        if (rows.db) (void)mn_close(rows.db);
        mn_machine_free(w->os);
        w->os = os;
    }
    mn_sim_set_hook(w->os, on_event, w);
    return moves;
}

/* ---- steps ---- */

/* Closes, opens, and takes what is there for what is committed. */
static void reopen(struct world *w, const struct rows_state *in_flight)
{
    struct rows_state found;
    int status;

    if (w->rows.open) rows_must(mn_rollback(w->rows.db) == MN_OK, "rollback");
    w->rows.open = false;
    w->rows.depth = 0;
    w->rows.now = w->rows.committed;
    status = mn_close(w->rows.db);
    rows_must(status == MN_OK || status == MN_UNCERTAIN, "close");
    if (w->lost) {
        /* The handle is closed and cannot be; a loss here is judged, and the run stays. */
        w->stay = true;
        (void)loss_settle(w, in_flight);
    }
    w->rows.db = rows_open(w->os, w->sync, &status);
    if (!w->rows.db && status == MN_IOERR) w->rows.db = rows_open(w->os, w->sync, &status);
    rows_must(w->rows.db != NULL, "open again");
    if (w->lost) (void)mn_machine_free(w->lost);
    w->lost = NULL;
    rows_must(rows_read(w->rows.db, &found) == MN_OK && permitted(w, &found, in_flight),
              "a permitted state after opening again");
    w->rows.now = w->rows.committed = found;
    history_set(w, &found);
}

/* A commit answered; next is what it would make. */
static void committed(struct world *w, int status, const struct rows_state *next)
{
    if (w->lost && loss_settle(w, next)) return;
    w->rows.open = false;
    w->rows.depth = 0;
    if (status == MN_OK) {
        w->rows.now = w->rows.committed = *next;
        history_add(w, next);
    } else {
        rows_must(status == MN_UNCERTAIN || status == MN_IOERR, "a commit's answer");
        w->rows.now = w->rows.committed;
        reopen(w, next);
    }
}

static void change(struct world *w, const uint8_t *op)
{
    struct rows_state next;
    int status = rows_change(&w->rows, op[0], op[1], op[2], &next);

    if (!w->rows.open) {
        committed(w, status, &next);
    } else {
        if (w->lost && loss_settle(w, NULL)) return;
        rows_must(status == MN_OK, "a change inside a transaction");
        w->rows.now = next;
    }
}

static void begin(struct world *w)
{
    int status;

    if (w->rows.open) return;
    status = mn_begin(w->rows.db, MN_BEGIN_WRITE);
    if (w->lost && loss_settle(w, NULL)) return;
    rows_must(status == MN_OK || status == MN_IOERR || status == MN_UNCERTAIN, "begin");
    w->rows.open = status == MN_OK;
    if (status != MN_OK) reopen(w, NULL);
}

static void end(struct world *w, bool keep)
{
    struct rows_state next = w->rows.now;
    int status;

    if (!w->rows.open) return;
    if (keep) {
        status = mn_commit(w->rows.db);
        committed(w, status, &next);
        return;
    }
    rows_must(mn_rollback(w->rows.db) == MN_OK, "rollback");
    w->rows.open = false;
    w->rows.depth = 0;
    w->rows.now = w->rows.committed;
}

static void sync_all(struct world *w)
{
    int status;

    if (w->rows.open) return;
    status = mn_sync(w->rows.db);
    if (w->lost && loss_settle(w, NULL)) return;
    if (status == MN_OK) {
        history_set(w, &w->rows.committed);
    } else {
        rows_must(status == MN_UNCERTAIN || status == MN_IOERR, "sync");
        reopen(w, NULL);
    }
}

static void arm(struct world *w, const uint8_t *op)
{
    if (w->losses == LOSSES_MAX) return;
    w->losses++;
    loss_draw(&w->loss, op[1], op[2]);
    w->events = 0;
    w->lose_at = 1 + op[2] % 40;
    w->again = (op[1] & 64) != 0;
    w->stay = (op[1] & 128) != 0;
}

static void step(struct world *w, const uint8_t *op)
{
    struct rows_state found;

    switch (op[0] % 24) {
    case 10:
    case 11: begin(w); break;
    case 12:
    case 13: end(w, true); break;
    case 14: end(w, false); break;
    case 15:
        if (w->rows.open) rows_must(rows_savepoint(&w->rows, op[1]) == MN_OK, "a savepoint");
        break;
    case 16:
    case 17:
    case 18: arm(w, op); break;
    case 19: w->sync_fails = op[1] % 2 == 0; break;
    case 20: sync_all(w); break;
    case 21: reopen(w, NULL); break;
    case 22:
        rows_must(rows_read(w->rows.db, &found) == MN_OK && rows_equal(&found, &w->rows.now),
                  "what is read");
        break;
    default: change(w, op);
    }
}

static void world_open(struct world *w, uint8_t how)
{
    int status;

    memset(w, 0, sizeof *w);
    w->sync = how % 3; /* MN_SYNC_FULL, _LAZY or _OFF */
    w->os = mn_machine_new(how, 8 << 20);
    rows_must(w->os != NULL, "a machine");
    w->rows.db = rows_open(w->os, w->sync, &status);
    rows_must(w->rows.db != NULL, "open");
    rows_create(w->rows.db);
    rows_must(mn_sync(w->rows.db) == MN_OK, "sync");
    history_set(w, &w->rows.committed);
    mn_sim_set_hook(w->os, on_event, w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct rows_state found;

    if (size == 0) return 0;
    world_open(&w, data[0]);
    for (size_t i = 1; i + 3 <= size && i < 3 * (size_t)STEPS_MAX; i += 3) step(&w, data + i);
    w.sync_fails = false;
    w.lose_at = 0;
    end(&w, true);
    rows_must(rows_read(w.rows.db, &found) == MN_OK && rows_equal(&found, &w.rows.now), "the end");
    rows_must(rows_check(w.rows.db) == MN_OK, "the check at the end");
    mn_sim_set_hook(w.os, NULL, NULL);
    rows_must(mn_close(w.rows.db) == MN_OK, "close");
    mn_machine_free(w.os);
    mn_machine_free(w.lost); /* a copy that the last reads made */
    return 0;
}
