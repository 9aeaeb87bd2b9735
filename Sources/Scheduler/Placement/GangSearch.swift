import Codec

/// The nodes for a gang, best first, while rooms are looked at one after the other: those that can hold its ranks now,
/// then those that lack the least.
struct GangSearch: Sendable {
    let gang: GangSpec
    let task: Resources
    private let holders: [NodeID]
    /// Attempts that a host could not start.
    private let failed: [Attempt]
    private let avoid: NodeID?
    /// The room to be looked at next.
    private(set) var next = 0
    /// At most as many as the gang has nodes, ascending.
    private var best: [Candidate] = []

    enum Result: Sendable {
        /// These rooms hold the gang now, in the order of its nodes.
        case place([Int])
        /// These will, once enough has ended there.
        case wait([Int])
        case nowhere
    }

    private struct Candidate: Sendable, Comparable {
        var room: Int
        var lack: Lack
        var score: Room.Score?

        static func < (left: Candidate, right: Candidate) -> Bool {
            if left.lack != right.lack { return left.lack < right.lack }
            guard let leftScore = left.score, let rightScore = right.score, leftScore != rightScore else {
                return left.room < right.room
            }
            return leftScore < rightScore
        }
    }

    /// What has to end on a node before its ranks fit there; CPUs and memory in thousandths of the node.
    private struct Lack: Sendable, Comparable {
        var gpus = 0
        var thousandths: UInt64 = 0

        static func < (left: Lack, right: Lack) -> Bool {
            (left.gpus, left.thousandths) < (right.gpus, right.thousandths)
        }
    }

    init(_ gang: GangSpec, _ task: Resources, holders: [NodeID], failed: [Attempt], avoid: NodeID?) {
        self.gang = gang
        self.task = task
        self.holders = holders
        self.failed = failed
        self.avoid = avoid
    }

    mutating func look(at room: Room) {
        let index = next
        next += 1
        guard let share = gang.share(of: task, on: room.capacity), Fit.everFits(share, room.capacity) else { return }
        var candidate = Candidate(room: index, lack: Lack())
        if room.fits(share) {
            candidate.score = room.score(share, holders, failed, avoid: avoid)
        } else {
            candidate.lack = Self.lack(of: share, in: room)
        }
        guard best.count < Int(gang.nodes) || best.last.map({ candidate < $0 }) ?? true else { return }
        let place = best.firstIndex { candidate < $0 } ?? best.count
        best.insert(candidate, at: place)
        if best.count > Int(gang.nodes) { best.removeLast() }
    }

    /// When every room has been looked at.
    func result(_ rooms: [Room]) -> Result {
        guard best.count == Int(gang.nodes) else { return .nowhere }
        let chosen = best.map(\.room).sorted { rooms[$0].id < rooms[$1].id }
        return best.allSatisfy { $0.lack == Lack() } ? .place(chosen) : .wait(chosen)
    }

    private static func lack(of share: Resources, in room: Room) -> Lack {
        let memory = share.memoryBytes ?? 0
        let usable = Fit.usable(room.free.gpus, for: share).count
        return Lack(
            gpus: max(0, Int(share.gpus) - usable),
            // At least one, so that it is never taken for none.
            thousandths: 1 + part(share.cpuMillis, beyond: room.free.cpuMillis, of: room.capacity.cpuMillis)
                + part(memory, beyond: room.free.memoryBytes, of: room.capacity.memoryBytes))
    }

    private static func part(_ asked: UInt64, beyond free: UInt64, of whole: UInt64) -> UInt64 {
        guard asked > free, whole >= 1000 else { return 0 }
        return (asked - free) / (whole / 1000)
    }
}

extension Room {
    /// Keeps of what is free here, now and as it becomes free, what a waiting gang needs: the rest is for others.
    mutating func reserve(_ share: Resources) {
        let memory = share.memoryBytes ?? 0
        let kept = Fit.usable(free.gpus, for: share).prefix(Int(share.gpus)).map(\.index)
        free.cpuMillis -= min(free.cpuMillis, share.cpuMillis)
        free.memoryBytes -= min(free.memoryBytes, memory)
        free.gpus.removeAll { kept.contains($0.index) }
    }
}
