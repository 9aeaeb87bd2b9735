import Codec

/// One task of one job.
public struct TaskKey: Hashable, Comparable, Sendable, CBORCodable {
    public var job: JobID
    /// From 0.
    public var index: UInt32

    public init(job: JobID, index: UInt32) {
        self.job = job
        self.index = index
    }

    /// What a person calls it: "42", or "42_7" in an array.
    public func text(inArray: Bool) -> String { inArray ? "\(job)_\(index)" : "\(job)" }

    public static func < (left: TaskKey, right: TaskKey) -> Bool {
        left.job != right.job ? left.job < right.job : left.index < right.index
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        index = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, index)
        return .map(map)
    }
}
