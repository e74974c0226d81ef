/*
 * output: rows in the shell's mode.
 *
 * csv quotes as RFC 4180 does; tsv writes tab, line feed, return and backslash as \t \n \r \\. In
 * both a NULL is empty unless --null says else. line and list shorten nothing but leave texts as
 * they are.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shell.h"

struct output {
    struct shell *shell;
    struct table *table; /* box, table, markdown */
    FILE *out;
    int columns;
    uint64_t rows;
    bool plain;        /* a plan: its lines as they are */
    size_t name_width; /* line: of the longest name */
};

static const char *const mode_names[MODE_COUNT] = {"box",    "table",    "csv",  "tsv", "json",
                                                   "ndjson", "markdown", "line", "list"};

bool output_mode_find(const char *name, enum shell_mode *mode)
{
    for (int i = 0; i < MODE_COUNT; i++) {
        if (strcasecmp(name, mode_names[i]) != 0) continue;
        *mode = (enum shell_mode)i;
        return true;
    }
    return false;
}

const char *output_mode_name(enum shell_mode mode)
{
    return mode_names[mode];
}

/* An empty text stands in quotes, so that it is not taken for a NULL. */
static void csv_field(FILE *out, const char *text, size_t length)
{
    bool quote = length == 0;

    for (size_t i = 0; i < length && !quote; i++) quote = strchr(",\"\r\n", text[i]) != NULL;
    if (!quote) {
        fwrite(text, 1, length, out);
        return;
    }
    fputc('"', out);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') fputc('"', out);
        fputc(text[i], out);
    }
    fputc('"', out);
}

static void tsv_field(FILE *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '\t': fputs("\\t", out); break;
        case '\n': fputs("\\n", out); break;
        case '\r': fputs("\\r", out); break;
        case '\\': fputs("\\\\", out); break;
        default: fputc(text[i], out); break;
        }
    }
}

static void field_print(struct output *output, const char *text, size_t length)
{
    if (output->shell->mode == MODE_CSV) {
        csv_field(output->out, text, length);
    } else if (output->shell->mode == MODE_TSV) {
        tsv_field(output->out, text, length);
    } else {
        fwrite(text, 1, length, output->out);
    }
}

static const char *separator(const struct output *output)
{
    if (output->shell->mode == MODE_CSV) return ",";
    return output->shell->mode == MODE_TSV ? "\t" : "|";
}

static void names_print(struct output *output, mn_stmt *stmt)
{
    for (int i = 0; i < output->columns; i++) {
        const char *name = mn_col_name(stmt, i);
        if (i > 0) fputs(separator(output), output->out);
        field_print(output, name, strlen(name));
    }
    fputc('\n', output->out);
}

struct output *output_begin(struct shell *shell, mn_stmt *stmt)
{
    struct output *output = calloc(1, sizeof *output);

    if (!output) return NULL;
    output->shell = shell;
    output->out = shell->out;
    output->columns = mn_col_count(stmt);
    output->plain = shell->mode == MODE_BOX && output->columns == 1 &&
                    strcmp(mn_col_name(stmt, 0), "plan") == 0;
    if (output->plain) return output;
    switch (shell->mode) {
    case MODE_BOX:
    case MODE_TABLE:
    case MODE_MARKDOWN:
        output->table = table_new(shell, stmt);
        if (!output->table) {
            free(output);
            return NULL;
        }
        break;
    case MODE_CSV:
    case MODE_TSV:
    case MODE_LIST:
        if (shell->header) names_print(output, stmt);
        break;
    case MODE_LINE:
        for (int i = 0; i < output->columns; i++) {
            const char *name = mn_col_name(stmt, i);
            size_t width = width_of(name, strlen(name));
            if (width > output->name_width) output->name_width = width;
        }
        break;
    case MODE_JSON:
    case MODE_NDJSON:
    case MODE_COUNT: break;
    }
    return output;
}

static const char *null_text(const struct output *output)
{
    enum shell_mode mode = output->shell->mode;

    if (output->shell->null_text) return output->shell->null_text;
    return mode == MODE_CSV || mode == MODE_TSV ? "" : "NULL";
}

static void value_print(struct output *output, mn_stmt *stmt, int column)
{
    size_t length = 0;

    if (mn_col_is_null(stmt, column)) {
        fputs(null_text(output), output->out);
        return;
    }
    const char *text = mn_col_text(stmt, column, &length);
    field_print(output, text ? text : "", length);
}

static void fields_row(struct output *output, mn_stmt *stmt)
{
    for (int i = 0; i < output->columns; i++) {
        if (i > 0) fputs(separator(output), output->out);
        value_print(output, stmt, i);
    }
    fputc('\n', output->out);
}

static void line_row(struct output *output, mn_stmt *stmt)
{
    if (output->rows > 0) fputc('\n', output->out);
    for (int i = 0; i < output->columns; i++) {
        const char *name = mn_col_name(stmt, i);
        size_t width = width_of(name, strlen(name));
        if (output->shell->header) {
            fprintf(output->out, "%*s%s = ", (int)(output->name_width - width), "", name);
        }
        value_print(output, stmt, i);
        fputc('\n', output->out);
    }
}

static bool json_row(struct output *output, mn_stmt *stmt)
{
    char *text = mn_row_json(stmt);

    if (!text) return false;
    if (output->shell->mode == MODE_JSON) fputs(output->rows ? ",\n " : "[", output->out);
    fputs(text, output->out);
    if (output->shell->mode == MODE_NDJSON) fputc('\n', output->out);
    mn_free(text);
    return true;
}

bool output_row(struct output *output, mn_stmt *stmt)
{
    bool good = true;

    if (output->plain) {
        value_print(output, stmt, 0);
        fputc('\n', output->out);
    } else if (output->table) {
        good = table_row(output->table, stmt);
    } else if (output->shell->mode == MODE_JSON || output->shell->mode == MODE_NDJSON) {
        good = json_row(output, stmt);
    } else if (output->shell->mode == MODE_LINE) {
        line_row(output, stmt);
    } else {
        fields_row(output, stmt);
    }
    output->rows++;
    return good && !ferror(output->out);
}

void output_end(struct output *output, bool complete)
{
    if (!output) return;
    if (output->table) {
        table_end(output->table);
    } else if (output->shell->mode == MODE_JSON) {
        fputs(output->rows ? "]\n" : "[]\n", output->out);
    }
    if (complete && output->shell->prompt && output->table) {
        fprintf(output->out, "(%llu row%s)\n", (unsigned long long)output->rows,
                output->rows == 1 ? "" : "s");
    }
    free(output);
}
