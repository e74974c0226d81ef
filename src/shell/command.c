/*
 * command: one line that begins with a dot, or with a backslash as in psql.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shell.h"

enum { WORDS_MAX = 8 };

struct words {
    char *items[WORDS_MAX + 1]; /* the first is the command; NULL behind the last */
    int count;
    char *rest[WORDS_MAX + 1]; /* the line from word i on */
};

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    int least, most; /* words behind the name; most -1: the rest of the line */
    bool (*run)(struct shell *, const struct words *);
};

static bool command_fail(struct shell *shell, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool command_fail(struct shell *shell, const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_say(shell, MN_ERROR, message, NULL);
    shell_fail(shell, EXIT_STATEMENT);
    return false;
}

/* Runs a query of our own and shows its rows. */
static bool show(struct shell *shell, const char *sql)
{
    return run_text(shell, sql, strlen(sql), (struct shell_source){.line = 1});
}

/* The pattern with the name in the place of each %, in quotes of that kind, is run. */
static bool show_named(struct shell *shell, const char *pattern, const char *name, char quote)
{
    size_t room = strlen(pattern) + 2 * (2 * strlen(name) + 2) + 1;
    char *sql = malloc(room), *to = sql;

    if (!sql) return command_fail(shell, "no memory");
    for (const char *p = pattern; *p; p++) {
        if (*p != '%') {
            *to++ = *p;
            continue;
        }
        *to++ = quote;
        for (const char *c = name; *c; c++) {
            if (*c == quote) *to++ = quote;
            *to++ = *c;
        }
        *to++ = quote;
    }
    *to = '\0';
    bool good = show(shell, sql);
    free(sql);
    return good;
}

static bool run_tables(struct shell *shell, const struct words *words)
{
    if (words->count > 1) {
        return show_named(shell, "SELECT name, rows FROM tables() WHERE name LIKE %",
                          words->items[1], '\'');
    }
    return show(shell, "SELECT name, rows FROM tables()");
}

static bool run_relations(struct shell *shell, const struct words *words)
{
    (void)words;
    return show(shell, "SELECT name, \"from\", \"to\", multi, rows FROM relations()");
}

static bool run_indexes(struct shell *shell, const struct words *words)
{
    if (words->count > 1) {
        return show_named(shell,
                          "SELECT name, \"table\", method, \"unique\", columns, entries "
                          "FROM indexes() WHERE \"table\" = %",
                          words->items[1], '\'');
    }
    return show(shell,
                "SELECT name, \"table\", method, \"unique\", columns, entries FROM indexes()");
}

static bool sql_print(void *context, mn_stmt *stmt)
{
    struct shell *shell = context;

    if (!mn_col_is_null(stmt, 0)) fprintf(shell->out, "%s;\n", mn_col_text(stmt, 0, NULL));
    return true;
}

static bool run_schema(struct shell *shell, const struct words *words)
{
    static const char *const sources[] = {"SELECT sql, name, name AS t FROM tables()",
                                          "SELECT sql, name, name AS t FROM relations()",
                                          "SELECT sql, name, \"table\" AS t FROM indexes()"};
    char sql[512];

    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        if (words->count > 1 && (strchr(words->items[1], '\'') || strlen(words->items[1]) > 128)) {
            return command_fail(shell, "no table %s", words->items[1]);
        }
        if (words->count > 1) {
            (void)snprintf(sql, sizeof sql,
                           "SELECT sql FROM (%s) AS s WHERE t = '%s' OR name = '%s'", sources[i],
                           words->items[1], words->items[1]);
        } else {
            (void)snprintf(sql, sizeof sql, "SELECT sql FROM (%s) AS s", sources[i]);
        }
        if (!run_query(shell, sql, sql_print, shell)) return false;
    }
    return true;
}

/* \d: everything that has a name; \d t: the columns of t and its CREATE statements. */
static bool run_describe(struct shell *shell, const struct words *words)
{
    if (words->count == 1) {
        return run_tables(shell, words) && run_relations(shell, words);
    }
    return show_named(shell, "SELECT * FROM columns(%)", words->items[1], '\'') &&
           run_indexes(shell, words);
}

static bool run_mode(struct shell *shell, const struct words *words)
{
    if (words->count == 1) {
        fprintf(shell->out, "%s\n", output_mode_name(shell->mode));
        return true;
    }
    if (output_mode_find(words->items[1], &shell->mode)) return true;
    return command_fail(shell,
                        "no mode \"%s\": box, table, csv, tsv, json, ndjson, markdown, line, "
                        "list",
                        words->items[1]);
}

static bool switch_set(struct shell *shell, const struct words *words, bool *value)
{
    if (words->count == 1) {
        *value = !*value;
        fprintf(shell->out, "%s %s\n", words->items[0] + 1, *value ? "on" : "off");
        return true;
    }
    if (strcasecmp(words->items[1], "on") == 0) {
        *value = true;
    } else if (strcasecmp(words->items[1], "off") == 0) {
        *value = false;
    } else {
        return command_fail(shell, "%s takes on or off", words->items[0]);
    }
    return true;
}

static bool run_timer(struct shell *shell, const struct words *words)
{
    return switch_set(shell, words, &shell->timer);
}

static bool run_header(struct shell *shell, const struct words *words)
{
    return switch_set(shell, words, &shell->header);
}

static bool run_param(struct shell *shell, const struct words *words)
{
    char *equals = words->count > 1 ? strchr(words->rest[1], '=') : NULL;

    if (words->count == 1) {
        param_list(shell);
        return true;
    }
    if (words->count == 2 && !equals && strcmp(words->items[1], "clear") == 0) {
        param_clear(shell);
        return true;
    }
    if (words->count > 2 && strcmp(words->items[1], "set") == 0) equals = NULL;
    bool good = false;
    if (equals && strpbrk(words->rest[1], " \t") != NULL &&
        strpbrk(words->rest[1], " \t") < equals) {
        equals = NULL; /* .param q 'a = b' */
    }
    if (equals) {
        char *name = strndup(words->rest[1], (size_t)(equals - words->rest[1]));
        good = name && param_set(shell, name, equals + 1);
        free(name);
    } else {
        int at = strcmp(words->items[1], "set") == 0 ? 2 : 1;
        if (words->count <= at + 1)
            return command_fail(shell, ".param NAME VALUE, or .param clear");
        good = param_set(shell, words->items[at], words->rest[at + 1]);
    }
    if (!good) shell_fail(shell, EXIT_STATEMENT);
    return good;
}

static bool run_read(struct shell *shell, const struct words *words)
{
    return run_file(shell, words->items[1]);
}

/* .import FILE TABLE [options] and .export FILE TABLE: COPY, in fewer words. */
static bool copy_run(struct shell *shell, const struct words *words, const char *pattern)
{
    size_t room = strlen(words->rest[1]) * 3 + 64;
    char *sql = malloc(room), *file = malloc(room), *to = file;
    const char *options = words->count > 3 ? words->rest[3] : NULL;
    bool query = strncasecmp(words->items[2], "select", 6) == 0;

    if (!sql || !file) {
        free(sql);
        free(file);
        return command_fail(shell, "no memory");
    }
    for (const char *c = words->items[1]; *c; c++) {
        if (*c == '\'') *to++ = '\'';
        *to++ = *c;
    }
    *to = '\0';
    if (query) {
        (void)snprintf(sql, room, "COPY (%s) TO '%s'", words->rest[2], file);
    } else if (options) {
        (void)snprintf(sql, room, "COPY %s %s '%s' WITH (%s)", words->items[2], pattern, file,
                       options);
    } else {
        (void)snprintf(sql, room, "COPY %s %s '%s'", words->items[2], pattern, file);
    }
    bool good = show(shell, sql);
    free(sql);
    free(file);
    return good;
}

static bool run_import(struct shell *shell, const struct words *words)
{
    return copy_run(shell, words, "FROM");
}

static bool run_export(struct shell *shell, const struct words *words)
{
    return copy_run(shell, words, "TO");
}

static bool run_dump(struct shell *shell, const struct words *words)
{
    if (words->count == 1) return dump_database(shell, shell->out);
    FILE *out = fopen(words->items[1], "w");
    if (!out) return command_fail(shell, "cannot write %s: %s", words->items[1], strerror(errno));
    bool good = dump_database(shell, out);
    if (fclose(out) == 0) return good;
    return command_fail(shell, "cannot write %s: %s", words->items[1], strerror(errno));
}

static bool tool_result(struct shell *shell, int exit_status)
{
    shell_fail(shell, exit_status);
    return exit_status == 0;
}

static bool run_check(struct shell *shell, const struct words *words)
{
    (void)words;
    return tool_result(shell, tool_check(shell));
}

static bool run_stat(struct shell *shell, const struct words *words)
{
    (void)words;
    return tool_result(shell, tool_stat(shell));
}

static bool run_backup(struct shell *shell, const struct words *words)
{
    return tool_result(shell, tool_backup(shell, words->items[1]));
}

static bool run_quit(struct shell *shell, const struct words *words)
{
    (void)words;
    shell->quit = true;
    return true;
}

static bool run_help(struct shell *shell, const struct words *words);

static const struct command commands[] = {
    {".tables", "[PATTERN]", "tables and their rows", 0, 1, run_tables},
    {".schema", "[NAME]", "CREATE statements, of all or of one table", 0, 1, run_schema},
    {".indexes", "[TABLE]", "indexes", 0, 1, run_indexes},
    {".relations", "", "relations, their ends and edges", 0, 0, run_relations},
    {".mode", "[MODE]", "box, table, csv, tsv, json, ndjson, markdown, line, list", 0, 1, run_mode},
    {".header", "[on|off]", "names above rows", 0, 1, run_header},
    {".timer", "[on|off]", "say how long each statement took", 0, 1, run_timer},
    {".param", "[NAME VALUE]", "show parameters, set one, or: .param clear", 0, -1, run_param},
    {".read", "FILE", "run a script", 1, 1, run_read},
    {".import", "FILE TABLE [OPTIONS]", "COPY TABLE FROM 'FILE' WITH (OPTIONS)", 2, -1, run_import},
    {".export", "FILE TABLE|SELECT..", "COPY TABLE TO 'FILE', or the query's rows", 2, -1,
     run_export},
    {".dump", "[FILE]", "a script that makes the database anew", 0, 1, run_dump},
    {".check", "", "read and verify every page, tree and index", 0, 0, run_check},
    {".stat", "", "facts of the file", 0, 0, run_stat},
    {".backup", "FILE", "a copy of the newest version", 1, 1, run_backup},
    {".help", "[WORD]", "this list, or what has to do with a word", 0, 1, run_help},
    {".quit", "", "leave", 0, 0, run_quit},
    {".exit", "", "leave", 0, 0, run_quit},
    {"\\d", "[TABLE]", "tables and relations, or the columns and indexes of one", 0, 1,
     run_describe},
    {"\\dt", "", "tables and their rows", 0, 1, run_tables},
    {"\\q", "", "leave", 0, 0, run_quit},
    {"\\?", "", "this list", 0, 1, run_help},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

const char *command_name(size_t index)
{
    return index < COMMANDS ? commands[index].name : NULL;
}

/* What a language question is answered with: the statement's shape, in one line. */
static const struct {
    const char *word, *shape;
} topics[] = {
    {"select",
     "SELECT cols FROM t [WHERE ..] [NEAREST k TO v] [GROUP BY ..] [ORDER BY ..] [LIMIT n]"},
    {"nearest", "SELECT .., distance FROM t WHERE .. NEAREST k [BY column] TO $v"},
    {"latest", "SELECT .. FROM t LATEST [n] BY columns [USING time_column]"},
    {"match", "SELECT .. FROM MATCH (a:t WHERE a.id = $id)-[:relation]->{1,3}(b:t)"},
    {"insert",
     "INSERT INTO t (a, b) VALUES (..) [ON CONFLICT (a) DO UPDATE SET ..] [RETURNING ..]"},
    {"upsert", "UPSERT INTO t (key, b) VALUES (..)"},
    {"link", "LINK $a TO $b AS relation [SET column = value];  UNLINK $a FROM $b AS relation"},
    {"copy", "COPY t [(columns)] FROM|TO 'file.csv|tsv|ndjson|npy|fvecs' [WITH (options)]"},
    {"create",
     "CREATE TABLE t (id INT PRIMARY KEY, body TEXT NOT NULL, at TIMESTAMP, e VECTOR(384))"},
    {"relation", "CREATE RELATION r FROM t TO t (weight FLOAT DEFAULT 1.0)"},
    {"index", "CREATE [UNIQUE] INDEX name ON t (a, b DESC)"},
    {"begin", "BEGIN [READ|WRITE];  COMMIT;  ROLLBACK;  SAVEPOINT s;  ROLLBACK TO s"},
    {"explain", "EXPLAIN [ANALYZE] query"},
};

static bool run_help(struct shell *shell, const struct words *words)
{
    const char *word = words->count > 1 ? words->items[1] : "";
    bool found = false;

    for (size_t i = 0; i < COMMANDS; i++) {
        char left[64];
        if (!strcasestr(commands[i].name, word) && !strcasestr(commands[i].help, word)) continue;
        (void)snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].arguments);
        fprintf(shell->out, "%-30s %s\n", left, commands[i].help);
        found = true;
    }
    for (size_t i = 0; *word && i < sizeof topics / sizeof topics[0]; i++) {
        if (!strcasestr(topics[i].word, word) && !strcasestr(topics[i].shape, word)) continue;
        fprintf(shell->out, "%s\n", topics[i].shape);
        found = true;
    }
    return found ? true : command_fail(shell, "no help for \"%s\"", word);
}

/* Words between blanks; one in quotes may hold blanks. The line is cut up in `copy`. */
static void words_split(char *copy, char *line, struct words *words)
{
    char *at = copy;

    *words = (struct words){0};
    while (words->count < WORDS_MAX) {
        at += strspn(at, " \t");
        if (!*at) return;
        char quote = *at == '\'' || *at == '"' ? *at : '\0';
        words->rest[words->count] = line + (at - copy);
        words->items[words->count++] = quote ? at + 1 : at;
        char *end = quote ? strchr(at + 1, quote) : at + strcspn(at, " \t");
        if (!end || !*end) return;
        *end = '\0';
        at = end + 1;
    }
}

static const struct command *command_find(const char *name)
{
    const struct command *only = NULL;

    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
        if (*name != '.' || strncmp(commands[i].name, name, strlen(name)) != 0) continue;
        if (only) return NULL;
        only = &commands[i];
    }
    return only;
}

bool command_run(struct shell *shell, const char *line, struct shell_source source)
{
    char *kept = strdup(line), *copy = strdup(line);
    struct words words;
    bool good = false;

    (void)source;
    if (!kept || !copy) {
        free(kept);
        free(copy);
        return command_fail(shell, "no memory");
    }
    size_t length = strlen(copy);
    if (length > 0 && copy[length - 1] == ';' && copy[0] == '.') copy[length - 1] = '\0';
    words_split(copy, kept, &words);
    const struct command *command = words.count ? command_find(words.items[0]) : NULL;
    if (!command) {
        good = command_fail(shell, "no command %s; .help lists them",
                            words.count ? words.items[0] : line);
    } else if (words.count - 1 < command->least ||
               (command->most >= 0 && words.count - 1 > command->most)) {
        good = command_fail(shell, "usage: %s %s", command->name, command->arguments);
    } else {
        good = command->run(shell, &words);
    }
    fflush(shell->out);
    free(kept);
    free(copy);
    return good;
}
