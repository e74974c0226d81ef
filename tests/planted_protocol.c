/*
 * planted_protocol: the model of the protocol (sim_protocol.c) in a build with planted bugs.
 *
 * A model that finds nothing proves something only if it finds what is wrong. Here each rule of the
 * protocol that the model must know is broken (base/plant.h), one after the other, and the model
 * must say so, with a schedule that shows it. The short form asks for the rules of the
 * list below, which matter where commits are acknowledged before they are durable; the long one
 * also tells what the model sees of every other bug.
 *
 *   MNEME_PROTOCOL=NAME          looks for this one alone
 *   MNEME_PROTOCOL=NAME/CONFIGURATION:TOKEN   replays one schedule and tells its steps
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/plant.h"
#include "support/protocol.h"
#include "support/test.h"

enum { RUNS_USUAL = 1200, RANDOM_USUAL = 100, MORE = 8, JOBS = 2 };
#define SECONDS 20.0 /* of processor time, for one bug */

static const char *const names[] = {"",
#define PLANT_NAME(name, rule) #name,
                                    MN_PLANTS(PLANT_NAME)
#undef PLANT_NAME
};

/* What the model must see where commits are acknowledged before they are durable, and a
 * configuration that shows it. */
static const struct known {
    enum mn_plant plant;
    const char *config;
} knowns[] = {
    {MN_PLANT_PUBLISH_EARLY, "lazy"},
    {MN_PLANT_SYNC_ERROR_IGNORED, "lazy-fail"},
    {MN_PLANT_SYNC_RETRIED, "lazy-fail"},
    {MN_PLANT_SLOT_OF_PUBLISHED, "lazy"},
    {MN_PLANT_DIGEST_IGNORED, "lazy"},
    {MN_PLANT_DIGEST_UNSORTED, "lazy"},
    {MN_PLANT_DIGEST_SHORT, "lazy-cut"},
    {MN_PLANT_GREW_IGNORED, "lazy-pages"},
    {MN_PLANT_SETTLE_NO_NOTICE, "lazy"},
    {MN_PLANT_SETTLE_NO_SYNC, "lazy-back"},
    {MN_PLANT_OPEN_TRUSTS_NOTICE, "lazy"},
    {MN_PLANT_RING_REFUSES_TORN, "lazy"},
    {MN_PLANT_PINS_OF_OTHERS, "lazy-readers"},
    {MN_PLANT_PINS_OWN, "lazy-threads"},
    {MN_PLANT_PINS_STALE, "lazy-point"},
    {MN_PLANT_PIN_NO_RECHECK, "lazy-readers"},
    {MN_PLANT_FOLLOW_SKIPPED, "lazy-kill"},
    {MN_PLANT_BUCKET_FREED, "lazy-ring"},
    {MN_PLANT_WING_LOST, "lazy"},
    {MN_PLANT_DURABLE_UNPINNED, "lazy"},
    {MN_PLANT_LAZY_DEAD_STAY, "lazy"},
    {MN_PLANT_TAIL_LOST, "lazy-log"},
    {MN_PLANT_READ_BACK_SKIPPED, "lazy-back"},
    {MN_PLANT_FAILED_UNSAID, "lazy-stop"},
    {MN_PLANT_LAZY_LARGE_STAYS, "lazy-large"},
    {MN_PLANT_CHECKPOINT_EARLY, "lazy"},
    {MN_PLANT_SLOT_OF_DURABLE, "lazy"},
    {MN_PLANT_DURABLE_STALE, "lazy-log"},
    {MN_PLANT_CUT_EARLY, "lazy-cut"},
    {MN_PLANT_READ_BACK_SLOT, "lazy-back"},
    {MN_PLANT_CHECKPOINT_UNTOLD, "lazy-log"},
    {MN_PLANT_FAILED_UNHEARD, "lazy-stop"},
    {MN_PLANT_LAZY_BASE_TRUSTED, "lazy"},
    {MN_PLANT_CLOSE_UNSYNCED, "lazy-close"},
    {MN_PLANT_CLOSE_LEFT, "lazy-close"},
    {MN_PLANT_UNSYNCED_STALE, "off-grow"},
    {MN_PLANT_HEADS_IGNORED, "lazy-fail"},
    {MN_PLANT_ACCUSES_PUBLISHED, "lazy"},
    {MN_PLANT_SETTLE_RING_CACHED, "lazy-fail2"},
    {MN_PLANT_SETTLE_PAGES_CACHED, "lazy-back"},
    {MN_PLANT_CHECKPOINT_NO_PENDING, "lazy-log"},
    {MN_PLANT_CHECKPOINT_TAKEN_USED, "lazy-log"},
    {MN_PLANT_CHECKPOINT_LOG_LEAKS, "lazy-log"},
};
enum { KNOWN = sizeof knowns / sizeof knowns[0] };

/* What a child found; shared with the parent. */
struct hit {
    bool found, met;
    double seconds;
    char config[32], token[512], story[320];
};

struct job {
    pid_t pid;
    int plant;
    struct hit *hit;
};

static double processor_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* False: not found, within so many times the usual number of schedules. */
static bool look_at(const struct config *config, unsigned times, bool deep, struct hit *hit)
{
    struct subject subject = protocol_subject(config, deep);
    struct explored found;

    if (processor_seconds() > SECONDS) return false;
    explore(&subject, RUNS_USUAL * times, RANDOM_USUAL * times, test_seed(), &found);
    if (!found.bad) return false;
    snprintf(hit->config, sizeof hit->config, "%s", config->name);
    snprintf(hit->token, sizeof hit->token, "%s", found.token);
    snprintf(hit->story, sizeof hit->story, "%.300s", found.story);
    return true;
}

/* Those configurations in which all commits are full, or the others. */
static bool look_at_half(bool full, unsigned times, struct hit *hit)
{
    bool found = false;

    for (unsigned i = 0; i < protocol_config_count && !found; i++) {
        const struct config *config = &protocol_configs[i];

        if (protocol_is_weak(config) != full) found = look_at(config, times, times > 1, hit);
    }
    return found;
}

static const char *known_config(int plant)
{
    for (unsigned i = 0; i < KNOWN; i++) {
        if ((int)knowns[i].plant == plant) return knowns[i].config;
    }
    return NULL;
}

static bool look_everywhere(int plant, struct hit *hit)
{
    const char *config = known_config(plant);

    for (unsigned i = 0; i < protocol_config_count && config; i++) {
        if (strcmp(protocol_configs[i].name, config) != 0) continue;
        if (look_at(&protocol_configs[i], 1, false, hit)) return true;
        if (look_at(&protocol_configs[i], MORE, false, hit)) return true;
    }
    for (unsigned times = 1; times <= MORE * MORE; times *= MORE) {
        if (look_at_half(false, times, hit) || look_at_half(true, times, hit)) return true;
        if (!mn_plants_met[plant]) return false; /* it is nowhere in the model */
    }
    return false;
}

static void look(int plant, struct hit *hit)
{
    struct rlimit limit = {2 * (rlim_t)SECONDS, 2 * (rlim_t)SECONDS + 5};
    int nowhere = open("/dev/null", O_WRONLY);

    dup2(nowhere, 1);
    dup2(nowhere, 2);
    setrlimit(RLIMIT_CPU, &limit); /* a bug may be an endless loop */
    mn_planted = plant;
    hit->found = look_everywhere(plant, hit);
    hit->seconds = processor_seconds();
    hit->met = mn_plants_met[plant];
    _exit(0);
}

/* How it was found; NULL: it was not. A process that dies or never ends found it as well; one that
 * gives up, for it cannot even make the file that a configuration begins with, did not. */
static const char *judge(const struct job *job, int status)
{
    if (job->hit->found) return "found";
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGXCPU ? "endless" : "dies";
    return NULL;
}

static void job_end(const struct job *job, int status, unsigned *missed)
{
    const struct hit *hit = job->hit;
    const char *how = judge(job, status);
    bool known = known_config(job->plant) != NULL;

    print_message("  %-22s %-8s %5.2f s  %s%s%s\n", names[job->plant],
                  how        ? how
                  : known    ? "MISSED"
                  : hit->met ? "unseen"
                             : "not met",
                  hit->seconds, hit->config, hit->found ? ":" : "", hit->token);
    if (hit->found) print_message("      %s\n", hit->story);
    if (!how && known) (*missed)++;
}

static void job_start(struct job *job, int plant, struct hit *hit)
{
    *job = (struct job){.plant = plant, .hit = hit};
    fflush(NULL);
    job->pid = fork();
    if (job->pid == 0) look(plant, hit);
    assert_true(job->pid > 0);
}

static void one_wait(struct job jobs[JOBS], unsigned *missed)
{
    int status = 0;
    pid_t pid = wait(&status);

    for (unsigned i = 0; i < JOBS; i++) {
        if (jobs[i].pid != pid) continue;
        job_end(&jobs[i], status, missed);
        jobs[i].pid = 0;
    }
}

static bool is_asked(int plant)
{
    const char *wanted = getenv("MNEME_PROTOCOL");

    if (wanted) return strcmp(wanted, names[plant]) == 0;
    return test_is_deep() || known_config(plant);
}

static void every_broken_rule_is_seen(void **state)
{
    struct hit *hits = mmap(NULL, MN_PLANT_END * sizeof *hits, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct job jobs[JOBS] = {0};
    unsigned missed = 0, asked = 0, running = 0;

    (void)state;
    assert_true(hits != MAP_FAILED);
    for (int plant = 1; plant < MN_PLANT_END; plant++) {
        if (!is_asked(plant)) continue;
        asked++;
        if (running == JOBS) {
            one_wait(jobs, &missed);
            running--;
        }
        job_start(&jobs[jobs[0].pid ? 1 : 0], plant, &hits[plant]);
        running++;
    }
    for (; running; running--) one_wait(jobs, &missed);
    print_message("  %u bugs, %u that the model must see were missed\n", asked, missed);
    munmap(hits, MN_PLANT_END * sizeof *hits);
    assert_true(asked > 0);
    assert_int_equal(missed, 0);
}

static void replays_a_token(void **state)
{
    char *text = strdup(getenv("MNEME_PROTOCOL"));
    char *config = strchr(text, '/'), *token = config ? strchr(config, ':') : NULL;

    (void)state;
    assert_non_null(token);
    *config++ = *token++ = '\0';
    for (int plant = 1; plant < MN_PLANT_END; plant++) {
        if (strcmp(names[plant], text) == 0) mn_planted = plant;
    }
    for (unsigned i = 0; i < protocol_config_count; i++) {
        struct subject subject = protocol_subject(&protocol_configs[i], true);

        if (strcmp(protocol_configs[i].name, config) == 0) {
            assert_false(explore_replay(&subject, token));
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(every_broken_rule_is_seen),
    };
    const struct CMUnitTest one[] = {
        cmocka_unit_test(replays_a_token),
    };
    const char *wanted = getenv("MNEME_PROTOCOL");

    protocol_init();
    return wanted && strchr(wanted, '/') ? cmocka_run_group_tests(one, NULL, NULL)
                                         : cmocka_run_group_tests(all, NULL, NULL);
}
