/*
 * search_slabs: a search through all vectors of a column.
 */
#include "index/vector/search.h"

enum mn_status mn_search_slabs(struct mn_search *search, const struct mn_slabs *slabs)
{
    struct mn_slab_scan *scan;
    bool found = true;

    enum mn_status status = mn_slab_scan_open(slabs, &scan);
    while (status == MN_OK && found) {
        struct mn_slab_block block;

        status = mn_slab_scan_next(scan, &block, &found);
        if (status == MN_OK && found) status = mn_search_block(search, &block);
    }
    if (status == MN_OK) status = mn_search_settle(search);
    mn_slab_scan_close(scan);
    return status;
}
