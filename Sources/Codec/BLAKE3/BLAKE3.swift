/// The BLAKE3 hash (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020-01-09) with its keyed and key-derivation modes.
///
/// The input is cut into chunks of 1,024 bytes, the leaves of a binary tree whose left subtrees are complete. A value of
/// this type holds the unfinished chunk and the roots of the finished complete subtrees, at most 54 of them.
public struct BLAKE3: Sendable {
    typealias ChainingValue = SIMD8<UInt32>

    private let key: ChainingValue
    private let flags: UInt32
    /// How many chunks are finished and stand, merged, in `subtrees`.
    private var chunkCount: UInt64 = 0
    /// Roots of complete subtrees, largest first: one for every bit that is set in `chunkCount`.
    private var subtrees: [ChainingValue] = []
    /// The chunk being filled; it is never finished before more input is known to follow.
    private var chunk: BLAKE3Chunk

    /// The plain hash.
    public init() { self.init(key: BLAKE3Kernel.initialVector, flags: 0) }

    /// The keyed hash: a message authentication code.
    ///
    /// - Parameter key: exactly 32 bytes.
    public init(key: [UInt8]) {
        precondition(key.count == 32, "a BLAKE3 key has 32 bytes")
        let words = key.withUnsafeBytes { $0.loadUnaligned(as: ChainingValue.self) }
        self.init(key: words, flags: BLAKE3Flags.keyedHash)
    }

    /// Key derivation: the input is the key material.
    ///
    /// - Parameter context: a fixed text that is unique to this use, never input of a user.
    public init(deriveKeyContext context: String) {
        var contextHash = BLAKE3(key: BLAKE3Kernel.initialVector, flags: BLAKE3Flags.deriveKeyContext)
        contextHash.update(Array(context.utf8))
        let words = contextHash.output(byteCount: 32).withUnsafeBytes { $0.loadUnaligned(as: ChainingValue.self) }
        self.init(key: words, flags: BLAKE3Flags.deriveKeyMaterial)
    }

    private init(key: ChainingValue, flags: UInt32) {
        self.key = key
        self.flags = flags
        chunk = BLAKE3Chunk(key: key, counter: 0, flags: flags)
    }

    /// The plain hash of some bytes.
    public static func hash(_ bytes: [UInt8]) -> Digest {
        var hasher = BLAKE3()
        hasher.update(bytes)
        return hasher.finalize()
    }

    // MARK: Input

    /// Takes in more bytes.
    public mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Takes in more bytes.
    public mutating func update(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Takes in more bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard var input = bytes.baseAddress else { return }
        var left = bytes.count
        while left > 0 {
            if chunk.byteCount == BLAKE3Chunk.byteLimit { finishChunk() }
            if chunk.byteCount == 0, let chunks = batchSize(byteCount: left) {
                let root = BLAKE3Kernel.batch(input, chunks: chunks, key: key, counter: chunkCount, flags: flags)
                add(subtree: root, chunks: UInt64(chunks))
                input += chunks * BLAKE3Chunk.byteLimit
                left -= chunks * BLAKE3Chunk.byteLimit
                continue
            }
            let taken = min(left, BLAKE3Chunk.byteLimit - chunk.byteCount)
            chunk.update(UnsafeRawBufferPointer(start: input, count: taken))
            input += taken
            left -= taken
        }
    }

    /// The largest complete subtree that can be hashed at once here. Strictly less than the input: the last chunk must
    /// stay open, it may turn out to be the root.
    private func batchSize(byteCount: Int) -> Int? {
        guard byteCount > 4 * BLAKE3Chunk.byteLimit else { return nil }
        return BLAKE3Kernel.batchSizes.first {
            byteCount > $0 * BLAKE3Chunk.byteLimit && chunkCount % UInt64($0) == 0
        }
    }

    private mutating func finishChunk() {
        add(subtree: chunk.output.chainingValue, chunks: 1)
    }

    /// Merges a complete subtree into those before it: as often as a binary counter of chunks would carry.
    private mutating func add(subtree: ChainingValue, chunks: UInt64) {
        chunkCount += chunks
        var root = subtree
        var pairs = chunkCount / chunks
        while pairs & 1 == 0 {
            root = parent(subtrees.removeLast(), root).chainingValue
            pairs >>= 1
        }
        subtrees.append(root)
        chunk = BLAKE3Chunk(key: key, counter: chunkCount, flags: flags)
    }

    private func parent(_ left: ChainingValue, _ right: ChainingValue) -> BLAKE3Output {
        BLAKE3Output(
            input: key, block: SIMD16(lowHalf: left, highHalf: right), counter: 0, blockLength: 64,
            flags: flags | BLAKE3Flags.parent)
    }

    // MARK: Output

    /// The 32-byte hash of everything taken in so far; more may follow.
    public func finalize() -> Digest {
        let words = rootOutput().rootBlock(0).lowHalf
        func pair(_ index: Int) -> UInt64 {
            UInt64(words[index].byteSwapped) << 32 | UInt64(words[index + 1].byteSwapped)
        }
        return Digest(words: (pair(0), pair(2), pair(4), pair(6)))
    }

    /// Any number of output bytes; the first 32 are the hash.
    public func output(byteCount: Int) -> [UInt8] {
        let root = rootOutput()
        var bytes = [UInt8]()
        bytes.reserveCapacity(byteCount)
        var counter: UInt64 = 0
        while bytes.count < byteCount {
            let block = root.rootBlock(counter)
            withUnsafeBytes(of: block) { bytes.append(contentsOf: $0.prefix(byteCount - bytes.count)) }
            counter += 1
        }
        return bytes
    }

    private func rootOutput() -> BLAKE3Output {
        var output = chunk.output
        for subtree in subtrees.reversed() { output = parent(subtree, output.chainingValue) }
        return output
    }
}
