/*
 * crash_shapes: workloads by shape and seed, all short sequences, and their text form.
 *
 *   token:  layer page-size sync seed operations, as in  t512f17:p31c00d30c00
 *           layer r, t, s, v or d; sync f, l or o; an operation is a letter and two digits of base
 * 36
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash.h"

static uint32_t below(uint64_t *random, uint32_t n)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33) % n;
}

static void add(struct workload *workload, char kind, uint32_t a, uint32_t b)
{
    if (workload->op_count < OPS_MAX) {
        workload->ops[workload->op_count++] = (struct op){kind, (uint8_t)a, (uint8_t)b};
    }
}

static void add_changes(struct workload *workload, uint64_t *random, uint32_t most)
{
    uint32_t count = 1 + below(random, most);

    for (uint32_t i = 0; i < count; i++) {
        bool drop = below(random, 4) == 0;

        add(workload, drop ? 'd' : 'p', below(random, 36), drop ? 0 : below(random, 8));
    }
}

static void small_draw(struct workload *w, uint64_t *random)
{
    if (below(random, 4) == 0) add(w, 'q', below(random, 36), 0);
    for (uint32_t i = 0; i < 6; i++) {
        add_changes(w, random, 3);
        add(w, 'c', 0, 0);
        if (below(random, 5) == 0) add(w, 'o', 0, 0);
        if (below(random, 8) == 0) {
            add_changes(w, random, 3);
            add(w, 'a', 0, 0);
        }
    }
}

static void large_draw(struct workload *w, uint64_t *random)
{
    for (uint32_t i = 0; i < 3; i++) {
        add(w, 'b', below(random, 36), 0);
        if (below(random, 2)) add_changes(w, random, 3);
        add(w, 'c', 0, 0);
        add_changes(w, random, 2);
        add(w, 'c', 0, 0);
        if (below(random, 3) == 0) add(w, 'o', 0, 0);
    }
}

static void savepoint_draw(struct workload *w, uint64_t *random)
{
    for (uint32_t i = 0; i < 5; i++) {
        if (below(random, 3)) add_changes(w, random, 3);
        add(w, 's', 0, 0);
        add_changes(w, random, 5);
        if (below(random, 3) == 0) {
            add(w, 's', 0, 0);
            add_changes(w, random, 3);
            add(w, below(random, 2) ? 'l' : 'r', 0, 0);
        }
        add(w, below(random, 5) ? 'r' : 'l', 0, 0);
        add_changes(w, random, 2);
        add(w, below(random, 6) ? 'c' : 'a', 0, 0);
    }
    add(w, 'c', 0, 0);
}

static void pinned_draw(struct workload *w, uint64_t *random)
{
    for (uint32_t i = 0; i < 8; i++) {
        if (below(random, 2) == 0) add(w, 'v', below(random, 2), 0);
        add_changes(w, random, 3);
        add(w, 'c', 0, 0);
        if (below(random, 4) == 0) add(w, 'u', 0, 0);
        if (below(random, 6) == 0) add(w, 'w', 0, 0);
        if (below(random, 9) == 0) add(w, 'q', 12 + below(random, 24), 0);
    }
}

static void reuse_draw(struct workload *w, uint64_t *random)
{
    for (uint32_t i = 0; i < 4; i++) {
        add_changes(w, random, 8);
        add(w, 'c', 0, 0);
        if (below(random, 2)) add(w, 'z', 0, 0);
        for (uint32_t d = below(random, 6); d > 0; d--) add(w, 'd', below(random, 36), 0);
        add(w, 'c', 0, 0);
        if (below(random, 3) == 0) add(w, 'o', 0, 0);
        if (below(random, 4) == 0) add(w, 'q', 20, 0);
    }
}

/* The process dies before one of the next events, or within a write. */
static void add_kill(struct workload *w, uint64_t *random, uint32_t events)
{
    uint32_t part = below(random, 2) ? 1 + below(random, AFTER_GROWTH - 1) : 0;

    add(w, 'k', below(random, events), part);
}

static void failed_draw(struct workload *w, uint64_t *random)
{
    if (below(random, 4) == 0) {
        add(w, below(random, 2) ? 'e' : 'f', below(random, 4), AFTER_GROWTH + below(random, 3));
        add(w, 'g', 0, 0);
    }
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t chance = below(random, 4);

        if (chance < 2) add(w, 'f', below(random, 2), below(random, 4));
        if (chance == 2) add(w, 'e', below(random, 3), below(random, 3));
        if (chance == 3 && below(random, 4) == 0) add(w, 'q', below(random, 30), 0);
        if (below(random, 4) == 0) add(w, 'm', 0, 0);
        if (below(random, 8) == 0) add(w, 'v', 1, 0);
        add_changes(w, random, 3);
        add(w, 'c', 0, 0);
    }
}

static void killed_draw(struct workload *w, uint64_t *random)
{
    if (below(random, 2)) add(w, 'v', 1, 0);
    if (below(random, 3) == 0) {
        add(w, 'k', below(random, 5), AFTER_GROWTH);
        add(w, 'g', 0, 0);
    }
    for (uint32_t i = 0; i < 6; i++) {
        if (below(random, 2) == 0) add_kill(w, random, 12);
        add_changes(w, random, 3);
        add(w, 'c', 0, 0);
        if (below(random, 3) == 0) add(w, 'w', 0, 0);
    }
}

static void raced_draw(struct workload *w, uint64_t *random)
{
    static const char last[] = "cvuocn";

    for (uint32_t i = 0; i < 8; i++) {
        char kind = last[below(random, 6)];

        if (kind == 'c') add_changes(w, random, 2);
        add(w, 'x', below(random, below(random, 2) ? 8 : 2),
            below(random, 4) ? below(random, 3) : 0);
        add(w, kind, kind == 'v' ? below(random, 2) : 0, 0);
        add_changes(w, random, 2);
        add(w, 'c', 0, 0);
    }
}

static void statements_draw(struct workload *w, uint64_t *random)
{
    for (uint32_t i = 0; i < 4; i++) {
        add_changes(w, random, 3);
        if (below(random, 3) == 0) {
            add(w, 's', 0, 0);
            add_changes(w, random, 2);
            add(w, below(random, 2) ? 'r' : 'l', 0, 0);
        }
        add(w, 'c', 0, 0);
        if (below(random, 4) == 0) add(w, 'o', 0, 0);
    }
}

/* Many rows, not explored; then a few cells a commit come, change and go, each some rows: clusters
 * are cut and given away. */
static void vectors_draw(struct workload *w, uint64_t *random)
{
    add(w, 'q', 6 + below(random, 16), 0);
    for (uint32_t i = 0; i < 3; i++) {
        bool fewer = below(random, 3) == 0;

        for (uint32_t n = 1 + below(random, 3); n > 0; n--) add(w, 'p', below(random, 36), 0);
        for (uint32_t n = fewer ? 4 : below(random, 2); n > 0; n--) {
            add(w, 'd', below(random, 36), 0);
        }
        if (below(random, 4) == 0) {
            add(w, 's', 0, 0);
            add(w, 'p', below(random, 36), 0);
            add(w, 'd', below(random, 36), 0);
            add(w, below(random, 3) ? 'r' : 'l', 0, 0);
        }
        if (below(random, 8) == 0) add_kill(w, random, 8);
        add(w, below(random, 8) ? 'c' : 'a', 0, 0);
        if (below(random, 4) == 0) add(w, 'o', 0, 0);
        if (below(random, 4) == 0) add(w, 'y', 0, 0);
        if (below(random, 9) == 0) add(w, 'z', 0, 0);
    }
}

/* In every third the process dies of it, and another one goes on. */
static void add_failed_sync(struct workload *w, uint64_t *random)
{
    enum { FATAL = 9 };
    uint32_t way = below(random, 4);

    if (below(random, 3) == 0) way += FATAL;
    add(w, 'f', below(random, 2), way);
    if (below(random, 2)) add(w, 'y', 0, 0);
}

/* Commits that nobody waits for, with a checkpoint now and then, by either handle. */
static void unsynced_draw(struct workload *w, uint64_t *random)
{
    bool parts = below(random, 8) == 0;

    if (below(random, 3) == 0) add(w, 'v', 1, 0);
    if (below(random, 4) == 0) add(w, 'q', below(random, 36), 0);
    for (uint32_t i = 0; i < 7; i++) {
        if (below(random, 8) == 0) add_kill(w, random, 8);
        if (parts && i < 4) add(w, 'b', i, 14);
        add_changes(w, random, 3);
        if (below(random, 8) == 0) add_failed_sync(w, random);
        if (below(random, 10) == 0) add(w, 'e', below(random, 5), below(random, 3));
        add(w, 'c', 0, 0);
        if (below(random, 8) == 0) add_failed_sync(w, random);
        if (below(random, 4) == 0) add(w, 'y', 0, 0);
        if (below(random, 6) == 0) add(w, 'w', 0, 0);
        if (below(random, 8) == 0) add(w, 'z', 0, 0);
        if (below(random, 10) == 0) add(w, 'o', below(random, 2), 0);
    }
}

/* The same with full commits among them: of one handle, or of the other. */
static void mixed_draw(struct workload *w, uint64_t *random)
{
    if (below(random, 2)) add(w, 'v', 1, 0);
    for (uint32_t i = 0; i < 7; i++) {
        if (below(random, 8) == 0) add_kill(w, random, 8);
        add_changes(w, random, 2);
        if (below(random, 5) == 0) add_failed_sync(w, random);
        add(w, below(random, 3) ? 'c' : 'j', 0, 0);
        if (below(random, 4) == 0) add(w, 'w', 0, 0);
        if (below(random, 6) == 0) add_failed_sync(w, random);
    }
}

/* The first commits of a file, and what power loss leaves of it when it has just got its name. */
static void new_draw(struct workload *w, uint64_t *random)
{
    add(w, 'i', 0, 0);
    for (uint32_t i = 0; i < 2; i++) {
        add_changes(w, random, 3);
        add(w, 'c', 0, 0);
    }
}

/* The first transactions of a database: each makes, changes or drops a definition or two. */
static void first_draw(struct workload *w, uint64_t *random)
{
    add(w, 'i', 0, 0);
    for (uint32_t i = 0; i < 4; i++) {
        if (below(random, 12) == 0) add_kill(w, random, 8);
        if (below(random, 12) == 0) add(w, 'f', below(random, 2), below(random, 4));
        if (below(random, 3) == 0) {
            add(w, 's', 0, 0);
            add(w, 'p', below(random, 10), 0);
            add(w, below(random, 3) ? 'r' : 'l', 0, 0);
        }
        for (uint32_t n = 1 + below(random, 2); n > 0; n--) {
            add(w, below(random, 5) ? 'p' : 'd', below(random, 10), 0);
        }
        add(w, below(random, 8) ? 'c' : 'a', 0, 0);
        if (below(random, 4) == 0) add(w, below(random, 2) ? 'o' : 'w', 0, 0);
        if (below(random, 6) == 0) add(w, 'y', 0, 0);
    }
}

/* Many commits, read back by who opens anew: the log grows, moves and begins again. */
static void log_draw(struct workload *w, uint64_t *random)
{
    /* Every fourth seed has a short log (crash_layer): there checkpoints, elsewhere moves. */
    w->seed = below(random, 2) ? w->seed & ~UINT64_C(3) : w->seed | 1;
    for (uint32_t i = 0; i < 3; i++) {
        if (below(random, 2)) add(w, 'v', 1, 0);
        add(w, 'q', below(random, 36), 0);
        add_changes(w, random, 3);
        add(w, 'c', 0, 0);
        if (below(random, 2)) add(w, 'o', 0, 0);
        add_changes(w, random, 2);
        add(w, 'c', 0, 0);
        if (below(random, 2)) add(w, 'u', 0, 0);
    }
}

const struct shape shapes[] = {
    {"small commits", {&layer_raw, &layer_trees}, MN_STORE_FULL, small_draw, 4, 1},
    {"over 1 MiB", {&layer_raw, &layer_trees}, MN_STORE_FULL, large_draw, 2, 1},
    {"savepoint abort", {&layer_raw, &layer_trees}, MN_STORE_FULL, savepoint_draw, 4, 1},
    {"reader pinned", {&layer_raw, &layer_trees}, MN_STORE_FULL, pinned_draw, 3, 1},
    {"reuse after deletes", {&layer_raw, &layer_trees}, MN_STORE_FULL, reuse_draw, 3, 1},
    {"failed syncs", {&layer_raw, &layer_trees}, MN_STORE_FULL, failed_draw, 3, 1},
    {"killed writers", {&layer_raw, &layer_trees}, MN_STORE_FULL, killed_draw, 3, 1},
    {"two handles race", {&layer_raw, &layer_trees}, MN_STORE_FULL, raced_draw, 3, 1},
    {"statements", {&layer_sql, &layer_sql}, MN_STORE_FULL, statements_draw, 1, 1},
    {"long logs", {&layer_raw, &layer_trees}, MN_STORE_FULL, log_draw, 2, 1},
    {"lazy", {&layer_raw, &layer_trees}, MN_STORE_LAZY, unsynced_draw, 2, 1},
    {"lazy logs", {&layer_raw, &layer_trees}, MN_STORE_LAZY, log_draw, 1, 1},
    {"off", {&layer_raw, &layer_trees}, MN_STORE_OFF, unsynced_draw, 8, 1},
    {"new file", {&layer_raw, &layer_raw}, MN_STORE_FULL, new_draw, 1, 1},
    {"full among lazy", {&layer_raw, &layer_trees}, MN_STORE_LAZY, mixed_draw, 1, 1},
    {"vectors", {&layer_vectors, &layer_vectors}, MN_STORE_FULL, vectors_draw, 1, 4},
    {"lazy vectors", {&layer_vectors, &layer_vectors}, MN_STORE_LAZY, vectors_draw, 1, 4},
    {"first definitions", {&layer_defs, &layer_defs}, MN_STORE_FULL, first_draw, 1, 2},
    {"lazy definitions", {&layer_defs, &layer_defs}, MN_STORE_LAZY, first_draw, 1, 4},
    {"definitions, off", {&layer_defs, &layer_defs}, MN_STORE_OFF, first_draw, 1, 4},
};
const uint32_t shape_count = sizeof shapes / sizeof *shapes;

void shape_workload(const struct shape *shape, uint64_t seed, uint64_t n, struct workload *out)
{
    uint64_t random = seed * 1000003 + n * 7919 + 17;

    memset(out, 0, sizeof *out);
    for (int i = 0; i < 4; i++) (void)below(&random, 2);
    out->seed = seed * 1000000 + n;
    out->layer = shape->layers[n % 2];
    out->page_size = n / 2 % 2 ? 4096 : 512;
    out->sync = shape->sync;
    shape->draw(out, &random);
}

/* ---- all sequences of at most 3 operations ---- */

static const char *const steps[] = {
    "p11c00", "p25c00", "p35p45c00", "d10c00", "d20d20z00c00", "s00p18z00r00p51c00", "p61a00",
    "v10",    "u00",    "o00",       "w00",    "f00p13c00",    "k40p14c00"};
enum { STEPS = sizeof steps / sizeof *steps, VARIANTS = 12 };

static void text_add(struct workload *out, const char *text)
{
    for (; text[0] && text[1] && text[2]; text += 3) {
        char digits[3] = {text[1], text[2], 0};
        uint32_t both = (uint32_t)strtoul(digits, NULL, 36);

        add(out, text[0], both / 36, both % 36);
    }
}

bool shape_sequence(uint64_t n, struct workload *out)
{
    uint64_t variant = n % VARIANTS, at = n / VARIANTS, many = 1;

    memset(out, 0, sizeof *out);
    out->seed = 4; /* the same file for all: what they share is judged once */
    out->layer = variant / 2 % 2 ? &layer_trees : &layer_raw;
    out->sync = (enum mn_sync_mode)(variant / 4);
    out->page_size = variant % 2 ? 4096 : 512;
    for (int length = 1; length <= 3; length++) {
        many *= STEPS;
        if (at >= many) {
            at -= many;
            continue;
        }
        for (int i = 0; i < length; i++, at /= STEPS) text_add(out, steps[at % STEPS]);
        return true;
    }
    return false;
}

/* ---- text ---- */

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

void workload_print(const struct workload *workload, char token[TOKEN_BYTES])
{
    int at = snprintf(token, TOKEN_BYTES, "%c%" PRIu32 "%c%" PRIu64 ":", workload->layer->name,
                      workload->page_size, "flo"[workload->sync], workload -> seed);

    for (uint32_t i = 0; i < workload->op_count; i++) {
        const struct op *op = &workload->ops[i];

        token[at++] = op->kind;
        token[at++] = digits[op->a % 36];
        token[at++] = digits[op->b % 36];
    }
    token[at] = 0;
}

bool workload_parse(const char *token, struct workload *workload)
{
    static const struct layer *const layers[] = {&layer_raw, &layer_trees, &layer_sql,
                                                 &layer_vectors, &layer_defs};
    char *end;

    memset(workload, 0, sizeof *workload);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        if (layers[i]->name == token[0]) workload->layer = layers[i];
    }
    if (!workload->layer) return false;
    workload->page_size = (uint32_t)strtoul(token + 1, &end, 10);
    if (*end == 0 || !strchr("flo", *end)) return false;
    workload->sync = *end == 'f' ? MN_STORE_FULL : *end == 'l' ? MN_STORE_LAZY : MN_STORE_OFF;
    workload->seed = strtoull(end + 1, &end, 10);
    if (*end != ':') return false;
    text_add(workload, end + 1);
    return true;
}
