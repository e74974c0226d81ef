/*
 * tool: check, stat, backup, restore, compact, recover.
 */
#include "shell.h"

static int tool_fail(struct shell *shell, int code)
{
    progress_end();
    error_say(shell, code, mn_errmsg(shell->db), mn_error_hint(shell->db));
    return shell_exit_status_of(code) == EXIT_STATEMENT ? EXIT_FILE : shell_exit_status_of(code);
}

static void finding_print(void *context, const char *finding)
{
    struct shell *shell = context;

    fprintf(shell->out, "%s\n", finding);
}

int tool_check(struct shell *shell)
{
    progress_begin();
    int code = mn_check(shell->db, finding_print, shell);
    if (code != MN_OK) return tool_fail(shell, code);
    progress_end();
    fprintf(shell->out, "ok\n");
    return 0;
}

static void fact_print(struct shell *shell, const char *name, mn_stmt *row, int column)
{
    fprintf(shell->out, "%-16s %lld\n", name, (long long)mn_col_int(row, column));
}

/* A row of PRAGMA vector_stat. */
static int vector_index_print(void *context, mn_stmt *row)
{
    struct shell *shell = context;

    progress_end();
    fprintf(shell->out, "\nvector index %s on %s (%s), %s\n", mn_col_text(row, 0, NULL),
            mn_col_text(row, 1, NULL), mn_col_text(row, 2, NULL), mn_col_text(row, 3, NULL));
    fact_print(shell, "rows", row, 4);
    fact_print(shell, "partitions", row, 5);
    fact_print(shell, "clusters", row, 6);
    fprintf(shell->out, "%-16s %lld least, %.1f mean, %lld most\n", "rows of a list",
            (long long)mn_col_int(row, 7), mn_col_float(row, 8), (long long)mn_col_int(row, 9));
    fact_print(shell, "code bytes", row, 10);
    fact_print(shell, "vector bytes", row, 11);
    if (mn_col_is_null(row, 12)) {
        fprintf(shell->out, "%-16s not measured: too %s vectors\n", "recall@10",
                mn_col_int(row, 4) < 2 ? "few" : "many");
        return 0;
    }
    fprintf(shell->out, "%-16s %.3f, of %lld rows against all %lld vectors\n", "recall@10",
            mn_col_float(row, 12), (long long)mn_col_int(row, 13), (long long)mn_col_int(row, 4));
    return 0;
}

int tool_stat(struct shell *shell)
{
    mn_stats stats = {.size = sizeof stats};
    int code = mn_stat(shell->db, &stats);

    if (code != MN_OK) return tool_fail(shell, code);
    const struct {
        const char *name;
        uint64_t value;
    } facts[] = {
        {"version", stats.version},       {"durable version", stats.durable_version},
        {"page size", stats.page_size},   {"pages", stats.page_count},
        {"free pages", stats.free_pages}, {"file bytes", stats.file_bytes},
        {"tables", stats.tables},         {"relations", stats.relations},
        {"indexes", stats.indexes},       {"rows", stats.rows},
    };
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        fprintf(shell->out, "%-16s %llu\n", facts[i].name, (unsigned long long)facts[i].value);
    }
    progress_begin();
    code = mn_exec(shell->db, "PRAGMA vector_stat", vector_index_print, shell);
    if (code != MN_OK) return tool_fail(shell, code);
    progress_end();
    return 0;
}

int tool_backup(struct shell *shell, const char *to)
{
    progress_begin();
    int code = mn_backup(shell->db, to, NULL, progress_count, shell);
    if (code != MN_OK) return tool_fail(shell, code);
    progress_end();
    return 0;
}

int tool_restore(struct shell *shell, const char *from, const char *to)
{
    progress_begin();
    int code = mn_restore(from, to, NULL, progress_count, shell);
    if (code != MN_OK) return tool_fail(shell, code);
    progress_end();
    return 0;
}

static int compact_print(void *context, mn_stmt *row)
{
    struct shell *shell = context;

    fprintf(shell->out, "%lld bytes before, %lld after\n", (long long)mn_col_int(row, 0),
            (long long)mn_col_int(row, 1));
    if (!mn_col_is_null(row, 3)) {
        fprintf(shell->out, "a reader of version %lld holds pages: compact again when it is gone\n",
                (long long)mn_col_int(row, 3));
    }
    return 0;
}

int tool_compact(struct shell *shell)
{
    progress_begin();
    int code = mn_exec(shell->db, "PRAGMA compact", compact_print, shell);
    if (code != MN_OK) return tool_fail(shell, code);
    progress_end();
    return 0;
}

int tool_recover(struct shell *shell, const char *from, const char *to)
{
    progress_begin();
    int code = mn_recover(from, to, finding_print, progress_count, shell);
    if (code != MN_OK) return tool_fail(shell, code);
    progress_end();
    return 0;
}
