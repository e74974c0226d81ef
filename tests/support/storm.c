/*
 * storm: transactions drawn from their numbers, and what they add up to.
 */
#include "support/storm.h"

enum { HUNDRED = 100, BIG_ROWS = 280, ID_STEP = 100000 };

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ (b + 1) * UINT64_C(0xC2B2AE3D27D4EB4F);

    x ^= x >> 31;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    return x ^ (x >> 29);
}

static uint64_t draw(uint32_t writer, uint32_t txn, uint64_t what)
{
    return mix(mix(writer, txn), what);
}

uint32_t storm_rows(uint32_t writer, uint32_t txn)
{
    uint64_t kind = draw(writer, txn, 1) % 16;

    return kind < 10 ? 1 : kind < 15 ? HUNDRED : BIG_ROWS;
}

uint32_t storm_row(uint32_t writer, uint32_t txn, uint32_t n)
{
    if (storm_rows(writer, txn) == BIG_ROWS) {
        return STORM_SMALL + (uint32_t)((draw(writer, txn, 2) + n) % STORM_BIG);
    }
    return (uint32_t)(draw(writer, txn, 100 + n) % STORM_SMALL);
}

bool storm_deletes(uint32_t writer, uint32_t txn, uint32_t n)
{
    return storm_rows(writer, txn) == HUNDRED && n % 10 == 9;
}

int64_t storm_id(uint32_t writer, uint32_t row)
{
    return (int64_t)writer * ID_STEP + row;
}

size_t storm_text(uint32_t writer, uint32_t row, uint32_t txn, char *text)
{
    size_t length = row < STORM_SMALL ? 20 + draw(writer, txn, row) % 60 : STORM_BIG_BYTES;

    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = mix(draw(writer, txn, row), i);

        for (size_t k = 0; k < 8 && i + k < length; k++) {
            text[i + k] = (char)('a' + (word >> (8 * k) & 15));
        }
    }
    return length;
}

void storm_advance(struct storm_model *model, uint32_t writer, uint32_t txn)
{
    while (model->txn < txn) {
        uint32_t now = ++model->txn;

        for (uint32_t n = 0; n < storm_rows(writer, now); n++) {
            uint32_t *wrote = &model->wrote[storm_row(writer, now, n)];
            uint32_t value = storm_deletes(writer, now, n) ? 0 : now;

            model->count += (value != 0) - (uint64_t)(*wrote != 0);
            model->sum += value - (uint64_t)*wrote;
            *wrote = value;
        }
    }
}
