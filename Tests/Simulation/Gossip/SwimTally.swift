import Codec

/// Who was taken for dead since the trouble began, without the story: for meshes whose history would fill the memory.
public struct SwimTally {
    public struct Death: Sendable {
        public var first: Instant
        public var last: Instant
        public var observers: Int
    }

    /// By node; nil where nobody took it for dead.
    public private(set) var deaths: [Death?]
    /// Deaths of nodes that were running, as those saw them who are not excused.
    public private(set) var falseDeaths = 0
    /// The same for suspicions.
    public private(set) var falseSuspicions = 0
    /// Nodes that trouble is made for: what they see, and what is seen of them, is not held against the mesh.
    private var isExcused: [Bool]

    init(nodeCount: Int) {
        deaths = Array(repeating: nil, count: nodeCount)
        isExcused = Array(repeating: false, count: nodeCount)
    }

    /// A new trouble, for these nodes.
    public mutating func begin(excused: some Sequence<Int>) {
        self = SwimTally(nodeCount: deaths.count)
        for node in excused { isExcused[node] = true }
    }

    mutating func add(_ change: SwimSimulation.Change, isRunning: Bool) {
        let (subject, observer) = (SwimSimulation.number(change.subject), SwimSimulation.number(change.observer))
        let isFalse = isRunning && !isExcused[subject] && !isExcused[observer]
        switch change.state {
        case .suspect: if isFalse { falseSuspicions += 1 }
        case .dead:
            if isFalse { falseDeaths += 1 }
            var death = deaths[subject] ?? Death(first: change.instant, last: change.instant, observers: 0)
            death.last = change.instant
            death.observers += 1
            deaths[subject] = death
        case .alive, .left: break
        }
    }
}
