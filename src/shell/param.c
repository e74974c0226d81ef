/*
 * param: values for $name, given by --param and .param.
 *
 * A value is an expression of the language, so the language reads it: SELECT value. Only lists of
 * numbers and rows of vector files, which bind as vectors, are read here.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shell.h"

static void param_free(struct shell_param *param)
{
    free(param->name);
    free(param->written);
    free(param->bytes);
}

void param_clear(struct shell *shell)
{
    for (size_t i = 0; i < shell->param_count; i++) param_free(&shell->params[i]);
    free(shell->params);
    shell->params = NULL;
    shell->param_count = 0;
}

static bool param_fail(struct shell *shell, const char *name, const char *problem, const char *hint)
{
    char message[256];

    (void)snprintf(message, sizeof message, "parameter %.60s %s", name, problem);
    error_say(shell, MN_TYPE, message, hint);
    return false;
}

static bool bytes_keep(struct shell_param *param, const void *bytes, size_t size, size_t unit)
{
    param->bytes = malloc(size * unit + 1);
    if (!param->bytes) return false;
    memcpy(param->bytes, bytes, size * unit);
    ((char *)param->bytes)[size * unit] = '\0';
    param->size = size;
    return true;
}

/* The value of the statement's only column. */
static bool column_keep(struct shell_param *param, mn_stmt *stmt)
{
    size_t size = 0;
    const void *bytes;

    param->type = mn_col_type(stmt, 0);
    switch ((enum mn_type)param->type) {
    case MN_TYPE_NULL: return true;
    case MN_TYPE_BOOL: param->i = mn_col_bool(stmt, 0); return true;
    case MN_TYPE_INT: param->i = mn_col_int(stmt, 0); return true;
    case MN_TYPE_TIMESTAMP: param->i = mn_col_time(stmt, 0); return true;
    case MN_TYPE_DURATION: param->i = mn_col_duration(stmt, 0); return true;
    case MN_TYPE_FLOAT: param->f = mn_col_float(stmt, 0); return true;
    case MN_TYPE_UUID:
        bytes = mn_col_uuid(stmt, 0);
        if (!bytes) return false;
        memcpy(param->uuid, bytes, sizeof param->uuid);
        return true;
    case MN_TYPE_TEXT:
    case MN_TYPE_JSON:
        bytes = mn_col_text(stmt, 0, &size);
        return bytes_keep(param, bytes, size, 1);
    case MN_TYPE_BLOB:
        bytes = mn_col_blob(stmt, 0, &size);
        return bytes_keep(param, bytes, size, 1);
    case MN_TYPE_VECTOR:
        bytes = mn_col_vector(stmt, 0, &size);
        return bytes_keep(param, bytes, size, sizeof(float));
    case MN_TYPE_LIST: break;
    }
    return false;
}

static bool expression_read(struct shell *shell, struct shell_param *param, const char *value)
{
    size_t length = strlen(value) + 16;
    char *sql = malloc(length);
    mn_stmt *stmt = NULL;
    bool good = false;

    if (!sql) return false;
    (void)snprintf(sql, length, "SELECT (%s)", value);
    if (mn_prepare(shell->db, sql, MN_ALL, &stmt, NULL) == MN_OK && stmt &&
        mn_col_count(stmt) == 1 && mn_step(stmt) == MN_ROW) {
        good = column_keep(param, stmt);
        if (!good) param_fail(shell, param->name, "cannot be a list", NULL);
    } else {
        char message[128];
        (void)snprintf(message, sizeof message, "is no value: %.100s", mn_errmsg(shell->db));
        param_fail(shell, param->name, message, "texts stand in quotes: NAME=\"'text'\"");
    }
    mn_finalize(stmt);
    free(sql);
    return good;
}

/* [1, -0.5, ...] of numbers only; false without a message: it is something else. */
static bool vector_text_read(struct shell_param *param, const char *value)
{
    const char *at = value + 1;
    float *vector = malloc(MN_VECTOR_MAX * sizeof *vector);
    size_t count = 0;
    char *end = NULL;

    while (vector && count < MN_VECTOR_MAX) {
        vector[count++] = strtof(at, &end);
        if (end == at) break;
        while (isspace((unsigned char)*end)) end++;
        if (*end == ']' && end[1] == '\0') {
            param->type = MN_TYPE_VECTOR;
            param->bytes = vector;
            param->size = count;
            return true;
        }
        if (*end != ',') break;
        at = end + 1;
    }
    free(vector);
    return false;
}

/* @file.npy:17 */
static bool vector_file_read(struct shell *shell, struct shell_param *param, const char *value)
{
    const char *colon = strrchr(value, ':');
    char *path = strdup(value + 1), *end = NULL;
    uint64_t row = UINT64_MAX;
    size_t dims = 0;

    if (!path) return false;
    if (colon && isdigit((unsigned char)colon[1])) {
        row = strtoull(colon + 1, &end, 10);
        if (*end == '\0') path[colon - value - 1] = '\0';
    }
    float *vector = param_vector_read(path, row, &dims);
    free(path);
    if (!vector) {
        shell_fail(shell, EXIT_USAGE);
        return false;
    }
    param->type = MN_TYPE_VECTOR;
    param->bytes = vector;
    param->size = dims;
    return true;
}

static bool value_read(struct shell *shell, struct shell_param *param, const char *value)
{
    while (isspace((unsigned char)*value)) value++;
    if (*value == '@') return vector_file_read(shell, param, value);
    if (*value == '[' && vector_text_read(param, value)) return true;
    if (*value == '\0') return param_fail(shell, param->name, "has no value", NULL);
    return expression_read(shell, param, value);
}

static struct shell_param *param_find(struct shell *shell, const char *name)
{
    for (size_t i = 0; i < shell->param_count; i++) {
        if (strcmp(shell->params[i].name, name) == 0) return &shell->params[i];
    }
    return NULL;
}

bool param_set(struct shell *shell, const char *name, const char *value)
{
    struct shell_param param = {0};

    if (*name == '$') name++;
    param.name = strdup(name);
    param.written = strdup(value);
    if (!param.name || !param.written || !value_read(shell, &param, value)) {
        param_free(&param);
        return false;
    }
    struct shell_param *have = param_find(shell, name);
    if (have) {
        param_free(have);
        *have = param;
        return true;
    }
    struct shell_param *grown =
        realloc(shell->params, (shell->param_count + 1) * sizeof *shell->params);
    if (!grown) {
        param_free(&param);
        return false;
    }
    shell->params = grown;
    shell->params[shell->param_count++] = param;
    return true;
}

static int value_bind(mn_stmt *stmt, int number, const struct shell_param *param)
{
    switch ((enum mn_type)param->type) {
    case MN_TYPE_NULL: return mn_bind_null(stmt, number);
    case MN_TYPE_BOOL: return mn_bind_bool(stmt, number, (int)param->i);
    case MN_TYPE_INT: return mn_bind_int(stmt, number, param->i);
    case MN_TYPE_FLOAT: return mn_bind_float(stmt, number, param->f);
    case MN_TYPE_TIMESTAMP: return mn_bind_time(stmt, number, param->i);
    case MN_TYPE_DURATION: return mn_bind_duration(stmt, number, param->i);
    case MN_TYPE_UUID: return mn_bind_uuid(stmt, number, param->uuid);
    case MN_TYPE_TEXT: return mn_bind_text(stmt, number, param->bytes, param->size, MN_STATIC);
    case MN_TYPE_JSON: return mn_bind_json(stmt, number, param->bytes, param->size, MN_STATIC);
    case MN_TYPE_BLOB: return mn_bind_blob(stmt, number, param->bytes, param->size, MN_STATIC);
    case MN_TYPE_VECTOR: return mn_bind_vector(stmt, number, param->bytes, param->size, MN_STATIC);
    case MN_TYPE_LIST: break;
    }
    return MN_MISUSE;
}

bool param_bind(struct shell *shell, mn_stmt *stmt)
{
    int count = mn_param_count(stmt);
    char number[16];

    for (int i = 1; i <= count; i++) {
        const char *name = mn_param_name(stmt, i);
        if (!name) {
            (void)snprintf(number, sizeof number, "%d", i);
            name = number;
        }
        const struct shell_param *param = param_find(shell, name);
        if (param && value_bind(stmt, i, param) != MN_OK) return false;
    }
    return true;
}

void param_list(struct shell *shell)
{
    for (size_t i = 0; i < shell->param_count; i++) {
        fprintf(shell->out, "%s = %s\n", shell->params[i].name, shell->params[i].written);
    }
}
