import Codec

/// A network between numbered nodes (0...) that loses, doubles, delays and reorders, and whose links break one by one.
public struct SimulatedNetwork {
    /// How bad it is, drawn anew for each seed.
    public struct Weather: Hashable, Sendable {
        /// Of 1,000 messages.
        public var lost = 0
        public var doubled = 0
        /// Messages that take `slowestMilliseconds` instead of a usual time.
        public var slow = 0
        public var usualMicroseconds: ClosedRange<Int64> = 50...500
        public var slowestMilliseconds: Int64 = 1_000

        public init() {}

        /// A perfect network.
        public static let fair = Weather()

        /// Anything from a good day to a very bad one.
        public static func drawn(by generator: inout SeededGenerator) -> Weather {
            var weather = Weather()
            if generator.chance(1, in: 2) { weather.lost = generator.pick(1...150) }
            if generator.chance(1, in: 2) { weather.doubled = generator.pick(1...150) }
            if generator.chance(1, in: 2) { weather.slow = generator.pick(1...80) }
            weather.usualMicroseconds = 50...generator.pick(100...Int64(20_000))
            weather.slowestMilliseconds = generator.pick(50...Int64(4_000))
            return weather
        }
    }

    public var weather: Weather
    public let nodeCount: Int
    /// `isCut[from][to]`: nothing passes in this direction. Both tables are empty until something is cut or clogged: in a
    /// large mesh they would be larger than everything else.
    private var isCut: [[Bool]] = []
    /// `cloggedUntil[from][to]`: what is sent before then arrives, in its order, only then (FoundationDB's clogging).
    private var cloggedUntil: [[Instant]] = []

    public init(nodeCount: Int, weather: Weather) {
        self.nodeCount = nodeCount
        self.weather = weather
    }

    private mutating func makeTables() {
        guard isCut.isEmpty else { return }
        isCut = Array(repeating: Array(repeating: false, count: nodeCount), count: nodeCount)
        cloggedUntil = Array(repeating: Array(repeating: .zero, count: nodeCount), count: nodeCount)
    }

    /// When copies of a message arrive; none where it is lost.
    ///
    /// - Parameter isStream: what is lost is sent again, as TCP does it: after 200 ms, then twice as late each time.
    public func arrivals(
        from: Int, to: Int, at now: Instant, isStream: Bool = false, _ generator: inout SeededGenerator
    ) -> [Instant] {
        guard passes(from: from, to: to) else { return [] }
        var now = now
        var pause = Interval.milliseconds(200)
        while generator.chance(weather.lost, in: 1_000) {
            guard isStream, pause < .seconds(10) else { return [] }
            now = now + pause
            pause = pause * 2
        }
        if !cloggedUntil.isEmpty, cloggedUntil[from][to] > now { return [cloggedUntil[from][to]] }
        var arrivals = [now + delay(&generator)]
        if !isStream, generator.chance(weather.doubled, in: 1_000) { arrivals.append(now + delay(&generator)) }
        return arrivals
    }

    private func delay(_ generator: inout SeededGenerator) -> Interval {
        if generator.chance(weather.slow, in: 1_000) {
            return .milliseconds(generator.pick(1...weather.slowestMilliseconds))
        }
        return Interval(nanoseconds: generator.pick(weather.usualMicroseconds) * 1_000)
    }

    public func passes(from: Int, to: Int) -> Bool { isCut.isEmpty || !isCut[from][to] }

    /// Heals all links.
    public mutating func heal() {
        guard !isCut.isEmpty else { return }
        for from in 0..<nodeCount {
            for to in 0..<nodeCount {
                isCut[from][to] = false
                cloggedUntil[from][to] = .zero
            }
        }
    }

    /// Holds back everything on some links until `end`; returns which, for the story.
    public mutating func clog(until end: Instant, _ generator: inout SeededGenerator) -> String {
        makeTables()
        let node = generator.pick(0...(nodeCount - 1))
        let other = generator.pick(0...(nodeCount - 1))
        switch generator.pick(0...2) {
        case 0:
            cloggedUntil[node][other] = end
            return "from n\(node + 1) to n\(other + 1)"
        case 1:
            for to in 0..<nodeCount { cloggedUntil[node][to] = end }
            return "from n\(node + 1)"
        default:
            for from in 0..<nodeCount { cloggedUntil[from][node] = end }
            return "to n\(node + 1)"
        }
    }

    /// One node's network is on its way out: what is sent to it comes late, what it sends not at all.
    public mutating func fade(_ node: Int, until end: Instant) {
        makeTables()
        for from in 0..<nodeCount { cloggedUntil[from][node] = end }
        cut(node, incoming: false)
    }

    /// Heals what leads to and from one node.
    public mutating func rejoin(_ node: Int) {
        guard !isCut.isEmpty else { return }
        for other in 0..<nodeCount {
            isCut[node][other] = false
            isCut[other][node] = false
        }
    }

    /// Cuts one link, both ways.
    public mutating func cutLink(_ node: Int, _ other: Int) {
        cut { from, to in from == node && to == other || from == other && to == node }
    }

    /// Cuts what leads to a node, or from it.
    public mutating func cut(_ node: Int, incoming: Bool) {
        cut { from, to in incoming ? to == node : from == node }
    }

    /// Cuts one node off, both ways.
    public mutating func isolate(_ node: Int) { cut { from, to in from == node || to == node } }

    /// Breaks links in one of the shapes that networks really break in; returns what it did, for the story.
    public mutating func breakApart(_ generator: inout SeededGenerator) -> String {
        let node = generator.pick(0...(nodeCount - 1))
        switch generator.pick(0...5) {
        case 0:
            let side = (0..<nodeCount).map { _ in generator.chance(1, in: 2) }
            cut { from, to in side[from] != side[to] }
            return "splits into \(names(side, true)) and \(names(side, false))"
        case 1:
            isolate(node)
            return "cuts off n\(node + 1)"
        case 2:
            cut { from, _ in from == node }
            return "nothing from n\(node + 1) arrives"
        case 3:
            cut { _, to in to == node }
            return "nothing reaches n\(node + 1)"
        case 4:
            // Everyone sees only the bridge (decentralizedthoughts, 2020).
            cut { from, to in from != node && to != node }
            return "all but n\(node + 1) lose each other"
        default:
            let other = generator.pick(0...(nodeCount - 1))
            cut { from, to in from == node && to == other || from == other && to == node }
            return "the link between n\(node + 1) and n\(other + 1) breaks"
        }
    }

    private mutating func cut(_ isWanted: (Int, Int) -> Bool) {
        makeTables()
        for from in 0..<nodeCount {
            for to in 0..<nodeCount where from != to && isWanted(from, to) { isCut[from][to] = true }
        }
    }

    private func names(_ side: [Bool], _ wanted: Bool) -> String {
        let names = side.indices.filter { side[$0] == wanted }.map { "n\($0 + 1)" }
        return names.isEmpty ? "nobody" : names.joined(separator: ",")
    }
}
