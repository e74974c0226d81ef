/*
 * plant: bugs on purpose, to prove that the crash explorer finds bugs.
 *
 * One test build (MN_PLANTED, made by `zigw build planted`) can switch on one of them at run time
 * by its number. Everywhere else MN_PLANT is false, and nothing of a bug is in the object.
 */
#ifndef MN_BASE_PLANT_H
#define MN_BASE_PLANT_H

#ifdef MN_PLANTED

/* X(name, the rule that it breaks); a name is also the switch of the protocol's model, where that
 * has one. Numbers are places in this list, from 1. */
#define MN_PLANTS(X) \
    X(COMMIT_NO_SYNC, "a commit syncs before it is acknowledged") \
    X(LARGE_NO_SYNC, "a large commit's pages are synced before its slot [NO2PSYNC]") \
    X(PUBLISH_EARLY, "nothing is published before the sync [PUBEARLY]") \
    X(SYNC_ERROR_IGNORED, "a failed sync is no commit") \
    X(SYNC_RETRIED, "a failed sync is not tried again [RETRYSYNC]") \
    X(LARGE_SYNC_ERROR_IGNORED, "the first sync of a large commit may fail too") \
    X(WRITE_ERROR_IGNORED, "a page that was not written is no commit") \
    X(SLOT_OF_PUBLISHED, "the published version's slot is never written [SLOTD]") \
    X(CLAIM_IGNORED, "nor the number that a torn slot claims") \
    X(DIGEST_IGNORED, "recovery proves the digest of a version's pages [NODIGEST, NOVERIFY]") \
    X(DIGEST_UNSORTED, "the digest goes by page, whatever the order of writing") \
    X(DIGEST_SHORT, "the digest covers the last page") \
    X(DIGEST_STALE, "a page that was placed and left again is not in the digest") \
    X(GREW_IGNORED, "a longer file is durable before a slot relies on it") \
    X(GROW_SKIPPED, "the file grows before pages are written behind its end") \
    X(SLOT_UNCHECKED, "a slot's checksum is verified") \
    X(SLOT_HALF_CHECKED, "a slot's checksum covers its tail") \
    X(SETTLE_NO_SYNC, "settling syncs first [SETTLENOSYNC]") \
    X(SETTLE_CACHED, "settling asks the device, not the cache [CACHEREAD]") \
    X(SETTLE_NO_NOTICE, "settling publishes what it chose [ADOPTNOPUB]") \
    X(SETTLE_REWRITES, "settling never writes a durable slot again [REWRITE]") \
    X(SETTLE_READS_ALL, "settling reads a bounded number of pages") \
    X(OPEN_TRUSTS_NOTICE, "the first opener does not believe the notice [TRUSTNOTICE]") \
    X(ACCUSATION_IGNORED, "a version that was durable does not vanish silently") \
    X(NOTICE_UNCHECKED, "a torn notice accuses nobody") \
    X(WRITER_NO_SETTLE, "a writer settles what a dead one left") \
    X(WRITER_NO_LOCK, "one writer at a time holds W") \
    X(RING_REFUSES_TORN, "a torn slot is no reason not to write") \
    X(PINS_OF_OTHERS, "pages that other handles read are kept [NOPINS]") \
    X(PINS_OWN, "pages that the own handle reads are kept [NOOWNPINS]") \
    X(PINS_STALE, "pins are listed anew for each transaction [STALEPINS]") \
    X(PINS_OLDEST, "every pin counts, not only the oldest") \
    X(PIN_NO_RECHECK, "a reader looks at the notice again behind its lock [NORECHECK]") \
    X(PIN_UNCOUNTED, "a pin lives as long as its last reader") \
    X(LIFETIME_DEATH, "a version before a page's death may reach it") \
    X(LIFETIME_BIRTH, "a version reaches the pages that were born in it") \
    X(BUCKET_FREED, "a page leaves one pin for the next older one that sees it") \
    X(UNPEND_SKIPPED, "pages that another process used again are pending no more") \
    X(FOLLOW_SKIPPED, "a writer catches up with the commits of others") \
    X(ABANDON_LEAKS, "a failed commit gives its pages back") \
    X(CUT_BELOW_MARK, "the file is cut behind the last page, not before it") \
    X(CHECKPOINT_NO_PENDING, "a checkpoint knows the pages that pins hold") \
    X(CHECKPOINT_TAKEN_USED, "a checkpoint is the state before its own version") \
    X(CHECKPOINT_LOG_LEAKS, "the log before a checkpoint is dead") \
    X(MANIFEST_GIVEN_KEPT, "a manifest lists what was taken less what was given back") \
    X(DEATH_UNRECORDED, "a page that is copied to be changed dies") \
    X(DROP_UNRECORDED, "a page that is dropped dies") \
    X(RUN_DEATH_SHORT, "all pages of a run die with it") \
    X(RUN_DEATH_LONG, "no page dies that belongs to another") \
    X(SAVEPOINT_NO_IMAGE, "a node is kept as it was before a savepoint") \
    X(SAVEPOINT_DEATHS_KEPT, "rolling back brings dead pages back to life") \
    X(SAVEPOINT_ROOTS_KEPT, "rolling back brings the roots back") \
    X(SAVEPOINT_CHANGE_LOST, "what was changed before a savepoint is changed after it too") \
    X(SAVEPOINT_DROPPED_LOST, "rolling back brings dropped nodes back") \
    X(SAVEPOINT_MERGE_DROPS, "a released savepoint leaves its images to the one below") \
    X(PAGE_SUM_UNCHECKED, "a page's checksum is what its parent says") \
    X(PAGE_BYTES_UNCHECKED, "a page's bytes give its checksum") \
    X(RUN_UNCHECKED, "a run's bytes give the checksum that its leaf says") \
    X(TREE_COUNT_STALE, "branches count the entries below them") \
    X(TREE_SEPARATOR_SHORT, "a separator stands above all keys to its left") \
    X(INDEX_ENTRY_STAYS, "a changed row leaves its old index entry") \
    X(SIZE_TRUSTED, "a size that another writer left may be lost") \
    X(BELIEVED_EARLY, "a page is believed when it was written, not when it was placed") \
    X(PREWRITE_BELOW, "zeros are written in advance behind the last page only") \
    X(REJECTED_STAYS, "a rejected version's slot goes before anything is written") \
    X(CUT_TAKES_OLDER, "a whole slot that does not fit into the file is damage") \
    X(SLOT_TWICE, "a version has one slot") \
    X(WING_LOST, "what waits beside the slot is written with it") \
    X(DURABLE_UNPINNED, "pages of the durable version are kept [DNOTPIN]") \
    X(LAZY_DEAD_STAY, "a page that died again is not answered for (Z2) [DEADPAGES]") \
    X(TAIL_LOST, "a slot tells of all versions that are not durable (Z1)") \
    X(TAIL_UNBOUNDED, "a slot answers for 1 MiB at most (Z1)") \
    X(READ_BACK_SKIPPED, "a checkpoint over others' writes is read back (Z3) [NOBACK]") \
    X(FAILED_UNSAID, "a failed sync of published versions stops all writers [NOFAILFLAG]") \
    X(LAZY_LARGE_STAYS, "a large version is durable before it is published (Z4)") \
    X(CHECKPOINT_EARLY, "a checkpoint says durable behind its barrier") \
    X(SLOT_OF_DURABLE, "the durable version's slot is never written") \
    X(LARGE_WING_LATE, "what waits beside the slot of a large commit is synced before the slot") \
    X(SLOT_BEFORE_WING, \
      "over versions that are not durable the slot comes behind what is beside it") \
    X(DURABLE_STALE, "a slot behind a checkpoint answers for what came after it") \
    X(REJECTED_UNSYNCED, "a rejected version's slot is gone from the device first") \
    X(CUT_EARLY, "the file is cut behind the durable version too") \
    X(READ_BACK_SLOT, "reading back asks for the pages, not only for the slot (Z3)") \
    X(NOTICE_ERROR_DENIED, "a commit that was not published may exist: it is not denied") \
    X(SLOT_ERROR_DENIED, "a commit whose slot was not written in full may exist too") \
    X(HEADS_IGNORED, "the base is known only while the ring is as it was left") \
    X(ACCUSES_PUBLISHED, "the notice accuses by what was durable, not by what was published") \
    X(ACCUSED_OLDER, "a durable version that no longer fits is not answered for by an older one") \
    X(CHECKPOINT_UNTOLD, "a commit behind a checkpoint says durable what the checkpoint said") \
    X(CUT_STAYS_DURABLE, "what was cut off the file is durable no more") \
    X(OTHERS_CUT_UNSEEN, "nor what another handle may have cut off") \
    X(FAREWELL_LAZY, "the empty commit before the last cut is durable") \
    X(FAILED_UNHEARD, "nobody writes while the notice says that a sync failed") \
    X(SLOT_ERROR_IGNORED, "a slot that was not written is no commit") \
    X(NOTICE_ERROR_IGNORED, "nor is a commit that was not published") \
    X(LARGE_QUEUE_LATE, "all pages of a large commit are on their way before its first sync") \
    X(LAZY_BASE_TRUSTED, "what is published need not be durable") \
    X(DOUBT_SKIPPED, "a writer settles over versions that are not durable too") \
    X(SIZE_SYNCED_LAZY, "a commit without a sync makes no size durable") \
    X(CLOSE_UNSYNCED, "the last to close makes lazy commits durable") \
    X(CLOSE_LEFT, "also those of a handle that could not, because this one was writing") \
    X(CUT_STALE_MARK, "the last to close cuts by the newest version, whoever made it") \
    X(CLOSE_NOT_ALONE, "only who is alone with the file cuts it at his end") \
    X(CREATE_NO_SYNC, "a new file is durable before it has a name") \
    X(SAVEPOINT_DEATH_GIVEN, "a page of this transaction stays while a savepoint may want it") \
    X(SAVEPOINT_LENT, "a node that is rolled back owns its place again") \
    X(SETTLE_RING_CACHED, "of slots the device is asked too") \
    X(SETTLE_PAGES_CACHED, "and of the pages that they name") \
    X(UNSYNCED_STALE, "what a slot answers for has the commits of others in it") \
    X(DIGEST_UNDONE, "a digest is void when a page was placed in what was rolled back") \
    X(PINS_FIRST_ANSWER, "below a pin there may be others, whatever the system answers first") \
    X(SETTLE_NOT_DROPPED, "the cache shows of the chosen version what the device has") \
    X(READ_BACK_COMMIT, "a full commit over versions of others is read back too (Z3)") \
    X(SHORT_TOO_LONG, "a branch with a key of more than 3 bytes behind the prefix is not short") \
    X(SHORT_LENGTH, "of keys that begin one another the longer stands behind") \
    X(SHORT_ORDER, "a key that stands in a branch belongs to the child behind it") \
    X(SHORT_CHILD_STAYS, "a child goes with its head") \
    X(COVER_STALE, "a changed row changes its covered values") \
    X(DEFINITION_ONCE, "a definition is written to both of its trees") \
    X(DEFINITION_COPY_STAYS, "and leaves both") \
    X(STAMP_COUNTS, "a definition that was undone has another stamp than the next one") \
    X(DROPPED_TREE_STAYS, "with an index its trees go") \
    X(INDEX_UNBUILT, "a new index has the rows that were there before it")

enum mn_plant {
    MN_PLANT_NONE,
#define MN_PLANT_NUMBER(name, rule) MN_PLANT_##name,
    MN_PLANTS(MN_PLANT_NUMBER)
#undef MN_PLANT_NUMBER
        MN_PLANT_END
};

extern int mn_planted; /* the one that is on; the test program defines it */
/* Which of them the program came to, on or not: a byte each. What does not come to a bug cannot see
 * it. */
extern unsigned char *mn_plants_met;

static inline int mn_plant_is(enum mn_plant plant)
{
    mn_plants_met[plant] = 1;
    return mn_planted == (int)plant;
}
#define MN_PLANT(name) mn_plant_is(MN_PLANT_##name)

#else
#define MN_PLANT(name) 0
#endif

#endif
