/*
 * fuzz_fault: changes of rows, edges and vectors while memory runs out and calls of the machine
 * fail.
 *
 * Three bytes a step; the first byte of the input chooses the sync mode. A step may arm a fault for
 * the step behind it: its n-th allocation fails, or its n-th call of the seam (an error, a full
 * disk, a short write), once or from then on. Whatever the engine answers then:
 *
 *   - the answer fits the fault, and has a message;
 *   - MN_OK means done; anything else means that nothing happened, in the file and in the open
 *     transaction, unless the transaction itself is over: then it is undone;
 *   - after MN_UNCERTAIN the file is opened again and is in one of both states;
 *   - the handle goes on: all is read back, and later steps succeed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fuzz.h"
#include "mneme.h"
#include "support/rows.h"

enum { STEPS_MAX = 120 };

/* Number `at` of allocations or calls fails, and those behind it where it lasts. */
struct fault {
    uint64_t seen, at;
    bool lasts, hit;
    enum mn_sim_fault what; /* of a call */
};

struct world {
    struct mn_os *os;
    struct rows rows;
    unsigned sync;
    struct fault memory, seam; /* `at` is 0 where none is armed */
    bool doubtful; /* a sync failed: commits that were not durable may be gone at the next open */
    bool over;     /* and with sync = off the file may be refused: the run ends */
};

static struct world world;

static bool strikes(struct fault *fault)
{
    fault->seen++;
    if (fault->at == 0 || fault->seen < fault->at) return false;
    if (fault->seen > fault->at && !fault->lasts) return false;
    fault->hit = true;
    return true;
}

static bool on_allocation(void *context, size_t size_bytes)
{
    (void)size_bytes;
    return !strikes(context);
}

/* A full disk refuses what takes room, and nothing else. */
static enum mn_sim_fault on_event(void *context, const struct mn_sim_event *event)
{
    struct world *w = context;
    struct fault *fault = &w->seam;
    bool writes = event->op == MN_SIM_WRITE, grows = event->op == MN_SIM_RESIZE;

    if (fault->what == MN_SIM_FULL && !writes && !grows) return MN_SIM_PASS;
    if (!strikes(fault)) return MN_SIM_PASS;
    if (event->op == MN_SIM_SYNC) w->doubtful = true;
    return fault->what == MN_SIM_SHORT && !writes ? MN_SIM_EIO : fault->what;
}

static void faults_on(struct world *w)
{
    mn_alloc_set_hook(on_allocation, &w->memory);
    mn_sim_set_hook(w->os, on_event, w);
}

static void faults_off(struct world *w)
{
    mn_alloc_set_hook(NULL, NULL);
    mn_sim_set_hook(w->os, NULL, NULL);
}

/* The fault is over; its answer was a fitting one. */
static void fault_judge(struct world *w, int status)
{
    faults_off(w);
    if (status == MN_OK) return;
    rows_must(mn_errmsg(w->rows.db)[0] != '\0', "an error has a message");
    switch (status) {
    case MN_NOMEM: rows_must(w->memory.hit, "no memory, and none was refused"); break;
    case MN_FULL:
        rows_must(w->seam.hit && w->seam.what == MN_SIM_FULL, "full, and no disk was");
        break;
    case MN_IOERR: rows_must(w->seam.hit || w->doubtful, "an I/O error, and no call failed"); break;
    case MN_UNCERTAIN: rows_must(w->seam.hit || w->memory.hit, "uncertain without a cause"); break;
    default: rows_must(false, "an answer that fits no fault");
    }
}

static void faults_clear(struct world *w)
{
    w->memory = w->seam = (struct fault){0};
}

/* ---- the state behind an answer ---- */

static void content_check(struct world *w)
{
    struct rows_state found;
    int status = rows_read(w->rows.db, &found);

    rows_must(status == MN_OK, "all is read");
    rows_must(rows_equal(&found, &w->rows.now), "what is read");
}

/* The file is open again. Unless all commits were durable, a failed sync may have taken some back:
 * then what is sound counts. Else it holds what was committed, or what was in flight. */
static void opened_check(struct world *w, int status, const struct rows_state *in_flight)
{
    bool lossy = w->doubtful && w->sync != MN_SYNC_FULL;
    struct rows_state found;

    if (w->rows.db && status == MN_OK) status = rows_read(w->rows.db, &found);
    if (status == MN_OK) status = rows_check(w->rows.db);
    if (status == MN_CORRUPT && lossy && w->sync == MN_SYNC_OFF) {
        w->over = true;
        return;
    }
    rows_must(status == MN_OK, "all is read after opening again");
    rows_must(lossy || rows_equal(&found, &w->rows.committed) ||
                  (in_flight && rows_equal(&found, in_flight)),
              "the state after opening again");
    w->rows.now = w->rows.committed = found;
    w->doubtful = false;
}

/* A handle that writes no more is closed. */
static void reopen(struct world *w, const struct rows_state *in_flight)
{
    int status;

    if (mn_in_transaction(w->rows.db)) (void)mn_rollback(w->rows.db);
    w->rows.open = false;
    w->rows.depth = 0;
    status = mn_close(w->rows.db);
    rows_must(status == MN_OK || status == MN_UNCERTAIN, "close");
    w->rows.db = rows_open(w->os, w->sync, &status);
    opened_check(w, status, in_flight);
}

/* A call that would make `next` of `now` has answered. */
static void answered(struct world *w, int status, const struct rows_state *next, bool commits)
{
    bool hit = w->memory.hit || w->seam.hit;

    fault_judge(w, status);
    faults_clear(w);
    if (status == MN_UNCERTAIN || (status == MN_IOERR && w->doubtful)) {
        reopen(w, next);
        return;
    }
    if (status == MN_OK) {
        w->rows.now = *next;
        if (commits) {
            w->rows.committed = *next;
            w->rows.open = false;
            w->rows.depth = 0;
        }
    } else if (!mn_in_transaction(w->rows.db)) {
        w->rows.now = w->rows.committed;
        w->rows.open = false;
        w->rows.depth = 0;
    }
    if (hit) content_check(w);
}

/* ---- steps ---- */

static void change(struct world *w, const uint8_t *op)
{
    struct rows_state next;
    int status;

    faults_on(w);
    status = rows_change(&w->rows, op[0], op[1], op[2], &next);
    answered(w, status, &next, !w->rows.open);
}

static void begin(struct world *w)
{
    struct rows_state next = w->rows.now;
    int status;

    if (w->rows.open) return;
    faults_on(w);
    status = mn_begin(w->rows.db, MN_BEGIN_WRITE);
    if (status == MN_OK) w->rows.open = true;
    answered(w, status, &next, false);
}

static void end(struct world *w, bool keep)
{
    struct rows_state next = keep ? w->rows.now : w->rows.committed;
    int status;

    if (!w->rows.open) return;
    faults_on(w);
    status = keep ? mn_commit(w->rows.db) : mn_rollback(w->rows.db);
    if (!keep) rows_must(status == MN_OK, "a rollback does not fail");
    answered(w, status, &next, true);
}

static void savepoint(struct world *w, uint8_t how)
{
    int status;

    if (!w->rows.open) return;
    faults_on(w);
    status = rows_savepoint(&w->rows, how);
    {
        struct rows_state next = w->rows.now;

        answered(w, status, &next, false);
    }
}

static void sync_all(struct world *w)
{
    struct rows_state next = w->rows.now;
    int status;

    if (w->rows.open) return;
    faults_on(w);
    status = mn_sync(w->rows.db);
    answered(w, status, &next, false);
}

/* An open that fails leaves no handle, and the next one succeeds. */
static void open_anew(struct world *w)
{
    int status;

    if (w->rows.open) rows_must(mn_rollback(w->rows.db) == MN_OK, "rollback");
    w->rows.open = false;
    w->rows.depth = 0;
    w->rows.now = w->rows.committed;
    status = mn_close(w->rows.db);
    rows_must(status == MN_OK || (status == MN_UNCERTAIN && w->doubtful), "close");
    faults_on(w);
    w->rows.db = rows_open(w->os, w->sync, &status);
    fault_judge(w, w->rows.db ? MN_OK : status);
    faults_clear(w);
    if (!w->rows.db) w->rows.db = rows_open(w->os, w->sync, &status);
    opened_check(w, status, NULL);
}

static void arm(struct world *w, const uint8_t *op)
{
    struct fault fault = {.at = 1 + op[2] % 128u, .lasts = op[1] % 4 == 3};

    if (op[1] & 64) {
        w->memory = fault;
    } else {
        fault.at = 1 + op[2] % 48u;
        fault.what = (enum mn_sim_fault)(MN_SIM_EIO + op[1] / 4 % 3);
        w->seam = fault;
    }
}

static void step(struct world *w, const uint8_t *op)
{
    switch (op[0] % 24) {
    case 10:
    case 11: begin(w); break;
    case 12:
    case 13: end(w, true); break;
    case 14: end(w, false); break;
    case 15: savepoint(w, op[1]); break;
    case 16:
    case 17:
    case 18:
    case 19: arm(w, op); break;
    case 20: sync_all(w); break;
    case 21: open_anew(w); break;
    case 22: content_check(w); break;
    default: change(w, op);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = &world;
    int status;

    if (size == 0) return 0;
    memset(w, 0, sizeof *w);
    w->sync = data[0] % 3; /* MN_SYNC_FULL, _LAZY or _OFF */
    w->os = mn_machine_new(data[0], 8 << 20);
    rows_must(w->os != NULL, "a machine");
    w->rows.db = rows_open(w->os, w->sync, &status);
    rows_must(w->rows.db != NULL, "open");
    rows_create(w->rows.db);
    rows_must(mn_sync(w->rows.db) == MN_OK, "sync");
    for (size_t i = 1; i + 3 <= size && i < 3 * (size_t)STEPS_MAX && !w->over; i += 3) {
        step(w, data + i);
    }
    faults_clear(w);
    if (!w->over) end(w, true);
    if (!w->over) {
        content_check(w);
        rows_must(rows_check(w->rows.db) == MN_OK, "the check at the end");
        status = mn_close(w->rows.db);
        rows_must(status == MN_OK || (status == MN_UNCERTAIN && w->doubtful), "close");
    } else if (w->rows.db) {
        (void)mn_close(w->rows.db);
    }
    mn_machine_free(w->os);
    return 0;
}
