/*
 * Tests on robot_tum_fr2_desk/: 20,957 poses of a moving camera, windows of time and places in
 * space.
 */
#include "support/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nanoseconds in the file are whole microseconds. */
static const char *const load =
    "CREATE TABLE poses (id INT PRIMARY KEY, at TIMESTAMP NOT NULL, tx FLOAT, ty FLOAT, tz FLOAT,"
    "  qx FLOAT, qy FLOAT, qz FLOAT, qw FLOAT, place VECTOR(3));"
    "COPY poses (id, at, tx, ty, tz, qx, qy, qz, qw) FROM '%s/poses.tsv' WITH (time_unit = ns);"
    "UPDATE poses SET place = [tx, ty, tz];"
    "CREATE INDEX poses_at ON poses (at);";

static const char *const ask =
    "SELECT 'count', count(*), 0.0 FROM poses WHERE at >= $from AND at < $to "
    "UNION ALL SELECT 'first', min(id), 0.0 FROM poses WHERE at >= $from AND at < $to "
    "UNION ALL SELECT 'last', max(id), 0.0 FROM poses WHERE at >= $from AND at < $to "
    "UNION ALL (SELECT 'near', id, distance FROM poses NEAREST 10 TO $point METRIC l2) "
    "UNION ALL (SELECT 'window', id, distance FROM poses WHERE at >= $from AND at < $to"
    "           NEAREST 10 TO $point METRIC l2)";

enum { POSES_MAX = 21000 };

static double places[POSES_MAX][3];
static struct part parts[5];
static struct ranked want;

static int64_t number(const char *line, const char *key)
{
    int64_t value = 0;

    assert_true(json_int(line, key, &value));
    return value;
}

static void places_read(const char *folder)
{
    char path[512], *text, *at, *line;

    snprintf(path, sizeof path, "%s/poses.tsv", folder);
    for (at = text = file_read(path, NULL); (line = line_next(&at));) {
        long long id, t;
        double p[3];

        assert_int_equal(sscanf(line, "%lld\t%lld\t%lf\t%lf\t%lf", &id, &t, &p[0], &p[1], &p[2]),
                         5);
        assert_true(id >= 0 && id < POSES_MAX);
        memcpy(places[id], p, sizeof p);
    }
    free(text);
}

/* The ids given, with distances by the definition. */
static void want_ranked(const char *line, const char *key, const double point[3])
{
    want.count = json_ints(line, key, want.ids, ANSWER_MAX);
    for (int i = 0; i < want.count; i++) {
        double sum = 0;

        for (int j = 0; j < 3; j++) {
            double d = places[want.ids[i]][j] - point[j];
            sum += d * d;
        }
        want.scores[i] = sqrt(sum);
    }
}

static bool answer_right(const char *line, const double point[3])
{
    int64_t count = number(line, "count"), first = number(line, "first");
    int64_t last = number(line, "last");
    double squares[ANSWER_MAX];
    bool right = ids_equal("count", &count, 1, parts[0].rows.ids, parts[0].rows.count) &&
                 ids_equal("first", &first, 1, parts[1].rows.ids, parts[1].rows.count) &&
                 ids_equal("last", &last, 1, parts[2].rows.ids, parts[2].rows.count);

    want_ranked(line, "nearest10_l2", point);
    assert_int_equal(json_doubles(line, "d2", squares, ANSWER_MAX), want.count);
    for (int i = 0; i < want.count; i++) want.scores[i] = sqrt(squares[i]);
    right = ranked_equal(&want, &parts[3].rows) && right;
    want_ranked(line, "nearest10_in_window", point);
    return ranked_equal(&want, &parts[4].rows) && right;
}

static void windows_and_places(void **state)
{
    const char *folder = test_data("robot_tum_fr2_desk");
    const char *const names[] = {"count", "first", "last", "near", "window"};
    char path[512], *text, *at, *line;
    struct dataset set;
    struct tally tally;
    int lines = 0;

    (void)state;
    if (!folder) skip();
    places_read(folder);
    dataset_load(&set, load, folder);
    snprintf(path, sizeof path, "%s/queries.ndjson", folder);
    mn_stmt *stmt = dataset_prepare(&set, ask);
    for (int i = 0; i < 5; i++) parts[i].name = names[i];
    tally_begin(&tally, "robot_tum_fr2_desk/queries");
    for (at = text = file_read(path, NULL); (line = line_next(&at)); lines++) {
        double point[3];
        float vector[3];

        assert_int_equal(json_doubles(line, "point", point, 3), 3);
        for (int i = 0; i < 3; i++) vector[i] = (float)point[i];
        mn_bind_time(stmt, param(stmt, "from"), number(line, "t0") / 1000);
        mn_bind_time(stmt, param(stmt, "to"), number(line, "t1") / 1000);
        mn_bind_vector(stmt, param(stmt, "point"), vector, 3, MN_STATIC);
        tally_count(&tally, parts_read(stmt, parts, 5) && answer_right(line, point),
                    number(line, "qid"));
    }
    mn_finalize(stmt);
    dataset_close(&set);
    free(text);
    tally_end(&tally, lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows_and_places)};

    return cmocka_run_group_tests_name("data/robot_tum_fr2_desk", tests, NULL, NULL);
}
