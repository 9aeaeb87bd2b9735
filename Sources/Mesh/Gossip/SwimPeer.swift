import Codec

/// A member of the mesh as the replicated membership names it.
public struct SwimPeer: Hashable, Sendable {
    public let id: NodeID
    /// What its signatures are checked with; empty where nothing is signed.
    public let key: [UInt8]

    public init(id: NodeID, key: [UInt8] = []) {
        self.id = id
        self.key = key
    }
}
