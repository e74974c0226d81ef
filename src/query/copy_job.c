/*
 * copy_job: the COPY statement's options and columns, and what becomes of them.
 */
#include "query/copy_job.h"

#include <string.h>

#include "query/copy_read.h"
#include "query/rules.h"

enum { TICK_ROWS = 1024 };

static enum mn_status option_bind(struct mn_copy_options *options, const struct mn_ast_option *ast,
                                  struct mn_arena *arena)
{
    struct mn_copy_option option = {.name = ast->name.text, .kind = MN_COPY_OPTION_BARE};

    if (ast->names.count) {
        return mn_fail_at(MN_SCHEMA, ast->name.span.offset, ast->name.span.length,
                          "the option %s takes no list of columns", ast->name.text);
    }
    switch (ast->given ? (enum mn_type)ast->value.type : MN_TYPE_NULL) {
    case MN_TYPE_NULL: break;
    case MN_TYPE_TEXT:
        option.kind = ast->word ? MN_COPY_OPTION_WORD : MN_COPY_OPTION_TEXT;
        option.text = mn_arena_text(arena, ast->value.p, ast->value.size);
        if (!option.text) return mn_fail_nomem();
        break;
    case MN_TYPE_BOOL:
        option.kind = MN_COPY_OPTION_INT;
        option.number = ast->value.b;
        break;
    case MN_TYPE_INT:
        option.kind = MN_COPY_OPTION_INT;
        option.number = ast->value.i;
        break;
    case MN_TYPE_FLOAT:
    case MN_TYPE_BLOB:
    case MN_TYPE_TIMESTAMP:
    case MN_TYPE_DURATION:
    case MN_TYPE_UUID:
    case MN_TYPE_VECTOR:
    case MN_TYPE_JSON:
    case MN_TYPE_LIST:
        return mn_fail_at(MN_TYPE, ast->value_span.offset, ast->value_span.length,
                          "the COPY option %s takes a text, a word, a whole number or a switch",
                          ast->name.text);
    }
    enum mn_status status = mn_copy_option_set(options, &option);
    if (status) (void)mn_place(ast->name.span.offset, ast->name.span.length);
    return status;
}

enum mn_status mn_copy_bind_options(const struct mn_copy_job *job, bool reading,
                                    struct mn_copy_options *options)
{
    mn_copy_options_init(options);
    for (const struct mn_ast_option *o = job->ast->options.first; o; o = o->next) {
        enum mn_status status = option_bind(options, o, job->arena);
        if (status) return status;
    }
    return mn_copy_options_finish(options, job->path, reading);
}

static struct mn_copy_column column_of(const struct mn_column *column)
{
    return (struct mn_copy_column){.name = column->name,
                                   .type = column->kind.type,
                                   .elem = column->kind.elem,
                                   .dims = column->kind.dims};
}

static enum mn_status listed_column(const struct mn_copy_job *job, const struct mn_name *name,
                                    const uint32_t *before, uint32_t count, uint32_t *out)
{
    int column = mn_table_column(job->table, name->text, strlen(name->text));

    if (column < 0) {
        return mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length, "no column \"%s\" in %s",
                          name->text, job->table->name);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (before[i] != (uint32_t)column) continue;
        return mn_fail_at(MN_SCHEMA, name->span.offset, name->span.length,
                          "column %s is named twice", name->text);
    }
    *out = (uint32_t)column;
    return MN_OK;
}

enum mn_status mn_copy_bind_columns(const struct mn_copy_job *job, struct mn_copy_spec *spec,
                                    uint32_t **targets)
{
    const struct mn_ast_names *names = &job->ast->columns;
    uint32_t count = names->count ? names->count : job->table->column_count, i = 0;
    struct mn_copy_column *columns = mn_arena_alloc(job->arena, count * sizeof *columns);
    uint32_t *map = mn_arena_alloc(job->arena, count * sizeof *map);

    if (!columns || !map) return mn_fail_nomem();
    for (const struct mn_ast_name *n = names->first; n; n = n->next, i++) {
        enum mn_status status = listed_column(job, &n->name, map, i, &map[i]);
        if (status) return status;
    }
    for (; i < count; i++) map[i] = i;
    for (i = 0; i < count; i++) columns[i] = column_of(&job->table->columns[map[i]]);
    spec->path = job->path;
    spec->columns = columns;
    spec->column_count = count;
    spec->listed = names->count > 0;
    *targets = map;
    return MN_OK;
}

enum mn_status mn_copy_tick(struct mn_copy_job *job, uint64_t total)
{
    uint64_t done = job->rows + job->skipped;

    if (!job->tick || done % TICK_ROWS != 0) return MN_OK;
    return job->tick(job->tick_context, done, total);
}

static enum mn_status load_prepare(struct mn_copy_load_state *state)
{
    struct mn_copy_job *job = state->job;
    enum mn_status status = mn_copy_bind_options(job, true, &state->options);

    if (!status) status = mn_copy_bind_columns(job, &state->spec, &state->targets);
    if (status) return status;
    uint32_t count = state->spec.column_count;
    state->spec.options = &state->options;
    state->row.values = mn_arena_zalloc(job->arena, count * sizeof *state->row.values);
    state->row.given = mn_arena_zalloc(job->arena, count * sizeof *state->row.given);
    if (!state->row.values || !state->row.given) return mn_fail_nomem();
    return mn_copy_reader_open(&state->spec, &state->reader);
}

enum mn_status mn_copy_load(struct mn_copy_job *job)
{
    struct mn_copy_load_state state = {.job = job};
    struct mn_arena *scratch_before = job->eval->scratch;
    enum mn_status status = load_prepare(&state);

    if (status) return status;
    mn_arena_init(&state.scratch, job->memory_limit);
    job->eval->scratch = &state.scratch;
    if (state.options.match || state.options.match_order) {
        status = mn_copy_load_vectors(&state);
    } else if (state.options.upsert || state.options.skip_errors) {
        status = mn_copy_load_each(&state);
    } else {
        status = mn_copy_load_rows(&state);
    }
    job->eval->scratch = scratch_before;
    mn_arena_release(&state.scratch);
    mn_copy_reader_close(state.reader);
    return status;
}

enum mn_status mn_copy_complete_row(struct mn_copy_load_state *state, const struct mn_rules *rules,
                                    struct mn_value *values)
{
    const struct mn_table *table = state->job->table;

    for (uint32_t i = 0; i < table->column_count; i++) values[i].type = UINT8_MAX;
    for (uint32_t i = 0; i < state->spec.column_count; i++) {
        if (state->row.given[i]) values[state->targets[i]] = state->row.values[i];
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (values[i].type != UINT8_MAX) continue;
        enum mn_status status = mn_rules_default(rules, i, state->job->eval, &values[i]);
        if (status) return mn_copy_row_failed(state->reader, table->columns[i].name);
    }
    return MN_OK;
}

enum mn_status mn_copy_query_writer(struct mn_copy_job *job, const char *const *names,
                                    const struct mn_kind *kinds, uint32_t count,
                                    struct mn_copy_writer **writer)
{
    struct mn_copy_options *options = mn_arena_zalloc(job->arena, sizeof *options);
    struct mn_copy_column *columns = mn_arena_zalloc(job->arena, (count + 1) * sizeof *columns);

    *writer = NULL;
    if (!options || !columns) return mn_fail_nomem();
    enum mn_status status = mn_copy_bind_options(job, false, options);
    if (status) return status;
    for (uint32_t i = 0; i < count; i++) {
        columns[i] = (struct mn_copy_column){
            .name = names[i], .type = kinds[i].type, .elem = kinds[i].elem, .dims = kinds[i].dims};
    }
    struct mn_copy_spec spec = {
        .path = job->path, .options = options, .columns = columns, .column_count = count};
    return mn_copy_writer_open(&spec, writer);
}
