/*
 * steps: simulated processes that stop before everything they ask of the machine (see steps.h).
 */
#include "support/steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/assert.h"
#include "base/hash.h"
#include "store/inside.h"

enum { STACK_BYTES = 256 << 10 };
#define CLOCK_US INT64_C(1700000000000000)

struct fiber {
    ucontext_t context;
    struct mn_error error; /* the record of the thread that it would be */
    fiber_body body;
    fiber_ready ready;
    void *script;
    struct step step;
    enum step_how how;
    unsigned number, process;
    bool over, late;
    bool mutex; /* stopped with the handle's mutex: its siblings would wait for ever */
    uint64_t progress;
};

static struct {
    ucontext_t scheduler;
    struct fiber fibers[STEPS_FIBERS];
    unsigned count;
    struct process processes[STEPS_FIBERS];
    struct fiber *running;
    uint8_t *stacks;
    struct mn_os *os;
    const struct mn_os_ops *real_os;
    const struct mn_file_ops *real;
    struct mn_os_ops os_ops;
    struct mn_file_ops file_ops;
    struct steps_watch watch;
} steps;

/* ---- stopping ---- */

static struct process *own(const struct fiber *fiber)
{
    return &steps.processes[fiber->process];
}

static void note(struct fiber *fiber, uint64_t fact)
{
    if (fiber) fiber->progress = mn_hash_mix(fiber->progress, fact + 1);
}

/* The running fiber after its stop; NULL where no fiber runs: then nothing stops. */
static struct fiber *stop(const struct step *step)
{
    struct fiber *fiber = steps.running;
    struct mn_store *store;

    if (!fiber || own(fiber)->dead) return fiber;
    fiber->step = *step;
    fiber->how = STEP_GO;
    note(fiber, (uint64_t)step->op << 8 | (uint64_t)step->kind);
    note(fiber, step->at.start);
    note(fiber, step->at.length);
    store = own(fiber)->store;
    fiber->mutex = store && pthread_mutex_trylock(&store->mutex) != 0;
    if (store && !fiber->mutex) pthread_mutex_unlock(&store->mutex);
    (void)swapcontext(&fiber->context, &steps.scheduler);
    fiber->mutex = false;
    return fiber;
}

static struct fiber *stop_at(enum step_op op, struct mn_range at)
{
    struct step step = {.op = op, .at = at};

    return stop(&step);
}

/* Outside of fibers everything is done by process 0. */
static unsigned who(void)
{
    return steps.running ? steps.running->process : 0;
}

static bool is_dead(void)
{
    return steps.running && own(steps.running)->dead;
}

/* ---- the wrapped seam ---- */

static enum mn_status adopt(enum mn_status status, struct mn_file **out)
{
    struct mn_file *file = *out;

    if (status) return status;
    steps.real = file->ops;
    steps.file_ops.drop_cached = steps.real->drop_cached;
    steps.file_ops.map = steps.real->map;
    steps.file_ops.advise_random = steps.real->advise_random;
    steps.file_ops.wait = steps.real->wait;
    steps.file_ops.wake = steps.real->wake;
    file->ops = &steps.file_ops;
    if (steps.running) own(steps.running)->file = file;
    return MN_OK;
}

static enum mn_status wrapped_open(struct mn_os *os, const char *path, unsigned flags,
                                   struct mn_file **out)
{
    *out = NULL;
    (void)stop_at(STEP_OPEN, (struct mn_range){0, 0});
    if (is_dead()) return mn_fail(MN_IOERR, "the simulated process is dead");
    if (steps.running) own(steps.running)->unnamed = false;
    return adopt(steps.real_os->open(os, path, flags, out), out);
}

static enum mn_status wrapped_create(struct mn_os *os, const char *path, struct mn_file **out)
{
    *out = NULL;
    if (is_dead()) return mn_fail(MN_IOERR, "the simulated process is dead");
    if (steps.running) own(steps.running)->unnamed = true;
    return adopt(steps.real_os->create(os, path, out), out);
}

static int64_t clock_us(struct mn_os *os)
{
    (void)os;
    return CLOCK_US;
}

static void wrapped_sleep(struct mn_os *os, int64_t us)
{
    (void)os, (void)us;
    (void)stop_at(STEP_PAUSE, (struct mn_range){0, 0});
}

static void wrapped_close(struct mn_file *file)
{
    (void)stop_at(STEP_CLOSE, (struct mn_range){0, 0});
    if (steps.running && own(steps.running)->file == file) own(steps.running)->file = NULL;
    steps.real->close(file);
}

static enum mn_status wrapped_publish(struct mn_file *file)
{
    enum mn_status status;

    (void)stop_at(STEP_NAME, (struct mn_range){0, 0});
    status = steps.real->publish(file);
    note(steps.running, status);
    return status;
}

/* The superblock never changes: nobody needs to stop before it. */
static enum mn_status wrapped_pread(struct mn_file *file, void *bytes, struct mn_range at,
                                    size_t *got)
{
    struct fiber *fiber = at.start == 0 ? steps.running : stop_at(STEP_READ, at);
    enum mn_status status = steps.real->pread(file, bytes, at, got);

    if (fiber && at.start) note(fiber, status ? status : mn_hash(bytes, *got, 1));
    return status;
}

static enum mn_status wrapped_read_device(struct mn_file *file, void *bytes, struct mn_range at,
                                          size_t *got)
{
    struct fiber *fiber = stop_at(STEP_DEVICE, at);
    enum mn_status status = steps.real->read_device(file, bytes, at, got);

    if (fiber) note(fiber, status ? status : mn_hash(bytes, *got, 2));
    return status;
}

/* Half of it in whole sectors: what a process that dies inside the call leaves. */
static void write_half(struct mn_file *file, uint64_t offset, const struct mn_slice *slices,
                       size_t count)
{
    uint64_t left = 0;

    for (size_t i = 0; i < count; i++) left += slices[i].size_bytes;
    left = left / 2 / 512 * 512;
    for (size_t i = 0; i < count && left > 0; i++) {
        struct mn_slice part = slices[i];

        if (part.size_bytes > left) part.size_bytes = left;
        (void)steps.real->pwritev(file, offset, &part, 1);
        offset += part.size_bytes;
        left -= part.size_bytes;
    }
}

static enum mn_status wrapped_pwritev(struct mn_file *file, uint64_t offset,
                                      const struct mn_slice *slices, size_t count)
{
    struct mn_range at = {offset, 0};
    struct fiber *fiber;
    enum mn_status status;

    for (size_t i = 0; i < count; i++) at.length += slices[i].size_bytes;
    fiber = stop_at(STEP_WRITE, at);
    if (fiber && !is_dead() && fiber->how == STEP_HALF) {
        write_half(file, offset, slices, count);
        own(fiber)->dead = true;
        mn_sim_kill(file);
    }
    status = steps.real->pwritev(file, offset, slices, count);
    note(fiber, status);
    if (!status && steps.watch.wrote && !(fiber && own(fiber)->unnamed)) {
        steps.watch.wrote(steps.watch.context, who(), offset, slices, count);
    }
    return status;
}

static enum mn_sim_fault fail_syncs(void *context, const struct mn_sim_event *event)
{
    (void)context;
    return event->op == MN_SIM_SYNC ? MN_SIM_EIO : MN_SIM_PASS;
}

static enum mn_status wrapped_sync(struct mn_file *file)
{
    struct fiber *fiber = stop_at(STEP_SYNC, (struct mn_range){0, 0});
    bool fail = fiber && fiber->how == STEP_FAIL && !is_dead();
    enum mn_status status;

    if (fail) mn_sim_set_hook(steps.os, fail_syncs, NULL);
    status = steps.real->sync(file);
    if (fail) mn_sim_set_hook(steps.os, NULL, NULL);
    note(fiber, status);
    if (steps.watch.synced && !is_dead()) {
        steps.watch.synced(steps.watch.context, who(), status != MN_OK);
    }
    return status;
}

static enum mn_status wrapped_size(struct mn_file *file, uint64_t *size_bytes)
{
    struct fiber *fiber = stop_at(STEP_SIZE, (struct mn_range){0, 0});
    enum mn_status status = steps.real->size(file, size_bytes);

    note(fiber, status ? status : *size_bytes);
    return status;
}

static enum mn_status wrapped_resize(struct mn_file *file, uint64_t size_bytes)
{
    struct fiber *fiber = stop_at(STEP_RESIZE, (struct mn_range){0, size_bytes});
    enum mn_status status = steps.real->resize(file, size_bytes);

    note(fiber, status);
    return status;
}

/* A wait for a lock is a stop from which the fiber comes back when it can have it, or too late. */
static enum mn_status wrapped_lock(struct mn_file *file, struct mn_range at, enum mn_lock kind,
                                   int64_t wait_us)
{
    struct step step = {.op = STEP_LOCK, .at = at, .kind = kind, .wait_us = wait_us};
    struct fiber *fiber = stop(&step);
    enum mn_status status;

    if (fiber && fiber->how == STEP_LATE && !is_dead()) {
        fiber->late = true;
        status = mn_fail(MN_BUSY, "waited in vain");
    } else {
        status = steps.real->lock(file, at, kind, 0);
    }
    note(fiber, status);
    if (!status && steps.watch.locked) steps.watch.locked(steps.watch.context, who(), at, kind);
    return status;
}

static enum mn_status wrapped_lock_query(struct mn_file *file, struct mn_range at,
                                         enum mn_lock kind, struct mn_range *found,
                                         enum mn_lock *held)
{
    struct fiber *fiber = stop_at(STEP_QUERY, at);
    enum mn_status status = steps.real->lock_query(file, at, kind, found, held);

    note(fiber, status);
    note(fiber, *held);
    if (!status && *held != MN_LOCK_NONE) note(fiber, found->start);
    return status;
}

/* ---- fibers ---- */

void steps_init(const struct steps_watch *watch)
{
    void *stacks = mmap(NULL, (size_t)STEPS_FIBERS * STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    MN_ASSERT(stacks != MAP_FAILED);
    memset(&steps, 0, sizeof steps);
    steps.stacks = stacks;
    steps.watch = *watch;
    steps.file_ops = (struct mn_file_ops){.close = wrapped_close,
                                          .publish = wrapped_publish,
                                          .pread = wrapped_pread,
                                          .read_device = wrapped_read_device,
                                          .pwritev = wrapped_pwritev,
                                          .sync = wrapped_sync,
                                          .size = wrapped_size,
                                          .resize = wrapped_resize,
                                          .lock = wrapped_lock,
                                          .lock_query = wrapped_lock_query};
}

void steps_use(struct mn_os *os)
{
    steps.os = os;
    if (os->ops == &steps.os_ops) return;
    steps.real_os = os->ops;
    steps.os_ops = *os->ops;
    steps.os_ops.open = wrapped_open;
    steps.os_ops.create = wrapped_create;
    steps.os_ops.now_us = clock_us;
    steps.os_ops.tick_us = clock_us;
    steps.os_ops.sleep_us = wrapped_sleep;
    os->ops = &steps.os_ops;
}

struct mn_os *steps_os(void)
{
    return steps.os;
}

static void fiber_main(void)
{
    struct fiber *fiber = steps.running;

    fiber->body(fiber, fiber->script);
    fiber->over = true;
    (void)swapcontext(&fiber->context, &steps.scheduler);
}

void steps_start(unsigned process, fiber_body body, void *script)
{
    struct fiber *fiber = &steps.fibers[steps.count];

    MN_ASSERT(steps.count < STEPS_FIBERS && process < STEPS_FIBERS);
    memset(fiber, 0, sizeof *fiber);
    fiber->number = steps.count++;
    fiber->process = process;
    fiber->body = body;
    fiber->script = script;
    (void)getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = steps.stacks + (size_t)fiber->number * STACK_BYTES;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&fiber->context, fiber_main, 0);
}

void steps_clear(void)
{
    for (unsigned i = 0; i < steps.count; i++) MN_ASSERT(steps.fibers[i].over);
    steps.count = 0;
    memset(steps.processes, 0, sizeof steps.processes);
}

/* ---- for the scheduler ---- */

unsigned steps_count(void)
{
    return steps.count;
}

unsigned process_of_file(const struct mn_file *file)
{
    unsigned process = 0;

    while (process < STEPS_FIBERS && steps.processes[process].file != file) process++;
    return process;
}

bool fiber_is_over(unsigned number)
{
    return steps.fibers[number].over;
}

static bool lock_is_taken(const struct fiber *fiber)
{
    struct mn_range found;
    enum mn_lock held = MN_LOCK_NONE;
    struct mn_file *file = own(fiber)->file;

    return file &&
           steps.real->lock_query(file, fiber->step.at, fiber->step.kind, &found, &held) == MN_OK &&
           held != MN_LOCK_NONE;
}

bool fiber_is_waiting(unsigned number)
{
    const struct fiber *fiber = &steps.fibers[number];

    return !fiber->over && fiber->step.op == STEP_LOCK && fiber->step.wait_us > 0 &&
           fiber->step.kind != MN_LOCK_NONE && lock_is_taken(fiber);
}

bool fiber_can_go(unsigned number)
{
    const struct fiber *fiber = &steps.fibers[number];

    if (fiber->over) return false;
    for (unsigned i = 0; i < steps.count; i++) {
        const struct fiber *other = &steps.fibers[i];

        if (i != number && other->process == fiber->process && other->mutex) return false;
    }
    if (fiber->step.op == STEP_AWAIT) return fiber->ready(fiber);
    return !fiber_is_waiting(number);
}

const struct step *fiber_step(unsigned number)
{
    return &steps.fibers[number].step;
}

unsigned fiber_process(unsigned number)
{
    return steps.fibers[number].process;
}

uint64_t fiber_progress(unsigned number)
{
    return steps.fibers[number].progress;
}

void fiber_resume(unsigned number, enum step_how how)
{
    struct fiber *fiber = &steps.fibers[number];
    struct mn_error before = *mn_error_last();

    MN_ASSERT(!fiber->over);
    fiber->how = how;
    steps.running = fiber;
    *mn_error_last() = fiber->error;
    (void)swapcontext(&steps.scheduler, &fiber->context);
    fiber->error = *mn_error_last();
    *mn_error_last() = before;
    steps.running = NULL;
    if (how == STEP_HALF) process_kill(fiber->process);
}

void process_kill(unsigned number)
{
    struct process *process = &steps.processes[number];

    if (!process->dead && process->file) mn_sim_kill(process->file);
    process->dead = true;
    /* Whoever has the handle's mutex goes first, and a handle's owner closes it last. */
    for (unsigned round = 0; !process_is_over(number); round++) {
        MN_ASSERT(round < STEPS_FIBERS * STEPS_FIBERS);
        for (unsigned i = 0; i < steps.count; i++) {
            if (steps.fibers[i].process == number && fiber_can_go(i)) fiber_resume(i, STEP_GO);
        }
    }
}

bool process_is_over(unsigned number)
{
    for (unsigned i = 0; i < steps.count; i++) {
        if (steps.fibers[i].process == number && !steps.fibers[i].over) return false;
    }
    return true;
}

/* ---- for scripts ---- */

struct process *fiber_own(const struct fiber *fiber)
{
    return own(fiber);
}

bool fiber_is_alone(const struct fiber *fiber)
{
    for (unsigned i = 0; i < steps.count; i++) {
        const struct fiber *other = &steps.fibers[i];

        if (other != fiber && other->process == fiber->process && !other->over) return false;
    }
    return true;
}

unsigned fiber_number(const struct fiber *fiber)
{
    return fiber->number;
}

bool fiber_is_dead(const struct fiber *fiber)
{
    return own(fiber)->dead;
}

bool fiber_was_late(const struct fiber *fiber)
{
    return fiber && fiber->late;
}

void fiber_pause(struct fiber *fiber)
{
    if (fiber) (void)stop_at(STEP_PAUSE, (struct mn_range){0, 0});
}

/* In a dead process too, for siblings share memory that must outlive them. */
void fiber_await(struct fiber *fiber, fiber_ready ready)
{
    fiber->ready = ready;
    fiber->step = (struct step){.op = STEP_AWAIT};
    note(fiber, STEP_AWAIT);
    while (!ready(fiber)) (void)swapcontext(&fiber->context, &steps.scheduler);
}

void fiber_note(struct fiber *fiber, uint64_t fact)
{
    note(fiber, fact);
}

static const char *place(struct mn_range at, char *text, size_t size)
{
    if (at.start >= MN_LOCK_PINS) {
        snprintf(text, size, "pin %" PRIu64, at.start - MN_LOCK_PINS);
    } else if (at.start >= MN_LOCK_SETTLE) {
        snprintf(text, size, "%c", "SPW"[(at.start - MN_LOCK_SETTLE) % 3]);
    } else if (at.length == MN_NOTICE_BYTES) {
        snprintf(text, size, "the notice");
    } else {
        snprintf(text, size, "bytes %" PRIu64 "..%" PRIu64, at.start, at.start + at.length);
    }
    return text;
}

void step_describe(const struct step *step, char *text, size_t size)
{
    static const char *const names[] = {"start",  "open",      "close",       "lock",  "query",
                                        "read",   "read size", "read device", "write", "sync",
                                        "resize", "name",      "pause",       "await"};
    static const char *const kinds[] = {"release", "share", "lock"};
    char where[64];

    switch (step->op) {
    case STEP_LOCK:
        snprintf(text, size, "%s %s", kinds[step->kind], place(step->at, where, sizeof where));
        break;
    case STEP_QUERY:
    case STEP_READ:
    case STEP_DEVICE:
    case STEP_WRITE:
        snprintf(text, size, "%s %s", names[step->op], place(step->at, where, sizeof where));
        break;
    case STEP_SIZE:
    case STEP_START:
    case STEP_OPEN:
    case STEP_CLOSE:
    case STEP_SYNC:
    case STEP_RESIZE:
    case STEP_NAME:
    case STEP_PAUSE:
    case STEP_AWAIT: snprintf(text, size, "%s", names[step->op]); break;
    }
}
