import Codec
import GPUBackend
import Glibc
import Mesh
import Ring

/// Serves the command line of this host on the unix socket of the data directory: calls one after the other on each
/// connection. Confined to its loop.
final class LocalServer: @unchecked Sendable {
    private let loop: any EventLoop
    private let log: DaemonLog
    private let answer: (APIRequest, RequestHandler.Caller, any MessageStream) async throws -> Void
    private var listener: Listener?
    private var accepting: Task<Void, Never>?
    private var open = 0

    /// Calls that may be open at once; more wait in the kernel.
    private static let openMax = 1_024
    /// A caller that says nothing for so long is sent away.
    private static let requestDeadline = Interval.seconds(10)
    /// As long may pass between the calls of one connection.
    private static let idleDeadline = Interval.seconds(60)
    /// Members of this group may use the daemon of root.
    static let group = "swarmlet"
    static let administrators = "swarmlet-admin"

    init(
        loop: any EventLoop, log: DaemonLog,
        answer: @escaping (APIRequest, RequestHandler.Caller, any MessageStream) async throws -> Void
    ) {
        self.loop = loop
        self.log = log
        self.answer = answer
    }

    func start(path: String) throws {
        let listener = try Listener(.unix(path))
        self.listener = listener
        if geteuid() == 0, Accounts.groupExists(LocalServer.group) {
            // Everybody may knock; the credentials of the socket say who is let in.
            chmod(path, 0o666)
        }
        accepting = loop.spawn("local socket") { [self] in await accept(listener) }
    }

    func stop() {
        accepting?.cancel()
        if let listener { loop.close(listener.descriptor) }
        listener = nil
    }

    private func accept(_ listener: Listener) async {
        while !Task.isCancelled {
            do {
                while open >= LocalServer.openMax { try await loop.sleep(for: .milliseconds(10)) }
                let accepted = try await loop.accept(listener, deadline: nil)
                open += 1
                loop.spawn("local call") { [self] in
                    await serve(accepted.socket)
                    open -= 1
                }
            } catch .closed {
                return
            } catch .cancelled {
                return
            } catch {
                log.warning("the local socket: \(error.message)")
                do { try await loop.sleep(for: .milliseconds(100)) } catch { return }
            }
        }
    }

    private func serve(_ socket: Int32) async {
        let stream = SocketMessageStream(loop, socket: socket)
        do {
            let caller = try caller(of: socket)
            var patience = LocalServer.requestDeadline
            while try await serveCall(stream, caller, patience) { patience = LocalServer.idleDeadline }
        } catch {
            do { try await stream.send(APIReply.failure(APIFailure(error)).encoded()) } catch { return stream.cancel() }
        }
        await stream.finish()
        stream.cancel()
    }

    /// Serves the next call; false when this connection has had its last.
    private func serveCall(
        _ stream: SocketMessageStream, _ caller: RequestHandler.Caller, _ patience: Interval
    ) async throws -> Bool {
        let patience = loop.schedule(at: loop.after(patience)) { stream.cancel() }
        let received: [UInt8]?
        do { received = try await stream.receive() } catch {
            loop.cancel(patience)
            // Whoever goes away between two calls has nothing to be told.
            if case MeshError.closed = error { return false }
            throw error
        }
        loop.cancel(patience)
        guard let bytes = received else { return false }
        let asked = try APIRequest(encoded: bytes, limits: APILimits.message)
        if asked.waitsForEvents {
            try await loop.answer(stream) { [self] in try await answer(asked, caller, stream) }
            return false
        }
        if case .hand = asked {
            // What the caller still says belongs to it, so no call can follow.
            try await answer(asked, caller, stream)
            return false
        }
        do {
            try await answer(asked, caller, stream)
        } catch {
            // After a refused message of a conversation more of it may follow, which is no call.
            if asked.isConversation { throw error }
            try await stream.send(APIReply.failure(APIFailure(error)).encoded())
        }
        return true
    }

    private func caller(of socket: Int32) throws -> RequestHandler.Caller {
        let credentials = try PeerCredentials(of: socket)
        let name = Accounts.name(of: credentials.user) ?? "\(credentials.user)"
        let isOwner = credentials.user == geteuid() || credentials.user == 0
        let isAdministrator = isOwner || Accounts.isMember(credentials.user, ofGroup: LocalServer.administrators)
        guard isAdministrator || Accounts.isMember(credentials.user, ofGroup: LocalServer.group) else {
            throw NodeError.denied(user: name, what: "use this node (group \(LocalServer.group))")
        }
        return RequestHandler.Caller(
            user: credentials.user, group: credentials.group, name: name, isAdministrator: isAdministrator)
    }
}
