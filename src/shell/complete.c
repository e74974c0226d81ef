/*
 * complete: the word before the cursor, from commands, tables, columns, and the words that the
 * language takes there.
 */
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shell.h"

enum { MATCHES_MAX = 200, NAME_BYTES = 136 };

struct matches {
    char (*names)[NAME_BYTES];
    size_t count;
    const char *prefix;
    size_t length;
};

static void match_add(struct matches *m, const char *name)
{
    if (strncasecmp(name, m->prefix, m->length) != 0 || m->count == MATCHES_MAX) return;
    for (size_t i = 0; i < m->count; i++) {
        if (strcasecmp(m->names[i], name) == 0) return;
    }
    char *to = m->names[m->count++];
    (void)snprintf(to, NAME_BYTES, "%s", name);
}

static int word_match(void *context, const char *word)
{
    struct matches *m = context;

    match_add(m, word);
    return m->count == MATCHES_MAX;
}

static bool name_row(void *context, mn_stmt *stmt)
{
    const char *name = mn_col_text(stmt, 0, NULL);

    if (name) match_add(context, name);
    return true;
}

/* Failures stay silent: a key press is no statement. */
static void names_query(struct shell *shell, const char *sql, struct matches *m)
{
    mn_stmt *stmt = NULL;

    if (mn_prepare(shell->db, sql, MN_ALL, &stmt, NULL) == MN_OK) {
        while (mn_step(stmt) == MN_ROW) (void)name_row(m, stmt);
    }
    mn_finalize(stmt);
}

/* Columns of the tables that the statement names. */
static void columns_add(struct shell *shell, const char *text, struct matches *m)
{
    struct matches tables = {.names = calloc(MATCHES_MAX, NAME_BYTES), .prefix = "", .length = 0};
    char sql[2 * NAME_BYTES];

    if (!tables.names) return;
    names_query(shell, "SELECT name FROM tables()", &tables);
    names_query(shell, "SELECT name FROM relations()", &tables);
    for (size_t i = 0; i < tables.count; i++) {
        if (!strcasestr(text, tables.names[i]) || strchr(tables.names[i], '\'')) continue;
        (void)snprintf(sql, sizeof sql, "SELECT name FROM columns('%s')", tables.names[i]);
        names_query(shell, sql, m);
    }
    free(tables.names);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80);
}

static size_t common_length(const struct matches *m)
{
    size_t length = strlen(m->names[0]);

    for (size_t i = 1; i < m->count; i++) {
        size_t same = 0;
        while (same < length && strncasecmp(m->names[0], m->names[i], same + 1) == 0) same++;
        length = same;
    }
    return length;
}

static void matches_list(struct shell *shell, const struct matches *m)
{
    fputc('\n', shell->out);
    for (size_t i = 0; i < m->count; i++) {
        fprintf(shell->out, "%s%s", m->names[i], i + 1 < m->count ? "  " : "\n");
    }
    fflush(shell->out);
}

/* Replaces the prefix by what all matches share; keywords follow the case that was begun. */
static bool matches_insert(EditLine *line, struct matches *m, size_t shared)
{
    char text[NAME_BYTES + 2];
    bool lower = m->length > 0 && m->prefix[0] >= 'a' && m->prefix[0] <= 'z';

    (void)snprintf(text, sizeof text, "%.*s", (int)shared, m->names[0]);
    for (char *c = text; lower && *c; c++) {
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    }
    if (m->count == 1) strcat(text, " ");
    el_deletestr(line, (int)m->length);
    return el_insertstr(line, text) == 0;
}

bool complete_word(struct shell *shell, void *edit_line, const char *typed, size_t typed_length)
{
    EditLine *line = edit_line;
    const LineInfo *info = el_line(line);
    const char *start = info->cursor;
    char *whole = malloc(typed_length + (size_t)(info->lastchar - info->buffer) + 1);
    struct matches m = {.names = calloc(MATCHES_MAX, NAME_BYTES)};
    char prefix[NAME_BYTES];
    bool good = false;

    while (start > info->buffer && is_word(start[-1])) start--;
    bool command = typed_length == 0 && start == info->buffer + 1 &&
                   (info->buffer[0] == '.' || info->buffer[0] == '\\');
    if (command) start--;
    m.length = (size_t)(info->cursor - start);
    if (whole && m.names && m.length < sizeof prefix) {
        memcpy(whole, typed_length ? typed : "", typed_length);
        memcpy(whole + typed_length, info->buffer, (size_t)(info->lastchar - info->buffer));
        whole[typed_length + (size_t)(info->lastchar - info->buffer)] = '\0';
        memcpy(prefix, start, m.length);
        prefix[m.length] = '\0';
        m.prefix = prefix;
        for (size_t i = 0; command && command_name(i); i++) match_add(&m, command_name(i));
        if (!command) {
            columns_add(shell, whole, &m);
            names_query(shell, "SELECT name FROM tables()", &m);
            names_query(shell, "SELECT name FROM relations()", &m);
            if (m.length > 0) {
                size_t cursor = typed_length + (size_t)(info->cursor - info->buffer);
                (void)mn_complete(shell->db, whole, cursor, word_match, &m);
            }
        }
        size_t shared = m.count ? common_length(&m) : 0;
        good = m.count > 0;
        if (m.count == 1 || shared > m.length) {
            good = matches_insert(line, &m, shared);
        } else if (m.count > 1) {
            matches_list(shell, &m);
            el_set(line, EL_REFRESH);
        }
    }
    free(whole);
    free(m.names);
    return good;
}
