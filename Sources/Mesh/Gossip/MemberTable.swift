import Codec

/// All members of the mesh with what is known of them, sorted by id; this node itself is among them.
///
/// In pages, so that the tables of many cores in one process share what they agree on.
struct MemberTable: Sendable {
    private static let pageSize = 64
    private(set) var ids: [NodeID] = []
    private var keys: [[UInt8]] = []
    private var pages: [[SwimMember]] = []

    init() {}

    /// Of these peers, with what `member` knows of each.
    init(_ peers: [SwimPeer], member: (NodeID) -> SwimMember) {
        for peer in peers.sorted(by: { $0.id < $1.id }) where ids.last != peer.id {
            if ids.count % Self.pageSize == 0 { pages.append([]) }
            ids.append(peer.id)
            keys.append(peer.key)
            pages[pages.count - 1].append(member(peer.id))
        }
    }

    var count: Int { ids.count }

    func index(of id: NodeID) -> Int? {
        guard let first = ids.first, id >= first else { return nil }
        // Numbers are given one after the other: mostly there is no gap.
        let guess = Int(clamping: id.rawValue - first.rawValue)
        if guess < ids.count, ids[guess] == id { return guess }
        let index = firstIndex(from: id)
        return index < ids.count && ids[index] == id ? index : nil
    }

    /// Of the first member with this id or a greater one.
    func firstIndex(from id: NodeID) -> Int {
        var low = 0
        var high = ids.count
        while low < high {
            let middle = (low + high) / 2
            if ids[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func key(of id: NodeID) -> [UInt8]? { index(of: id).map { keys[$0] } }

    subscript(index: Int) -> SwimMember {
        get { pages[index / Self.pageSize][index % Self.pageSize] }
        _modify { yield &pages[index / Self.pageSize][index % Self.pageSize] }
    }
}
