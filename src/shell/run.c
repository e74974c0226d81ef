/*
 * run: statements one after the other, from arguments, scripts and the prompt.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shell.h"

enum { READ_DEPTH_MAX = 16, CODE_SAID = -1 /* the failure was shown where it was seen */ };

static const char *skip_quoted(const char *at, const char *end, char quote)
{
    for (at++; at < end; at++) {
        if (*at != quote) continue;
        if (at + 1 < end && at[1] == quote) {
            at++;
            continue;
        }
        return at + 1;
    }
    return NULL;
}

/* Behind a comment that begins at `at`; `at` itself where none does; NULL where it is not closed.
 */
static const char *skip_comment(const char *at, const char *end)
{
    if (end - at < 2) return at;
    if (at[0] == '-' && at[1] == '-') {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        return feed ? feed : end;
    }
    if (at[0] != '/' || at[1] != '*') return at;
    for (at += 2; end - at >= 2; at++) {
        if (at[0] == '*' && at[1] == '/') return at + 2;
    }
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

size_t run_statement_end(const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    bool words = false;

    while (at < end) {
        const char *after = skip_comment(at, end);
        if (!after) return 0;
        if (after > at) {
            at = after;
            continue;
        }
        if (*at == '\'' || *at == '"') {
            at = skip_quoted(at, end, *at);
            if (!at) return 0;
            words = true;
            continue;
        }
        if (*at == ';') return (size_t)(at + 1 - text);
        words = words || !is_blank(*at);
        at++;
    }
    return words ? 0 : length;
}

static void say_changes(struct shell *shell, bool wrote)
{
    if (!shell->prompt || !wrote) return;
    long long changes = (long long)mn_changes(shell->db);
    if (changes > 0)
        fprintf(shell->out, "(%lld row%s changed)\n", changes, changes == 1 ? "" : "s");
}

/* Steps to the end, showing rows; the status of the last step. */
static int statement_step(struct shell *shell, mn_stmt *stmt)
{
    struct output *output = NULL;
    int columns = mn_col_count(stmt), code = MN_OK;
    bool fits = true;

    while (fits && (code = mn_step(stmt)) == MN_ROW) {
        if (!output) {
            progress_end();
            output = output_begin(shell, stmt);
        }
        fits = output && output_row(output, stmt) && !shell_interrupted;
    }
    progress_end();
    if (code == MN_DONE && columns > 0 && !output) output = output_begin(shell, stmt);
    output_end(output, code == MN_DONE);
    if (code == MN_DONE && columns == 0) say_changes(shell, !mn_readonly(stmt));
    if (fits) return code == MN_DONE ? MN_OK : code;
    if (shell_interrupted) {
        error_say(shell, MN_INTERRUPT, "interrupted", NULL);
        shell_fail(shell, EXIT_INTERRUPTED);
    } else {
        error_say(shell, MN_IOERR, "cannot write the result", NULL);
        shell_fail(shell, EXIT_STATEMENT);
    }
    return CODE_SAID;
}

static void say_time(struct shell *shell, const struct timespec *began)
{
    struct timespec now;

    if (!shell->timer) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds =
        (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
    fflush(shell->out);
    fprintf(stderr, "time: %.6f s\n", seconds);
}

static bool fail_shown(struct shell *shell, const char *text, size_t length,
                       struct shell_source source)
{
    int exit_status = shell_exit_status_of(mn_errcode(shell->db));

    fflush(shell->out);
    error_show(shell, text, length, source);
    shell_fail(shell, exit_status);
    return false;
}

/* The first statement of the text; *taken is its length. */
static bool statement_run(struct shell *shell, const char *text, size_t length,
                          struct shell_source source, size_t *taken)
{
    struct timespec began;
    mn_stmt *stmt = NULL;
    const char *tail = text + length;

    *taken = length;
    shell_interrupted = 0;
    clock_gettime(CLOCK_MONOTONIC, &began);
    if (mn_prepare(shell->db, text, length, &stmt, &tail) != MN_OK) {
        return fail_shown(shell, text, length, source);
    }
    if (tail > text) *taken = (size_t)(tail - text);
    if (!stmt) return true;
    if (!param_bind(shell, stmt)) {
        mn_finalize(stmt);
        return fail_shown(shell, text, *taken, source);
    }
    progress_begin();
    int code = statement_step(shell, stmt);
    bool good = code == MN_OK;
    if (!good && code != CODE_SAID) fail_shown(shell, text, *taken, source);
    mn_finalize(stmt);
    if (good) say_time(shell, &began);
    fflush(shell->out);
    return good;
}

/* Every statement of a piece that holds at least one. */
static bool statements_run(struct shell *shell, const char *text, size_t length,
                           struct shell_source source)
{
    bool good = true;

    while (length > 0 && good) {
        size_t taken = length;
        good = statement_run(shell, text, length, source, &taken);
        for (size_t i = 0; i < taken; i++) source.line += text[i] == '\n';
        text += taken;
        length -= taken;
    }
    return good;
}

/* A command is a line by itself. */
static bool command_line(struct shell *shell, const char *text, size_t length,
                         struct shell_source source)
{
    char *line = malloc(length + 1);

    if (!line) return false;
    memcpy(line, text, length);
    line[length] = '\0';
    while (length > 0 && is_blank(line[length - 1])) line[--length] = '\0';
    bool good = command_run(shell, line, source);
    free(line);
    return good;
}

bool run_text(struct shell *shell, const char *text, size_t length, struct shell_source source)
{
    const char *at = text, *end = text + length;
    bool all_good = true;

    while (at < end && !shell->quit) {
        if (is_blank(*at)) {
            source.line += *at == '\n';
            at++;
            continue;
        }
        size_t piece;
        bool good;
        if (*at == '.' || *at == '\\') {
            const char *feed = memchr(at, '\n', (size_t)(end - at));
            piece = (size_t)((feed ? feed : end) - at);
            good = command_line(shell, at, piece, source);
        } else {
            piece = run_statement_end(at, (size_t)(end - at));
            if (piece == 0) piece = (size_t)(end - at);
            good = statements_run(shell, at, piece, source);
        }
        all_good = all_good && good;
        if (!good && (shell->bail || shell->exit_status == EXIT_INTERRUPTED)) return false;
        for (size_t i = 0; i < piece; i++) source.line += at[i] == '\n';
        at += piece;
    }
    return all_good;
}

static char *file_read(FILE *file, size_t *length)
{
    size_t room = 65536, used = 0;
    char *text = malloc(room);

    while (text) {
        size_t got = fread(text + used, 1, room - used, file);
        used += got;
        if (got == 0) break;
        if (used == room) {
            char *grown = realloc(text, room *= 2);
            if (!grown) free(text);
            text = grown;
        }
    }
    *length = used;
    return text;
}

bool run_file(struct shell *shell, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "r");
    char message[512];
    size_t length = 0;

    if (shell->depth >= READ_DEPTH_MAX) {
        error_say(shell, MN_TOOBIG, "scripts read each other too deep", NULL);
        shell_fail(shell, EXIT_STATEMENT);
        return false;
    }
    char *text = file ? file_read(file, &length) : NULL;
    if (!file || ferror(file) || !text) {
        (void)snprintf(message, sizeof message, "cannot read %s: %s", path, strerror(errno));
        error_say(shell, MN_IOERR, message, NULL);
        shell_fail(shell, EXIT_USAGE);
        if (file && !standard) fclose(file);
        free(text);
        return false;
    }
    if (!standard) fclose(file);
    shell->depth++;
    size_t skip = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    bool good = run_text(shell, text + skip, length - skip,
                         (struct shell_source){.name = standard ? "stdin" : path, .line = 1});
    shell->depth--;
    free(text);
    return good;
}

bool run_query(struct shell *shell, const char *sql, bool (*row)(void *, mn_stmt *), void *context)
{
    mn_stmt *stmt = NULL;
    int code = mn_prepare(shell->db, sql, MN_ALL, &stmt, NULL);

    if (code == MN_OK) {
        while ((code = mn_step(stmt)) == MN_ROW) {
            if (!row(context, stmt)) break;
        }
    }
    if (code != MN_DONE && code != MN_ROW) {
        fail_shown(shell, sql, strlen(sql), (struct shell_source){.line = 1});
    }
    mn_finalize(stmt);
    return code == MN_DONE;
}
