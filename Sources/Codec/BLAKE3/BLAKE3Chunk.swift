/// Domain separation of the compression function (BLAKE3 paper, table 3).
enum BLAKE3Flags {
    static let chunkStart: UInt32 = 1 << 0
    static let chunkEnd: UInt32 = 1 << 1
    static let parent: UInt32 = 1 << 2
    static let root: UInt32 = 1 << 3
    static let keyedHash: UInt32 = 1 << 4
    static let deriveKeyContext: UInt32 = 1 << 5
    static let deriveKeyMaterial: UInt32 = 1 << 6
}

/// The last compression of a chunk or parent, held back because it differs where it is the root.
struct BLAKE3Output {
    let input: BLAKE3.ChainingValue
    let block: SIMD16<UInt32>
    let counter: UInt64
    let blockLength: UInt32
    let flags: UInt32

    /// What goes up the tree.
    var chainingValue: BLAKE3.ChainingValue {
        BLAKE3Kernel.compress(input, block, counter: counter, blockLength: blockLength, flags: flags).lowHalf
    }

    /// The numbered block of the root's output.
    func rootBlock(_ number: UInt64) -> SIMD16<UInt32> {
        BLAKE3Kernel.compress(
            input, block, counter: number, blockLength: blockLength, flags: flags | BLAKE3Flags.root)
    }
}

/// A chunk of at most 1,024 bytes that is being filled; its last block waits until more input is known to follow.
struct BLAKE3Chunk: Sendable {
    static let byteLimit = 1024
    private static let blockByteCount = 64

    private var chainingValue: BLAKE3.ChainingValue
    private let counter: UInt64
    private let flags: UInt32
    private var block = SIMD16<UInt32>()
    private var blockFill = 0
    private var blocksDone = 0

    init(key: BLAKE3.ChainingValue, counter: UInt64, flags: UInt32) {
        chainingValue = key
        self.counter = counter
        self.flags = flags
    }

    var byteCount: Int { blocksDone * BLAKE3Chunk.blockByteCount + blockFill }

    private var startFlag: UInt32 { blocksDone == 0 ? BLAKE3Flags.chunkStart : 0 }

    /// - Parameter input: no more than is missing to a full chunk.
    mutating func update(_ input: UnsafeRawBufferPointer) {
        var input = input[...]
        while !input.isEmpty {
            if blockFill == BLAKE3Chunk.blockByteCount { compressBlock() }
            let taken = min(input.count, BLAKE3Chunk.blockByteCount - blockFill)
            withUnsafeMutableBytes(of: &block) { target in
                UnsafeMutableRawBufferPointer(rebasing: target[blockFill..<blockFill + taken])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: input.prefix(taken)))
            }
            blockFill += taken
            input = input.dropFirst(taken)
        }
    }

    private mutating func compressBlock() {
        chainingValue =
            BLAKE3Kernel.compress(chainingValue, block, counter: counter, blockLength: 64, flags: flags | startFlag)
            .lowHalf
        blocksDone += 1
        block = SIMD16()
        blockFill = 0
    }

    /// The chunk as it would end here.
    var output: BLAKE3Output {
        BLAKE3Output(
            input: chainingValue, block: block, counter: counter, blockLength: UInt32(blockFill),
            flags: flags | startFlag | BLAKE3Flags.chunkEnd)
    }
}
