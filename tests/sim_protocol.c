/*
 * sim_protocol: the protocol of openers, readers and writers as a model whose steps are the engine.
 *
 * A few simulated processes open one file on one simulated machine, read, write and close. Every
 * order of what they ask of the machine is tried within a budget of departures from running one
 * after the other (support/explore.h), with kills, failed syncs, locks waited for in vain and power
 * losses in between; what they meet is held against what must be true (support/ghost.h).
 *
 *   MNEME_PROTOCOL=CONFIGURATION         explores this one alone
 *   MNEME_PROTOCOL=CONFIGURATION:TOKEN   replays one schedule and tells its steps
 *   MNEME_TEST_DEEP=1                    larger budgets
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/protocol.h"
#include "support/test.h"

enum { RUNS_USUAL = 1200, RUNS_DEEP = 200000, RANDOM_USUAL = 100, RANDOM_DEEP = 10000 };

/* Explores one configuration and says what was done; false: something was found. */
static bool config_explore(const struct config *config, uint64_t runs_max, uint64_t random_runs)
{
    struct subject subject = protocol_subject(config, test_is_deep());
    struct explored found;
    clock_t began = clock();

    explore(&subject, runs_max, random_runs, test_seed(), &found);
    print_message("  %-10s %8" PRIu64 " schedules %9" PRIu64 " steps %8" PRIu64 " states %7" PRIu64
                  " ends  %s %.1f s\n",
                  config->name, found.runs, found.steps, found.states, found.ends,
                  found.whole ? "whole  " : "bounded", (double)(clock() - began) / CLOCKS_PER_SEC);
    if (found.bad) {
        print_error("%s\n  MNEME_PROTOCOL=%s:%s\n", found.story, config->name, found.token);
    }
    return !found.bad;
}

/* MNEME_PROTOCOL: NAME or NAME:TOKEN; all configurations where it is not set. */
static bool is_wanted(const struct config *config, const char *wanted)
{
    size_t length = wanted ? strcspn(wanted, ":") : 0;

    return !wanted ||
           (strlen(config->name) == length && strncmp(config->name, wanted, length) == 0);
}

static void every_schedule_keeps_the_guarantees(void **state)
{
    const char *wanted = getenv("MNEME_PROTOCOL");
    unsigned bad = 0;

    (void)state;
    for (unsigned i = 0; i < protocol_config_count; i++) {
        if (!is_wanted(&protocol_configs[i], wanted)) continue;
        bad += !config_explore(&protocol_configs[i], test_is_deep() ? RUNS_DEEP : RUNS_USUAL,
                               test_is_deep() ? RANDOM_DEEP : RANDOM_USUAL);
    }
    assert_int_equal(bad, 0);
}

static void replays_a_token(void **state)
{
    const char *token = getenv("MNEME_PROTOCOL");
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < protocol_config_count; i++) {
        struct subject subject = protocol_subject(&protocol_configs[i], true);

        if (!is_wanted(&protocol_configs[i], token)) continue;
        count++;
        assert_true(explore_replay(&subject, strchr(token, ':') + 1));
    }
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(every_schedule_keeps_the_guarantees),
    };
    const struct CMUnitTest one[] = {
        cmocka_unit_test(replays_a_token),
    };

    const char *token = getenv("MNEME_PROTOCOL");

    protocol_init();
    return token && strchr(token, ':') ? cmocka_run_group_tests(one, NULL, NULL)
                                       : cmocka_run_group_tests(all, NULL, NULL);
}
