import CBLAKE3

/// The compression function of BLAKE3 and the subtrees that are hashed in one go, over the C kernel.
enum BLAKE3Kernel {
    /// The first words of SHA-256.
    static let initialVector = SIMD8<UInt32>(
        0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19)

    /// How many chunks `batch` may take, the best first: wide enough for every vector unit, small enough for the
    /// first-level cache.
    static let batchSizes = [16, 8, 4]

    /// How many inputs this processor hashes side by side.
    static let laneCount = blake3_lane_count()

    /// The 16 output words of one compression.
    static func compress(
        _ chainingValue: SIMD8<UInt32>, _ block: SIMD16<UInt32>, counter: UInt64, blockLength: UInt32, flags: UInt32
    ) -> SIMD16<UInt32> {
        var output = SIMD16<UInt32>()
        withWords(chainingValue) { chainingValue in
            withWords(block) { block in
                withUnsafeMutablePointer(to: &output) { output in
                    output.withMemoryRebound(to: UInt32.self, capacity: 16) {
                        blake3_compress(chainingValue, block, counter, blockLength, flags, $0)
                    }
                }
            }
        }
        return output
    }

    /// The root of the complete subtree over the next chunks.
    ///
    /// - Parameters:
    ///   - chunks: how many, one of `batchSizes`; the input is that many chunks long at least.
    ///   - counter: number of the first chunk; a multiple of `chunks`.
    ///   - lanes: no more than `laneCount`; the result does not depend on it.
    static func batch(
        _ input: UnsafeRawPointer, chunks: Int, key: SIMD8<UInt32>, counter: UInt64, flags: UInt32,
        lanes: Int = laneCount
    ) -> SIMD8<UInt32> {
        var inputs = blake3_inputs(
            first: input.assumingMemoryBound(to: UInt8.self), stride: BLAKE3Chunk.byteLimit, blocks: 16,
            counter: counter, counter_step: 1, flags: flags, flags_start: BLAKE3Flags.chunkStart,
            flags_end: BLAKE3Flags.chunkEnd)
        return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2 * chunks * 8) { words in
            guard var nodes = words.baseAddress else {
                preconditionFailure("an allocation of some words is never empty")
            }
            var parents = nodes + chunks * 8
            withWords(key) { key in
                blake3_hash_many(&inputs, chunks, key, lanes, nodes)
                var width = chunks / 2
                while width > 0 {
                    inputs = blake3_inputs(
                        first: UnsafeRawPointer(nodes).assumingMemoryBound(to: UInt8.self), stride: 64, blocks: 1,
                        counter: 0, counter_step: 0, flags: flags | BLAKE3Flags.parent, flags_start: 0, flags_end: 0)
                    blake3_hash_many(&inputs, width, key, lanes, parents)
                    (nodes, parents) = (parents, nodes)
                    width /= 2
                }
            }
            return UnsafeRawPointer(nodes).loadUnaligned(as: SIMD8<UInt32>.self)
        }
    }

    private static func withWords<T>(_ vector: T, _ body: (UnsafePointer<UInt32>) -> Void) {
        withUnsafePointer(to: vector) { pointer in
            pointer.withMemoryRebound(to: UInt32.self, capacity: MemoryLayout<T>.size / 4, body)
        }
    }
}
