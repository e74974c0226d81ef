/*
 * disk: a small raw file of a few versions on a simulated machine, for tests of the store.
 */
#ifndef MN_TESTS_SUPPORT_DISK_H
#define MN_TESTS_SUPPORT_DISK_H

#include "store/store.h"
#include "support/raw.h"

enum mn_status disk_try_open(struct mn_os *os, unsigned flags, struct mn_store **store);
/* The same, where an error fails the test. */
struct mn_store *disk_open(struct mn_os *os, unsigned flags);
/* A closed file with a few versions behind it; *model is what it holds. */
struct mn_os *disk_new(struct raw_model *model);
/* One commit that changes one leaf. */
void disk_commit(struct mn_store *store, unsigned leaf, uint64_t value);
/* A reader sees exactly this. */
void disk_expect(struct mn_store *store, const struct raw_model *model);

#endif
