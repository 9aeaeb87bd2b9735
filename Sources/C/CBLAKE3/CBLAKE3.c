#include "CBLAKE3.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the words of BLAKE3 are little-endian and are loaded as they are"
#endif

// The first words of SHA-256.
static const uint32_t initial_vector[8] = {
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

// The message words of every round (paper, table 2, applied again and again).
static const uint8_t schedule[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

static inline uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline void mix(uint32_t *v, int a, int b, int c, int d, uint32_t x, uint32_t y) {
    v[a] = v[a] + v[b] + x;
    v[d] = rotate(v[d] ^ v[a], 16);
    v[c] = v[c] + v[d];
    v[b] = rotate(v[b] ^ v[c], 12);
    v[a] = v[a] + v[b] + y;
    v[d] = rotate(v[d] ^ v[a], 8);
    v[c] = v[c] + v[d];
    v[b] = rotate(v[b] ^ v[c], 7);
}

void blake3_compress(
    const uint32_t chaining_value[8], const uint32_t block[16], uint64_t counter, uint32_t block_length, uint32_t flags,
    uint32_t out[16]) {
    uint32_t v[16];
    memcpy(v, chaining_value, 32);
    memcpy(v + 8, initial_vector, 16);
    v[12] = (uint32_t)counter;
    v[13] = (uint32_t)(counter >> 32);
    v[14] = block_length;
    v[15] = flags;
#pragma unroll
    for (int round = 0; round < 7; round++) {
        const uint8_t *s = schedule[round];
        mix(v, 0, 4, 8, 12, block[s[0]], block[s[1]]);
        mix(v, 1, 5, 9, 13, block[s[2]], block[s[3]]);
        mix(v, 2, 6, 10, 14, block[s[4]], block[s[5]]);
        mix(v, 3, 7, 11, 15, block[s[6]], block[s[7]]);
        mix(v, 0, 5, 10, 15, block[s[8]], block[s[9]]);
        mix(v, 1, 6, 11, 12, block[s[10]], block[s[11]]);
        mix(v, 2, 7, 8, 13, block[s[12]], block[s[13]]);
        mix(v, 3, 4, 9, 14, block[s[14]], block[s[15]]);
    }
    for (int i = 0; i < 8; i++) {
        out[i] = v[i] ^ v[i + 8];
        out[i + 8] = v[i + 8] ^ chaining_value[i];
    }
}

#define LANES 4
#define TARGET
#define NAME(x) x##4
#define INTERLEAVE_LOW 0, 4, 1, 5
#define INTERLEAVE_HIGH 2, 6, 3, 7
#include "lanes.h"

#if defined(__x86_64__)
#define LANES 8
#define TARGET __attribute__((target("avx2")))
#define NAME(x) x##8
#define INTERLEAVE_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define INTERLEAVE_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#include "lanes.h"

#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw")))
#define NAME(x) x##16
#define INTERLEAVE_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define INTERLEAVE_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#include "lanes.h"
#endif

size_t blake3_lane_count(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        return 16;
    }
    if (__builtin_cpu_supports("avx2")) return 8;
#endif
    return 4;
}

static void hash_one(const struct blake3_inputs *inputs, size_t index, const uint32_t key[8], uint32_t *out) {
    uint32_t chaining_value[8], block_words[16], output[16];
    memcpy(chaining_value, key, 32);
    for (size_t block = 0; block < inputs->blocks; block++) {
        uint32_t flags = inputs->flags;
        if (block == 0) flags |= inputs->flags_start;
        if (block == inputs->blocks - 1) flags |= inputs->flags_end;
        memcpy(block_words, inputs->first + index * inputs->stride + block * 64, 64);
        blake3_compress(
            chaining_value, block_words, inputs->counter + index * inputs->counter_step, 64, flags, output);
        memcpy(chaining_value, output, 32);
    }
    memcpy(out + index * 8, chaining_value, 32);
}

void blake3_hash_many(
    const struct blake3_inputs *inputs, size_t count, const uint32_t key[8], size_t lanes, uint32_t *out) {
    size_t done = 0;
#if defined(__x86_64__)
    for (; lanes >= 16 && count - done >= 16; done += 16) hash16(inputs, done, key, out);
    for (; lanes >= 8 && count - done >= 8; done += 8) hash8(inputs, done, key, out);
#endif
    for (; lanes >= 4 && count - done >= 4; done += 4) hash4(inputs, done, key, out);
    for (; done < count; done++) hash_one(inputs, done, key, out);
}
