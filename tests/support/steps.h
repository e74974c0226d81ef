/*
 * steps: simulated processes that stop before everything they ask of the machine.
 *
 *   scheduler --resume--> fiber --runs the engine--> stops before the next operation of the seam
 *        ^                                                        |
 *        +--------------------------------------------------------+
 *
 * A process is one or more fibers (its threads) that share one handle. Between two stops a fiber
 * runs alone, so the order of stops is the whole order of events, and the scheduler chooses it: who
 * goes on, whose sync fails, who waited long enough for a lock, who dies, when the power goes. The
 * machine is a simulated one (os/sim.h) with the seam's functions wrapped, its clock stands still.
 *
 * What a fiber has asked and been answered is mixed into a number, `progress`: two fibers of one
 * script with equal progress are at the same point with the same knowledge.
 */
#ifndef MN_TESTS_SUPPORT_STEPS_H
#define MN_TESTS_SUPPORT_STEPS_H

#include "os/sim.h"
#include "store/store.h"

enum { STEPS_FIBERS = 6, STEPS_FILE_BYTES = 1 << 20 };
#define STEPS_PATH "model"

enum step_op {
    STEP_START,
    STEP_OPEN,
    STEP_CLOSE,
    STEP_LOCK,
    STEP_QUERY,
    STEP_READ,
    STEP_SIZE,
    STEP_DEVICE,
    STEP_WRITE,
    STEP_SYNC,
    STEP_RESIZE,
    STEP_NAME,
    STEP_PAUSE, /* the script's own */
    STEP_AWAIT  /* the script waits for something that another fiber does */
};

struct step {
    enum step_op op;
    struct mn_range at;
    enum mn_lock kind;
    int64_t wait_us;
};

struct fiber;

struct process {
    struct mn_store *store; /* set by the script that opened it */
    struct mn_file *file;   /* open now */
    bool unnamed;           /* it has no name yet: nobody else can see it */
    bool dead;
};

/* What the checker wants to know of the named file; any may be NULL. Called after the fact. */
struct steps_watch {
    void (*wrote)(void *context, unsigned process, uint64_t offset, const struct mn_slice *slices,
                  size_t count);
    void (*locked)(void *context, unsigned process, struct mn_range at, enum mn_lock kind);
    void (*synced)(void *context, unsigned process, bool failed);
    void *context;
};

typedef void (*fiber_body)(struct fiber *fiber, void *script);
typedef bool (*fiber_ready)(const struct fiber *fiber);

/* Once for a program. */
void steps_init(const struct steps_watch *watch);
/* Wraps the machine: from now on it is the one on which everything happens. */
void steps_use(struct mn_os *os);
struct mn_os *steps_os(void);
/* A new fiber, stopped before its first step. Its number is how many there were. */
void steps_start(unsigned process, fiber_body body, void *script);
/* Forgets all fibers (which are over) and processes. */
void steps_clear(void);

/* ---- for the scheduler ---- */

unsigned steps_count(void);
/* The process that has this file open; STEPS_FIBERS: none. */
unsigned process_of_file(const struct mn_file *file);
bool fiber_is_over(unsigned fiber);
/* False: it is over, waits for a lock or another fiber, or a thread beside it has the mutex. */
bool fiber_can_go(unsigned fiber);
/* It waits for a lock and may be told that it waited long enough. */
bool fiber_is_waiting(unsigned fiber);
const struct step *fiber_step(unsigned fiber);
unsigned fiber_process(unsigned fiber);
uint64_t fiber_progress(unsigned fiber);

enum step_how {
    STEP_GO,
    STEP_FAIL, /* the sync fails */
    STEP_LATE, /* the lock is not had in time */
    STEP_HALF  /* half of the write, then the process dies */
};
void fiber_resume(unsigned fiber, enum step_how how);
/* Its locks are gone, nothing of it reaches the machine any more, its fibers come to their end. */
void process_kill(unsigned process);
bool process_is_over(unsigned process);

/* ---- for scripts ---- */

struct process *fiber_own(const struct fiber *fiber);
/* All other fibers of its process are over. */
bool fiber_is_alone(const struct fiber *fiber);
unsigned fiber_number(const struct fiber *fiber);
bool fiber_is_dead(const struct fiber *fiber);
/* It was told once that it waited for a lock in vain. */
bool fiber_was_late(const struct fiber *fiber);
/* A stop without an operation. */
void fiber_pause(struct fiber *fiber);
/* Stops until ready says yes. */
void fiber_await(struct fiber *fiber, fiber_ready ready);
/* What the fiber learned otherwise than by the seam. */
void fiber_note(struct fiber *fiber, uint64_t fact);

/* "lock W exclusively": for a trace. */
void step_describe(const struct step *step, char *text, size_t size);

#endif
