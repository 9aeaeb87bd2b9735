#pragma once

// The compression function of BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020-01-09). It is in C because Swift
// cannot compile one function for AVX2 or AVX-512 and choose between them at run time; the tree is in the module Codec.

#include <stddef.h>
#include <stdint.h>

/// One compression: the 16 output words for a block of 16 words.
void blake3_compress(
    const uint32_t chaining_value[8], const uint32_t block[16], uint64_t counter, uint32_t block_length, uint32_t flags,
    uint32_t out[16]);

/// What all inputs of one call have in common.
struct blake3_inputs {
    /// The first input; the next one starts `stride` bytes after it.
    const uint8_t *first;
    size_t stride;
    /// Whole blocks of 64 bytes in every input.
    size_t blocks;
    /// Counter of the first input; it grows by `counter_step` from one to the next.
    uint64_t counter;
    uint64_t counter_step;
    uint32_t flags;
    /// Added at the first and at the last block.
    uint32_t flags_start;
    uint32_t flags_end;
};

/// The chaining values of `count` inputs, 8 words each, into `out`, which may not overlap the inputs.
///
/// At most `lanes` inputs are hashed side by side, which may not be more than `blake3_lane_count` says.
void blake3_hash_many(
    const struct blake3_inputs *inputs, size_t count, const uint32_t key[8], size_t lanes, uint32_t *out);

/// How many inputs the processor of this machine hashes side by side.
size_t blake3_lane_count(void);
