/// Something that a token may allow.
public enum AccessAct: String, Hashable, Sendable, CaseIterable {
    /// Start a job.
    case run
    /// Read what a job wrote.
    case logs
    /// Fetch files of a job.
    case fetch
    /// Cancel a job.
    case cancel
    /// See how the mesh is: its members and its queue.
    case status

    /// Whether it leaves everything as it is.
    public var isReadOnly: Bool { self != .run && self != .cancel }

    private var bit: UInt8 { 1 << UInt8(AccessAct.allCases.firstIndex(of: self) ?? 0) }

    /// Several acts, in the order of their declaration.
    public struct Several: Hashable, Sendable, CustomStringConvertible {
        private var bits: UInt8 = 0

        public init(_ acts: [AccessAct] = []) { for act in acts { bits |= act.bit } }

        public var all: [AccessAct] { AccessAct.allCases.filter { contains($0) } }
        public var isEmpty: Bool { bits == 0 }
        public func contains(_ act: AccessAct) -> Bool { bits & act.bit != 0 }
        public func isSubset(of other: Several) -> Bool { bits & ~other.bits == 0 }
        public mutating func keepOnly(_ other: Several) { bits &= other.bits }
        /// `run, logs`
        public var description: String { all.map(\.rawValue).joined(separator: ", ") }
    }
}
