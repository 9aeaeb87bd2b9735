import Codec

/// Which word about a member is the newer one.
///
/// Only its owner makes a version greater: a restart raises the generation, being taken for dead the renewal, and a
/// suspicion or new facts the incarnation. Dead and left are final for a generation and renewal, a *life*.
public struct SwimVersion: Hashable, Comparable, Sendable {
    /// Of the start of its process: greater at each start. 0 for a member that was never heard.
    public var generation: UInt64
    /// How often it came back from being taken for dead since that start.
    public var renewal: UInt32
    /// Counts within a life.
    public var incarnation: UInt32

    public init(generation: UInt64, renewal: UInt32 = 0, incarnation: UInt32 = 0) {
        self.generation = generation
        self.renewal = renewal
        self.incarnation = incarnation
    }

    /// Of a member that was never heard.
    static let unheard = SwimVersion(generation: 0)

    /// The part that dead and left are final for.
    struct Life: Hashable, Comparable {
        let generation: UInt64
        let renewal: UInt32
        static func < (left: Life, right: Life) -> Bool {
            (left.generation, left.renewal) < (right.generation, right.renewal)
        }
    }

    var life: Life { Life(generation: generation, renewal: renewal) }

    public static func < (left: SwimVersion, right: SwimVersion) -> Bool {
        (left.generation, left.renewal, left.incarnation) < (right.generation, right.renewal, right.incarnation)
    }
}

extension SwimVersion: CBORCodable {
    /// Its encoded bytes.
    var byteCount: Int {
        1 + CBORSize.head(generation) + CBORSize.head(UInt64(renewal)) + CBORSize.head(UInt64(incarnation))
    }

    public var cbor: CBOR {
        .array([.unsigned(generation), .unsigned(UInt64(renewal)), .unsigned(UInt64(incarnation))])
    }

    public init(cbor: CBOR) throws(CodecError) {
        let fields = try cbor.requireArray()
        guard fields.count == 3 else { throw .invalid("a version that is cut off") }
        generation = try UInt64(cbor: fields[0])
        renewal = try UInt32(cbor: fields[1])
        incarnation = try UInt32(cbor: fields[2])
        guard generation <= SwimConstants.generationMax, renewal <= SwimConstants.renewalMax,
            incarnation <= SwimConstants.incarnationMax
        else { throw .invalid("a version that nobody can exceed") }
    }
}
