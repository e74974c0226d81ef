/*
 * fuzz: what a fuzz target fuzz_<subject>.c defines.
 *
 * The same file is linked twice: with clang's libFuzzer by `zig build fuzz`, and with driver.c by
 * `zig build test`, which replays fuzz/corpus/<subject>/ and seeded inputs. A target links the
 * whole library and may open any room, but nothing of tests/.
 */
#ifndef MN_FUZZ_FUZZ_H
#define MN_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input. Anything but a clean return is a finding: abort() when an invariant is broken. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Optional: changes data in place to an input that reaches deeper (repairs checksums, keeps a
 * grammar); answers the new size, at most size_max. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

/* For custom mutators: the plain change of bytes, by whoever drives. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

#endif
