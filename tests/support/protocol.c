/*
 * protocol: small simulated processes that use one file, and the judge (see protocol.h).
 */
#include "support/protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/inside.h"
#include "support/test.h"

enum { FILE_BYTES = 40 << 10, IMAGES = 16, BUSY_MS = 1000 };

struct script {
    char kind;
    unsigned times;
    unsigned flags; /* of mn_store_open */
    enum mn_sync_mode sync;
    bool durable; /* behind every second commit */
    bool waits;   /* behind the first, for those who come behind it */
};

/* Budgets: departures of preemption, kill, failed sync, lock waited for in vain, power loss. */
const struct config protocol_configs[] = {
    {"open", 512, 4, 0, 0, 0, "W1 R1", "R1", {2, 1, 0, 1, 0}, {3, 2, 0, 1, 1}},
    {"create", 512, 0, 0, 0, 0, "W1c W1c", "R1c", {2, 1, 0, 0, 1}, {3, 1, 0, 1, 1}},
    {"readers", 512, 4, 0, 0, 0, "R2 W3", "", {2, 0, 0, 0, 0}, {4, 1, 0, 0, 0}},
    {"latecomer", 512, 4, 0, 0, 0, "W6 R1", "", {2, 0, 0, 0, 0}, {4, 1, 0, 0, 0}},
    {"copies", 512, 4, 0, 0, 0, "R2u W3", "", {2, 0, 0, 0, 0}, {3, 1, 0, 0, 0}},
    {"threads", 512, 4, 0, 0, 0, "W3 T2", "", {2, 1, 0, 0, 0}, {3, 1, 0, 0, 0}},
    {"ring", 512, 4, 0, 0, 0, "R1 W6", "", {2, 0, 0, 0, 0}, {3, 1, 0, 0, 0}},
    {"two", 512, 4, 0, 0, 0, "W1 W1", "W1", {2, 1, 0, 0, 0}, {3, 1, 0, 1, 1}},
    {"three", 512, 4, 0, 0, 0, "R1 W1 W1", "W1", {1, 1, 0, 0, 0}, {2, 1, 0, 1, 1}},
    {"abort", 512, 4, 0, 0, 0, "A2 W1", "W1", {2, 1, 0, 0, 0}, {3, 1, 0, 1, 1}},
    {"crash", 512, 4, 0, 0, 0, "W2", "W1", {0, 0, 0, 0, 2}, {0, 0, 0, 0, 3}},
    {"pages", 4096, 4, 0, 0, 0, "W2", "W1", {0, 0, 0, 0, 2}, {0, 0, 0, 0, 2}},
    {"grow", 512, 1, 2048, 0, 0, "W3", "W1", {0, 0, 0, 0, 1}, {0, 1, 1, 0, 1}},
    {"cut", 512, 5, 4096, 1, 0, "W2 R1", "", {2, 0, 0, 0, 0}, {3, 1, 0, 0, 0}},
    {"cut-open", 512, 5, 4096, 1, 0, "W4 V1 R1", "", {1, 1, 0, 0, 0}, {3, 1, 0, 0, 0}},
    {"cut-crash", 512, 5, 4096, 1, 0, "W4", "W2", {0, 0, 1, 0, 1}, {0, 1, 1, 0, 2}},
    {"recover", 512, 4, 0, 0, 0, "W1", "W1 W1", {1, 1, 0, 0, 1}, {2, 1, 0, 1, 1}},
    {"settle", 512, 4, 0, 0, 0, "W1 W1", "R1", {0, 1, 0, 0, 1}, {2, 1, 0, 0, 1}},
    {"fail", 512, 4, 0, 0, 0, "W2 W1", "W1", {1, 0, 1, 0, 0}, {2, 1, 1, 0, 1}},
    {"fail2", 512, 4, 0, 0, 0, "W3", "W1", {0, 0, 2, 0, 1}, {1, 0, 2, 0, 1}},
    {"visit", 512, 4, 0, 0, 0, "V2 W3", "", {1, 1, 0, 0, 0}, {3, 1, 0, 1, 0}},
    {"visit-crash", 512, 4, 0, 0, 0, "W1", "V2 W1", {1, 0, 0, 0, 1}, {2, 1, 0, 0, 1}},
    {"visit-kill", 512, 4, 0, 0, 0, "W1 V1", "V1", {0, 1, 0, 0, 1}, {1, 1, 0, 0, 2}},
    {"visit-fail", 512, 4, 0, 0, 0, "W1 V2", "V1 W1", {1, 0, 1, 0, 0}, {2, 1, 1, 0, 1}},

    {"lazy", 512, 4, 0, 0, 0, "W2l", "W1l", {0, 0, 0, 0, 2}, {0, 1, 0, 0, 3}},
    {"lazy-pages", 4096, 4, 0, 0, 0, "W2l", "W1l", {0, 0, 0, 0, 2}, {0, 1, 0, 0, 2}},
    {"lazy-ring", 512, 4, 0, 0, 0, "W6l", "W1l", {0, 0, 0, 0, 1}, {0, 1, 0, 0, 2}},
    {"lazy-point", 512, 4, 0, 0, 0, "W4ld", "W1l", {0, 0, 0, 0, 1}, {0, 1, 1, 0, 2}},
    {"lazy-readers", 512, 4, 0, 0, 0, "R2 W3l", "", {2, 0, 0, 0, 0}, {4, 1, 0, 0, 0}},
    {"lazy-copies", 512, 4, 0, 0, 0, "R2u W3ld", "", {2, 0, 0, 0, 0}, {3, 1, 0, 0, 0}},
    {"lazy-threads", 512, 4, 0, 0, 0, "W3l T2", "", {2, 1, 0, 0, 0}, {3, 1, 0, 0, 0}},
    {"lazy-two", 512, 4, 0, 0, 0, "W1l W2l", "W1l R1", {1, 0, 0, 0, 1}, {2, 1, 0, 1, 1}},
    {"lazy-syncer", 512, 4, 0, 0, 0, "W2l S2", "W1l", {1, 0, 0, 0, 1}, {2, 1, 0, 1, 1}},
    {"lazy-mixed", 512, 4, 0, 0, 0, "W1l W1 W1l", "W1", {0, 0, 0, 0, 1}, {1, 1, 0, 1, 1}},
    {"lazy-kill", 512, 4, 0, 0, 0, "W2l W1l", "R1", {1, 1, 0, 0, 0}, {2, 2, 0, 1, 1}},
    {"lazy-close", 512, 4, 0, 0, 0, "W1l A1l", "R1", {2, 0, 0, 0, 1}, {3, 1, 0, 0, 1}},
    {"lazy-fail", 512, 4, 0, 0, 0, "W2ld W1l", "W1l", {1, 0, 1, 0, 0}, {2, 1, 1, 0, 1}},
    {"lazy-fail2", 512, 4, 0, 0, 0, "W2ld R1", "W1l", {0, 0, 2, 0, 1}, {1, 1, 2, 0, 1}},
    {"lazy-back", 512, 4, 0, 0, 0, "W2lw W1", "R1", {0, 1, 1, 0, 0}, {1, 1, 1, 0, 1}},
    {"lazy-back2", 512, 4, 0, 0, 0, "W2lw S1 W1", "R1", {0, 1, 1, 0, 0}, {1, 1, 1, 0, 1}},
    {"lazy-log", 512, 148, 0, 0, 60, "W4l", "W2l", {0, 0, 0, 0, 1}, {0, 1, 1, 0, 2}},
    {"lazy-log2", 512, 148, 0, 0, 60, "W2lw W2l", "W1l", {0, 1, 0, 0, 1}, {1, 1, 1, 0, 1}},
    {"lazy-large", 512, 1, 4096, 0, 0, "W6l", "W1l", {0, 0, 0, 0, 1}, {0, 1, 1, 0, 2}},
    {"lazy-doubt", 512, 4, 0, 0, 0, "W3lw W1l", "R1", {0, 1, 0, 0, 1}, {1, 1, 0, 0, 2}},
    {"lazy-stop", 512, 4, 0, 0, 0, "W2lw S1 R1", "W1", {0, 0, 1, 0, 1}, {1, 1, 1, 0, 1}},
    {"lazy-grow", 512, 1, 2048, 0, 0, "W3l", "W1l", {0, 0, 0, 0, 1}, {0, 1, 1, 0, 2}},
    {"lazy-cut", 512, 5, 4096, 1, 0, "W4ld", "W2l", {0, 0, 0, 0, 1}, {0, 1, 1, 0, 2}},
    {"lazy-visit", 512, 4, 0, 0, 0, "W1l V2", "V1 W1l", {1, 1, 0, 0, 1}, {2, 1, 1, 0, 1}},
    {"lazy-create", 512, 0, 0, 0, 0, "W1cl W1cl", "R1c", {1, 0, 0, 0, 1}, {2, 1, 0, 0, 1}},
    {"off", 512, 4, 0, 0, 0, "W3o", "W1o", {0, 0, 0, 0, 2}, {0, 1, 0, 0, 3}},
    {"off-point", 512, 4, 0, 0, 0, "W4od", "W1", {0, 0, 0, 0, 1}, {0, 1, 1, 0, 2}},
    {"off-mixed", 512, 4, 0, 0, 0, "W1o W1l W1", "R1", {0, 1, 0, 0, 1}, {1, 1, 0, 1, 1}},
    {"off-fail", 512, 4, 0, 0, 0, "W2od W1", "W1o", {1, 0, 1, 0, 0}, {2, 1, 1, 0, 1}},
    {"off-grow", 512, 1, 2048, 0, 0, "W3o", "W1o", {0, 0, 0, 0, 1}, {0, 1, 1, 0, 2}},
};
const unsigned protocol_config_count = sizeof protocol_configs / sizeof protocol_configs[0];

struct image {
    uint32_t page_size;
    unsigned commits, cut;
    uint64_t grow, log;
    uint8_t *bytes;
    uint64_t size;
    struct ghost ghost;
};

static struct {
    const struct config *config;
    struct ghost ghost;
    unsigned writers; /* a bit each process that may have a handle for writing */
    struct image images[IMAGES];
    unsigned image_count;
    struct script scripts[STEPS_FIBERS];
} model;

/* ---- what scripts may be told ---- */

static bool gone(const struct fiber *fiber)
{
    return fiber && fiber_is_dead(fiber);
}

/* A call may fail so, for a reason that the schedule made; then the script gives up what it was at.
 */
static void tolerate(struct fiber *fiber, enum mn_status status, const char *what)
{
    if (gone(fiber)) return;
    if (fiber) fiber_note(fiber, status);
    if ((status == MN_IOERR || status == MN_UNCERTAIN) && model.ghost.sync_failed && fiber) return;
    if (status == MN_BUSY && fiber_was_late(fiber)) return;
    ghost_fail(&model.ghost, "%s: %s: %s", what, mn_status_name(status), mn_error_last()->message);
}

/* script NULL: nobody who takes part, or the judge. */
static struct mn_store *open_file(struct fiber *fiber, unsigned flags, const struct script *script,
                                  uint32_t page_size)
{
    struct mn_store_options options = {.path = STEPS_PATH,
                                       .flags = flags,
                                       .page_size = page_size,
                                       .sync = script ? script->sync : MN_STORE_FULL,
                                       .busy_ms = fiber ? BUSY_MS : 0,
                                       .map_bytes = STEPS_FILE_BYTES,
                                       .grow_bytes =
                                           model.config->grow ? model.config->grow : FILE_BYTES,
                                       .cut_commits = model.config->cut,
                                       .log_bytes_max = model.config->log,
                                       .os = steps_os(),
                                       .hooks = raw_hooks};
    struct mn_store *store = NULL;
    enum mn_status status = mn_store_open(&options, &store);

    if (status) tolerate(fiber, status, "open");
    return store;
}

static unsigned process_number(const struct fiber *fiber)
{
    return fiber ? fiber_process(fiber_number(fiber)) : 0;
}

/*
 * A writer's handle that is closed makes durable what was committed, also by others, unless another
 * one writes, who will do it; but not if its mode is off, nor after a failed sync.
 */
static bool close_promises(const struct mn_store *store)
{
    return store->held && mn_store_get_sync(store) != MN_STORE_OFF && !store->poisoned;
}

static void close_file(struct fiber *fiber, struct mn_store *store)
{
    unsigned acked = model.ghost.acked;
    bool promises;
    enum mn_status status;

    if (fiber) fiber_own(fiber)->store = NULL;
    if (!store) return;
    promises = close_promises(store);
    status = mn_store_close(store);
    model.writers &= ~(1U << process_number(fiber));
    if (status == MN_UNCERTAIN && !gone(fiber)) ghost_stopped(&model.ghost);
    if (status) tolerate(fiber, status, "close");
    if (status || gone(fiber) || !model.ghost.weak) return;
    if (promises && !model.writers && !model.ghost.doubt) ghost_promise(&model.ghost, acked);
    fiber_pause(fiber);
}

/* ---- scripts ---- */

/* False: this handle is of no more use. */
static bool change(struct fiber *fiber, struct mn_view *view, struct raw_model *content)
{
    struct raw_model before = *content;
    bool full = mn_store_get_sync(mn_view_store(view)) == MN_STORE_FULL;
    enum mn_status status = MN_OK;
    uint64_t version = 0;

    (void)ghost_commit(&model.ghost, mn_view_version(view), model.config->cut > 0, content);
    for (unsigned i = 0; i < RAW_LEAVES && !status; i++) {
        if (content->leaf[i] != before.leaf[i]) status = raw_set(view, i, content->leaf[i]);
    }
    if (!status && content->run[0] != before.run[0]) {
        status = raw_set_run(view, 0, content->run[0], content->run_bytes[0]);
    }
    if (status) {
        mn_write_abort(view);
    } else {
        status = mn_write_commit(view, &version);
    }
    if (gone(fiber)) return false;
    if (fiber) fiber_note(fiber, status);
    ghost_committed(&model.ghost, status, version);
    if (full && !status) ghost_promise(&model.ghost, model.ghost.acked);
    if (status) tolerate(fiber, status, "commit");
    return status == MN_OK;
}

static bool write_once(struct fiber *fiber, struct mn_store *store, bool no_change)
{
    struct raw_model content;
    struct mn_view *view;
    enum mn_status status = mn_write_begin(store, 0, &view);

    if (status) {
        tolerate(fiber, status, "begin to write");
        return false;
    }
    status = raw_read(view, &content);
    if (status) tolerate(fiber, status, "read before writing");
    if (!status && !gone(fiber)) {
        ghost_write(&model.ghost, process_number(fiber), view->writer->base.version, &content);
        if (!no_change) return change(fiber, view, &content);
        fiber_pause(fiber);
    }
    mn_write_abort(view);
    if (status || gone(fiber)) return false;
    ghost_write_end(&model.ghost);
    return true;
}

/* Two looks at one snapshot, with everything that others do in between. */
static bool read_once(struct fiber *fiber, struct mn_store *store)
{
    unsigned number = fiber ? fiber_number(fiber) : STEPS_FIBERS - 1;
    unsigned floor = ghost_floor(&model.ghost), met;
    struct raw_model content;
    struct mn_view *view;
    enum mn_status status = mn_view_begin_read(store, &view);
    bool chose; /* the version, on the device, as an opener does */

    if (status) {
        tolerate(fiber, status, "begin to read");
        return false;
    }
    chose = !store->present;
    if (chose && model.ghost.weak && model.ghost.doubt) floor = model.ghost.durable;
    for (int look = 0; look < 2 && !status && !gone(fiber); look++) {
        status = raw_read(view, &content);
        if (status) tolerate(fiber, status, "read");
        if (status || gone(fiber)) break;
        if (fiber) fiber_note(fiber, content.leaf[0]);
        met = ghost_read(&model.ghost, number, floor, mn_view_version(view), &content);
        if (chose) ghost_promise(&model.ghost, met);
        fiber_pause(fiber);
    }
    if (!gone(fiber)) ghost_read_end(&model.ghost, number);
    mn_view_end(view);
    return !status && !gone(fiber);
}

/* Everything that was committed before is durable when it returns. */
static bool sync_once(struct fiber *fiber, struct mn_store *store)
{
    unsigned acked = model.ghost.acked;
    enum mn_status status = mn_store_sync(store);

    if (gone(fiber)) return false;
    if (fiber) fiber_note(fiber, status);
    if (!status) ghost_promise(&model.ghost, acked);
    if (status == MN_UNCERTAIN) ghost_stopped(&model.ghost);
    if (status) tolerate(fiber, status, "sync");
    return !status;
}

static bool others_are_over(const struct fiber *fiber)
{
    bool over = true;

    for (unsigned i = fiber_number(fiber) + 1; i < steps_count(); i++) over &= fiber_is_over(i);
    return over || fiber_is_dead(fiber);
}

static bool write_or_sync(struct fiber *fiber, struct mn_store *store, const struct script *script,
                          unsigned turn)
{
    if (script->kind == 'S') return sync_once(fiber, store);
    return write_once(fiber, store, script->kind == 'A') &&
           (!script->durable || turn % 2 == 0 || sync_once(fiber, store));
}

static void body_writer(struct fiber *fiber, void *context)
{
    const struct script *script = context;
    struct mn_store *store = NULL;

    for (unsigned i = 0; i < script->times && !gone(fiber); i++) {
        if (!store) {
            model.writers |= 1U << process_number(fiber);
            store = open_file(fiber, script->flags, script, model.config->page_size);
        }
        if (!store) {
            model.writers &= ~(1U << process_number(fiber));
            return;
        }
        fiber_own(fiber)->store = store;
        if (write_or_sync(fiber, store, script, i)) {
            if (script->waits && i == 0) fiber_await(fiber, others_are_over);
            continue;
        }
        fiber_await(fiber, fiber_is_alone);
        close_file(fiber, store);
        store = NULL;
    }
    fiber_await(fiber, fiber_is_alone);
    close_file(fiber, store);
}

static void body_reader(struct fiber *fiber, void *context)
{
    const struct script *script = context;
    struct mn_store *store = open_file(fiber, script->flags, script, model.config->page_size);

    if (!store) return;
    fiber_own(fiber)->store = store;
    for (unsigned i = 0; i < script->times; i++) {
        if (!read_once(fiber, store)) break;
    }
    close_file(fiber, store);
}

static bool handle_is_there(const struct fiber *fiber)
{
    return fiber_own(fiber)->store || fiber_is_dead(fiber) || fiber_is_alone(fiber);
}

static void body_sibling(struct fiber *fiber, void *context)
{
    const struct script *script = context;

    fiber_await(fiber, handle_is_there);
    if (gone(fiber) || !fiber_own(fiber)->store) return;
    for (unsigned i = 0; i < script->times; i++) {
        if (!read_once(fiber, fiber_own(fiber)->store)) break;
    }
}

/* ---- lives of the machine ---- */

static fiber_body body_of(char kind)
{
    switch (kind) {
    case 'W':
    case 'A':
    case 'S': return body_writer;
    case 'R':
    case 'V': return body_reader;
    case 'T': return body_sibling;
    default: fail_msg("no script %c", kind); return NULL;
    }
}

static void script_add(struct script *script, char letter)
{
    switch (letter) {
    case 'c': script->flags |= MN_STORE_CREATE; break;
    case 'u': script->flags |= MN_STORE_UNTRUSTED; break;
    case 'l': script->sync = MN_STORE_LAZY; break;
    case 'o': script->sync = MN_STORE_OFF; break;
    case 'd': script->durable = true; break;
    case 'w': script->waits = true; break;
    default: fail_msg("a script has no %c", letter);
    }
}

bool protocol_is_weak(const struct config *config)
{
    return strpbrk(config->first, "lo") || strpbrk(config->later, "lo");
}

static void start(const char *words)
{
    unsigned process = 0;

    model.writers = 0;

    for (unsigned i = 0; *words; i++) {
        struct script *script = &model.scripts[i];
        char *end;

        assert_true(i < STEPS_FIBERS);
        script->kind = *words;
        script->times = (unsigned)strtoul(words + 1, &end, 10);
        script->flags = script->kind == 'V' ? MN_STORE_READONLY : 0;
        script->sync = MN_STORE_FULL;
        script->durable = script->waits = false;
        for (; *end && *end != ' '; end++) script_add(script, *end);
        if (i && script->kind != 'T') process++;
        steps_start(process, body_of(script->kind), script);
        words = *end ? end + 1 : end;
    }
}

static void machine_new(void)
{
    struct mn_os *os = mn_machine_new(1, STEPS_FILE_BYTES);

    assert_non_null(os);
    steps_use(os);
    ghost_init(&model.ghost);
}

/* A file with so many commits, made by the engine and known to the ghost; made once. */
static const struct image *image_of(const struct config *config)
{
    struct image *image = model.images;
    struct mn_store *store;

    for (unsigned i = 0; i < model.image_count; i++, image++) {
        if (image->page_size == config->page_size && image->commits == config->before &&
            image->grow == config->grow && image->cut == config->cut && image->log == config->log) {
            return image;
        }
    }
    assert_true(model.image_count < IMAGES);
    model.image_count++;
    machine_new();
    store = open_file(NULL, MN_STORE_CREATE, NULL, config->page_size);
    for (unsigned i = 0; i < config->before && store; i++) (void)write_once(NULL, store, false);
    close_file(NULL, store);
    if (model.ghost.violation[0]) fail_msg("%s", model.ghost.violation);
    image->page_size = config->page_size;
    image->commits = config->before;
    image->grow = config->grow;
    image->cut = config->cut;
    image->log = config->log;
    image->size = mn_sim_size(steps_os(), STEPS_PATH);
    image->bytes = malloc(image->size);
    assert_non_null(image->bytes);
    assert_int_equal(mn_sim_peek(steps_os(), STEPS_PATH, 0, image->bytes, image->size), MN_OK);
    image->ghost = model.ghost;
    mn_machine_free(steps_os());
    return image;
}

static void begin(void *context)
{
    const struct config *config = context;
    const struct image *image = NULL;

    model.config = config;
    if (config->before) image = image_of(config);
    machine_new();
    if (image) {
        assert_int_equal(mn_sim_put(steps_os(), STEPS_PATH, image->bytes, image->size), MN_OK);
        model.ghost = image->ghost;
    }
    model.ghost.weak = protocol_is_weak(config);
    start(config->first);
}

static void again(void *context, unsigned life)
{
    const struct config *config = context;

    (void)life;
    start(config->later);
}

/* Alone with the file: it opens on what must be there, is sound, takes a commit and keeps it. */
static void judge_file(void)
{
    struct mn_store *store;

    model.ghost.sync_failed = false;
    if (!mn_sim_inode(steps_os(), STEPS_PATH)) { /* it was never named */
        if (ghost_floor(&model.ghost)) ghost_fail(&model.ghost, "the file is gone");
        return;
    }
    store = open_file(NULL, 0, NULL, 0);
    if (store && read_once(NULL, store)) {
        if (raw_check(store)) ghost_fail(&model.ghost, "the check finds faults");
        if (write_once(NULL, store, false)) (void)read_once(NULL, store);
    }
    close_file(NULL, store);
    if (model.ghost.violation[0]) return;
    store = open_file(NULL, MN_STORE_READONLY, NULL, 0);
    if (store) (void)read_once(NULL, store);
    close_file(NULL, store);
}

/* The same of what is left when now the power goes and nothing arrives that was not synced. */
static void judge_durable(void)
{
    static struct ghost before;
    struct mn_sim_loss nothing = {.keep = 0, .rest_lost = true};
    struct mn_os *os = steps_os(), *after = mn_sim_crash(os, &nothing);

    assert_non_null(after);
    before = model.ghost;
    ghost_power_lost(&model.ghost);
    steps_use(after);
    judge_file();
    steps_use(os);
    mn_machine_free(after);
    if (!model.ghost.violation[0]) model.ghost = before;
}

static void judge(void *context)
{
    (void)context;
    if (model.ghost.weak) judge_durable();
    if (!model.ghost.violation[0]) judge_file();
}

/* ---- for the explorer ---- */

static void wrote(void *context, unsigned process, uint64_t offset, const struct mn_slice *slices,
                  size_t count)
{
    ghost_wrote(context, steps_os(), process, offset, slices, count);
}

static void locked(void *context, unsigned process, struct mn_range at, enum mn_lock kind)
{
    ghost_locked(context, process, at, kind);
}

struct subject protocol_subject(const struct config *config, bool deep)
{
    model.config = config;
    if (config->before) (void)image_of(config);
    return (struct subject){.name = config->name,
                            .budget = deep ? config->deep : config->usual,
                            .ghost = &model.ghost,
                            .begin = begin,
                            .again = again,
                            .judge = judge,
                            .context = (void *)(uintptr_t)config};
}

void protocol_init(void)
{
    static const struct steps_watch watch = {
        .wrote = wrote, .locked = locked, .context = &model.ghost};

    steps_init(&watch);
}
