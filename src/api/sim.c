/*
 * sim: simulated disks as the public header offers them (see sim.h).
 */
#include "api/sim.h"

#include <string.h>

#include "api/handle.h"
#include "base/alloc.h"

static void vfs_free(struct mn_vfs *vfs)
{
    mn_machine_free(vfs->os);
    mn_sim_log_release(&vfs->log);
    mn_dealloc(vfs->path);
    pthread_mutex_destroy(&vfs->mutex);
    mn_dealloc(vfs);
}

struct mn_vfs *mn_vfs_new(struct mn_os *os, uint64_t seed)
{
    struct mn_vfs *vfs = os ? mn_zalloc(sizeof *vfs) : NULL;

    if (!vfs) {
        mn_machine_free(os);
        mn_fail_nomem();
        return NULL;
    }
    pthread_mutex_init(&vfs->mutex, NULL);
    vfs->os = os;
    vfs->seed = seed;
    vfs->uses = 1;
    mn_sim_log_begin(&vfs->log, os);
    return vfs;
}

static enum mn_status path_note(struct mn_vfs *vfs, const char *path)
{
    if (vfs->exploring) return mn_fail(MN_MISUSE, "the simulated disk is being explored");
    if (!vfs->path) {
        vfs->path = mn_alloc(strlen(path) + 1);
        if (!vfs->path) return mn_fail_nomem();
        memcpy(vfs->path, path, strlen(path) + 1);
    } else if (strcmp(vfs->path, path) != 0) {
        return mn_fail(MN_MISUSE, "a simulated disk holds one database, and has %s", vfs->path);
    }
    return MN_OK;
}

enum mn_status mn_vfs_use(struct mn_vfs *vfs, const char *path, struct mn_os **os)
{
    enum mn_status status;

    if (!path || strcmp(path, ":memory:") == 0) {
        return mn_fail(MN_MISUSE, "a database in memory lies on no simulated disk");
    }
    pthread_mutex_lock(&vfs->mutex);
    status = path_note(vfs, path);
    if (status == MN_OK) vfs->uses++;
    pthread_mutex_unlock(&vfs->mutex);
    *os = vfs->os;
    return status;
}

void mn_vfs_release(struct mn_vfs *vfs)
{
    bool last;

    if (!vfs) return;
    pthread_mutex_lock(&vfs->mutex);
    last = --vfs->uses == 0;
    if (vfs->uses == 1 && !vfs->log.begun) { /* an open that failed made no database */
        mn_dealloc(vfs->path);
        vfs->path = NULL;
    }
    pthread_mutex_unlock(&vfs->mutex);
    if (last) vfs_free(vfs);
}

int mn_sim_new(uint64_t seed, mn_vfs **vfs)
{
    mn_error_clear();
    if (!vfs) return (int)mn_fail(MN_MISUSE, "there is no place for the simulated disk");
    *vfs = mn_vfs_new(mn_machine_new(seed, MN_SIM_BYTES_MAX), seed);
    return *vfs ? MN_OK : MN_NOMEM;
}

void mn_sim_free(mn_vfs *vfs)
{
    mn_vfs_release(vfs);
}

int mn_sim_ack(mn_vfs *vfs, uint64_t number)
{
    enum mn_status status = MN_OK;

    mn_error_clear();
    if (!vfs) return (int)mn_fail(MN_MISUSE, "the simulated disk is NULL");
    pthread_mutex_lock(&vfs->mutex);
    if (vfs->exploring) status = mn_fail(MN_MISUSE, "the simulated disk is being explored");
    pthread_mutex_unlock(&vfs->mutex);
    return (int)(status ? status : mn_sim_log_ack(&vfs->log, number));
}
