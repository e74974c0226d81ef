/*
 * knn: recall@10 against queries a second, mneme beside the graphs and FAISS' lists.
 *
 * The first half of the queries chooses: every setting of every engine answers it once, and of the
 * settings that no other beats in both recall and speed those are kept that are the fastest at one
 * of a row of recalls. The other half is reported: every engine's kept settings in turn, round by
 * round, medians. A bar at a recall is read at the fastest of these points at or above it.
 *
 * A peer gets all queries in one call, which lets FAISS scan a list for many queries at once:
 * beside that stands mn_nearest_many. mneme is also asked query by query, by a statement, and so
 * are FAISS' fast lists, a line of their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ann/ann.h"
#include "support/bench.h"

enum {
    POINTS_LEAST = 8,
    CHOOSERS_MOST = 400,
    SETTINGS_MANY = 100,
    ENGINES_MAX = 8,
    SETTINGS_MAX = 1000
};

static const double wanted_full[] = {.80, .90, .925, .95, .96, .97, .98, .99, .995, .999};
static const double wanted_quick[] = {.90, .95, .99};

/* 0: what a question without EFFORT gets. */
static const int efforts[] = {0,   1,   2,   3,   4,   5,   6,   7,   8,   10,  12,  14,
                              16,  20,  24,  32,  40,  48,  56,  64,  80,  96,  112, 128,
                              160, 192, 224, 256, 320, 384, 448, 512, 768, 1024};

struct engine {
    const char *name;
    bool graph; /* else lists, or mneme */
    int settings;
    char *labels;            /* of a peer, tab-separated, as the peer sent them */
    struct ann_table *table; /* mneme */
    const char *peer;        /* the name that ann_peers.py knows */
    bool each;               /* one query a call; at the settings of the engine before it */
    bool many;               /* mneme: all queries in one call */
    struct ann_curve chosen;
};

/* Queries of either half: those behind them are reported. */
static size_t half_of(const struct ann_set *set)
{
    return ann_run.quick ? 200 : set->queries / 2;
}

/* Of the first half so many choose: all of it, for hundreds of settings, would take long. */
static size_t choosers_of(const struct ann_set *set, const struct engine *engine)
{
    size_t most = engine->settings > SETTINGS_MANY ? CHOOSERS_MOST / 2 : CHOOSERS_MOST;

    return half_of(set) < most ? half_of(set) : most;
}

static const char *label_of(const struct engine *engine, int setting)
{
    static char label[128];
    const char *at = engine->labels;

    if (engine->table) {
        if (!efforts[setting]) return "default";
        snprintf(label, sizeof label, "EFFORT %d", efforts[setting]);
        return label;
    }
    for (int i = 0; i < setting; i++) at = strchr(at, '\t') + 1;
    snprintf(label, sizeof label, "%.*s", (int)strcspn(at, "\t"), at);
    return label;
}

static void ours_ask(struct ann_table *table, int setting)
{
    char effort[32] = "";

    if (efforts[setting]) snprintf(effort, sizeof effort, " EFFORT %d", efforts[setting]);
    ann_table_ask(table, "SELECT id, distance FROM t NEAREST %d BY v TO $q%s", ANN_K, effort);
}

static double many_search(struct ann_table *table, int setting, size_t from, size_t count,
                          int32_t *ids)
{
    mn_datum *keys = ann_memory(count * ANN_K * sizeof *keys);
    size_t *counts = ann_memory(count * sizeof *counts);
    mn_nearest_batch batch = {.size = sizeof batch,
                              .queries = table->set->query + from * table->set->dims,
                              .query_count = count,
                              .dims = table->set->dims,
                              .effort = (uint64_t)efforts[setting],
                              .capacity = ANN_K,
                              .keys = keys,
                              .counts = counts};
    double began = bench_now_s();

    ann_must(table->db, mn_nearest_many(table->db, NULL, "t", &batch), "mn_nearest_many");
    began = bench_now_s() - began;
    for (size_t i = 0; i < count * ANN_K; i++) ids[i] = (int32_t)keys[i].as.i;
    for (size_t i = 0; i < count; i++) bench_must(counts[i] == ANN_K, "finding ten rows");
    free(keys);
    free(counts);
    return began;
}

static double engine_search(struct engine *engine, int setting, size_t from, size_t count,
                            int32_t *ids)
{
    double began;

    if (!engine->table) {
        return ann_peers_search(ids, count, "%s %s %d %zu %zu", engine->each ? "each" : "search",
                                engine->peer, setting, from, count);
    }
    if (engine->many) return many_search(engine->table, setting, from, count, ids);
    ours_ask(engine->table, setting);
    began = bench_now_s();
    for (size_t i = 0; i < count; i++) {
        size_t found = ann_table_nearest(engine->table, from + i, ids + i * ANN_K);

        bench_must(found == ANN_K, "finding ten rows");
    }
    return bench_now_s() - began;
}

/* ---- choosing ---- */

struct tried {
    double recall[SETTINGS_MAX], speed[SETTINGS_MAX];
};

/* The fastest setting at or above a recall; -1: none. */
static int fastest_at(const struct tried *tried, int count, double recall)
{
    int best = -1;

    for (int i = 0; i < count; i++) {
        if (tried->recall[i] < recall) continue;
        if (best < 0 || tried->speed[i] > tried->speed[best]) best = i;
    }
    return best;
}

static void point_add(struct ann_curve *curve, int setting)
{
    if (setting < 0 || curve->count == ANN_POINTS_MAX) return;
    for (int i = 0; i < curve->count; i++) {
        if (curve->points[i].setting == setting) return;
    }
    curve->points[curve->count++].setting = setting;
}

/* Where few settings answer to all the recalls that are wanted, others make the curve whole: those
 * that no faster setting beats in recall. */
static void points_fill(struct ann_curve *curve, const struct tried *tried, int count)
{
    for (int i = 0; i < count && curve->count < POINTS_LEAST; i++) {
        if (fastest_at(tried, count, tried->recall[i]) == i) point_add(curve, i);
    }
    for (int i = 0; i < count && curve->count < POINTS_LEAST; i++) {
        if (tried->recall[i] >= .8 && tried->speed[i] > 0) point_add(curve, i);
    }
}

/* Whether a setting differs from the one before it only in how far it looks: in what stands behind
 * "nprobe=", else in the last word. */
static bool rises(const struct engine *engine, int setting)
{
    char before[128];
    const char *label = label_of(engine, setting - 1), *at = strstr(label, "nprobe=");
    size_t same = (size_t)((at ? at : strrchr(label, ' ')) - label);

    snprintf(before, sizeof before, "%s", label);
    label = label_of(engine, setting);
    at = at ? strstr(label, "nprobe=") : strrchr(label, ' ');
    if (!at || (size_t)(at - label) != same || strncmp(label, before, same) != 0) return false;
    if (label[same] == ' ') return true;
    const char *was = strchr(before + same, ' ');
    if (!was || !strchr(at, ' ') || strcmp(was, strchr(at, ' ')) != 0) return false;
    return atoi(at + 7) > atoi(before + same + 7);
}

/* Of settings that rise, those behind where recall has come to its end are only slower. */
static bool setting_pays(const struct engine *engine, const struct tried *tried, int setting)
{
    const double *recall = tried->recall + setting;

    if (engine->table || setting == 0 || !rises(engine, setting)) return true;
    if (recall[-1] >= .9995) return false;
    return setting == 1 || !rises(engine, setting - 1) || recall[-1] > recall[-2] + .0002;
}

static void engine_choose(struct engine *engine, const struct ann_set *set, int32_t *ids)
{
    struct tried *tried = ann_memory(sizeof *tried);
    const double *wanted = ann_run.quick ? wanted_quick : wanted_full;
    size_t count = choosers_of(set, engine);
    double began = bench_now_s();
    int wants = ann_run.quick ? 3 : (int)(sizeof wanted_full / sizeof wanted_full[0]);

    bench_must(engine->settings <= SETTINGS_MAX, "having room for the settings");
    for (int i = 0; i < engine->settings; i++) {
        if (!setting_pays(engine, tried, i)) {
            tried->recall[i] = tried->recall[i - 1];
            tried->speed[i] = 0;
            continue;
        }
        double seconds = engine_search(engine, i, 0, count, ids);

        tried->speed[i] = (double)count / seconds;
        tried->recall[i] = ann_recall(&set->truth, 0, count, ids);
    }
    for (int i = 0; i < wants; i++) {
        point_add(&engine->chosen, fastest_at(tried, engine->settings, wanted[i]));
    }
    if (!ann_run.quick) points_fill(&engine->chosen, tried, engine->settings);
    if (engine->chosen.count == 0) {
        point_add(&engine->chosen, fastest_at(tried, engine->settings, 0));
    }
    if (engine->table) point_add(&engine->chosen, 0); /* what a question without EFFORT gets */
    printf("%s: %d of %d settings chosen in %.0f s\n", engine->name, engine->chosen.count,
           engine->settings, bench_now_s() - began);
    fflush(stdout);
    free(tried);
}

/* ---- measuring ---- */

static int point_compare(const void *a, const void *b)
{
    const struct ann_point *x = a, *y = b;

    return (x->recall > y->recall) - (x->recall < y->recall);
}

static void rounds_run(struct engine *engines, int count, const struct ann_set *set, int32_t *ids)
{
    static double seconds[ENGINES_MAX][ANN_POINTS_MAX][ANN_ROUNDS_MAX];
    size_t half = half_of(set), from = half;

    for (int round = 0; round < ann_run.rounds; round++) {
        for (int e = 0; e < count; e++) {
            struct ann_curve *curve = &engines[e].chosen;

            for (int p = 0; p < curve->count; p++) {
                struct ann_point *point = &curve->points[p];

                seconds[e][p][round] =
                    (double)half / engine_search(&engines[e], point->setting, from, half, ids);
                point->recall = ann_recall(&set->truth, from, half, ids);
            }
        }
    }
    for (int e = 0; e < count; e++) {
        struct ann_curve *curve = &engines[e].chosen;

        for (int p = 0; p < curve->count; p++) {
            curve->points[p].speed = ann_figures_of(seconds[e][p], ann_run.rounds);
        }
        qsort(curve->points, (size_t)curve->count, sizeof curve->points[0], point_compare);
    }
}

static int curve_at(const struct ann_curve *curve, double recall)
{
    int best = -1;

    for (int i = 0; i < curve->count; i++) {
        if (curve->points[i].recall < recall) continue;
        if (best < 0 || curve->points[i].speed.median > curve->points[best].speed.median) best = i;
    }
    return best;
}

/* ---- telling ---- */

static void curves_say(const struct engine *engines, int count)
{
    ann_say("| engine | setting | recall@10 | queries/s | spread |\n|---|---|---|---|---|\n");
    for (int e = 0; e < count; e++) {
        const struct ann_curve *curve = &engines[e].chosen;

        for (int p = 0; p < curve->count; p++) {
            const struct ann_point *point = &curve->points[p];

            ann_say("| %s | %s | %.4f | %.0f | %.0f - %.0f |\n", engines[e].name,
                    label_of(&engines[e], point->setting), point->recall, point->speed.median,
                    point->speed.low, point->speed.high);
        }
    }
    ann_say("\n");
}

/* Which peers a bar is about. */
enum kind { GRAPHS, FAISS_SETS, FAISS_EACH };
static const char *const kind_names[] = {"best graph", "best FAISS, all queries in one call",
                                         "best FAISS, one query a call"};

static bool engine_is(const struct engine *engine, enum kind kind)
{
    if (kind == GRAPHS) return engine->graph;
    return engine->peer && engine->each == (kind == FAISS_EACH) &&
           strncmp(engine->peer, "FAISS", 5) == 0;
}

/* The fastest peer of a kind at a recall; -1: none. */
static int peer_best(const struct engine *engines, enum kind kind, double recall)
{
    double best_speed = 0;
    int best = -1;

    for (int e = 0; e < ENGINES_MAX; e++) {
        int at = curve_at(&engines[e].chosen, recall);

        if (at < 0 || !engine_is(&engines[e], kind)) continue;
        if (engines[e].chosen.points[at].speed.median <= best_speed) continue;
        best_speed = engines[e].chosen.points[at].speed.median;
        best = e;
    }
    return best;
}

static void bar_say(const struct engine *engines, bool words, double recall, enum kind kind)
{
    const struct engine *own = &engines[kind == FAISS_SETS];
    int ours = curve_at(&own->chosen, recall), peer = peer_best(engines, kind, recall);
    double bar = kind != GRAPHS ? 1.3 : words ? 3 : 1.5;
    const struct ann_point *a, *b;

    if (ours < 0 || peer < 0) {
        ann_say("| recall@10 >= %.2f | %s | - | - | - | - | not reached by %s |\n", recall,
                kind_names[kind], ours < 0 ? "mneme" : "a peer");
        return;
    }
    a = &own->chosen.points[ours];
    b = &engines[peer].chosen.points[curve_at(&engines[peer].chosen, recall)];
    ann_say("| recall@10 >= %.2f | %s: %s, %s (%.4f) | ", recall, kind_names[kind],
            engines[peer].name, label_of(&engines[peer], b->setting), b->recall);
    ann_say("%.0f, %s (%.4f) | %.0f | %s |\n", a->speed.median, label_of(own, a->setting),
            a->recall, b->speed.median, ann_verdict(a->speed.median / b->speed.median, bar));
}

static void bars_say(const struct engine *engines, bool words)
{
    ann_say("| k-NN | peer | mneme queries/s | peer queries/s | ratio | bar | |\n"
            "|---|---|---|---|---|---|---|\n");
    for (enum kind kind = GRAPHS; kind <= FAISS_EACH; kind++) {
        bar_say(engines, words, .95, kind);
        bar_say(engines, words, .99, kind);
    }
    ann_say("\n");
}

/* What a question cost at the points that the bars are read at. */
static void plans_print(const struct engine *ours, struct ann_table *table, size_t query)
{
    static const double recalls[] = {.95, .99};

    for (int i = 0; i < 2; i++) {
        int at = curve_at(&ours->chosen, recalls[i]);

        if (at < 0) continue;
        printf("a plan at %s, recall %.4f:\n", label_of(ours, ours->chosen.points[at].setting),
               ours->chosen.points[at].recall);
        ours_ask(table, ours->chosen.points[at].setting);
        ann_table_explain(table, query);
    }
}

static void engines_prepare(struct engine *engines, const struct ann_set *set, int32_t *ids)
{
    for (int e = 0; e < ENGINES_MAX; e++) {
        struct engine *engine = &engines[e];
        bool left_out = ann_run.peer && engine->peer && strcmp(engine->peer, ann_run.peer) != 0;
        const char *labels =
            engine->peer && !left_out ? ann_peers_ask("engine %s", engine->peer) : "";

        engine->labels = ann_memory(strlen(labels) + 1);
        strcpy(engine->labels, labels);
        for (const char *c = labels; *c; c++) engine->settings += *c == '\t';
        engine->chosen.name = engine->name;
        if (left_out) continue;
        if (engine->peer) engine->settings++;
        if (engine->each) {
            engine->chosen = engines[e - 1].chosen;
        } else {
            engine_choose(engine, set, ids);
        }
        engine->chosen.name = engine->name;
    }
}

void ann_knn(struct ann_set *set)
{
    struct ann_table table;
    struct engine engines[ENGINES_MAX] = {
        {.name = "mneme", .table = &table, .settings = sizeof efforts / sizeof efforts[0]},
        {.name = "mneme, all in one call",
         .table = &table,
         .settings = sizeof efforts / sizeof efforts[0],
         .many = true},
        {.name = "hnswlib", .peer = "hnswlib", .graph = true},
        {.name = "usearch", .peer = "usearch", .graph = true},
        {.name = "FAISS HNSW", .peer = "FAISS-HNSW", .graph = true},
        {.name = "FAISS IVF flat", .peer = "FAISS-IVF-flat"},
        {.name = "FAISS IVF-PQ4", .peer = "FAISS-IVF-PQ4"},
        {.name = "the same, one a call", .peer = "FAISS-IVF-PQ4", .each = true},
    };
    struct ann_curve curves[ENGINES_MAX];
    int32_t *ids = ann_memory(set->queries * ANN_K * sizeof *ids);
    char path[600];

    ann_table_make(&table, set, "knn", ANN_PLAIN, set->rows);
    ann_exec(table.db, "CREATE INDEX i ON t (v) USING vector WITH (metric = %s)", set->metric);
    ann_table_reopen(&table);
    ann_peers_use(set);
    ann_say(
        "%s: %zu rows, %zu dimensions, %s; up to %zu queries choose, %zu are reported\n\n%s\n\n",
        set->title, set->rows, set->dims, set->metric, choosers_of(set, &engines[0]), half_of(set),
        ann_peers_ask("about"));
    engines_prepare(engines, set, ids);
    rounds_run(engines, ENGINES_MAX, set, ids);
    curves_say(engines, ENGINES_MAX);
    bars_say(engines, set->metric[0] == 'c');
    plans_print(&engines[0], &table, half_of(set));
    for (int e = 0; e < ENGINES_MAX; e++) {
        curves[e] = engines[e].chosen;
        free(engines[e].labels);
    }
    snprintf(path, sizeof path, "%s/ann_%s.svg", ann_run.results, set->name);
    ann_picture_write(path, set->title, curves, ENGINES_MAX);
    ann_table_close(&table);
    free(ids);
}
