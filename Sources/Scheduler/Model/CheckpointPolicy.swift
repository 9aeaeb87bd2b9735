import Codec

/// Where a job writes its checkpoints and how often they are looked at.
public struct CheckpointPolicy: Hashable, Sendable, CBORCodable {
    /// Absolute, or relative to the working directory of the job.
    public var directory: String
    /// How often complete sets of files are looked for.
    public var everyMilliseconds: UInt64
    /// Names that belong to a checkpoint.
    public var patterns: [String]
    /// How many of the newest the mesh keeps.
    public var keep: UInt32

    public init(
        directory: String, everyMilliseconds: UInt64 = 2000,
        patterns: [String] = ["*.pt", "*.pth", "*.ckpt", "*.safetensors"], keep: UInt32 = 3
    ) {
        self.directory = directory
        self.everyMilliseconds = everyMilliseconds
        self.patterns = patterns
        self.keep = keep
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        directory = try map.require(1)
        everyMilliseconds = try map.optional(2) ?? 2000
        patterns = try map.optional(3) ?? ["*.pt", "*.pth", "*.ckpt", "*.safetensors"]
        keep = try map.optional(4) ?? 3
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, directory)
        map.set(2, everyMilliseconds)
        map.set(3, patterns)
        map.set(4, keep)
        return .map(map)
    }
}
