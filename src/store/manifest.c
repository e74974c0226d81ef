/*
 * manifest: what one commit did to the space of the file.
 */
#include "store/manifest.h"

#include <string.h>

#include "base/bytes.h"
#include "store/page.h"

static enum mn_status damaged(void)
{
    return mn_fail(MN_CORRUPT, "a manifest in the log of the space map is damaged");
}

void mn_manifest_release(struct mn_manifest *manifest)
{
    mn_extents_release(&manifest->born);
    mn_deaths_release(&manifest->dead);
}

enum mn_status mn_varint_encode(uint64_t value, struct mn_buf *out)
{
    uint8_t bytes[MN_VARINT_BYTES];

    return mn_buf_append(out, bytes, mn_put_varint(bytes, value));
}

enum mn_status mn_varint_decode(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    size_t length = mn_get_varint(*at, end, value);

    if (length == 0) return damaged();
    *at += length;
    return MN_OK;
}

enum mn_status mn_extents_encode(const struct mn_extents *extents, struct mn_buf *out)
{
    enum mn_status status = mn_varint_encode(extents->count, out);
    uint64_t end = 0;

    for (size_t i = 0; i < extents->count && !status; i++) {
        status = mn_varint_encode(extents->list[i].start - end, out);
        if (!status) status = mn_varint_encode(extents->list[i].pages, out);
        end = extents->list[i].start + extents->list[i].pages;
    }
    return status;
}

/* Moves past a gap and a length; false where the sum leaves 47 bits or the length is 0. */
static bool advance(uint64_t *end, uint64_t gap, uint64_t pages, uint64_t *start)
{
    if (gap >= MN_PAGE_DIRTY || pages == 0 || pages >= MN_PAGE_DIRTY) return false;
    *start = *end + gap;
    *end = *start + pages;
    return *end < MN_PAGE_DIRTY;
}

enum mn_status mn_extents_decode(const uint8_t **at, const uint8_t *end, struct mn_extents *extents)
{
    uint64_t count, reached = 0;
    enum mn_status status = mn_varint_decode(at, end, &count);

    extents->count = 0;
    if (!status && count > (uint64_t)(end - *at)) status = damaged();
    for (uint64_t i = 0; i < count && !status; i++) {
        uint64_t gap, pages, start;

        status = mn_varint_decode(at, end, &gap);
        if (!status) status = mn_varint_decode(at, end, &pages);
        if (!status && !advance(&reached, gap, pages, &start)) status = damaged();
        if (!status) status = mn_extents_add(extents, start, pages);
    }
    return status;
}

/* One group of deaths, all of one birth; `count` of them from `first` on. */
static enum mn_status group_encode(const struct mn_death *first, size_t count, struct mn_buf *out)
{
    enum mn_status status = mn_varint_encode(first->birth, out);
    uint64_t end = 0;

    if (!status) status = mn_varint_encode(count, out);
    for (size_t i = 0; i < count && !status; i++) {
        status = mn_varint_encode(first[i].start - end, out);
        if (!status) status = mn_varint_encode(first[i].pages, out);
        end = first[i].start + first[i].pages;
    }
    return status;
}

static size_t group_size(const struct mn_deaths *dead, size_t from)
{
    size_t to = from;

    while (to < dead->count && dead->list[to].birth == dead->list[from].birth) to++;
    return to - from;
}

enum mn_status mn_manifest_encode(const struct mn_manifest *manifest, struct mn_buf *out)
{
    struct mn_buf body = {0};
    uint64_t groups = 0;
    enum mn_status status = mn_varint_encode(manifest->version, &body);

    for (size_t i = 0; i < manifest->dead.count; i += group_size(&manifest->dead, i)) groups++;
    if (!status) status = mn_varint_encode(manifest->parent, &body);
    if (!status) status = mn_extents_encode(&manifest->born, &body);
    if (!status) status = mn_varint_encode(groups, &body);
    for (size_t i = 0; i < manifest->dead.count && !status;) {
        size_t count = group_size(&manifest->dead, i);

        status = group_encode(&manifest->dead.list[i], count, &body);
        i += count;
    }
    if (!status) status = mn_varint_encode(body.len, out);
    if (!status) status = mn_buf_append(out, body.data, body.len);
    mn_buf_release(&body);
    return status;
}

static enum mn_status group_decode(const uint8_t **at, const uint8_t *end,
                                   struct mn_manifest *manifest)
{
    struct mn_death one = {.death = manifest->version};
    uint64_t count, reached = 0;
    enum mn_status status = mn_varint_decode(at, end, &one.birth);

    if (!status) status = mn_varint_decode(at, end, &count);
    if (!status && one.birth >= manifest->version) status = damaged();
    for (uint64_t i = 0; !status && i < count; i++) {
        uint64_t gap;

        status = mn_varint_decode(at, end, &gap);
        if (!status) status = mn_varint_decode(at, end, &one.pages);
        if (!status && !advance(&reached, gap, one.pages, &one.start)) status = damaged();
        if (!status) status = mn_deaths_add(&manifest->dead, one);
    }
    return status;
}

enum mn_status mn_manifest_decode(const uint8_t **at, const uint8_t *end,
                                  struct mn_manifest *manifest)
{
    uint64_t length, groups = 0;
    enum mn_status status = mn_varint_decode(at, end, &length);

    manifest->dead.count = 0;
    if (status) return status;
    if (length > (uint64_t)(end - *at)) return damaged();
    end = *at + length;
    status = mn_varint_decode(at, end, &manifest->version);
    if (!status) status = mn_varint_decode(at, end, &manifest->parent);
    if (!status && manifest->parent >= manifest->version) status = damaged();
    if (!status) status = mn_extents_decode(at, end, &manifest->born);
    if (!status) status = mn_varint_decode(at, end, &groups);
    for (uint64_t i = 0; !status && i < groups; i++) status = group_decode(at, end, manifest);
    if (!status && *at != end) status = damaged();
    return status;
}
