/*
 * rowset: a hash table of tuples of values, for groups, DISTINCT, joins and set operations.
 */
#include <string.h>

#include "base/alloc.h"
#include "query/op.h"

enum { BUCKETS_FIRST = 64 };

void mn_rowset_release(struct mn_rowset *set)
{
    mn_dealloc(set->buckets);
    set->buckets = NULL;
    set->bucket_count = 0;
    set->count = 0;
}

static bool rowset_grow(struct mn_rowset *set)
{
    size_t wanted = set->bucket_count ? set->bucket_count * 4 : BUCKETS_FIRST;
    struct mn_rowset_entry **buckets = mn_zalloc(wanted * sizeof *buckets);

    if (!buckets) return false;
    for (size_t i = 0; i < set->bucket_count; i++) {
        struct mn_rowset_entry *entry = set->buckets[i];

        while (entry) {
            struct mn_rowset_entry *chain = entry->chain;

            entry->chain = buckets[entry->hash & (wanted - 1)];
            buckets[entry->hash & (wanted - 1)] = entry;
            entry = chain;
        }
    }
    mn_dealloc(set->buckets);
    set->buckets = buckets;
    set->bucket_count = wanted;
    return true;
}

static enum mn_status entry_equals(const struct mn_rowset *set, const struct mn_rowset_entry *entry,
                                   const struct mn_value *key, bool *same)
{
    *same = true;
    for (uint32_t i = 0; i < set->width && *same; i++) {
        enum mn_status status = mn_value_same(&entry->key[i], &key[i], same);

        if (status != MN_OK) return status;
    }
    return MN_OK;
}

enum mn_status mn_rowset_find(struct mn_rowset *set, const struct mn_value *key, bool *added,
                              struct mn_rowset_entry **out)
{
    uint64_t hash = 0;
    struct mn_rowset_entry *entry;

    *out = NULL;
    if (added) *added = false;
    for (uint32_t i = 0; i < set->width; i++) {
        enum mn_status status = mn_value_hash(&key[i], hash, &hash);

        if (status != MN_OK) return status;
    }
    entry = set->bucket_count ? set->buckets[hash & (set->bucket_count - 1)] : NULL;
    for (; entry; entry = entry->chain) {
        bool same;
        enum mn_status status;

        if (entry->hash != hash) continue;
        status = entry_equals(set, entry, key, &same);
        if (status != MN_OK) return status;
        if (same) {
            *out = entry;
            return MN_OK;
        }
    }
    if (!added) return MN_OK;
    if (set->count >= set->bucket_count && !rowset_grow(set)) return mn_fail_nomem();
    entry = mn_arena_zalloc(set->arena, sizeof *entry + set->width * sizeof *key);
    if (!entry) return mn_fail_nomem();
    for (uint32_t i = 0; i < set->width; i++) {
        if (mn_value_copy(set->arena, &key[i], &entry->key[i]) != MN_OK) return MN_NOMEM;
    }
    entry->hash = hash;
    entry->chain = set->buckets[hash & (set->bucket_count - 1)];
    set->buckets[hash & (set->bucket_count - 1)] = entry;
    set->count++;
    *added = true;
    *out = entry;
    return MN_OK;
}
