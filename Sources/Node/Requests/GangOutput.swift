import Codec
import Ring
import Scheduler

/// What the ranks of one attempt of a gang wrote, as one log: each piece with its rank, by the time at which it was
/// written. Confined to its loop.
final class GangOutput: @unchecked Sendable {
    private let node: MeshNode
    private let queues: [LoopQueue<LogChunk>]
    private let requests: [OutputRequest]
    private var failure: (any Error)?

    /// Pieces of one rank that wait for those of the others.
    private static let piecesMax = 8

    /// - Parameter requests: one for each rank that has written anything, ascending.
    init(_ requests: [OutputRequest], node: MeshNode) {
        self.node = node
        self.requests = requests
        queues = requests.map { _ in LoopQueue(node.loop, capacity: GangOutput.piecesMax) }
    }

    /// Hands out everything; what could not be had from one rank is said when all the others have been.
    func read(_ give: (LogChunk) async throws -> Void) async throws {
        let readers = requests.indices.map { index in
            node.loop.spawn("output of rank \(requests[index].key.task)") { [self] in await read(index) }
        }
        defer { for reader in readers { reader.cancel() } }
        var heads: [LogChunk?] = []
        // A piece that has no time of its own stays behind the one before it.
        var times: [Int64] = []
        for queue in queues {
            let head = try await queue.next()
            heads.append(head)
            times.append(head?.time ?? 0)
        }
        while let next = heads.indices.filter({ heads[$0] != nil }).min(by: { (times[$0], $0) < (times[$1], $1) }) {
            guard var chunk = heads[next] else { break }
            chunk.rank = requests[next].key.task
            try await give(chunk)
            heads[next] = try await queues[next].next()
            times[next] = max(times[next], heads[next]?.time ?? 0)
        }
        if let failure { throw failure }
    }

    private func read(_ index: Int) async {
        do {
            try await node.output.read(requests[index]) { [self] chunk in try await queues[index].send(chunk) }
        } catch {
            if failure == nil { failure = error }
        }
        queues[index].finish()
    }
}
