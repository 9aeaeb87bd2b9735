import Codec
import Tokens

/// One step of giving a host another swarmlet. Each may be asked for again.
public struct UpgradeRequest: Hashable, Sendable {
    /// By name or short id; nil: the host that is asked.
    public var node: String?
    public var step: Step
    /// The BLAKE3 digest of the program that is to run there.
    public var program: Digest
    /// It as a tree of one file, which members have from each other.
    public var tree: Digest?
    /// That tree, where it is offered; its content follows as for a submit.
    public var manifest: Bytes?
    /// Whether it may be older than what runs there.
    public var allowsOlder: Bool
    /// To another member: the word of the host that asks. A caller of a host has none, and is known by his credentials.
    public var statement: ProgramStatement?

    public enum Step: UInt64, Hashable, Sendable, CaseIterable {
        /// Says what runs there.
        case look = 1
        /// Brings the program there and asks it whether it can do its work; what runs stays.
        case prepare = 2
        /// Puts it into the old one's place and runs it.
        case change = 3
    }

    public init(
        node: String? = nil, step: Step, program: Digest, tree: Digest? = nil, manifest: Bytes? = nil,
        allowsOlder: Bool = false, statement: ProgramStatement? = nil
    ) {
        self.node = node
        self.step = step
        self.program = program
        self.tree = tree
        self.manifest = manifest
        self.allowsOlder = allowsOlder
        self.statement = statement
    }
}

extension UpgradeRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.optional(1)
        let number: UInt64 = try map.require(2)
        guard let step = Step(rawValue: number) else { throw .invalid("step \(number) is not known to this version") }
        self.step = step
        program = try map.require(3)
        tree = try map.optional(4)
        manifest = try map.optional(5)
        allowsOlder = try map.optional(6) ?? false
        statement = try map.optional(7)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, step.rawValue)
        map.set(3, program)
        map.set(4, tree)
        map.set(5, manifest)
        map.set(6, allowsOlder ? true : nil)
        map.set(7, statement)
        return .map(map)
    }
}
