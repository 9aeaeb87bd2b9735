/// The number of a node inside its mesh, given at admission by the replicated state and never used again.
///
/// It stands for the node in Raft, in placements and in messages between members; the identity key behind it stands in
/// the membership. The founder of a mesh is 1; 0 is never given.
public struct NodeID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    public static func < (left: NodeID, right: NodeID) -> Bool { left.rawValue < right.rawValue }
    public var description: String { "n\(rawValue)" }
}
