/*
 * table: rows in columns: box, table and markdown.
 *
 * Cells are kept until a block of rows is there or the result ends; then the widths are fixed, the
 * block is printed, and later rows are printed as they come, with the same widths. On a terminal
 * the widest columns give way until a row fits a line.
 */
#include <stdlib.h>
#include <string.h>

#include "shell.h"

enum { BLOCK_ROWS = 5000, BLOCK_BYTES = 8 * 1024 * 1024, NARROWEST = 8, VECTOR_SHOWN = 2 };

struct cell {
    char *text; /* NULL: no memory was there, shown as blank */
    size_t length, width;
    bool right;
};

struct table {
    struct shell *shell;
    FILE *out;
    int columns;
    struct cell *heads;
    size_t *widths;
    struct cell *cells; /* of the rows not yet printed */
    size_t rows, room_rows, bytes;
    bool begun; /* widths are fixed, the head is printed */
    bool failed;
};

/* The parts of a frame: three lines of left, fill, cross, right; then the bar between cells. */
struct frame {
    const char *top[4], *middle[4], *bottom[4];
    const char *bar;
};

static const struct frame box_frame = {
    {"┌", "─", "┬", "┐"}, {"├", "─", "┼", "┤"}, {"└", "─", "┴", "┘"}, "│"};
static const struct frame ascii_frame = {
    {"+", "-", "+", "+"}, {"+", "-", "+", "+"}, {"+", "-", "+", "+"}, "|"};
static const struct frame markdown_frame = {
    {NULL, NULL, NULL, NULL}, {"|", "-", "|", "|"}, {NULL, NULL, NULL, NULL}, "|"};

static const struct frame *frame_of(const struct table *table)
{
    if (table->shell->mode == MODE_BOX) return &box_frame;
    return table->shell->mode == MODE_TABLE ? &ascii_frame : &markdown_frame;
}

/* Text on one line: line ends are shown as an arrow, other control characters as a blank. */
static void cell_set(struct cell *cell, const char *text, size_t length, bool markdown)
{
    char *to = malloc(3 * length + 1);

    cell->text = to;
    cell->length = 0;
    cell->width = 0;
    if (!to) return;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            memcpy(to, "↵", 3);
            to += 3;
        } else if (c < 0x20 || c == 0x7f) {
            *to++ = ' ';
        } else if (c == '|' && markdown) {
            *to++ = '\\';
            *to++ = '|';
        } else {
            *to++ = (char)c;
        }
    }
    cell->length = (size_t)(to - cell->text);
    cell->width = width_of(cell->text, cell->length);
}

/* [0.12, -0.40, … 384] */
static void vector_set(struct cell *cell, const float *vector, size_t dims)
{
    char text[80];
    int length = 0;

    length += snprintf(text, sizeof text, "[");
    for (size_t i = 0; i < VECTOR_SHOWN; i++) {
        length +=
            snprintf(text + length, sizeof text - (size_t)length, "%.2f, ", (double)vector[i]);
    }
    length += snprintf(text + length, sizeof text - (size_t)length, "… %zu]", dims);
    cell_set(cell, text, (size_t)length, false);
}

static void cell_read(struct table *table, mn_stmt *stmt, int column, struct cell *cell)
{
    int type = mn_col_type(stmt, column);
    size_t length = 0, dims = 0;

    cell->right = type == MN_TYPE_INT || type == MN_TYPE_FLOAT;
    if (mn_col_is_null(stmt, column)) {
        const char *null = table->shell->null_text ? table->shell->null_text : "NULL";
        cell_set(cell, null, strlen(null), false);
        return;
    }
    if (type == MN_TYPE_VECTOR) {
        const float *vector = mn_col_vector(stmt, column, &dims);
        if (vector && dims > VECTOR_SHOWN * 2) {
            vector_set(cell, vector, dims);
            return;
        }
    }
    const char *text = mn_col_text(stmt, column, &length);
    cell_set(cell, text ? text : "", length, table->shell->mode == MODE_MARKDOWN);
}

static void cells_free(struct cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) free(cells[i].text);
}

struct table *table_new(struct shell *shell, mn_stmt *stmt)
{
    struct table *table = calloc(1, sizeof *table);
    size_t count = (size_t)mn_col_count(stmt);

    if (!table) return NULL;
    table->shell = shell;
    table->out = shell->out;
    table->columns = (int)count;
    table->heads = calloc(count, sizeof *table->heads);
    table->widths = calloc(count, sizeof *table->widths);
    if (!table->heads || !table->widths) {
        free(table->heads);
        free(table->widths);
        free(table);
        return NULL;
    }
    for (int i = 0; i < table->columns; i++) {
        const char *name = mn_col_name(stmt, i);
        int type = mn_col_type(stmt, i);
        cell_set(&table->heads[i], name, strlen(name), shell->mode == MODE_MARKDOWN);
        table->heads[i].right = type == MN_TYPE_INT || type == MN_TYPE_FLOAT;
    }
    return table;
}

static void line_print(struct table *table, const char *const part[4])
{
    if (!part[0]) return;
    fputs(part[0], table->out);
    for (int i = 0; i < table->columns; i++) {
        size_t dashes = table->widths[i] + 2;
        bool markdown = table->shell->mode == MODE_MARKDOWN;
        for (size_t j = 0; j < dashes; j++) {
            bool colon = markdown && table->heads[i].right && j + 1 == dashes;
            fputs(colon ? ":" : part[1], table->out);
        }
        fputs(i + 1 < table->columns ? part[2] : part[3], table->out);
    }
    fputc('\n', table->out);
}

static void blanks(FILE *out, size_t count)
{
    for (size_t i = 0; i < count; i++) fputc(' ', out);
}

static void cells_print(struct table *table, const struct cell *cells, bool head)
{
    const char *bar = frame_of(table)->bar;

    fputs(bar, table->out);
    for (int i = 0; i < table->columns; i++) {
        const struct cell *cell = &cells[i];
        size_t length = cell->length, width = cell->width;
        bool cut = width > table->widths[i] && table->shell->mode == MODE_BOX;
        if (cut) {
            length = width_cut(cell->text, length, table->widths[i] - 1);
            width = width_of(cell->text, length) + 1;
        }
        size_t pad = table->widths[i] > width ? table->widths[i] - width : 0;
        bool right = cell->right && !head;
        blanks(table->out, 1 + (right ? pad : 0));
        if (cell->text) fwrite(cell->text, 1, length, table->out);
        if (cut) fputs("…", table->out);
        blanks(table->out, 1 + (right ? 0 : pad));
        fputs(bar, table->out);
    }
    fputc('\n', table->out);
}

/* The widest column gives up a place until the row fits, or all are narrow. */
static void widths_fit(struct table *table, size_t terminal)
{
    size_t total = 1;

    for (int i = 0; i < table->columns; i++) total += table->widths[i] + 3;
    while (total > terminal) {
        int widest = 0;
        for (int i = 1; i < table->columns; i++) {
            if (table->widths[i] > table->widths[widest]) widest = i;
        }
        if (table->widths[widest] <= NARROWEST) return;
        table->widths[widest]--;
        total--;
    }
}

static void table_begin(struct table *table)
{
    const struct frame *frame = frame_of(table);
    size_t terminal = table->shell->mode == MODE_BOX ? width_terminal(table->out) : 0;

    for (int i = 0; i < table->columns; i++) {
        size_t width = table->shell->header ? table->heads[i].width : 1;
        for (size_t row = 0; row < table->rows; row++) {
            const struct cell *cell = &table->cells[row * (size_t)table->columns + (size_t)i];
            if (cell->width > width) width = cell->width;
            if (cell->right) table->heads[i].right = true;
        }
        table->widths[i] = width;
    }
    if (terminal > 0) widths_fit(table, terminal);
    line_print(table, frame->top);
    if (table->shell->header) {
        cells_print(table, table->heads, true);
        line_print(table, frame->middle);
    }
    table->begun = true;
}

static void table_flush(struct table *table)
{
    size_t columns = (size_t)table->columns;

    if (!table->begun) table_begin(table);
    for (size_t row = 0; row < table->rows; row++) {
        cells_print(table, table->cells + row * columns, false);
    }
    cells_free(table->cells, table->rows * columns);
    table->rows = 0;
    table->bytes = 0;
}

bool table_row(struct table *table, mn_stmt *stmt)
{
    size_t columns = (size_t)table->columns;

    if (table->rows == table->room_rows) {
        size_t room = table->room_rows ? 2 * table->room_rows : 64;
        struct cell *grown = realloc(table->cells, room * columns * sizeof *grown);
        if (!grown) return false;
        table->cells = grown;
        table->room_rows = room;
    }
    struct cell *cells = table->cells + table->rows * columns;
    for (int i = 0; i < table->columns; i++) {
        cell_read(table, stmt, i, &cells[i]);
        table->bytes += cells[i].length;
    }
    table->rows++;
    if (table->begun || table->rows >= BLOCK_ROWS || table->bytes >= BLOCK_BYTES) {
        table_flush(table);
    }
    return true;
}

void table_end(struct table *table)
{
    if (!table) return;
    table_flush(table);
    line_print(table, frame_of(table)->bottom);
    cells_free(table->heads, (size_t)table->columns);
    free(table->heads);
    free(table->widths);
    free(table->cells);
    free(table);
}
