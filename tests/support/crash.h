/*
 * crash: the crash explorer: every way in which power may fail under a workload, each opened.
 *
 *   workload --> record of writes, resizes, syncs, acknowledgements     (crash_world, _record)
 *                   |
 *                   v   at each position: what is durable, what is pending
 *                stage  a simulated file that takes on one crash state after the other
 *                   |                                                   (crash_stage, _states)
 *                   v
 *                judge  opens the engine on it and checks I1 to I9 against the model
 *                                                                       (crash_judge)
 *
 * The model is a list of cells, each absent or a value; a layer says how the engine stores them.
 * What the model holds after each transaction is known by a print, a hash of the cells.
 *
 *   I1  the state is exactly one permitted transaction
 *   I2  no page is reached twice, none that is reached counts as free, no version has two slots
 *   I3  every index entry has its row, every row its entries
 *   I4  the trees have the shape they should have
 *   I5  nobody writes over a page of a durable, published or pinned version
 *   I6  opening reads and writes little, and a second opening finds the same
 *   I7  further transactions succeed, and so does what follows a second crash
 *   I8  no page counts as used that nothing reaches
 *   I9  damage and lying devices give right data or an error that names the place
 */
#ifndef MN_TESTS_SUPPORT_CRASH_H
#define MN_TESTS_SUPPORT_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/sim.h"
#include "store/store.h"

/* ---- the model ---- */

enum { CELLS = 40 };

struct cells {
    uint64_t value[CELLS]; /* 0: absent */
    uint32_t bytes[CELLS];
    uint32_t wrong; /* rows whose bytes nobody wrote */
    uint32_t ghost; /* rows without index entries, or entries without rows: 0 in every model */
};

uint64_t cells_print(const struct cells *cells);

/* ---- layers: how the engine stores cells ---- */

struct mn_db;

struct handle {
    const struct layer *layer;
    struct mn_store *store;
    struct mn_db *db; /* of the layer of statements */
    struct mn_view *writer;
    uint32_t savepoint;
    uint64_t version; /* of the last commit that was acknowledged */
};

struct place {
    struct mn_os *os;
    uint32_t page_size;
    enum mn_sync_mode sync;
    uint64_t seed; /* chooses the limits that are options */
};

struct layer {
    char name; /* in tokens */
    uint32_t cells;
    uint32_t run_bytes_max;
    enum mn_status (*open)(const struct place *place, struct handle *handle);
    void (*close)(struct handle *handle);
    /* What must be there before cells can be set; in a transaction of its own. */
    enum mn_status (*make)(struct handle *handle);
    enum mn_status (*begin)(struct handle *handle);
    enum mn_status (*set)(struct handle *handle, uint32_t cell, uint64_t value, uint32_t bytes);
    enum mn_status (*savepoint)(struct handle *handle);
    void (*rollback)(struct handle *handle); /* and release */
    void (*release)(struct handle *handle);
    enum mn_status (*commit)(struct handle *handle);
    void (*abort)(struct handle *handle);
    /* The newest version's cells. MN_ERROR: bytes that nobody wrote. */
    enum mn_status (*read)(struct handle *handle, struct cells *cells);
    /* The same of a view that was begun before; NULL where there is no such thing. */
    enum mn_status (*read_view)(struct mn_view *view, struct cells *cells);
    /* Faults of I2, I4 and I8 at these indexes, with the first one's text. */
    enum mn_status (*check)(struct handle *handle, uint32_t faults[10], char *text, size_t size);
    /* Of the open transaction: another number once something large was cut in two or merged; NULL
     * where there is no such thing. */
    uint64_t (*form)(struct handle *handle);
    /* Does a page of kind branch hold raw pointers? */
    bool raw;
    /* Its cells are all there is: a file begins without any. */
    bool bare;
};

extern const struct layer layer_raw, layer_trees, layer_sql, layer_vectors, layer_defs;

/* ---- pages of a version, by FORMAT.md alone ---- */

struct image {
    const uint8_t *bytes;
    uint64_t size;
    uint32_t page_size;
    bool raw;
};

enum { SLOTS = 4, SLOT_BYTES = 4096, BLOCK = 4096, UNIT = 4096, FIXED = 14 * UNIT };

/* Where the format puts them, for pages of at most 4096 bytes. */
static inline uint64_t slot_at(uint64_t slot)
{
    return (slot < 2 ? 11 + 2 * slot : slot - 1) * UNIT;
}

static inline bool is_fixed(uint64_t offset)
{
    return offset < 3 * UNIT || (offset >= 11 * UNIT && offset < FIXED);
}

/* A bit for each page that the version in this slot reaches; false: a pointer is out of bounds. */
bool image_reach(const struct image *image, const uint8_t *slot, uint8_t *bits, uint64_t pages);
bool image_slot_is_whole(const struct image *image, const uint8_t *slot);
uint64_t image_slot_version(const uint8_t *slot);

/* ---- records ---- */

enum record_kind {
    REC_PAUSE, /* what follows is not explored */
    REC_OLDER, /* from the next start on this may be the state too; print */
    REC_START, /* from here on it is, also what is pending now; print: A */
    REC_WRITE,
    REC_RESIZE,
    REC_SYNC,
    REC_SYNC_FAILED, /* mask: which pieces arrived */
    REC_BEGIN,       /* a commit begins; print: what it will be */
    REC_ACK,         /* it was acknowledged */
    REC_REFUSE,      /* it failed, and nothing happened */
    REC_SETTLE,      /* what was uncertain is known: print */
    REC_PROMISE      /* without syncs in commits: this state is durable now; print */
};

struct record_entry {
    enum record_kind kind;
    uint64_t offset, size, print, mask;
    bool moves;   /* of a begin: the layer's form is another one than before */
    size_t bytes; /* of a write: place in `arena` */
    size_t slice; /* of a write: place of its first slice in `slices` */
    size_t first; /* of a begin: its changes, `size` of them */
};

struct change {
    uint64_t value;
    uint32_t cell, bytes;
};

struct version {
    uint64_t number, slot_hash;
    uint8_t *reach; /* bits */
};

enum { VERSIONS_MAX = 250, PAGES_MAX = 16384 };

struct record {
    struct record_entry *entries;
    size_t count, capacity;
    uint8_t *arena;
    size_t used, arena_capacity;
    size_t *slices; /* sizes: the pieces of a write reach the device slice by slice */
    size_t slice_count, slice_capacity;
    struct change *changes;
    size_t change_first, change_count, change_capacity; /* first: of the open transaction */
    struct version versions[VERSIONS_MAX];
    uint32_t version_count;
    uint64_t slot_of[SLOTS]; /* version now in each slot */
    uint64_t guarded[8]; /* versions whose pages nobody may write over: durable, published, pins */
    uint32_t guarded_count;
    struct image image;
    struct mn_os *os;
    char fault[160]; /* I5: the first write that hit a guarded page */
    /* Faults to come. */
    int sync_fails, dies, write_fails; /* events until then, -1: not */
    uint32_t write_fault;
    uint32_t dies_within; /* 0: before the event; else within a write, after so many of its parts */
    uint64_t sync_mask;
    struct mn_file *victim;
    bool from_name; /* what comes after a new file got its name is explored; print: empty */
    uint64_t name_print;
    bool waits_growth; /* faults to come count from the next growth of the file on */
    bool sync_kills;   /* the process dies of the sync that fails */
    bool sync_failed, died;
    void (*interrupt)(void *context); /* called once after `interrupt_after` events */
    void *interrupt_context;
    int interrupt_after;
};

void record_start(struct record *record, struct mn_os *os, const struct place *place, bool raw);
void record_stop(struct record *record);
void record_free(struct record *record);
void record_note(struct record *record, enum record_kind kind, uint64_t print);
/* A commit begins. */
void record_begin(struct record *record, uint64_t print, bool moves);
/* One change of the transaction whose commit begins next. */
void record_change(struct record *record, struct change change);
/* Registers the versions whose slots were written since the last call. */
void record_versions(struct record *record);
/* The newest version written. */
uint64_t record_newest(const struct record *record);

/* ---- workloads ---- */

enum { OPS_MAX = 96 };
/* The second digit of a fault: from here on it waits until the file grows. */
enum { AFTER_GROWTH = 18 };

struct op {
    char kind;
    uint8_t a, b; /* below 36 */
};

struct workload {
    const struct layer *layer;
    uint32_t page_size;
    enum mn_sync_mode sync;
    uint64_t seed;
    struct op ops[OPS_MAX];
    uint32_t op_count;
};

enum { TOKEN_BYTES = OPS_MAX * 3 + 64 };
void workload_print(const struct workload *workload, char token[TOKEN_BYTES]);
bool workload_parse(const char *token, struct workload *workload);

/* A way to draw operations. */
struct shape {
    const char *name;
    const struct layer *layers[2];
    enum mn_sync_mode sync;
    void (*draw)(struct workload *workload, uint64_t *random);
    uint32_t weight; /* how often it is taken, against the others */
    uint32_t rounds; /* it is taken in every so-many-th round only: its workloads are long */
};
enum { SHAPES_MAX = 20 };
extern const struct shape shapes[];
extern const uint32_t shape_count;
/* The n-th workload of a shape under a seed. */
void shape_workload(const struct shape *shape, uint64_t seed, uint64_t n, struct workload *out);
/* The n-th of all sequences of at most 3 operations; false: there are no more. */
bool shape_sequence(uint64_t n, struct workload *out);

/* ---- the explorer ---- */

enum fault_kind {
    KIND_SUBSET,   /* any of the pending writes */
    KIND_TEAR_512, /* one of them by sectors */
    KIND_TEAR_8,
    KIND_GARBAGE,
    KIND_SIZE,     /* the size leads, zeros or stale bytes behind */
    KIND_FAILED,   /* after a sync that failed */
    KIND_KILL,     /* the process dies, then power fails */
    KIND_RECOVERY, /* power fails during recovery or the commits after it */
    KIND_LYING,    /* a sync that did not */
    KIND_DAMAGE,   /* a durable page changes */
    KINDS
};
extern const char *const kind_names[KINDS];

enum outcome { OUT_A, OUT_I, OUT_OLDER, OUT_REFUSED, OUTCOMES };

struct tally {
    uint64_t raw, distinct, opened;
    uint64_t moving, moving_distinct; /* of these, in flight: a cut or a merge */
    uint64_t kinds[KINDS], outcomes[OUTCOMES];
    uint64_t commits; /* made on crash states */
};

/* A hash table of 64-bit keys with a word each. */
struct table {
    uint64_t *keys, *words;
    size_t mask, count;
};
/* The word of a key; NULL: it is not there. */
uint64_t *table_get(struct table *table, uint64_t key);
/* Adds a key that is not there. */
void table_add(struct table *table, uint64_t key, uint64_t word);
void table_free(struct table *table);

struct finding {
    int invariant;  /* 0: none */
    uint64_t state; /* raw states before it */
    enum fault_kind kind;
    char text[400];
};

struct stage;

/* The transaction in flight: whoever finds that it did not happen may make it again. */
struct retry {
    const struct change *changes;
    size_t count;
    uint64_t from; /* the print of what it began from */
};

struct explorer {
    const struct workload *workload;
    struct tally *tally;
    struct table seen, memo;
    struct finding finding;
    uint64_t log_hash, random;
    uint32_t checks; /* bit n: In is checked */
    uint32_t effort; /* 1: short, 4: usual */
    uint32_t depth;
    struct stage *stages; /* STAGES of them, used again and again */
    struct retry retry;
    bool moving; /* the transaction in flight cuts or merges */
    bool lean;   /* only the enumeration: no kills, damage or second crashes */
};

enum { STAGE_LEVELS = 2, STAGES = 3 }; /* one a depth, and the late one */
enum { CHECKS_ALL = 0x3FE };

void explorer_free(struct explorer *x);
/* The first finding is kept. */
void explorer_found(struct explorer *x, int invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Runs a workload, and all its crash states. False: there is a finding. */
bool crash_explore(struct explorer *x, const struct workload *workload);

/* ---- between its files ---- */

uint64_t crash_random(struct explorer *x);

/* Runs the operations; the record then holds all that happened. */
void world_run(struct explorer *x, struct record *record);

enum { PRINTS_MAX = 1024 };

/* What the state may be: permit[0] is A. */
struct permit {
    uint64_t prints[PRINTS_MAX];
    uint32_t count;
    bool refuse; /* an error that names the place is an answer */
};

struct piece {
    uint64_t offset, size;
    const uint8_t *bytes; /* NULL: a new size */
};

struct stage {
    struct mn_os *os;
    uint64_t room; /* bytes its file may have */
    const struct record *record;
    struct piece *pieces; /* pending, oldest first */
    size_t count, capacity;
    uint64_t *page_hash; /* of what is durable */
    struct {
        uint32_t key;
        uint64_t sum;
        bool known;
    } sums[64];
    uint64_t slot_hash[SLOTS], fixed_hash; /* of what is durable; superblock and notice */
    uint32_t page_shift;
};

/* The stage's file becomes this image; a zeroed stage, or one used before. */
bool stage_begin(struct stage *stage, const struct record *record, const uint8_t *bytes,
                 uint64_t size);
void stage_free(struct stage *stage);
/* Adds the pieces of a write or resize. */
void stage_pend(struct stage *stage, const struct record_entry *entry);
/* Makes those pieces durable (mask NULL: all) and forgets the rest. */
void stage_sync(struct stage *stage, const uint8_t *keep);
/* The oldest `count` pieces become durable, the others stay pending. */
void stage_sync_first(struct stage *stage, size_t count);
void stage_arrive(struct stage *stage, const struct piece *piece);
void stage_rewind(struct stage *stage);
/* What of the file counts, as it is now: the hash of the state, and that of all that decides. */
void stage_hash(struct stage *stage, uint64_t *state, uint64_t *all);

/* Walks a record over a file that began as `bytes`. */
void states_walk(struct explorer *x, const struct record *record, const uint8_t *bytes,
                 uint64_t size, uint64_t print);

/* Judges what the stage's file is now, and rewinds it. */
void judge(struct explorer *x, struct stage *stage, const struct permit *permit,
           enum fault_kind kind);

#endif
