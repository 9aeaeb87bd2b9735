import Codec
import Scheduler

/// Does something beside the command of a task that runs, inside of it and with its rights. `HandInput` may follow.
public struct HandRequest: Hashable, Sendable {
    public var job: JobID
    public var task: UInt32
    /// Between members: which attempt.
    public var attempt: UInt32?
    public var kind: Kind
    /// Between members: a rank of the gang asks. It is done once the attempt runs and its setup has ended, instead of refused
    /// before, and what a command leaves running stays: launchers of daemons end as soon as those are started.
    public var isOfGang: Bool

    public enum Kind: Hashable, Sendable {
        /// Without a terminal its output comes by stream.
        case run(arguments: [String], terminal: HandTerminal?)
        /// A connection to a port of the loopback that it sees.
        case connect(port: UInt16)
        /// What the command itself is to read follows.
        case input
    }

    public init(
        job: JobID, task: UInt32 = 0, attempt: UInt32? = nil, kind: Kind, isOfGang: Bool = false
    ) {
        self.job = job
        self.task = task
        self.attempt = attempt
        self.kind = kind
        self.isOfGang = isOfGang
    }
}

extension HandRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        task = try map.require(2)
        attempt = try map.optional(3)
        isOfGang = try map.optional(8) ?? false
        if let arguments = try map.optional(4, [String].self) {
            guard !arguments.isEmpty else { throw .invalid("nothing to run") }
            kind = .run(arguments: arguments, terminal: try map.optional(5))
        } else if try map.optional(7, Bool.self) == true {
            kind = .input
        } else {
            let number: UInt64 = try map.require(6)
            guard let port = UInt16(exactly: number), port > 0 else { throw .invalid("port \(number)") }
            kind = .connect(port: port)
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, task)
        map.set(3, attempt)
        map.set(8, isOfGang ? true : nil)
        switch kind {
        case .run(let arguments, let terminal):
            map.set(4, arguments)
            map.set(5, terminal)
        case .connect(let port): map.set(6, UInt64(port))
        case .input: map.set(7, true)
        }
        return .map(map)
    }
}
