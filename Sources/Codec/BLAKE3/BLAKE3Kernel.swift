/// The compression function of BLAKE3 (paper, section 2.2): one block at a time in rows, and four inputs at a time with
/// one input a lane. Words are little-endian in memory, as on every target.
enum BLAKE3Kernel {
    /// The first words of SHA-256.
    static let initialVector = SIMD8<UInt32>(
        0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19)

    /// How many chunks `batch` takes: the largest complete subtree that is hashed in one go.
    static let batchChunks: UInt64 = 16
    static let batchByteCount = 16 * BLAKE3Chunk.byteLimit

    // MARK: One block

    /// The 16 output words of one compression.
    static func compress(
        _ chainingValue: SIMD8<UInt32>, _ block: SIMD16<UInt32>, counter: UInt64, blockLength: UInt32, flags: UInt32
    ) -> SIMD16<UInt32> {
        var rows = Rows(
            a: chainingValue.lowHalf, b: chainingValue.highHalf, c: initialVector.lowHalf,
            d: SIMD4(UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), blockLength, flags)
        )
        rows.round(block, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        rows.round(block, 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
        rows.round(block, 3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1)
        rows.round(block, 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6)
        rows.round(block, 12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4)
        rows.round(block, 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7)
        rows.round(block, 11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13)
        let low = SIMD8(lowHalf: rows.a ^ rows.c, highHalf: rows.b ^ rows.d)
        return SIMD16(lowHalf: low, highHalf: SIMD8(lowHalf: rows.c, highHalf: rows.d) ^ chainingValue)
    }

    /// The state as four rows of four words; a round mixes the columns, then the diagonals.
    private struct Rows {
        var a: SIMD4<UInt32>
        var b: SIMD4<UInt32>
        var c: SIMD4<UInt32>
        var d: SIMD4<UInt32>

        @inline(__always)
        mutating func mix(_ x: SIMD4<UInt32>, _ y: SIMD4<UInt32>) {
            a = a &+ b &+ x
            d = d ^ a
            d = d &>> 16 | d &<< 16
            c = c &+ d
            b = b ^ c
            b = b &>> 12 | b &<< 20
            a = a &+ b &+ y
            d = d ^ a
            d = d &>> 8 | d &<< 24
            c = c &+ d
            b = b ^ c
            b = b &>> 7 | b &<< 25
        }

        @inline(__always)
        mutating func round(
            _ m: SIMD16<UInt32>, _ i0: Int, _ i1: Int, _ i2: Int, _ i3: Int, _ i4: Int, _ i5: Int, _ i6: Int, _ i7: Int,
            _ i8: Int, _ i9: Int, _ i10: Int, _ i11: Int, _ i12: Int, _ i13: Int, _ i14: Int, _ i15: Int
        ) {
            mix(SIMD4(m[i0], m[i2], m[i4], m[i6]), SIMD4(m[i1], m[i3], m[i5], m[i7]))
            b = SIMD4(b[1], b[2], b[3], b[0])
            c = SIMD4(c[2], c[3], c[0], c[1])
            d = SIMD4(d[3], d[0], d[1], d[2])
            mix(SIMD4(m[i8], m[i10], m[i12], m[i14]), SIMD4(m[i9], m[i11], m[i13], m[i15]))
            b = SIMD4(b[3], b[0], b[1], b[2])
            c = SIMD4(c[2], c[3], c[0], c[1])
            d = SIMD4(d[1], d[2], d[3], d[0])
        }
    }

    // MARK: Many inputs

    /// The root of the complete subtree over the next 16 chunks.
    ///
    /// - Parameter counter: number of the first chunk; a multiple of 16.
    static func batch(_ input: UnsafeRawPointer, key: SIMD8<UInt32>, counter: UInt64, flags: UInt32) -> SIMD8<UInt32> {
        withUnsafeTemporaryAllocation(of: SIMD8<UInt32>.self, capacity: 24) { buffer in
            guard let leaves = buffer.baseAddress else {
                preconditionFailure("an allocation of 24 values is never empty")
            }
            let parents = leaves + 16
            var offset = 0
            while offset < 16 {
                hashLanes(
                    input + offset * BLAKE3Chunk.byteLimit, stride: BLAKE3Chunk.byteLimit, blocks: 16, key: key,
                    counter: counter + UInt64(offset), counterStep: 1, flags: flags, into: leaves + offset)
                offset += laneCount
            }
            let parentFlags = flags | BLAKE3Flags.parent
            offset = 0
            while offset < 8 {
                hashLanes(
                    leaves + offset * 2, stride: 64, blocks: 1, key: key, counter: 0, counterStep: 0,
                    flags: parentFlags,
                    into: parents + offset)
                offset += laneCount
            }
            var width = 8
            while width > 1 {
                width /= 2
                for index in 0..<width {
                    let block = SIMD16(lowHalf: parents[index * 2], highHalf: parents[index * 2 + 1])
                    parents[index] =
                        compress(key, block, counter: 0, blockLength: 64, flags: parentFlags).lowHalf
                }
            }
            return parents[0]
        }
    }

    typealias Lanes = SIMD4<UInt32>
    static let laneCount = 4

    /// Hashes as many inputs as there are lanes, all of the same number of whole blocks and `stride` bytes apart.
    private static func hashLanes(
        _ input: UnsafeRawPointer, stride: Int, blocks: Int, key: SIMD8<UInt32>, counter: UInt64, counterStep: UInt64,
        flags: UInt32, into output: UnsafeMutablePointer<SIMD8<UInt32>>
    ) {
        let isChunk = blocks > 1
        var counterLow = Lanes()
        var counterHigh = Lanes()
        for lane in 0..<laneCount {
            let laneCounter = counter + counterStep * UInt64(lane)
            counterLow[lane] = UInt32(truncatingIfNeeded: laneCounter)
            counterHigh[lane] = UInt32(truncatingIfNeeded: laneCounter >> 32)
        }
        var state = LaneState(key: key)
        withUnsafeTemporaryAllocation(of: Lanes.self, capacity: 16) { buffer in
            guard let message = buffer.baseAddress else { preconditionFailure("an allocation of 16 is never empty") }
            for block in 0..<blocks {
                load(input + block * 64, stride: stride, into: message)
                var blockFlags = flags
                if isChunk, block == 0 { blockFlags |= BLAKE3Flags.chunkStart }
                if isChunk, block == blocks - 1 { blockFlags |= BLAKE3Flags.chunkEnd }
                state.compress(message, counterLow: counterLow, counterHigh: counterHigh, flags: blockFlags)
            }
        }
        for lane in 0..<laneCount { output[lane] = state.chainingValue(lane) }
    }

    /// Transposes one block of every input: word `i` of input `lane` becomes `message[i][lane]`.
    @inline(__always)
    private static func load(_ input: UnsafeRawPointer, stride: Int, into message: UnsafeMutablePointer<Lanes>) {
        for word in 0..<16 {
            var lanes = Lanes()
            for lane in 0..<laneCount {
                lanes[lane] = (input + lane * stride + word * 4).loadUnaligned(as: UInt32.self)
            }
            message[word] = lanes
        }
    }

    /// The state of as many compressions as there are lanes; `h` is the chaining value.
    private struct LaneState {
        var h0: Lanes
        var h1: Lanes
        var h2: Lanes
        var h3: Lanes
        var h4: Lanes
        var h5: Lanes
        var h6: Lanes
        var h7: Lanes

        init(key: SIMD8<UInt32>) {
            h0 = Lanes(repeating: key[0])
            h1 = Lanes(repeating: key[1])
            h2 = Lanes(repeating: key[2])
            h3 = Lanes(repeating: key[3])
            h4 = Lanes(repeating: key[4])
            h5 = Lanes(repeating: key[5])
            h6 = Lanes(repeating: key[6])
            h7 = Lanes(repeating: key[7])
        }

        func chainingValue(_ lane: Int) -> SIMD8<UInt32> {
            SIMD8(h0[lane], h1[lane], h2[lane], h3[lane], h4[lane], h5[lane], h6[lane], h7[lane])
        }

        @inline(__always)
        mutating func compress(
            _ m: UnsafeMutablePointer<Lanes>, counterLow: Lanes, counterHigh: Lanes, flags: UInt32
        ) {
            var v0 = h0
            var v1 = h1
            var v2 = h2
            var v3 = h3
            var v4 = h4
            var v5 = h5
            var v6 = h6
            var v7 = h7
            var v8 = Lanes(repeating: initialVector[0])
            var v9 = Lanes(repeating: initialVector[1])
            var v10 = Lanes(repeating: initialVector[2])
            var v11 = Lanes(repeating: initialVector[3])
            var v12 = counterLow
            var v13 = counterHigh
            var v14 = Lanes(repeating: 64)
            var v15 = Lanes(repeating: flags)
            // Round 1
            mix(&v0, &v4, &v8, &v12, m[0], m[1])
            mix(&v1, &v5, &v9, &v13, m[2], m[3])
            mix(&v2, &v6, &v10, &v14, m[4], m[5])
            mix(&v3, &v7, &v11, &v15, m[6], m[7])
            mix(&v0, &v5, &v10, &v15, m[8], m[9])
            mix(&v1, &v6, &v11, &v12, m[10], m[11])
            mix(&v2, &v7, &v8, &v13, m[12], m[13])
            mix(&v3, &v4, &v9, &v14, m[14], m[15])
            // Round 2
            mix(&v0, &v4, &v8, &v12, m[2], m[6])
            mix(&v1, &v5, &v9, &v13, m[3], m[10])
            mix(&v2, &v6, &v10, &v14, m[7], m[0])
            mix(&v3, &v7, &v11, &v15, m[4], m[13])
            mix(&v0, &v5, &v10, &v15, m[1], m[11])
            mix(&v1, &v6, &v11, &v12, m[12], m[5])
            mix(&v2, &v7, &v8, &v13, m[9], m[14])
            mix(&v3, &v4, &v9, &v14, m[15], m[8])
            // Round 3
            mix(&v0, &v4, &v8, &v12, m[3], m[4])
            mix(&v1, &v5, &v9, &v13, m[10], m[12])
            mix(&v2, &v6, &v10, &v14, m[13], m[2])
            mix(&v3, &v7, &v11, &v15, m[7], m[14])
            mix(&v0, &v5, &v10, &v15, m[6], m[5])
            mix(&v1, &v6, &v11, &v12, m[9], m[0])
            mix(&v2, &v7, &v8, &v13, m[11], m[15])
            mix(&v3, &v4, &v9, &v14, m[8], m[1])
            // Round 4
            mix(&v0, &v4, &v8, &v12, m[10], m[7])
            mix(&v1, &v5, &v9, &v13, m[12], m[9])
            mix(&v2, &v6, &v10, &v14, m[14], m[3])
            mix(&v3, &v7, &v11, &v15, m[13], m[15])
            mix(&v0, &v5, &v10, &v15, m[4], m[0])
            mix(&v1, &v6, &v11, &v12, m[11], m[2])
            mix(&v2, &v7, &v8, &v13, m[5], m[8])
            mix(&v3, &v4, &v9, &v14, m[1], m[6])
            // Round 5
            mix(&v0, &v4, &v8, &v12, m[12], m[13])
            mix(&v1, &v5, &v9, &v13, m[9], m[11])
            mix(&v2, &v6, &v10, &v14, m[15], m[10])
            mix(&v3, &v7, &v11, &v15, m[14], m[8])
            mix(&v0, &v5, &v10, &v15, m[7], m[2])
            mix(&v1, &v6, &v11, &v12, m[5], m[3])
            mix(&v2, &v7, &v8, &v13, m[0], m[1])
            mix(&v3, &v4, &v9, &v14, m[6], m[4])
            // Round 6
            mix(&v0, &v4, &v8, &v12, m[9], m[14])
            mix(&v1, &v5, &v9, &v13, m[11], m[5])
            mix(&v2, &v6, &v10, &v14, m[8], m[12])
            mix(&v3, &v7, &v11, &v15, m[15], m[1])
            mix(&v0, &v5, &v10, &v15, m[13], m[3])
            mix(&v1, &v6, &v11, &v12, m[0], m[10])
            mix(&v2, &v7, &v8, &v13, m[2], m[6])
            mix(&v3, &v4, &v9, &v14, m[4], m[7])
            // Round 7
            mix(&v0, &v4, &v8, &v12, m[11], m[15])
            mix(&v1, &v5, &v9, &v13, m[5], m[0])
            mix(&v2, &v6, &v10, &v14, m[1], m[9])
            mix(&v3, &v7, &v11, &v15, m[8], m[6])
            mix(&v0, &v5, &v10, &v15, m[14], m[10])
            mix(&v1, &v6, &v11, &v12, m[2], m[12])
            mix(&v2, &v7, &v8, &v13, m[3], m[4])
            mix(&v3, &v4, &v9, &v14, m[7], m[13])
            h0 = v0 ^ v8
            h1 = v1 ^ v9
            h2 = v2 ^ v10
            h3 = v3 ^ v11
            h4 = v4 ^ v12
            h5 = v5 ^ v13
            h6 = v6 ^ v14
            h7 = v7 ^ v15
        }
    }

    @inline(__always)
    private static func mix(
        _ a: inout Lanes, _ b: inout Lanes, _ c: inout Lanes, _ d: inout Lanes, _ x: Lanes, _ y: Lanes
    ) {
        a = a &+ b &+ x
        d = d ^ a
        d = d &>> 16 | d &<< 16
        c = c &+ d
        b = b ^ c
        b = b &>> 12 | b &<< 20
        a = a &+ b &+ y
        d = d ^ a
        d = d &>> 8 | d &<< 24
        c = c &+ d
        b = b ^ c
        b = b &>> 7 | b &<< 25
    }
}
