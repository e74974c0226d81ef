/*
 * regexp: a compiler into a program of threads, and the machine that runs it.
 *
 *   a        CHAR a
 *   xy       x  y
 *   x|y      SPLIT +1, L1   x  JMP L2   L1: y   L2:
 *   x*       L1: SPLIT +1, L2   x  JMP L1   L2:
 *   x+       L1: x  SPLIT L1, +1
 *   x?       SPLIT +1, L1   x   L1:
 *   x{2,3}   x  x  SPLIT +1, L1   x   L1:
 *
 * Jumps are relative, so that a block is repeated by copying it.
 */
#include "query/regexp.h"

#include <string.h>

#include "base/alloc.h"
#include "catalog/text.h"

enum code { CHAR, ANY, CLASS, SPLIT, JUMP, BEGIN, END, WORD_EDGE, MATCH };

/* A class is a list of ranges and of the letters of \d \w \s. */
struct range {
    uint32_t low, high;
};

struct instruction {
    uint8_t code;
    bool negated;      /* CLASS, WORD_EDGE */
    int32_t to, other; /* SPLIT and JUMP: relative */
    uint32_t c;        /* CHAR */
    uint32_t range, range_count;
};

struct mn_regexp {
    uint32_t count;
    struct instruction *program;
    struct range *ranges;
    bool fold;
};

struct compiler {
    const char *at, *end;
    struct instruction *program;
    uint32_t count;
    struct range *ranges;
    size_t range_count, range_capacity;
    size_t capacity;
    uint32_t nesting;
    bool fold;
    enum mn_status status;
};

/* ---- compiling ----------------------------------------------------------------------------- */

static void fail(struct compiler *c, const char *what)
{
    if (c->status == MN_OK) c->status = mn_fail(MN_ERROR, "regular expression: %s", what);
}

/* Room for `more` instructions behind the last. */
static bool reserve(struct compiler *c, uint32_t more)
{
    if (c->status != MN_OK) return false;
    if (c->count + more > MN_REGEXP_PROGRAM_MAX) {
        c->status = mn_fail(MN_TOOBIG, "regular expression: too long when repeats are written out");
        return false;
    }
    if (!mn_grow(&c->program, &c->capacity, c->count + more, sizeof *c->program)) {
        c->status = mn_fail_nomem();
        return false;
    }
    return true;
}

static struct instruction *emit(struct compiler *c, enum code code)
{
    static struct instruction spare;

    if (!reserve(c, 1)) return &spare;
    c->program[c->count] = (struct instruction){.code = (uint8_t)code};
    return &c->program[c->count++];
}

/* Moves the block from `from` to the end one place up and puts an instruction before it. */
static struct instruction *emit_before(struct compiler *c, uint32_t from, enum code code)
{
    emit(c, code);
    if (c->status != MN_OK) return emit(c, code);
    memmove(&c->program[from + 1], &c->program[from], (c->count - 1 - from) * sizeof *c->program);
    c->program[from] = (struct instruction){.code = (uint8_t)code};
    return &c->program[from];
}

static void range_add(struct compiler *c, uint32_t low, uint32_t high)
{
    if (c->status != MN_OK) return;
    if (low > high) {
        fail(c, "a range goes from the lower to the higher character");
        return;
    }
    if (!mn_grow(&c->ranges, &c->range_capacity, c->range_count + 1, sizeof *c->ranges)) {
        c->status = mn_fail_nomem();
        return;
    }
    c->ranges[c->range_count++] = (struct range){low, high};
}

static uint32_t next_char(struct compiler *c)
{
    uint32_t ch = 0;

    if (c->at < c->end) c->at += mn_utf8_decode(c->at, c->end, &ch);
    return ch;
}

static bool next_is(const struct compiler *c, char ch)
{
    return c->at < c->end && *c->at == ch;
}

/* The letter of \d, \w or \s as ranges; false: another letter. */
static bool named_ranges(struct compiler *c, uint32_t letter)
{
    switch (letter) {
    case 'd': range_add(c, '0', '9'); return true;
    case 'w':
        range_add(c, '0', '9');
        range_add(c, 'A', 'Z');
        range_add(c, '_', '_');
        range_add(c, 'a', 'z');
        range_add(c, 0x80, 0x10FFFF);
        return true;
    case 's':
        range_add(c, '\t', '\r');
        range_add(c, ' ', ' ');
        return true;
    default: return false;
    }
}

static uint32_t escaped_char(struct compiler *c, uint32_t letter)
{
    if (letter == 'n') return '\n';
    if (letter == 't') return '\t';
    if (letter == 'r') return '\r';
    if ((letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
        (letter >= 'A' && letter <= 'Z')) {
        fail(c, "an escape that is not known");
    }
    return letter;
}

static void escape_compile(struct compiler *c)
{
    uint32_t first = (uint32_t)c->range_count, letter;
    struct instruction *in;

    if (c->at == c->end) {
        fail(c, "nothing stands behind the last \\");
        return;
    }
    letter = next_char(c);
    if (letter == 'b' || letter == 'B') {
        emit(c, WORD_EDGE)->negated = letter == 'B';
        return;
    }
    if (named_ranges(c, letter | 32)) {
        in = emit(c, CLASS);
        in->range = first;
        in->range_count = (uint32_t)c->range_count - first;
        in->negated = letter < 'a';
        return;
    }
    letter = escaped_char(c, letter);
    emit(c, CHAR)->c = c->fold ? mn_char_fold(letter) : letter;
}

/* One member of a class: a character, or true for a named set that was added whole. */
static bool member_read(struct compiler *c, uint32_t *ch)
{
    *ch = next_char(c);
    if (*ch != '\\') return false;
    *ch = next_char(c);
    if (named_ranges(c, *ch)) return true;
    *ch = escaped_char(c, *ch);
    return false;
}

static void class_compile(struct compiler *c)
{
    uint32_t first = (uint32_t)c->range_count, low, high;
    bool negated = next_is(c, '^'), begin = true;
    struct instruction *in;

    if (negated) c->at++;
    while (c->status == MN_OK && (begin || !next_is(c, ']'))) {
        if (c->at == c->end) {
            fail(c, "[ has no ]");
            return;
        }
        begin = false;
        if (member_read(c, &low)) continue;
        high = low;
        if (next_is(c, '-') && c->at + 1 < c->end && c->at[1] != ']') {
            c->at++;
            if (member_read(c, &high)) fail(c, "a range ends in a character");
        }
        range_add(c, low, high);
    }
    c->at++;
    in = emit(c, CLASS);
    in->range = first;
    in->range_count = (uint32_t)c->range_count - first;
    in->negated = negated;
}

static void alternatives_compile(struct compiler *c);

static void group_compile(struct compiler *c)
{
    if (c->end - c->at >= 2 && c->at[0] == '?' && c->at[1] == ':') c->at += 2;
    if (next_is(c, '?')) fail(c, "of the groups (? only (?: is known, and (?i) at the begin");
    if (++c->nesting > MN_REGEXP_NESTING_MAX) fail(c, "nested too deeply");
    if (c->status == MN_OK) alternatives_compile(c);
    c->nesting--;
    if (!next_is(c, ')')) fail(c, "( has no )");
    c->at++;
}

static void atom_compile(struct compiler *c)
{
    uint32_t ch = next_char(c);

    switch (ch) {
    case '.': emit(c, ANY); return;
    case '^': emit(c, BEGIN); return;
    case '$': emit(c, END); return;
    case '[': class_compile(c); return;
    case '(': group_compile(c); return;
    case '\\': escape_compile(c); return;
    case '*':
    case '+':
    case '?': fail(c, "nothing to repeat"); return;
    default: emit(c, CHAR)->c = c->fold ? mn_char_fold(ch) : ch; return;
    }
}

/* ---- repeats ---- */

enum { UNBOUNDED = 1 << 30 };

static bool count_read(struct compiler *c, int32_t *count)
{
    bool any = false;

    *count = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (*count < MN_REGEXP_PROGRAM_MAX) *count = *count * 10 + (*c->at - '0');
        c->at++;
        any = true;
    }
    return any;
}

/* {n}, {n,} or {n,m}; anything else that begins with { is taken as it is written. */
static bool bounds_read(struct compiler *c, int32_t *least, int32_t *most)
{
    const char *before = c->at++;
    bool good = count_read(c, least);

    *most = *least;
    if (good && next_is(c, ',')) {
        c->at++;
        if (!count_read(c, most)) *most = UNBOUNDED;
    }
    if (good && next_is(c, '}')) {
        c->at++;
        if (*least > *most) fail(c, "{n,m} needs n <= m");
        return true;
    }
    c->at = before;
    return false;
}

static bool repeat_read(struct compiler *c, int32_t *least, int32_t *most)
{
    if (c->at == c->end) return false;
    if (*c->at == '{') return bounds_read(c, least, most);
    if (*c->at != '*' && *c->at != '+' && *c->at != '?') return false;
    *least = *c->at == '+' ? 1 : 0;
    *most = *c->at == '?' ? 1 : UNBOUNDED;
    c->at++;
    return true;
}

static void block_copy(struct compiler *c, uint32_t from, uint32_t length)
{
    if (length == 0 || !reserve(c, length)) return;
    memcpy(&c->program[c->count], &c->program[from], length * sizeof *c->program);
    c->count += length;
}

/* The block that begins at `from` and ends here, made to match so often. */
static void repeat_emit(struct compiler *c, uint32_t from, int32_t least, int32_t most)
{
    const uint32_t length = c->count - from;
    const int32_t skip = (int32_t)length;
    struct instruction *in;

    if (most == 0) {
        c->count = from;
        return;
    }
    for (int32_t i = 1; i < least && c->status == MN_OK; i++) block_copy(c, from, length);
    if (most == UNBOUNDED && least > 0) {
        in = emit(c, SPLIT);
        in->to = -skip;
        in->other = 1;
    } else if (most == UNBOUNDED) {
        in = emit_before(c, from, SPLIT);
        in->to = 1;
        in->other = skip + 2;
        emit(c, JUMP)->to = -(skip + 1);
    }
    if (most == UNBOUNDED) return;
    if (least == 0) {
        in = emit_before(c, from, SPLIT);
        in->to = 1;
        in->other = skip + 1;
        for (int32_t i = 1; i < most && c->status == MN_OK; i++) block_copy(c, from, length + 1);
        return;
    }
    for (int32_t i = least; i < most && c->status == MN_OK; i++) {
        in = emit(c, SPLIT);
        in->to = 1;
        in->other = skip + 1;
        block_copy(c, from, length);
    }
}

static void sequence_compile(struct compiler *c)
{
    while (c->status == MN_OK && c->at < c->end && *c->at != '|' && *c->at != ')') {
        uint32_t from = c->count;
        int32_t least, most;

        atom_compile(c);
        while (c->status == MN_OK && repeat_read(c, &least, &most)) {
            repeat_emit(c, from, least, most);
            if (next_is(c, '?')) c->at++; /* lazy or not, the same texts match */
        }
    }
}

static void alternatives_compile(struct compiler *c)
{
    uint32_t from = c->count;

    sequence_compile(c);
    while (c->status == MN_OK && next_is(c, '|')) {
        uint32_t jump;

        c->at++;
        emit_before(c, from, SPLIT);
        emit(c, JUMP);
        if (c->status != MN_OK) return;
        jump = c->count - 1;
        c->program[from].to = 1;
        c->program[from].other = (int32_t)(c->count - from);
        sequence_compile(c);
        if (c->status == MN_OK) c->program[jump].to = (int32_t)(c->count - jump);
        /* What was read so far is the left side of the next |. */
    }
}

enum mn_status mn_regexp_new(struct mn_arena *arena, const char *pattern, size_t length,
                             struct mn_regexp **regexp)
{
    struct compiler c = {.at = pattern, .end = pattern + length};
    struct mn_regexp *made = mn_arena_zalloc(arena, sizeof *made);

    *regexp = NULL;
    if (!made) return mn_fail_nomem();
    if (length >= 4 && memcmp(pattern, "(?i)", 4) == 0) {
        c.fold = true;
        c.at += 4;
    }
    alternatives_compile(&c);
    if (c.status == MN_OK && c.at < c.end) fail(&c, ") has no (");
    emit(&c, MATCH);
    if (c.status == MN_OK) {
        made->count = c.count;
        made->fold = c.fold;
        made->program = mn_arena_copy(arena, c.program, c.count * sizeof *c.program);
        made->ranges = mn_arena_copy(arena, c.ranges, c.range_count * sizeof *c.ranges);
        if (!made->program || (!made->ranges && c.range_count > 0)) c.status = mn_fail_nomem();
    }
    mn_dealloc(c.program);
    mn_dealloc(c.ranges);
    if (c.status == MN_OK) *regexp = made;
    return c.status;
}

/* ---- running ------------------------------------------------------------------------------- */

struct threads {
    uint32_t count;
    uint32_t *at;
};

struct machine {
    const struct mn_regexp *regexp;
    const char *begin, *at, *end;
    struct threads now, next;
    uint32_t *stack;
    uint32_t *seen; /* the step in which an instruction was entered last */
    uint32_t step;
    bool matched;
};

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z') ||
           (c & 0x80) != 0;
}

static bool at_word_edge(const struct machine *m)
{
    bool before = m->at > m->begin && is_word(m->at[-1]);
    bool behind = m->at < m->end && is_word(m->at[0]);

    return before != behind;
}

static bool class_holds(const struct mn_regexp *regexp, const struct instruction *in, uint32_t c)
{
    for (uint32_t i = 0; i < in->range_count; i++) {
        const struct range *range = &regexp->ranges[in->range + i];

        if (c >= range->low && c <= range->high) return true;
        if (regexp->fold && mn_char_lower(c) >= range->low && mn_char_lower(c) <= range->high) {
            return true;
        }
        if (regexp->fold && mn_char_upper(c) >= range->low && mn_char_upper(c) <= range->high) {
            return true;
        }
    }
    return false;
}

static bool edge_holds(const struct machine *m, const struct instruction *in)
{
    switch ((enum code)in->code) {
    case BEGIN: return m->at == m->begin;
    case END: return m->at == m->end;
    case WORD_EDGE: return at_word_edge(m) != in->negated;
    case CHAR:
    case ANY:
    case CLASS:
    case SPLIT:
    case JUMP:
    case MATCH: break;
    }
    return false;
}

/* Enters an instruction and all that it reaches without a character, each once a step. */
static void enter(struct machine *m, struct threads *threads, uint32_t pc)
{
    uint32_t depth = 0;

    if (m->seen[pc] == m->step) return;
    m->seen[pc] = m->step;
    m->stack[depth++] = pc;
    while (depth > 0) {
        const struct instruction *in;
        uint32_t to[2];
        uint32_t count = 0;

        pc = m->stack[--depth];
        in = &m->regexp->program[pc];
        if (in->code == MATCH) m->matched = true;
        if (in->code == SPLIT || in->code == JUMP) to[count++] = (uint32_t)((int32_t)pc + in->to);
        if (in->code == SPLIT) to[count++] = (uint32_t)((int32_t)pc + in->other);
        if (in->code >= BEGIN && in->code <= WORD_EDGE && edge_holds(m, in)) to[count++] = pc + 1;
        if (in->code <= CLASS) threads->at[threads->count++] = pc;
        while (count > 0) {
            uint32_t target = to[--count];

            if (m->seen[target] == m->step) continue;
            m->seen[target] = m->step;
            m->stack[depth++] = target;
        }
    }
}

static bool takes(const struct machine *m, const struct instruction *in, uint32_t c)
{
    if (in->code == ANY) return c != '\n';
    if (in->code == CHAR) return in->c == (m->regexp->fold ? mn_char_fold(c) : c);
    return class_holds(m->regexp, in, c) != in->negated;
}

static void run(struct machine *m)
{
    for (;;) {
        struct threads swap;
        uint32_t c;
        size_t size;

        enter(m, &m->now, 0); /* a match may begin anywhere */
        if (m->matched || m->at == m->end) return;
        size = mn_utf8_decode(m->at, m->end, &c);
        m->at += size;
        m->step++;
        m->next.count = 0;
        for (uint32_t i = 0; i < m->now.count; i++) {
            const struct instruction *in = &m->regexp->program[m->now.at[i]];

            if (takes(m, in, c)) enter(m, &m->next, m->now.at[i] + 1);
        }
        swap = m->now;
        m->now = m->next;
        m->next = swap;
        if (m->matched) return;
    }
}

enum mn_status mn_regexp_match(const struct mn_regexp *regexp, const char *text, size_t length,
                               bool *match)
{
    const size_t count = regexp->count;
    uint32_t *memory = mn_zalloc(4 * count * sizeof *memory);
    struct machine m = {.regexp = regexp, .begin = text, .at = text, .end = text + length};

    *match = false;
    if (!memory) return mn_fail_nomem();
    if (length >= UINT32_MAX) {
        mn_dealloc(memory);
        return mn_fail(MN_TOOBIG, "the text is too long for a regular expression");
    }
    m.now.at = memory;
    m.next.at = memory + count;
    m.stack = memory + 2 * count;
    m.seen = memory + 3 * count;
    m.step = 1;
    run(&m);
    *match = m.matched;
    mn_dealloc(memory);
    return MN_OK;
}
