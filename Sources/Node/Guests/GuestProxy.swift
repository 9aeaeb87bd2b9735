import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// The guest's side of the door, inside his own command: a socket that speaks as a daemon's does, behind which each call
/// goes to a member of the token's mesh (`GuestCaller`). What a command would repeat with a daemon that restarts it repeats
/// here with the next address. Confined to its loop, but for `start`.
public final class GuestProxy: @unchecked Sendable {
    private let loop: any EventLoop
    private let caller: GuestCaller
    private let listener: Listener
    private let thread: DedicatedThread

    /// Listens at the socket of a directory that nobody else may enter.
    ///
    /// - Throws: `accessKeyElsewhere`, or why there can be no socket.
    public static func start(
        _ token: AccessToken, in directory: DataDirectory, tell: @escaping @Sendable (String) -> Void
    ) throws -> GuestProxy {
        let loop = try EventLoops.make()
        let caller = try GuestCaller(token, on: loop, tell: tell)
        let proxy = GuestProxy(
            loop: loop, caller: caller, listener: try Listener(.unix(directory.socket)),
            thread: try DedicatedThread("guest"))
        loop.spawn("guest socket") { await proxy.accept() }
        try proxy.thread.submit { loop.run() }
        return proxy
    }

    private init(loop: any EventLoop, caller: GuestCaller, listener: Listener, thread: DedicatedThread) {
        self.loop = loop
        self.caller = caller
        self.listener = listener
        self.thread = thread
    }

    private func accept() async {
        while true {
            do {
                let accepted = try await loop.accept(listener, deadline: nil)
                loop.spawn("guest call") { [self] in await serve(SocketMessageStream(loop, socket: accepted.socket)) }
            } catch {
                return
            }
        }
    }

    /// Carries one call; the command opens a connection for each.
    private func serve(_ local: any MessageStream) async {
        var isAsked = false
        do {
            guard let bytes = try await local.receive() else { return local.cancel() }
            let line = try await caller.open()
            defer { line.session.close() }
            let remote = line.stream
            let (call, manifest) = try caller.call(
                try APIRequest(encoded: bytes, limits: APILimits.message), on: line)
            try await remote.send(call.encoded())
            isAsked = true
            if let manifest, let reply = try await remote.receive() {
                // Sent to nobody who has not verified the token.
                if case .transfer(.need(let wanted)) = try APIReply(encoded: reply), wanted == [BLAKE3.hash(manifest)] {
                    try await remote.send(manifest)
                } else {
                    try await local.send(reply)
                }
            }
            let upward = loop.spawn("guest upward") {
                do {
                    while let message = try await local.receive() { try await remote.send(message) }
                } catch {
                    // Whichever side went away, the other direction ends by itself.
                }
                remote.cancel()
            }
            defer { upward.cancel() }
            while let reply = try await remote.receive() { try await local.send(reply) }
            await local.finish()
            local.cancel()
        } catch {
            // A connection that broke is one to the command, which asks again; everything else has to be said.
            if isAsked { local.cancel() } else { await refuse(error, local) }
        }
    }

    private func refuse(_ error: any Error, _ local: any MessageStream) async {
        do {
            try await local.send(APIReply.failure(APIFailure(error)).encoded())
            await local.finish()
        } catch {
            // Nobody is there to be told.
        }
        local.cancel()
    }
}
