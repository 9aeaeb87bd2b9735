import Codec

/// Everything about a job.
public struct JobDetail: Hashable, Sendable {
    public var view: JobView
    public var command: [String]
    public var resources: ResourcesView
    /// Of every task that has any, in order; at most 1,000.
    public var attempts: [AttemptView]
    public var checkpoints: [CheckpointView]
    public var results: ResultsView?
    public var workingTree: Digest?
    /// nil: its tasks start when there is room for them.
    public var gang: GangView?

    public init(
        view: JobView, command: [String], resources: ResourcesView, attempts: [AttemptView],
        checkpoints: [CheckpointView], results: ResultsView? = nil, workingTree: Digest? = nil, gang: GangView? = nil
    ) {
        self.gang = gang
        self.view = view
        self.command = command
        self.resources = resources
        self.attempts = attempts
        self.checkpoints = checkpoints
        self.results = results
        self.workingTree = workingTree
    }
}

extension JobDetail: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        view = try map.require(1)
        command = try map.require(2)
        resources = try map.require(3)
        attempts = try map.require(4)
        checkpoints = try map.require(5)
        results = try map.optional(6)
        workingTree = try map.optional(7)
        gang = try map.optional(8)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, view)
        map.set(2, command)
        map.set(3, resources)
        map.set(4, attempts)
        map.set(5, checkpoints)
        map.set(6, results)
        map.set(7, workingTree)
        map.set(8, gang)
        return .map(map)
    }
}
