/*
 * like: patterns of LIKE as runs between the percent signs.
 *
 * The first run must stand at the text's beginning unless a % precedes it, the last at its end
 * unless a % follows; each of the others is taken where it is found first, which leaves the most
 * for those behind.
 */
#include "catalog/text.h"

struct run {
    const char *bytes; /* with _ as it is where any[] says so */
    size_t length;
    const bool *any; /* one a byte: this byte is a _; NULL: none is */
};

struct mn_like {
    bool fold;
    bool open_begin, open_end; /* a % there */
    size_t run_count;
    struct run *runs;
};

/* The pattern taken apart: each byte with what it means. */
struct parts {
    char *bytes;
    char *kind; /* 'b' a byte, '_', '%' */
    size_t count;
};

static enum mn_status pattern_split(struct mn_arena *arena, const char *pattern, size_t length,
                                    uint32_t escape, struct parts *parts)
{
    const char *at = pattern, *end = pattern + length;

    parts->bytes = mn_arena_alloc(arena, length + 1);
    parts->kind = mn_arena_alloc(arena, length + 1);
    parts->count = 0;
    if (!parts->bytes || !parts->kind) return mn_fail_nomem();
    while (at < end) {
        uint32_t c;
        size_t n = mn_utf8_decode(at, end, &c);
        bool escaped = escape != MN_LIKE_NO_ESCAPE && c == escape;

        if (escaped) {
            at += n;
            if (at == end) return mn_fail(MN_ERROR, "a LIKE pattern ends in its escape");
            n = mn_utf8_decode(at, end, &c);
        }
        memcpy(parts->bytes + parts->count, at, n);
        memset(parts->kind + parts->count, 'b', n);
        if (!escaped && (c == '%' || c == '_')) parts->kind[parts->count] = (char)c;
        parts->count += n;
        at += n;
    }
    return MN_OK;
}

static enum mn_status run_make(struct mn_arena *arena, const struct parts *parts, size_t begin,
                               size_t end, struct run *run)
{
    bool *any = NULL;

    run->bytes = parts->bytes + begin;
    run->length = end - begin;
    if (memchr(parts->kind + begin, '_', end - begin)) {
        any = mn_arena_alloc(arena, end - begin);
        if (!any) return mn_fail_nomem();
        for (size_t i = begin; i < end; i++) any[i - begin] = parts->kind[i] == '_';
    }
    run->any = any;
    return MN_OK;
}

static enum mn_status folded(struct mn_arena *arena, const struct mn_value *text,
                             struct mn_value *out)
{
    struct mn_buf buf = {0};
    enum mn_status status = mn_text_map(text->p, text->size, mn_char_fold, &buf);

    if (status == MN_OK) {
        const char *copy = mn_arena_copy(arena, buf.data, buf.len);

        if (copy) {
            *out = mn_text(copy, buf.len);
        } else {
            status = mn_fail_nomem();
        }
    }
    mn_buf_release(&buf);
    return status;
}

enum mn_status mn_like_prepare(struct mn_arena *arena, const struct mn_value *pattern,
                               const struct mn_like_options *options, struct mn_like **out)
{
    struct mn_value given = *pattern;
    struct mn_like *like = mn_arena_zalloc(arena, sizeof *like);
    struct parts parts;
    size_t begin = 0;
    enum mn_status status = MN_OK;

    if (!like) return mn_fail_nomem();
    like->fold = options->fold;
    if (options->fold) status = folded(arena, pattern, &given);
    if (status == MN_OK) {
        status =
            pattern_split(arena, given.p, given.size,
                          options->fold ? mn_char_fold(options->escape) : options->escape, &parts);
    }
    if (status != MN_OK) return status;
    like->runs = mn_arena_alloc(arena, (parts.count + 1) * sizeof *like->runs);
    if (!like->runs) return mn_fail_nomem();
    like->open_begin = parts.count > 0 && parts.kind[0] == '%';
    like->open_end = parts.count > 0 && parts.kind[parts.count - 1] == '%';
    for (size_t i = 0; i <= parts.count; i++) {
        if (i < parts.count && parts.kind[i] != '%') continue;
        if (i > begin) {
            status = run_make(arena, &parts, begin, i, &like->runs[like->run_count++]);
            if (status != MN_OK) return status;
        }
        begin = i + 1;
    }
    *out = like;
    return MN_OK;
}

/* Bytes of text that the run matches at `at`, or -1. */
static ptrdiff_t run_at(const struct run *run, const char *at, const char *end)
{
    const char *begin = at;

    if (!run->any) {
        if ((size_t)(end - at) < run->length || memcmp(at, run->bytes, run->length) != 0) return -1;
        return (ptrdiff_t)run->length;
    }
    for (size_t i = 0; i < run->length; i++) {
        uint32_t c;

        if (at == end) return -1;
        if (run->any[i]) {
            at += mn_utf8_decode(at, end, &c);
        } else if (*at++ != run->bytes[i]) {
            return -1;
        }
    }
    return at - begin;
}

/* Where the run is found first; *length is what it matches there. */
static const char *run_find(const struct run *run, const char *at, const char *end, size_t *length)
{
    if (!run->any) {
        *length = run->length;
        return memmem(at, (size_t)(end - at), run->bytes, run->length);
    }
    while (at < end) {
        ptrdiff_t n = run_at(run, at, end);
        uint32_t c;

        if (n >= 0) {
            *length = (size_t)n;
            return at;
        }
        at += mn_utf8_decode(at, end, &c);
    }
    return NULL;
}

/* The run at the very end: a _ may be up to four bytes, so it is sought by code points from the
 * end. */
static const char *run_at_end(const struct run *run, const char *begin, const char *end)
{
    const char *at = end;
    size_t points = mn_utf8_count(run->bytes, run->length);

    while (points-- > 0) {
        if (at == begin) return NULL;
        do {
            at--;
        } while (at > begin && ((uint8_t)*at & 0xc0) == 0x80);
    }
    return run_at(run, at, end) == end - at ? at : NULL;
}

static bool runs_match(const struct mn_like *like, const char *at, const char *end)
{
    const struct run *run = like->runs, *last = like->runs + like->run_count;

    if (run == last) return like->open_begin || at == end;
    if (!like->open_begin) {
        ptrdiff_t n = run_at(run, at, end);

        if (n < 0) return false;
        at += n;
        if (++run == last) return like->open_end || at == end;
    }
    if (!like->open_end) {
        end = run_at_end(--last, at, end);
        if (!end) return false;
    }
    for (; run < last; run++) {
        size_t length;

        at = run_find(run, at, end, &length);
        if (!at) return false;
        at += length;
    }
    return true;
}

enum mn_status mn_like_match(const struct mn_like *like, const struct mn_value *text, bool *match)
{
    const char *bytes = text->p;
    struct mn_buf buf = {0};
    enum mn_status status = MN_OK;
    size_t size = text->size;

    if (like->fold) {
        status = mn_text_map(text->p, text->size, mn_char_fold, &buf);
        bytes = (const char *)buf.data;
        size = buf.len;
    }
    if (size == 0) bytes = "";
    if (status == MN_OK) *match = runs_match(like, bytes, bytes + size);
    mn_buf_release(&buf);
    return status;
}

struct mn_value mn_like_prefix(const struct mn_like *like, bool *exact)
{
    const struct run *run = like->runs;
    size_t length = 0;

    *exact = false;
    if (like->fold || like->open_begin || like->run_count == 0) return mn_text("", 0);
    while (length < run->length && !(run->any && run->any[length])) length++;
    *exact = like->run_count == 1 && !like->open_end && length == run->length;
    return mn_text(run->bytes, length);
}
