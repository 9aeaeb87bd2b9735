import Codec
import GPUBackend
import Mesh
import Ring
import Scheduler

/// How much the command of an attempt has been given to read.
struct InputPlace: Hashable, Sendable {
    /// Bytes.
    var count: UInt64
    /// Whether it may be given more.
    var isOpen: Bool
}

/// Gives the command of an attempt of this host what its submitter has for it. The supervisor counts the bytes, so nothing
/// is given twice whoever brings it, and what was taken survives this daemon. Confined to its loop.
struct InputSession {
    private let key: AttemptKey
    private let node: MeshNode
    private let stream: any MessageStream

    /// Of one message to the supervisor.
    private static let pieceBytes = 64 << 10
    /// Of one message of the caller.
    private static let messageMax = 128 << 10
    /// Between two looks where the supervisor says nothing.
    private static let patience = Interval.milliseconds(200)

    /// Tells how far it is, then takes pieces and tells it again behind each, when all of it is safe.
    static func run(_ key: AttemptKey, _ node: MeshNode, _ stream: any MessageStream) async throws {
        try await InputSession(key: key, node: node, stream: stream).run()
    }

    private func run() async throws {
        // Who asks may know of an attempt before this host does.
        guard let plan = node.plan(for: key) else { throw APIFailure(.notRunning, of: key) }
        guard plan.job.hasInput else { throw NodeError.noInput(key.job) }
        try await give([], at: 0, isLast: false)
        var place = try await settled(at: 0)
        try await tell(place)
        while place.isOpen, let message = try await stream.receive() {
            guard case .handInput(.bytes(let bytes)) = try APIRequest(encoded: message, limits: APILimits.message),
                bytes.count <= InputSession.messageMax
            else { throw NodeError.malformedRequest("expected what the job is to read") }
            place = try await pass(bytes.array, at: place.count)
            try await tell(place)
        }
    }

    private func tell(_ place: InputPlace) async throws {
        try await stream.send(APIReply.hand(.taken(place.count, isOpen: place.isOpen)).encoded())
    }

    private func pass(_ bytes: [UInt8], at offset: UInt64) async throws -> InputPlace {
        guard !bytes.isEmpty else {
            try await give([], at: offset, isLast: true)
            return try await settled(at: offset, closed: true)
        }
        var done = 0
        var place = InputPlace(count: offset, isOpen: true)
        while done < bytes.count, place.isOpen {
            let piece = bytes[done...].prefix(InputSession.pieceBytes)
            try await give(Array(piece), at: offset + UInt64(done), isLast: false)
            place = try await settled(at: offset + UInt64(done))
            let taken = Int(clamping: place.count - offset)
            // There was no room for any of it: it is given again when the supervisor says that there is, or soon.
            if taken == done, place.isOpen {
                _ = try await node.runner.inputMoved.isNotified(before: node.loop.after(InputSession.patience))
            }
            done = taken
        }
        return place
    }

    private func give(_ bytes: [UInt8], at offset: UInt64, isLast: Bool) async throws {
        guard let running = node.runner.attempts[key], running.stage == .supervised, running.hasStarted,
            let link = node.runner.links[key.job], link.version >= 4
        else { throw APIFailure(.notRunning, of: key) }
        node.runner.inputs[key] = nil
        link.send(.input(key, offset: offset, bytes: Bytes(bytes), isLast: isLast))
    }

    /// Until the supervisor has said how far it is, or with `closed` that it takes no more.
    private func settled(at offset: UInt64, closed: Bool = false) async throws -> InputPlace {
        while true {
            guard node.runner.isLive(key), node.isRunning else { throw APIFailure(.notRunning, of: key) }
            if let place = node.runner.inputs[key], !place.isOpen || !closed && place.count >= offset {
                return place
            }
            _ = try await node.runner.inputMoved.isNotified(before: node.loop.after(InputSession.patience))
        }
    }
}
