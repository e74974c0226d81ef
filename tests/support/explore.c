/*
 * explore: every schedule of simulated processes within bounds (see explore.h).
 *
 *   queue of nodes (a node: its parent's departures and one more) -- run --> choice points
 *        ^                                                            |
 *        +---- each option of each new point: a node -----------------+
 */
#include "support/explore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "os/sim_inode.h"
#include "support/test.h"

enum { OPTIONS_MAX = 512, DEPARTURES_MAX = 48, SUBSET_PIECES = 4, POINTS_MAX = 4000 };

enum option_kind { GO, LATE, KILL, HALF, FAIL, POWER };
static const char option_letters[] = "glkhfo";

struct option {
    uint8_t kind, who;
    uint16_t loss;
};

struct departure {
    uint32_t point;
    struct option option;
};

struct node {
    uint32_t parent;
    struct departure last;
};

/* Words that were met: open addressing, 0 is never a word. */
struct seen {
    uint64_t *words;
    size_t count, capacity;
};

struct run {
    const struct subject *subject;
    const struct departure *plan;
    unsigned planned;
    struct departure taken[DEPARTURES_MAX];
    unsigned taken_count;
    struct option options[OPTIONS_MAX];
    unsigned option_count;
    struct budget left;
    unsigned point, life, current;
    uint64_t content; /* hash of the file */
    bool content_known, unbounded, tell;
    uint64_t *random; /* NULL: no departures but the planned */
};

struct search {
    struct run run;
    struct seen states, crashes, ends;
    struct node *nodes;
    size_t node_count, node_capacity, next;
    uint64_t runs, steps;
};

enum run_end { RUN_OVER, RUN_MET, RUN_BAD, RUN_LOST };

/* ---- words that were met ---- */

static bool seen_add(struct seen *seen, uint64_t word)
{
    if (seen->count * 2 >= seen->capacity) {
        struct seen larger = {.capacity = seen->capacity ? seen->capacity * 2 : 1 << 12};

        larger.words = calloc(larger.capacity, sizeof *larger.words);
        assert_non_null(larger.words);
        for (size_t i = 0; i < seen->capacity; i++) {
            if (seen->words[i]) (void)seen_add(&larger, seen->words[i]);
        }
        free(seen->words);
        *seen = larger;
    }
    word |= 1;
    for (size_t i = (size_t)(word >> 7);; i++) {
        uint64_t *at = &seen->words[i & (seen->capacity - 1)];

        if (*at == word) return false;
        if (*at) continue;
        *at = word;
        seen->count++;
        return true;
    }
}

/* ---- losses ---- */

static unsigned subsets(size_t pieces)
{
    return pieces <= SUBSET_PIECES ? 1U << pieces : 2 + 2 * (unsigned)pieces;
}

/* With tears: each piece torn between its sectors in two ways, and cut at 8 bytes once. */
static unsigned losses(size_t pieces)
{
    return subsets(pieces) + 3 * (unsigned)pieces;
}

static struct mn_sim_loss loss_make(size_t pieces, unsigned number)
{
    struct mn_sim_loss loss = {.seed = number};
    unsigned tears = number - subsets(pieces);

    if (number >= subsets(pieces)) {
        loss.keep = UINT64_MAX;
        loss.torn = tears / 3;
        loss.tear = tears % 3 == 2 ? MN_SIM_TEAR_8 : MN_SIM_TEAR_512;
    } else if (pieces <= SUBSET_PIECES) {
        loss.keep = number;
    } else if (number < 2) {
        loss.keep = number ? UINT64_MAX : 0;
    } else {
        loss.keep = UINT64_C(1) << (number - 2) / 2;
        if (number % 2) loss.keep = ~loss.keep;
    }
    return loss;
}

/* ---- options ---- */

static void option_add(struct run *run, enum option_kind kind, unsigned who, unsigned loss)
{
    assert_true(run->option_count < OPTIONS_MAX);
    run->options[run->option_count++] =
        (struct option){(uint8_t)kind, (uint8_t)who, (uint16_t)loss};
}

static bool has(const struct run *run, uint8_t left)
{
    return run->unbounded || left > 0;
}

/* Going on with fiber i, or with its sync or write going wrong. */
static void options_of_fiber(struct run *run, unsigned i, size_t pieces)
{
    const struct step *step = fiber_step(i);

    if (step->op == STEP_SYNC && has(run, run->left.fail)) {
        for (unsigned n = 0; n < subsets(pieces); n++) option_add(run, FAIL, i, n);
    }
    if (step->op == STEP_WRITE && has(run, run->left.kill)) option_add(run, HALF, i, 0);
}

/* What can happen now; the first is the default. None: all fibers are over. */
static void options_list(struct run *run)
{
    size_t pieces = mn_sim_pending(steps_os(), STEPS_PATH);
    bool free = !fiber_can_go(run->current);
    unsigned late = 0;

    run->option_count = 0;
    if (!free) option_add(run, GO, run->current, 0);
    for (unsigned i = 0; i < steps_count(); i++) {
        if (i == run->current || !fiber_can_go(i)) continue;
        if (free || has(run, run->left.preempt)) option_add(run, GO, i, 0);
    }
    for (unsigned i = 0; i < steps_count(); i++) late += fiber_is_waiting(i);
    if (run->option_count == 0 && late == 0) return;
    for (unsigned i = 0; i < steps_count(); i++) {
        if (!fiber_is_waiting(i)) continue;
        if (run->option_count == 0 || has(run, run->left.late)) option_add(run, LATE, i, 0);
    }
    for (unsigned i = 0; i < steps_count(); i++) {
        if (!fiber_can_go(i)) continue;
        if (i == run->current || free || has(run, run->left.preempt)) {
            options_of_fiber(run, i, pieces);
        }
    }
    for (unsigned p = 0; p < STEPS_FIBERS; p++) {
        if (has(run, run->left.kill) && !process_is_over(p)) option_add(run, KILL, p, 0);
    }
    for (unsigned n = 0; has(run, run->left.power) && n < losses(pieces); n++) {
        option_add(run, POWER, 0, n);
    }
}

static bool option_equal(struct option a, struct option b)
{
    return a.kind == b.kind && a.who == b.who && a.loss == b.loss;
}

/* ---- what a state is ---- */

static uint64_t content_hash(struct run *run)
{
    const struct mn_inode *inode = mn_sim_inode(steps_os(), STEPS_PATH);
    uint64_t hash = 1;

    if (run->content_known || !inode) return inode ? run->content : hash;
    hash = mn_hash(inode->cache, inode->size, inode->disk_size);
    if (inode->disk_size) hash = mn_hash(inode->disk, inode->disk_size, hash);
    for (size_t i = 0; i < inode->pending_count; i++) {
        const struct mn_pending *piece = &inode->pending[i];

        hash = mn_hash_mix(mn_hash_mix(hash, piece->offset), piece->size_bytes);
        if (piece->bytes) hash = mn_hash(piece->bytes, piece->size_bytes, hash);
    }
    run->content = hash;
    run->content_known = true;
    return hash;
}

static uint64_t locks_hash(const struct mn_inode *inode)
{
    uint64_t sum = 0;

    for (size_t i = 0; inode && i < inode->lock_count; i++) {
        const struct mn_held *lock = &inode->locks[i];
        uint64_t owner = process_of_file(lock->owner);

        sum += mn_hash_mix(mn_hash_mix(owner + 1, lock->at.start), (uint64_t)lock->kind);
    }
    return sum;
}

static uint64_t budget_word(const struct run *run)
{
    const struct budget *b = &run->left;

    return (uint64_t)b->preempt | (uint64_t)b->kill << 8 | (uint64_t)b->fail << 16 |
           (uint64_t)b->late << 24 | (uint64_t)b->power << 32 | (uint64_t)run->life << 40;
}

/* What a power loss would meet: the disk, what is on its way there, and what must be true. */
static uint64_t crash_hash(struct run *run)
{
    uint64_t hash = mn_hash_mix(content_hash(run), ghost_hash(run->subject->ghost));

    return mn_hash_mix(hash, budget_word(run));
}

static uint64_t state_hash(struct run *run)
{
    uint64_t hash = crash_hash(run);

    hash = mn_hash_mix(hash, locks_hash(mn_sim_inode(steps_os(), STEPS_PATH)));
    for (unsigned i = 0; i < steps_count(); i++) {
        hash = mn_hash_mix(hash, fiber_progress(i) * 2 + fiber_is_over(i));
    }
    return mn_hash_mix(hash, run->current);
}

/* ---- doing ---- */

static void option_text(struct option o, char *text, size_t size)
{
    int n = o.kind == POWER ? snprintf(text, size, "o")
                            : snprintf(text, size, "%c%u", option_letters[o.kind], o.who);

    if (n < 0 || (size_t)n >= size) return;
    if (o.kind == POWER) snprintf(text + n, size - (size_t)n, "%u", o.loss);
    if (o.kind == FAIL) snprintf(text + n, size - (size_t)n, ".%u", o.loss);
}

static void tell(const struct run *run, struct option o)
{
    char what[128] = "", text[32];

    if (!run->tell) return;
    option_text(o, text, sizeof text);
    if (o.kind != POWER && o.kind != KILL) {
        step_describe(fiber_step(o.who), what, sizeof what);
    }
    print_message("  %4u %-6s %s%s\n", run->point, text, what,
                  o.kind == FAIL    ? " FAILS"
                  : o.kind == LATE  ? ": waited long enough"
                  : o.kind == HALF  ? ": dies half way"
                  : o.kind == KILL  ? "process killed"
                  : o.kind == POWER ? "power off"
                                    : "");
}

static void power_off(struct run *run, unsigned number)
{
    struct mn_os *before = steps_os(), *after;
    struct mn_sim_loss loss = loss_make(mn_sim_pending(before, STEPS_PATH), number);

    after = mn_sim_crash(before, &loss);
    assert_non_null(after);
    for (unsigned p = 0; p < STEPS_FIBERS; p++) process_kill(p);
    steps_clear();
    mn_machine_free(before);
    steps_use(after);
    ghost_power_lost(run->subject->ghost);
    run->life++;
    run->current = 0;
    run->subject->again(run->subject->context, run->life);
}

static void budget_take(struct run *run, struct option o)
{
    struct budget *left = &run->left;
    bool moves = o.kind == GO || o.kind == HALF || o.kind == FAIL;

    if (moves && o.who != run->current && fiber_can_go(run->current) && left->preempt) {
        left->preempt--;
    }
    if ((o.kind == KILL || o.kind == HALF) && left->kill) left->kill--;
    if (o.kind == FAIL && left->fail) left->fail--;
    if (o.kind == LATE && left->late) left->late--;
    if (o.kind == POWER && left->power) left->power--;
}

static void option_do(struct run *run, struct option o)
{
    struct ghost *ghost = run->subject->ghost;
    size_t pieces = mn_sim_pending(steps_os(), STEPS_PATH);
    struct mn_sim_loss loss;

    tell(run, o);
    budget_take(run, o);
    if (o.kind == POWER) {
        power_off(run, o.loss);
        run->content_known = false;
        return;
    }
    if (o.kind == KILL) {
        process_kill(o.who);
        ghost_process_died(ghost, o.who);
        return;
    }
    if (fiber_step(o.who)->op >= STEP_WRITE || ghost->sync_failed) run->content_known = false;
    if (o.kind == FAIL) {
        loss = loss_make(pieces, o.loss);
        loss.sizes = true;
        mn_sim_set_sync_loss(steps_os(), &loss);
        ghost_sync_failed(ghost);
    }
    run->current = o.who;
    fiber_resume(o.who, o.kind == LATE   ? STEP_LATE
                        : o.kind == HALF ? STEP_HALF
                        : o.kind == FAIL ? STEP_FAIL
                                         : STEP_GO);
    if (o.kind == HALF) ghost_process_died(ghost, fiber_process(o.who));
}

/* ---- a run ---- */

/* The option of this point: as planned, by chance, or the default. False: the plan does not fit. */
static bool option_choose(struct run *run, struct option *chosen)
{
    unsigned done = run->taken_count;

    *chosen = run->options[0];
    if (run->random) {
        if (test_random(run->random) % 6 == 0) {
            *chosen = run->options[test_random(run->random) % run->option_count];
            /* The many ways to lose power must not crowd out the rest. */
            if ((chosen->kind == POWER || chosen->kind == FAIL || chosen->kind == KILL) &&
                test_random(run->random) % 16 != 0) {
                *chosen = run->options[0];
            }
        }
    } else if (done < run->planned && run->plan[done].point == run->point) {
        bool found = false;

        for (unsigned i = 0; i < run->option_count && !found; i++) {
            found = option_equal(run->options[i], run->plan[done].option);
        }
        if (!found) return false;
        *chosen = run->plan[done].option;
    }
    if (!option_equal(*chosen, run->options[0]) ||
        (done < run->planned && run->plan[done].point == run->point)) {
        if (done == DEPARTURES_MAX) return false;
        run->taken[run->taken_count++] = (struct departure){run->point, *chosen};
    }
    return true;
}

static void children_push(struct search *search, uint32_t parent)
{
    struct run *run = &search->run;
    bool crashes = seen_add(&search->crashes, crash_hash(run));

    for (unsigned i = 1; i < run->option_count; i++) {
        if (run->options[i].kind == POWER && !crashes) continue;
        if (search->node_count == search->node_capacity) {
            search->node_capacity = search->node_capacity ? search->node_capacity * 2 : 1 << 12;
            search->nodes = realloc(search->nodes, search->node_capacity * sizeof *search->nodes);
            assert_non_null(search->nodes);
        }
        search->nodes[search->node_count++] = (struct node){parent, {run->point, run->options[i]}};
    }
}

static void run_begin(struct run *run)
{
    run->left = run->subject->budget;
    run->point = run->life = run->current = run->taken_count = 0;
    run->content_known = false;
    run->subject->begin(run->subject->context);
}

static enum run_end run_finish(enum run_end end)
{
    for (unsigned p = 0; p < STEPS_FIBERS; p++) process_kill(p);
    steps_clear();
    mn_machine_free(steps_os());
    return end;
}

/* search NULL: a run for itself, without memory of others. */
static enum run_end run_once(struct run *run, struct search *search, uint32_t node)
{
    struct ghost *ghost = run->subject->ghost;

    run_begin(run);
    for (;; run->point++) {
        struct option chosen;

        options_list(run);
        if (run->option_count == 0) break;
        if (run->point == POINTS_MAX) ghost_fail(ghost, "no end after %d steps", POINTS_MAX);
        if (search && run->taken_count == run->planned) {
            if (!seen_add(&search->states, state_hash(run))) return run_finish(RUN_MET);
            children_push(search, node);
        }
        if (!option_choose(run, &chosen)) return run_finish(RUN_LOST);
        option_do(run, chosen);
        if (search) search->steps++;
        if (ghost->violation[0]) return run_finish(RUN_BAD);
    }
    for (unsigned i = 0; i < steps_count(); i++) {
        if (!fiber_is_over(i)) ghost_fail(ghost, "fiber %u waits for ever", i);
    }
    if (!ghost->violation[0] && (!search || seen_add(&search->ends, crash_hash(run)))) {
        if (run->tell) print_message("  %4u judge\n", run->point);
        run->subject->judge(run->subject->context);
    }
    return run_finish(ghost->violation[0] ? RUN_BAD : RUN_OVER);
}

/* ---- failures ---- */

static void token_write(const struct departure *list, unsigned count, char *token, size_t size)
{
    size_t at = 0;

    token[0] = '\0';
    for (unsigned i = 0; i < count && at < size; i++) {
        char text[32];
        int n;

        option_text(list[i].option, text, sizeof text);
        n = snprintf(token + at, size - at, "%s%u%s", i ? "," : "", list[i].point, text);
        if (n > 0) at += (size_t)n;
    }
}

static unsigned token_read(const char *token, struct departure *list)
{
    unsigned count = 0;

    while (*token && count < DEPARTURES_MAX) {
        struct departure *one = &list[count++];
        char *end;
        const char *letter;

        memset(one, 0, sizeof *one);
        one->point = (uint32_t)strtoul(token, &end, 10);
        letter = *end ? strchr(option_letters, *end) : NULL;
        if (!letter) fail_msg("not a token at %s", token);
        one->option.kind = (uint8_t)(letter - option_letters);
        if (one->option.kind == POWER) {
            one->option.loss = (uint16_t)strtoul(end + 1, &end, 10);
        } else {
            one->option.who = (uint8_t)strtoul(end + 1, &end, 10);
        }
        if (*end == '.') one->option.loss = (uint16_t)strtoul(end + 1, &end, 10);
        token = *end == ',' ? end + 1 : end;
    }
    return count;
}

static bool plan_fails(const struct subject *subject, const struct departure *plan, unsigned count,
                       struct run *run)
{
    memset(run, 0, sizeof *run);
    run->subject = subject;
    run->plan = plan;
    run->planned = count;
    run->unbounded = true;
    return run_once(run, NULL, 0) == RUN_BAD;
}

/* Leaves out every departure without which it fails as well. */
static void shrink(const struct subject *subject, struct departure *plan, unsigned *count)
{
    struct run run;

    for (unsigned i = *count; i-- > 0;) {
        struct departure less[DEPARTURES_MAX];

        memcpy(less, plan, i * sizeof *less);
        memcpy(less + i, plan + i + 1, (*count - i - 1) * sizeof *less);
        if (!plan_fails(subject, less, *count - 1, &run)) continue;
        memcpy(plan, less, (*count - 1) * sizeof *less);
        (*count)--;
    }
}

static void report(const struct run *run, struct explored *out)
{
    struct departure plan[DEPARTURES_MAX];
    unsigned count = run->taken_count;
    struct run again;

    out->bad = true;
    memcpy(plan, run->taken, count * sizeof *plan);
    snprintf(out->story, sizeof out->story, "%s", run->subject->ghost->violation);
    if (plan_fails(run->subject, plan, count, &again)) {
        shrink(run->subject, plan, &count);
        (void)plan_fails(run->subject, plan, count, &again);
        snprintf(out->story, sizeof out->story, "%s", run->subject->ghost->violation);
    } else {
        strncat(out->story, " (and not when it is run again)",
                sizeof out->story - strlen(out->story) - 1);
    }
    token_write(plan, count, out->token, sizeof out->token);
}

bool explore_replay(const struct subject *subject, const char *token)
{
    struct departure plan[DEPARTURES_MAX];
    unsigned count = token_read(token, plan);
    struct run run = {.subject = subject, .plan = plan, .planned = count};
    enum run_end end;

    run.unbounded = run.tell = true;
    end = run_once(&run, NULL, 0);
    if (end == RUN_LOST) print_message("point %u has no such option\n", run.point);
    if (end == RUN_BAD) print_message("=> %s\n", subject->ghost->violation);
    return end == RUN_OVER;
}

/* ---- searching ---- */

static unsigned plan_of(const struct search *search, size_t node, struct departure *plan)
{
    unsigned count = 0;

    for (size_t n = node; n && count < DEPARTURES_MAX; n = search->nodes[n].parent) {
        plan[count++] = search->nodes[n].last;
    }
    for (unsigned i = 0; i < count / 2; i++) {
        struct departure swap = plan[i];

        plan[i] = plan[count - 1 - i];
        plan[count - 1 - i] = swap;
    }
    return count;
}

static void search_random(struct search *search, uint64_t runs, uint64_t seed, struct explored *out)
{
    for (uint64_t i = 0; i < runs && !out->bad; i++) {
        uint64_t random = seed * 1000003 + i + 1;
        struct run run = {.subject = search->run.subject, .random = &random};

        if (run_once(&run, NULL, 0) == RUN_BAD) report(&run, out);
        search->runs++;
        search->steps += run.point;
    }
}

void explore(const struct subject *subject, uint64_t runs_max, uint64_t random_runs, uint64_t seed,
             struct explored *out)
{
    struct search search = {.run = {.subject = subject}};
    struct departure plan[DEPARTURES_MAX];

    memset(out, 0, sizeof *out);
    search.node_count = 1; /* node 0: no departure */
    search.node_capacity = 1 << 12;
    search.nodes = calloc(search.node_capacity, sizeof *search.nodes);
    assert_non_null(search.nodes);
    for (; search.next < search.node_count && search.runs < runs_max && !out->bad; search.next++) {
        search.run.plan = plan;
        search.run.planned = plan_of(&search, search.next, plan);
        search.runs++;
        switch (run_once(&search.run, &search, (uint32_t)search.next)) {
        case RUN_BAD: report(&search.run, out); break;
        case RUN_LOST:
            out->bad = true;
            snprintf(out->story, sizeof out->story, "a run took another way when repeated");
            token_write(plan, search.run.planned, out->token, sizeof out->token);
            break;
        case RUN_OVER:
        case RUN_MET: break;
        }
    }
    out->whole = !out->bad && search.next == search.node_count;
    if (!out->bad) search_random(&search, random_runs, seed, out);
    out->runs = search.runs;
    out->steps = search.steps;
    out->states = search.states.count;
    out->ends = search.ends.count;
    free(search.nodes);
    free(search.states.words);
    free(search.crashes.words);
    free(search.ends.words);
}
