/*
 * Tests of os/behind: order, the failure that ends all, and the ring between two threads.
 */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "os/behind.h"
#include "support/test.h"

enum { PIECES = 20000 };

struct piece {
    unsigned number;
    bool fails;
    bool done;
};

static unsigned next_number; /* written by the thread alone, until it is taken */
static pthread_t worker;

static bool piece_work(void *of)
{
    struct piece *piece = of;
    sigset_t blocked;

    worker = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (!sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGALRM)) return false;
    if (piece->fails || piece->number != next_number) return false;
    next_number++;
    piece->done = true;
    return true;
}

static void pieces_are_done_in_order(void **state)
{
    static struct piece pieces[PIECES];
    struct mn_behind *behind = mn_behind_start(piece_work);
    unsigned given = 0, taken = 0;
    sigset_t before;

    (void)state;
    assert_non_null(behind);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_false(sigismember(&before, SIGTERM)); /* this thread's mask is as it was */
    next_number = 0;
    while (taken < PIECES) {
        for (; given < PIECES && given - taken < MN_BEHIND_MAX; given++) {
            pieces[given].number = given;
            mn_behind_give(behind, &pieces[given]);
        }
        assert_true(mn_behind_take(behind));
        assert_true(pieces[taken++].done);
    }
    assert_false(pthread_equal(worker, pthread_self()));
    mn_behind_stop(behind, false);
}

static void after_a_failure_nothing_is_done(void **state)
{
    struct piece pieces[] = {{0, false, false}, {1, true, false}, {2, false, false}};
    struct mn_behind *behind = mn_behind_start(piece_work);

    (void)state;
    assert_non_null(behind);
    next_number = 0;
    for (unsigned i = 0; i < 3; i++) mn_behind_give(behind, &pieces[i]);
    assert_true(mn_behind_take(behind));
    assert_false(mn_behind_take(behind));
    assert_false(mn_behind_take(behind)); /* and again */
    mn_behind_stop(behind, false);
    assert_true(pieces[0].done);
    assert_false(pieces[1].done || pieces[2].done);
}

static void stopping_waits_for_what_was_given(void **state)
{
    struct piece pieces[MN_BEHIND_MAX] = {0};
    struct mn_behind *behind = mn_behind_start(piece_work);

    (void)state;
    assert_non_null(behind);
    next_number = 0;
    for (unsigned i = 0; i < MN_BEHIND_MAX; i++) {
        pieces[i].number = i;
        mn_behind_give(behind, &pieces[i]);
    }
    mn_behind_stop(behind, false);
    assert_true(pieces[MN_BEHIND_MAX - 1].done);
    mn_behind_stop(NULL, false);
    mn_behind_stop(mn_behind_start(piece_work), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_done_in_order),
        cmocka_unit_test(after_a_failure_nothing_is_done),
        cmocka_unit_test(stopping_waits_for_what_was_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
