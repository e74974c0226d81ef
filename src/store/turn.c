/*
 * turn: which thread of a handle writes, which process of the file, and transactions that threads
 * share.
 *
 * A commit is one sync, and while it lasts other threads of the handle wait for their turn. When it
 * is over the first of them does its part and, seeing more who wait, leaves its transaction open to
 * the next instead of committing it; the last one commits for all, with one sync. So the threads of
 * a handle share syncs as soon as there are more than two of them, and nobody waits on purpose.
 *
 *   thread 1  commit ... sync |
 *   thread 2   waits          | part, leave ............................ | told
 *   thread 3   waits                       | part, leave ............... | told
 *   thread 4   waits                                    | part, commit ... sync |
 *
 *   (G1) nobody is told before the commit of all parts is durable and published, nor sees a part
 *        earlier, but for those who go on with the transaction; they are told not before it either
 *   (G2) each part but the first runs under savepoint 1: what fails undoes itself alone. What fails
 *        in the commit is told to all, and nothing of any part is there
 *   (G3) a transaction is left only to a thread that is waiting under `turn`, and who waits looks
 *        for one before it gives up: somebody always has the turn, or nobody
 *   (G4) only brief transactions go on with another's, which end in the call that began them and
 *        wait for nobody else: else one thread's commit could wait for what another thinks about
 */
#include <time.h>

#include "base/plant.h"
#include "os/clock.h"
#include "store/inside.h"

enum { PARTS_MOST = 64 };

static void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t left_us)
{
    int64_t wall = mn_clock_wall_us() + left_us;
    struct timespec limit = {.tv_sec = wall / 1000000, .tv_nsec = wall % 1000000 * 1000};

    pthread_cond_timedwait(cond, mutex, &limit);
}

/* Waits for the turn; with `left` also for a transaction that its thread leaves open. */
static enum mn_status turn_wait(struct mn_store *store, int64_t wait_us, struct mn_view **left)
{
    int64_t until = store->os->ops->tick_us(store->os) + wait_us, rest = wait_us;
    enum mn_status status = MN_OK;

    pthread_mutex_lock(&store->turn);
    while (store->writing && !(left && store->left) && rest > 0) {
        store->brief_waiting += left ? 1 : 0;
        cond_wait_until(left ? &store->turn_brief : &store->turn_free, &store->turn, rest);
        store->brief_waiting -= left ? 1 : 0;
        rest = until - store->os->ops->tick_us(store->os);
    }
    if (left && store->left) { /* (G3) */
        *left = store->left;
        store->left = NULL;
    } else if (store->writing) {
        status = mn_fail(MN_BUSY, "another transaction of this handle is writing");
    } else {
        store->writing = true;
    }
    pthread_mutex_unlock(&store->turn);
    return status;
}

static void turn_end(struct mn_store *store)
{
    pthread_mutex_lock(&store->turn);
    store->writing = false;
    pthread_cond_signal(&store->turn_free);
    if (store->brief_waiting > 0) pthread_cond_signal(&store->turn_brief);
    pthread_mutex_unlock(&store->turn);
}

enum mn_status mn_turn_take(struct mn_store *store, struct mn_view **left)
{
    int64_t wait_us = __atomic_load_n(&store->busy_ms, __ATOMIC_RELAXED) * 1000;
    int64_t start = store->os->ops->tick_us(store->os);
    enum mn_status status = turn_wait(store, wait_us, left);

    if (status || (left && *left)) return status;
    wait_us -= store->os->ops->tick_us(store->os) - start;
    if (MN_PLANT(WRITER_NO_LOCK)) return MN_OK;
    status = store->file->ops->lock(store->file, mn_lock_byte(MN_LOCK_WRITER), MN_LOCK_EXCLUSIVE,
                                    wait_us > 0 ? wait_us : 0);
    if (status == MN_BUSY) (void)mn_fail(MN_BUSY, "another process is writing to the file");
    if (status) turn_end(store);
    return status;
}

void mn_turn_give(struct mn_store *store)
{
    (void)store->file->ops->lock(store->file, mn_lock_byte(MN_LOCK_WRITER), MN_LOCK_NONE, 0);
    turn_end(store);
}

/* ---- shared transactions ---- */

bool mn_turn_is_shared(const struct mn_store *store)
{
    return store->parts != NULL;
}

bool mn_turn_leave(struct mn_view *view, struct mn_part *mine)
{
    struct mn_store *store = view->store;

    pthread_mutex_lock(&store->turn);
    if (store->brief_waiting == 0 || store->part_count == PARTS_MOST) {
        pthread_mutex_unlock(&store->turn);
        return false;
    }
    if (view->writer->savepoint_count) mn_savepoint_release(view, 1);
    view->writer->make_durable = true; /* as this one was promised, whatever is set meanwhile */
    pthread_cond_init(&mine->told, NULL);
    mine->next = store->parts;
    store->parts = mine;
    store->part_count++;
    store->left = view;
    pthread_cond_signal(&store->turn_brief);
    while (!mine->done) pthread_cond_wait(&mine->told, &store->turn); /* (G1) */
    pthread_mutex_unlock(&store->turn);
    pthread_cond_destroy(&mine->told);
    return true;
}

struct mn_part *mn_turn_parts(struct mn_store *store)
{
    struct mn_part *parts = store->parts;

    store->parts = NULL;
    store->part_count = 0;
    return parts;
}

void mn_turn_tell(struct mn_store *store, struct mn_part *parts, enum mn_status status,
                  uint64_t version)
{
    if (!parts) return;
    pthread_mutex_lock(&store->turn);
    while (parts) {
        struct mn_part *next = parts->next; /* it is gone as soon as it may run */

        parts->status = status;
        parts->version = version;
        parts->error = *mn_error_last();
        parts->done = true;
        pthread_cond_signal(&parts->told);
        parts = next;
    }
    pthread_mutex_unlock(&store->turn);
}
