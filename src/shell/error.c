/*
 * error: a failure, the line it is about, and a caret below the place.
 *
 *     error[syntax]: unexpected NEARST
 *       --> load.sql:3:40
 *       3 | SELECT id FROM memory WHERE kind = 'x' NEARST 10 TO $q
 *         |                                        ^^^^^^
 *       = did you mean NEAREST?
 */
#include <stdlib.h>
#include <string.h>

#include "shell.h"

enum { EXCERPT_COLUMNS = 100, CONTEXT_BYTES = 60 };

static const char *const code_names[] = {
    [MN_OK] = "ok",
    [MN_ROW] = "row",
    [MN_DONE] = "done",
    [MN_WAIT] = "wait",
    [MN_ERROR] = "error",
    [MN_SYNTAX] = "syntax",
    [MN_SCHEMA] = "schema",
    [MN_TYPE] = "type",
    [MN_RANGE] = "range",
    [MN_CONSTRAINT] = "constraint",
    [MN_NOTFOUND] = "notfound",
    [MN_EXISTS] = "exists",
    [MN_BUSY] = "busy",
    [MN_READONLY_DB] = "readonly",
    [MN_IOERR] = "ioerr",
    [MN_FULL] = "full",
    [MN_CORRUPT] = "corrupt",
    [MN_NOTADB] = "notadb",
    [MN_NOMEM] = "nomem",
    [MN_INTERRUPT] = "interrupt",
    [MN_MISUSE] = "misuse",
    [MN_GONE] = "gone",
    [MN_TOOBIG] = "toobig",
    [MN_VERSION] = "version",
    [MN_UNSUPPORTED] = "unsupported",
    [MN_UNCERTAIN] = "uncertain",
};

static const char *code_name(int code)
{
    size_t count = sizeof code_names / sizeof code_names[0];

    return code >= 0 && (size_t)code < count ? code_names[code] : "error";
}

struct paint {
    const char *red, *blue, *green, *end;
};

static struct paint paint_of(const struct shell *shell)
{
    if (!shell->color) return (struct paint){"", "", "", ""};
    return (struct paint){"\033[1;31m", "\033[1;34m", "\033[1;32m", "\033[0m"};
}

static void message_print(const struct paint *paint, int code, const char *message)
{
    fprintf(stderr, "%serror[%s]%s: %s\n", paint->red, code_name(code), paint->end, message);
}

void error_say(struct shell *shell, int code, const char *message, const char *hint)
{
    struct paint paint = paint_of(shell);

    message_print(&paint, code, message);
    if (hint && *hint) fprintf(stderr, "  %s=%s %s\n", paint.blue, paint.end, hint);
}

struct excerpt {
    const char *text; /* the line, or the part of it around the place */
    size_t length;
    size_t before; /* bytes of it before the place */
    size_t marked; /* bytes of it that are marked */
    bool cut_front, cut_back;
};

/* The line around [offset, offset + marked), shortened where it is long. */
static struct excerpt excerpt_take(const char *text, size_t length, size_t offset, size_t marked)
{
    size_t start = offset, end = offset;
    struct excerpt excerpt = {0};

    while (start > 0 && text[start - 1] != '\n') start--;
    while (end < length && text[end] != '\n') end++;
    if (end > start && text[end - 1] == '\r' && offset < end) end--;
    if (end - start > EXCERPT_COLUMNS) {
        if (offset - start > CONTEXT_BYTES) {
            excerpt.cut_front = true;
            start = offset - CONTEXT_BYTES;
            while (start < offset && ((unsigned char)text[start] & 0xc0) == 0x80) start++;
        }
        if (end - start > EXCERPT_COLUMNS) {
            excerpt.cut_back = true;
            end = start + width_cut(text + start, end - start, EXCERPT_COLUMNS);
        }
    }
    excerpt.text = text + start;
    excerpt.length = end - start;
    excerpt.before = offset > end ? end - start : offset - start;
    excerpt.marked = offset + marked > end ? end - (start + excerpt.before) : marked;
    return excerpt;
}

/* Bytes that would move the cursor are shown as blanks, so that the caret stays below its place. */
static void excerpt_print(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        fputc((unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i], stderr);
    }
}

static void spot_print(const struct paint *paint, const struct excerpt *e, size_t line)
{
    char number[24];
    int gutter = snprintf(number, sizeof number, "%3zu", line);
    size_t columns = width_of(e->text, e->before) + (e->cut_front ? 1 : 0);
    size_t carets = width_of(e->text + e->before, e->marked);

    fprintf(stderr, "%s%s |%s %s", paint->blue, number, paint->end, e->cut_front ? "…" : "");
    excerpt_print(e->text, e->length);
    fprintf(stderr, "%s\n%s%*s |%s ", e->cut_back ? "…" : "", paint->blue, gutter, "", paint->end);
    fprintf(stderr, "%*s%s", (int)columns, "", paint->red);
    for (size_t i = 0; i < (carets ? carets : 1); i++) fputc('^', stderr);
    fprintf(stderr, "%s\n", paint->end);
}

void error_show(struct shell *shell, const char *text, size_t length, struct shell_source source)
{
    struct paint paint = paint_of(shell);
    int at = mn_error_offset(shell->db), marked = mn_error_length(shell->db);
    const char *hint = mn_error_hint(shell->db);

    message_print(&paint, mn_errcode(shell->db), mn_errmsg(shell->db));
    if (at >= 0 && (size_t)at <= length) {
        size_t offset = (size_t)at, line = source.line, start = 0;
        for (size_t i = 0; i < offset; i++) {
            if (text[i] != '\n') continue;
            line++;
            start = i + 1;
        }
        if (source.name) {
            fprintf(stderr, "  %s-->%s %s:%zu:%zu\n", paint.blue, paint.end, source.name, line,
                    width_of(text + start, offset - start) + 1);
        }
        struct excerpt e = excerpt_take(text, length, offset, marked > 0 ? (size_t)marked : 0);
        spot_print(&paint, &e, line);
    } else if (source.name) {
        fprintf(stderr, "  %s-->%s %s:%zu\n", paint.blue, paint.end, source.name, source.line);
    }
    if (hint && *hint) fprintf(stderr, "  %s=%s %s\n", paint.blue, paint.end, hint);
}
