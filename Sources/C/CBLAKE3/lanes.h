// Hashes LANES inputs side by side, one input a vector lane. Included once for every width, with LANES, TARGET (the
// attribute that lets the compiler use wider registers) and NAME(x) (x with the width at its end) defined.

typedef uint32_t NAME(vector) __attribute__((vector_size(LANES * 4)));
typedef uint32_t NAME(unaligned) __attribute__((vector_size(LANES * 4), aligned(1), may_alias));

#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define MIX(a, b, c, d, x, y)        \
    do {                             \
        a = a + b + (x);             \
        d = ROTATE(d ^ a, 16);       \
        c = c + d;                   \
        b = ROTATE(b ^ c, 12);       \
        a = a + b + (y);             \
        d = ROTATE(d ^ a, 8);        \
        c = c + d;                   \
        b = ROTATE(b ^ c, 7);        \
    } while (0)
#define ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15) \
    do {                                                                            \
        MIX(v0, v4, v8, v12, m[m0], m[m1]);                                         \
        MIX(v1, v5, v9, v13, m[m2], m[m3]);                                         \
        MIX(v2, v6, v10, v14, m[m4], m[m5]);                                        \
        MIX(v3, v7, v11, v15, m[m6], m[m7]);                                        \
        MIX(v0, v5, v10, v15, m[m8], m[m9]);                                        \
        MIX(v1, v6, v11, v12, m[m10], m[m11]);                                      \
        MIX(v2, v7, v8, v13, m[m12], m[m13]);                                       \
        MIX(v3, v4, v9, v14, m[m14], m[m15]);                                       \
    } while (0)

// Word i of row j becomes word j of row i: interleaving the halves log2(LANES) times turns the square over.
TARGET static inline void NAME(transpose)(NAME(vector) rows[LANES]) {
    for (int width = 1; width < LANES; width *= 2) {
        NAME(vector) next[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = __builtin_shufflevector(rows[i], rows[i + LANES / 2], INTERLEAVE_LOW);
            next[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + LANES / 2], INTERLEAVE_HIGH);
        }
        for (int i = 0; i < LANES; i++) rows[i] = next[i];
    }
}

TARGET static void NAME(hash)(
    const struct blake3_inputs *inputs, size_t first, const uint32_t key[8], uint32_t *out) {
    NAME(vector) h[8], counter_low, counter_high;
    for (int i = 0; i < 8; i++) h[i] = key[i] - (NAME(vector)){0};
    for (int lane = 0; lane < LANES; lane++) {
        uint64_t counter = inputs->counter + (first + lane) * inputs->counter_step;
        counter_low[lane] = (uint32_t)counter;
        counter_high[lane] = (uint32_t)(counter >> 32);
    }
    const uint8_t *input = inputs->first + first * inputs->stride;
    for (size_t block = 0; block < inputs->blocks; block++, input += 64) {
        NAME(vector) m[16];
        for (int part = 0; part < 16; part += LANES) {
            for (int lane = 0; lane < LANES; lane++) {
                m[part + lane] = *(const NAME(unaligned) *)(input + lane * inputs->stride + part * 4);
            }
            NAME(transpose)(m + part);
        }
        uint32_t flags = inputs->flags;
        if (block == 0) flags |= inputs->flags_start;
        if (block == inputs->blocks - 1) flags |= inputs->flags_end;
        NAME(vector) v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        NAME(vector) zero = {0};
        NAME(vector) v8 = zero + initial_vector[0], v9 = zero + initial_vector[1];
        NAME(vector) v10 = zero + initial_vector[2], v11 = zero + initial_vector[3];
        NAME(vector) v12 = counter_low, v13 = counter_high, v14 = zero + 64, v15 = zero + flags;
        ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);
        ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);
        ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);
        ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);
        ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);
        ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);
        h[0] = v0 ^ v8;
        h[1] = v1 ^ v9;
        h[2] = v2 ^ v10;
        h[3] = v3 ^ v11;
        h[4] = v4 ^ v12;
        h[5] = v5 ^ v13;
        h[6] = v6 ^ v14;
        h[7] = v7 ^ v15;
    }
    for (int lane = 0; lane < LANES; lane++) {
        for (int i = 0; i < 8; i++) out[(first + lane) * 8 + i] = h[i][lane];
    }
}

#undef ROTATE
#undef MIX
#undef ROUND
#undef LANES
#undef TARGET
#undef NAME
#undef INTERLEAVE_LOW
#undef INTERLEAVE_HIGH
