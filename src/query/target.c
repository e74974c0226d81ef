/*
 * target: tables and columns by name, kept by the session that asks for them again and again.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "index/row.h"
#include "query/direct.h"

enum { TARGETS = 8, SCRATCH_KEPT_BYTES = 1 << 20 };

struct mn_direct {
    struct mn_target targets[TARGETS];
    uint32_t last, turn; /* found last; given up next */
    struct mn_arena scratch;
    struct mn_arena_mark mark;
    struct mn_direct_maps maps;
};

/* ---- begin and end ---- */

static void target_forget(struct mn_target *target)
{
    mn_schema_unref(target->schema);
    mn_arena_release(&target->arena);
    memset(target, 0, sizeof *target);
}

void mn_direct_free(struct mn_direct *direct)
{
    if (!direct) return;
    for (uint32_t i = 0; i < TARGETS; i++) target_forget(&direct->targets[i]);
    mn_arena_release(&direct->scratch);
    mn_slab_map_release(&direct->maps.slabs);
    mn_list_map_release(&direct->maps.lists);
    mn_dealloc(direct);
}

struct mn_direct_maps *mn_direct_maps(struct mn_session *session)
{
    return &session->direct->maps;
}

struct mn_arena *mn_direct_begin(struct mn_session *session)
{
    struct mn_direct *direct = session->direct;

    if (!direct) {
        direct = mn_zalloc(sizeof *direct);
        session->direct = direct;
    }
    if (direct && direct->scratch.total_bytes > SCRATCH_KEPT_BYTES) {
        mn_arena_release(&direct->scratch);
        direct->mark = (struct mn_arena_mark){0};
    }
    if (direct && !direct->mark.chunk) {
        mn_arena_init(&direct->scratch, 0);
        if (mn_arena_alloc(&direct->scratch, 1)) direct->mark = mn_arena_mark(&direct->scratch);
    }
    if (!direct || !direct->mark.chunk) {
        mn_fail_nomem();
        return NULL;
    }
    mn_arena_rewind(&direct->scratch, direct->mark);
    return &direct->scratch;
}

struct mn_arena *mn_direct_scratch(struct mn_session *session)
{
    return &session->direct->scratch;
}

struct mn_eval mn_direct_eval(struct mn_session *session)
{
    struct mn_os *os = session->db->os;

    return (struct mn_eval){
        .scratch = &session->direct->scratch, .now_us = os->ops->now_us(os), .os = os};
}

/* ---- names ---- */

static bool names_equal(const struct mn_target *target, const struct mn_target_names *names)
{
    if (!target->schema || target->count != names->count) return false;
    if (strcmp(target->name, names->table) != 0) return false;
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(target->names[i], names->columns[i]) != 0) return false;
    }
    return true;
}

static enum mn_status names_check(const struct mn_target_names *names)
{
    if (!names->table) return mn_fail(MN_MISUSE, "the name of the table is NULL");
    if (names->count > MN_COLUMNS_MAX) {
        return mn_fail(MN_TOOBIG, "%zu columns are named; a table has at most %d", names->count,
                       MN_COLUMNS_MAX);
    }
    if (names->count > 0 && !names->columns) {
        return mn_fail(MN_MISUSE, "the names of the columns are NULL");
    }
    for (size_t i = 0; i < names->count; i++) {
        if (!names->columns[i]) return mn_fail(MN_MISUSE, "the name of column %zu is NULL", i);
    }
    return MN_OK;
}

static enum mn_status column_resolve(struct mn_target *target, uint32_t i)
{
    const char *name = target->names[i];
    int column = mn_table_column(target->table, name, strlen(name));

    if (column < 0) {
        return mn_fail(MN_SCHEMA, "no column \"%.100s\" in %s", name, target->table->name);
    }
    for (uint32_t k = 0; k < i; k++) {
        if (target->columns[k] != (uint32_t)column) continue;
        return mn_fail(MN_SCHEMA, "column \"%s\" is named twice", name);
    }
    target->columns[i] = (uint32_t)column;
    return MN_OK;
}

static enum mn_status target_resolve(struct mn_target *target, const struct mn_target_names *names)
{
    enum mn_status status = MN_OK;

    target->table = mn_schema_table(target->schema, names->table, strlen(names->table));
    if (!target->table) {
        mn_fail(MN_SCHEMA, "no table \"%.100s\"", names->table);
        return mn_hint("names are given as the catalogue has them: CREATE TABLE Log makes \"log\"");
    }
    target->count = (uint32_t)names->count;
    target->name = mn_arena_text(&target->arena, names->table, strlen(names->table));
    target->names = mn_arena_zalloc(&target->arena, (names->count + 1) * sizeof(char *));
    target->columns = mn_arena_zalloc(&target->arena, (names->count + 1) * sizeof(uint32_t));
    if (!target->name || !target->names || !target->columns) return mn_fail_nomem();
    for (uint32_t i = 0; i < target->count && status == MN_OK; i++) {
        const char *name = names->columns[i];

        target->names[i] = mn_arena_text(&target->arena, name, strlen(name));
        status = target->names[i] ? column_resolve(target, i) : mn_fail_nomem();
    }
    target->plain = mn_row_is_plain(target->table);
    return status;
}

/* ---- fitting ---- */

/* The root of the catalogue's tree; page 0 where there is none. */
static struct mn_ref catalogue_of(const struct mn_view *view)
{
    uint32_t count;
    const struct mn_root *roots = mn_view_roots(view, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (roots[i].tree == MN_TREE_CATALOGUE) return roots[i].ref;
    }
    return (struct mn_ref){0, 0};
}

static bool root_is_known(const struct mn_target *target, struct mn_ref root)
{
    return root.page != 0 && !mn_ref_is_dirty(root) && mn_ref_equal(target->catalogue, root);
}

/* (W1) *fits: the target is as the view has it. */
static enum mn_status target_fits(struct mn_target *target, struct mn_view *view, bool *fits)
{
    struct mn_ref root = catalogue_of(view);
    uint64_t stamp;
    enum mn_status status;

    *fits = root_is_known(target, root);
    if (*fits) return MN_OK;
    status = mn_schema_stamp(view, &stamp);
    *fits = status == MN_OK && stamp == target->schema->stamp;
    if (*fits) target->catalogue = root;
    return status;
}

enum mn_status mn_target_get(struct mn_session *session, struct mn_view *view,
                             const struct mn_target_names *names, struct mn_target **out)
{
    struct mn_direct *direct = session->direct;
    struct mn_target *target = NULL;
    bool fits = false;
    enum mn_status status = names_check(names);

    if (status != MN_OK) return status;
    for (uint32_t i = 0; i < TARGETS; i++) {
        uint32_t at = (direct->last + i) % TARGETS;

        if (!names_equal(&direct->targets[at], names)) continue;
        direct->last = at;
        target = &direct->targets[at];
        break;
    }
    if (target) status = target_fits(target, view, &fits);
    if (status != MN_OK) return status;
    *out = target;
    if (fits) return MN_OK;
    if (!target) {
        direct->last = direct->turn++ % TARGETS;
        target = &direct->targets[direct->last];
    }
    target_forget(target);
    status = mn_schema_get(session->db->schemas, view, &target->schema);
    target->catalogue = catalogue_of(view);
    if (status == MN_OK) status = target_resolve(target, names);
    if (status != MN_OK) target_forget(target);
    *out = target;
    return status;
}

enum mn_status mn_target_rules(struct mn_target *target)
{
    return target->rules ? MN_OK : mn_rules_new(&target->arena, target->table, &target->rules);
}
