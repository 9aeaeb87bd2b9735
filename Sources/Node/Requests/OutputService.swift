import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// Which output is wanted.
struct OutputRequest: Sendable {
    var key: AttemptKey
    /// Where the attempt ran.
    var node: NodeID
    /// nil: from the beginning.
    var place: LogCursor?
    var follow: Bool
    var tailLines: UInt64?
    /// Unix nanoseconds.
    var since: Int64?
    /// Where its node is gone, what another has copied will do.
    var takesCopy = true
}

/// Reads what attempts wrote, here or on the node where they ran. Confined to its loop.
final class OutputService: @unchecked Sendable {
    private let node: MeshNode

    private static let retryPause = Interval.milliseconds(200)

    init(node: MeshNode) { self.node = node }

    /// Hands out the output in order until its end; with `follow` that is the end of the attempt.
    func read(_ request: OutputRequest, _ give: (LogChunk) async throws -> Void) async throws {
        if request.node == node.id { return try await readHere(request, give) }
        var rest = request
        var isGiving = false
        let isLost = request.takesCopy && !node.state.isPresent(request.node)
        if isLost, try await readCopy(request, give) { return }
        do {
            try await readThere(request) { chunk in
                isGiving = true
                try await give(chunk)
                isGiving = false
                rest.place = chunk.next.place
                rest.tailLines = nil
            }
        } catch {
            guard request.takesCopy, !isLost, !isGiving, try await readCopy(rest, give) else { throw error }
        }
    }

    // MARK: Copies

    /// What a member has copied of the output while its node was there; false where nobody has.
    private func readCopy(_ request: OutputRequest, _ give: (LogChunk) async throws -> Void) async throws -> Bool {
        var request = request
        request.follow = false
        if try copy(of: request.key).exists {
            try await giveCopy(request, give)
            return true
        }
        for member in node.state.members where member.id != node.id && member.id != request.node {
            guard member.presence == .present, node.peers.isConnected(member.id) else { continue }
            request.node = member.id
            var isGiving = false
            do {
                try await readOnce(request, isOfCopy: true) { chunk in
                    isGiving = true
                    try await give(chunk)
                    isGiving = false
                    request.place = chunk.next.place
                    request.tailLines = nil
                }
                return true
            } catch {
                // Another one may have it, or more of it.
                if isGiving { throw error }
            }
        }
        return false
    }

    private func giveCopy(_ request: OutputRequest, _ give: (LogChunk) async throws -> Void) async throws {
        var last = OutputCursor(attempt: request.key.attempt, place: request.place)
        try await readHere(request) { chunk in
            try await give(chunk)
            last = chunk.next
        }
        if !copy(of: request.key).isWhole { try await give(.cut(at: last)) }
    }

    private func copy(of key: AttemptKey) -> LogCopy {
        LogCopy(path: AttemptPlan.logPath(key, in: node.directory))
    }

    /// Serves another node.
    func serve(_ stream: any MessageStream) async throws {
        guard let bytes = try await stream.receive(), case .logs(let request) = try APIRequest(encoded: bytes) else {
            throw NodeError.malformedRequest("expected a request for output")
        }
        let key = AttemptKey(job: request.job, task: request.task, attempt: request.attempt ?? 1)
        let wanted = OutputRequest(
            key: key, node: node.id, place: request.cursor?.place, follow: request.follow,
            tailLines: request.tailLines, since: request.since)
        try await node.loop.answer(stream) { [self] in
            guard try !request.isOfCopy || copy(of: key).exists else {
                throw NodeError.logLost(key.job, attempt: key.attempt, node: node.views.nodeName(node.id))
            }
            let read = request.isOfCopy ? giveCopy : readHere
            try await read(wanted) { chunk in try await stream.send(APIReply.log(chunk).encoded()) }
            try await stream.send(APIReply.done.encoded())
        }
        await stream.finish()
    }

    /// Follows through a restart of the daemon there: what was given is not given again, and nothing is left out.
    private func readThere(_ request: OutputRequest, _ give: (LogChunk) async throws -> Void) async throws {
        var request = request
        var isGiving = false
        while true {
            do {
                return try await readOnce(request) { chunk in
                    isGiving = true
                    try await give(chunk)
                    isGiving = false
                    request.place = chunk.next.place
                    request.tailLines = nil
                }
            } catch {
                guard request.follow, !isGiving, canComeBack(request) else { throw error }
                try await node.loop.sleep(for: OutputService.retryPause)
            }
        }
    }

    /// Whether the rest of the output may still be had: its node is not lost, nor is the attempt.
    private func canComeBack(_ request: OutputRequest) -> Bool {
        node.isRunning && node.state.isPresent(request.node) && node.state.attempt(request.key)?.outcome != .lost
    }

    private func readOnce(
        _ request: OutputRequest, isOfCopy: Bool = false, _ give: (LogChunk) async throws -> Void
    ) async throws {
        let stream = try await node.peers.openStream(.log, to: request.node)
        defer { stream.cancel() }
        let asked = LogsRequest(
            job: request.key.job, task: request.key.task, attempt: request.key.attempt, follow: request.follow,
            tailLines: request.tailLines, cursor: OutputCursor(attempt: request.key.attempt, place: request.place),
            isOfCopy: isOfCopy, since: request.since)
        try await stream.send(APIRequest.logs(asked).encoded())
        while let bytes = try await stream.receive() {
            switch try APIReply(encoded: bytes) {
            case .log(let chunk): try await give(chunk)
            case .done: return
            case .failure(let failure): throw failure
            default: throw NodeError.malformedRequest("an answer that is no output")
            }
        }
        throw NodeError.logLost(
            request.key.job, attempt: request.key.attempt, node: node.views.nodeName(request.node))
    }

    private func readHere(_ request: OutputRequest, _ give: (LogChunk) async throws -> Void) async throws {
        let path = AttemptPlan.logPath(request.key, in: node.directory)
        if HostFiles.exists(Housekeeping.mark(ofOutput: request.key.job, in: node.directory.logs)) {
            throw NodeError.outputGone(request.key.job, node: node.views.nodeName(node.id))
        }
        let watch = request.follow ? try LogWatch(log: path, loop: node.loop) : nil
        var reader = LogReader(path: path, from: request.place ?? LogCursor())
        if let lines = request.tailLines {
            // Beside the loop: the log may be long, and all of it one line.
            let tail = try await node.loop.offload {
                Result { () throws(HostError) in try LogTail.read(path: path, lines: Int(clamping: lines)) }
            }.get()
            reader = tail.reader
            for record in tail.records where record.time >= request.since ?? .min {
                try await give(LogChunk(record, attempt: request.key.attempt))
            }
        } else if let since = request.since, request.place == nil {
            // Beside the loop: it may be far into the log.
            let found = try await node.loop.offload {
                Result { () throws(HostError) in try LogReader.since(since, path: path) }
            }.get()
            reader = found.reader
            for record in found.records { try await give(LogChunk(record, attempt: request.key.attempt)) }
        }
        while true {
            // Whether more can come is asked before the look at the file: what was written in between is then seen.
            let isLive = request.follow && node.runner.isLive(request.key)
            while case let records = try reader.read(), !records.isEmpty {
                for record in records { try await give(LogChunk(record, attempt: request.key.attempt)) }
            }
            guard isLive, let watch else { return }
            try await watch.changed()
        }
    }
}

extension LogChunk {
    fileprivate init(_ record: LogRecord, attempt: UInt32) {
        let place = OutputCursor(attempt: attempt, place: record.next)
        switch record.content {
        case .bytes(let bytes):
            self.init(stream: record.stream.rawValue, time: record.time, bytes: Bytes(bytes), next: place)
        case .gap(let count):
            self.init(stream: 0, time: record.time, bytes: Bytes(Array("\(count)".utf8)), next: place)
        }
    }
}
