/*
 * draft: a dense leaf in the making.
 */
#include "btree/draft.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "btree/dense.h"

enum mn_status mn_draft_make(struct mn_draft *draft, uint32_t page_size)
{
    draft->page_size = page_size;
    draft->most = mn_dense_count_max(page_size);
    draft->bytes = mn_alloc(page_size);
    draft->low = mn_alloc(draft->most * sizeof *draft->low);
    draft->end = mn_alloc(draft->most * sizeof *draft->end);
    return draft->bytes && draft->low && draft->end ? MN_OK : mn_fail_nomem();
}

void mn_draft_free(struct mn_draft *draft)
{
    mn_dealloc(draft->bytes);
    mn_dealloc(draft->low);
    mn_dealloc(draft->end);
}

static uint8_t *suffixes_put(const struct mn_draft *draft, uint8_t *at, uint32_t width)
{
    if (width == 2) {
        for (uint32_t i = 0; i < draft->count; i++, at += 2) {
            at[0] = (uint8_t)(draft->low[i] >> 8);
            at[1] = (uint8_t)draft->low[i];
        }
    } else if (width == 1) {
        for (uint32_t i = 0; i < draft->count; i++) *at++ = (uint8_t)draft->low[i];
    }
    return at;
}

void mn_draft_fill(const struct mn_draft *draft, uint8_t *page)
{
    struct mn_node leaf = {page, draft->page_size, NULL};
    uint32_t prefix = mn_draft_common(draft->first, draft->last);
    uint8_t first[MN_DENSE_KEY_BYTES], *end = page + draft->page_size, *slot;

    MN_ASSERT(draft->count > 0);
    mn_put_u64_be(first, draft->first);
    mn_dense_begin(&leaf, draft->count, prefix);
    slot = suffixes_put(draft, page + MN_PAGE_HEADER, MN_DENSE_KEY_BYTES - prefix);
    for (uint32_t i = 0; i < draft->count; i++, slot += 2) {
        mn_put_u16(slot, (uint16_t)(prefix + draft->end[i]));
    }
    memcpy(end - prefix, first, prefix);
    memcpy(end - prefix - draft->used, draft->bytes + draft->page_size - draft->used, draft->used);
    mn_dense_end(&leaf, prefix + draft->used);
}
