/*
 * dataset: plain readers of the files of the data sets, and strict comparison.
 */
#include "support/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double clock_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

char *file_read(const char *path, size_t *size_bytes)
{
    FILE *file = fopen(path, "rb");
    char *text;
    long size;

    if (!file) fail_msg("cannot open %s", path);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    text[size] = 0;
    if (size_bytes) *size_bytes = (size_t)size;
    return text;
}

char *line_next(char **text)
{
    char *line = *text, *end;

    if (!*line) return NULL;
    end = strchr(line, '\n');
    *text = end ? end + 1 : line + strlen(line);
    if (end) *end = 0;
    return line;
}

/* ---- JSON, one line ---- */

static const char *field(const char *line, const char *key)
{
    char quoted[64];
    const char *at;

    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    at = strstr(line, quoted);
    return at ? at + strlen(quoted) : NULL;
}

bool json_int(const char *line, const char *key, int64_t *value)
{
    const char *at = field(line, key);

    if (at) *value = strtoll(at, NULL, 10);
    return at != NULL;
}

int json_doubles(const char *line, const char *key, double *values, int max)
{
    const char *at = field(line, key);
    int count = 0, depth = 0;
    char *end;

    if (!at || *at != '[') return -1;
    for (; *at; at++) {
        if (*at == '[') depth++;
        if (*at == ']' && --depth == 0) break;
        if (*at == '[' || *at == ']' || *at == ',') continue;
        assert_true(count < max);
        values[count++] = strtod(at, &end);
        at = end - 1;
    }
    return count;
}

int json_ints(const char *line, const char *key, int64_t *values, int max)
{
    double *numbers = malloc((size_t)max * sizeof *numbers);
    int count;

    assert_non_null(numbers);
    count = json_doubles(line, key, numbers, max);
    for (int i = 0; i < count; i++) values[i] = (int64_t)numbers[i];
    free(numbers);
    return count;
}

int json_texts(const char *line, const char *key, char (*values)[64], int max)
{
    const char *at = field(line, key);
    int count = 0;

    if (!at || *at != '[') return -1;
    for (at++; *at && *at != ']'; at++) {
        const char *end;

        if (*at != '"') continue;
        end = strchr(at + 1, '"');
        assert_true(end && count < max && end - at <= 64);
        memcpy(values[count], at + 1, (size_t)(end - at - 1));
        values[count++][end - at - 1] = 0;
        at = end;
    }
    return count;
}

/* ---- .npy ---- */

static float half_value(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

    return (float)(half & 0x8000 ? -size : size);
}

float *npy_read(const char *path, size_t *rows, size_t *dims)
{
    size_t size, head;
    char *bytes = file_read(path, &size);
    const char *shape = strstr(bytes + 10, "'shape': (");
    float *out;

    assert_true(size > 128 && shape && strstr(bytes + 10, "'<f2'"));
    *rows = strtoull(shape + 10, (char **)&shape, 10);
    *dims = strtoull(shape + 1, NULL, 10);
    head = 10u + (uint8_t)bytes[8] + 256u * (uint8_t)bytes[9];
    assert_int_equal(size, head + *rows * *dims * 2);
    out = malloc(*rows * *dims * sizeof *out + 1);
    assert_non_null(out);
    for (size_t i = 0; i < *rows * *dims; i++) {
        uint16_t half;

        memcpy(&half, bytes + head + 2 * i, 2);
        out[i] = half_value(half);
    }
    free(bytes);
    return out;
}

/* ---- comparison ---- */

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-5;
}

static int place_of(const struct ranked *list, int64_t id)
{
    for (int i = 0; i < list->count; i++) {
        if (list->ids[i] == id) return i;
    }
    return -1;
}

bool ranked_equal(const struct ranked *want, const struct ranked *got)
{
    if (want->count != got->count) {
        print_message("  %d rows, want %d\n", got->count, want->count);
        return false;
    }
    for (int i = 0; i < want->count; i++) {
        int elsewhere = place_of(want, got->ids[i]);
        double known = elsewhere >= 0 ? want->scores[elsewhere] : want->scores[want->count - 1];
        bool id_right = got->ids[i] == want->ids[i] || near(known, got->scores[i]);

        if (near(want->scores[i], got->scores[i]) && id_right) continue;
        print_message("  place %d: %lld at %.7f, want %lld at %.7f\n", i, (long long)got->ids[i],
                      got->scores[i], (long long)want->ids[i], want->scores[i]);
        return false;
    }
    return true;
}

bool ids_equal(const char *what, const int64_t *want, int want_count, const int64_t *got,
               int got_count)
{
    if (want_count != got_count) {
        print_message("  %s: %d rows, want %d\n", what, got_count, want_count);
        return false;
    }
    for (int i = 0; i < want_count; i++) {
        if (want[i] == got[i]) continue;
        print_message("  %s, place %d: %lld, want %lld\n", what, i, (long long)got[i],
                      (long long)want[i]);
        return false;
    }
    return true;
}

/* ---- the database ---- */

static void must(struct dataset *set, int status, const char *what)
{
    if (status == MN_OK) return;
    fail_msg("%s: status %d: %s (hint: %s)", what, status, mn_errmsg(set->db),
             mn_error_hint(set->db));
}

void dataset_load(struct dataset *set, const char *script, const char *folder)
{
    size_t size = strlen(script) + 64 * (strlen(folder) + 2);
    char *sql = malloc(size), *to = sql;
    double began = clock_s();

    assert_non_null(sql);
    for (const char *from = script; *from; from++) {
        if (from[0] == '%' && from[1] == 's') {
            to += sprintf(to, "%s", folder);
            from++;
        } else {
            *to++ = *from;
        }
        assert_true((size_t)(to - sql) < size - strlen(folder) - 2);
    }
    *to = 0;
    snprintf(set->path, sizeof set->path, "%s/data.mneme", test_folder());
    must(set, mn_open(set->path, MN_CREATE, &set->db), "open");
    must(set, mn_exec(set->db, sql, NULL, NULL), "load");
    free(sql);
    print_message("%s loaded in %.2f s\n", folder, clock_s() - began);
}

void dataset_close(struct dataset *set)
{
    must(set, mn_close(set->db), "close");
}

mn_stmt *dataset_prepare(struct dataset *set, const char *sql)
{
    mn_stmt *stmt;

    must(set, mn_prepare(set->db, sql, MN_ALL, &stmt, NULL), sql);
    assert_non_null(stmt);
    return stmt;
}

int param(mn_stmt *stmt, const char *name)
{
    int index = mn_param_index(stmt, name);

    if (index == 0) fail_msg("the statement has no parameter $%s", name);
    return index;
}

static struct part *part_find(struct part *parts, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (name && strcmp(parts[i].name, name) == 0) return &parts[i];
    }
    return NULL;
}

bool parts_read(mn_stmt *stmt, struct part *parts, int count)
{
    int status;

    for (int i = 0; i < count; i++) parts[i].rows.count = 0;
    while ((status = mn_step(stmt)) == MN_ROW) {
        struct part *part = part_find(parts, count, mn_col_text(stmt, 0, NULL));

        if (!part || part->rows.count == ANSWER_MAX) {
            print_message("  a row of no known part\n");
            return false;
        }
        part->rows.ids[part->rows.count] = mn_col_int(stmt, 1);
        part->rows.scores[part->rows.count++] = mn_col_float(stmt, 2);
    }
    if (status != MN_DONE) print_message("  status %d: %s\n", status, mn_errmsg(NULL));
    mn_reset(stmt);
    return status == MN_DONE;
}

/* ---- counting ---- */

void tally_begin(struct tally *tally, const char *name)
{
    *tally = (struct tally){.name = name, .began_s = clock_s()};
}

void tally_count(struct tally *tally, bool right, int64_t qid)
{
    tally->asked++;
    if (right)
        tally->right++;
    else
        print_message("  ^ %s, question %lld\n", tally->name, (long long)qid);
}

void tally_end(struct tally *tally, int lines)
{
    double seconds = clock_s() - tally->began_s;

    print_message("%s %d of %d in %.2f s\n", tally->name, tally->right, lines, seconds);
    assert_int_equal(tally->asked, lines);
    assert_int_equal(tally->right, lines);
}
