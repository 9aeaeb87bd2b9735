import Codec
import GPUBackend
import Mesh
import Ring
import Scheduler

/// Copies what the attempts of this node write to another member while they write it, so that it can be read when this
/// host is gone. Confined to its loop.
///
/// One member keeps the copies of one node. A copy is at most half a second and one round trip behind; a job that writes
/// faster than the copying may go is copied with the same gaps as its log has.
final class LogShipper: @unchecked Sendable {
    private let node: MeshNode
    private let loop: any EventLoop
    /// What is not copied to its end, and how far it is.
    private var places: [AttemptKey: LogPlace] = [:]
    private var keeper: NodeID?
    private var stream: (any MessageStream)?
    /// The last one may have had no time for its rest.
    private var turn = 0

    private static let pause = Interval.milliseconds(500)
    /// For one that cannot take copies just now.
    private static let longPause = Interval.seconds(5)
    /// Of one log in one batch, and of all.
    private static let pieceBytes = 256 << 10
    private static let batchBytes = 4 << 20
    private static let batchPieces = 256
    /// The first level that knows of copies.
    private static let level: UInt64 = 2

    init(node: MeshNode) {
        self.node = node
        loop = node.loop
    }

    /// This attempt writes, or has written, here.
    func follow(_ key: AttemptKey) { if places[key] == nil { places[key] = LogPlace() } }

    func start() {
        loop.spawn("copy logs") { [self] in
            while node.isRunning {
                var pause = LogShipper.pause
                do {
                    while try await ship() {}
                } catch {
                    node.log.note("logs are not copied just now: \(APIFailure(error).message)")
                    leave()
                    pause = LogShipper.longPause
                }
                do { try await loop.sleep(for: pause) } catch { return }
            }
        }
    }

    private func leave() {
        stream?.cancel()
        stream = nil
        keeper = nil
        for key in places.keys { places[key] = LogPlace() }
    }

    /// One batch; whether there may be more at once.
    private func ship() async throws -> Bool {
        guard !places.isEmpty else { return false }
        guard let chosen = chooseKeeper() else {
            leave()
            return false
        }
        if chosen != keeper { leave() }
        let (pieces, silent, isFull) = try await collect()
        for key in silent { places[key] = nil }
        guard !pieces.isEmpty else { return false }
        let stream: any MessageStream
        if let open = self.stream {
            stream = open
        } else {
            stream = try await node.peers.openStream(.logCopy, to: chosen)
            self.stream = stream
            keeper = chosen
        }
        try await stream.send(LogBatch(pieces: pieces).encoded())
        guard let bytes = try await stream.receive() else { throw MeshError.disconnected }
        let answer = try LogBatch.Answer(encoded: bytes)
        guard answer.ends.count == pieces.count else {
            throw NodeError.malformedRequest("an answer for other pieces of logs")
        }
        var hasMoved = false
        for (piece, end) in zip(pieces, answer.ends) {
            guard let end else {
                if isForgotten(piece.key) { places[piece.key] = nil }
                continue
            }
            hasMoved = hasMoved || !piece.bytes.isEmpty
            places[piece.key] = piece.isLast && end == piece.place ? nil : end
        }
        return isFull && hasMoved
    }

    private func isForgotten(_ key: AttemptKey) -> Bool {
        node.state.attempt(key) == nil && !node.runner.holds(key)
    }

    /// The same for as long as it is there, and another for every node.
    private func chooseKeeper() -> NodeID? {
        node.state.members.filter { member in
            member.id != node.id && member.mayRunWork && member.levels.highest >= LogShipper.level
                && member.presence == .present && node.peers.isConnected(member.id)
        }.map(\.id).max { score($0) < score($1) }
    }

    /// Rendezvous hashing: when a member goes only what it kept goes elsewhere.
    private func score(_ other: NodeID) -> UInt64 {
        var generator = SeededGenerator(seed: node.id.rawValue ^ other.rawValue &* 0x9E37_79B9_7F4A_7C15)
        return generator.next()
    }

    /// `silent` are those that have ended and never wrote: they leave no copy, as they leave no log.
    private func collect() async throws -> (pieces: [LogBatch.Piece], silent: [AttemptKey], isFull: Bool) {
        let keys = places.keys.sorted()
        turn = turn < keys.count ? turn : 0
        let wanted = (keys[turn...] + keys[..<turn]).map { key in
            // Whether more can come is asked before the look at the file: what was written in between is then seen.
            (
                key: key, place: places[key] ?? LogPlace(), path: AttemptPlan.logPath(key, in: node.directory),
                isLive: node.runner.isLive(key)
            )
        }
        let found = await loop.offload {
            Result { () throws(HostError) -> (pieces: [LogBatch.Piece], silent: [AttemptKey], isFull: Bool) in
                var pieces: [LogBatch.Piece] = []
                var silent: [AttemptKey] = []
                var room = LogShipper.batchBytes
                for log in wanted {
                    guard room > 0, pieces.count < LogShipper.batchPieces else {
                        return (pieces, silent, true)
                    }
                    let next = try LogCopy(path: log.path).next(after: log.place, maximumBytes: LogShipper.pieceBytes)
                    guard next != nil || !log.isLive else { continue }
                    if next == nil, log.place == LogPlace() {
                        silent.append(log.key)
                        continue
                    }
                    let bytes = next?.bytes ?? []
                    room -= bytes.count
                    pieces.append(
                        LogBatch.Piece(
                            key: log.key, place: next?.place ?? log.place, bytes: Bytes(bytes), isLast: next == nil))
                }
                return (pieces, silent, pieces.contains { $0.bytes.count == LogShipper.pieceBytes })
            }
        }
        turn += 1
        return try found.get()
    }

    // MARK: The other side

    /// Keeps copies of the logs of a member.
    func serve(_ stream: any MessageStream, from member: NodeID) async throws {
        while let bytes = try await stream.receive() {
            let batch = try LogBatch(encoded: bytes)
            let wanted = batch.pieces.map { piece in
                (
                    piece: piece, isTaken: isTaken(piece, from: member),
                    path: AttemptPlan.logPath(piece.key, in: node.directory)
                )
            }
            let ends = await loop.offload {
                Result { () throws(HostError) -> [LogPlace?] in
                    var ends: [LogPlace?] = []
                    for (piece, isTaken, path) in wanted {
                        let copy = LogCopy(path: path)
                        let end = isTaken ? try copy.take(piece.bytes.array, at: piece.place) : nil
                        if piece.isLast, end == piece.place { try copy.seal() }
                        ends.append(end)
                    }
                    return ends
                }
            }
            try await stream.send(LogBatch.Answer(ends: try ends.get()).encoded())
        }
        await stream.finish()
    }

    /// Only of an attempt that is the member's own, as far as the state here knows by now.
    private func isTaken(_ piece: LogBatch.Piece, from member: NodeID) -> Bool {
        piece.bytes.count <= LogShipper.pieceBytes && node.state.attempt(piece.key)?.node == member
    }
}
