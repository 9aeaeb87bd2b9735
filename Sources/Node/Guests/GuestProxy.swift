import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// The guest's side of the door, inside his own command: a socket that speaks as a daemon's does, behind which each call
/// goes to a member of the token's mesh, with a proof of its own.
///
/// Nothing is sent to a member before it has shown a chain of certificates from the mesh key of the token to the key of
/// the connection, and that key is one which the token names. What a command would repeat with a daemon that restarts it repeats here with the next address.
/// Confined to its loop, but for `start`.
public final class GuestProxy: @unchecked Sendable {
    private let loop: any EventLoop
    private let token: AccessToken
    private let holderKey: SigningKey
    private let noiseKey = NoiseKeyPair.generate()
    private let listener: Listener
    private let thread: DedicatedThread
    /// Says something to the person; from the loop's thread.
    private let tell: @Sendable (String) -> Void
    /// Which address answered last.
    private var preferred = 0

    private static let connectDeadline = Interval.seconds(5)

    /// Listens at the socket of a directory that nobody else may enter.
    ///
    /// - Throws: `accessKeyElsewhere`, or why there can be no socket.
    public static func start(
        _ token: AccessToken, in directory: DataDirectory, tell: @escaping @Sendable (String) -> Void
    ) throws -> GuestProxy {
        guard let holderKey = token.holderKey else { throw TokenError.accessKeyElsewhere }
        let proxy = GuestProxy(
            loop: try EventLoops.make(), token: token, holderKey: holderKey,
            listener: try Listener(.unix(directory.socket)), thread: try DedicatedThread("guest"), tell: tell)
        let loop = proxy.loop
        loop.spawn("guest socket") { await proxy.accept() }
        try proxy.thread.submit { loop.run() }
        return proxy
    }

    private init(
        loop: any EventLoop, token: AccessToken, holderKey: SigningKey, listener: Listener, thread: DedicatedThread,
        tell: @escaping @Sendable (String) -> Void
    ) {
        self.loop = loop
        self.token = token
        self.holderKey = holderKey
        self.listener = listener
        self.thread = thread
        self.tell = tell
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
            let (session, member) = try await connect()
            defer { session.close() }
            let remote = try await session.openStream(StreamKind.guest.rawValue)
            guard let greeting = try await remote.receive() else { throw MeshError.disconnected }
            // The clock of the node counts: this one may be wrong.
            let now = try Int64(encoded: greeting)
            let (call, manifest) = try call(bytes, member, session, now: now)
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

    /// What goes to the member for what the command asks.
    private func call(
        _ bytes: [UInt8], _ member: KeyID, _ session: Session, now: Int64
    ) throws -> (GuestCall, manifest: [UInt8]?) {
        var request = try APIRequest(encoded: bytes, limits: APILimits.message)
        var manifest: [UInt8]?
        if case .submit(var submit) = request {
            // The root stands for the manifest, so that the proof can be kept with the job.
            manifest = submit.manifest?.array
            submit.manifest = nil
            submit.spec.workingTree = manifest.map(BLAKE3.hash)
            request = .submit(submit)
        }
        guard let operation = GuestCall.operation(of: request) else {
            throw TokenError.accessDenied(allowed: token.grant.acts.description)
        }
        let asked = request.encoded()
        let about = AccessProof.About(
            channel: session.handshakeHash, operation: operation, requestBytes: asked, node: member)
        let proof = try AccessProof(
            of: token.chain, about: about, mesh: token.meshKey.id, now: now, key: holderKey)
        return (GuestCall(links: token.chain.links, proof: proof.token, request: Bytes(asked)), manifest)
    }

    /// A connection to a member, the one that answered last before all others.
    private func connect() async throws -> (Session, member: KeyID) {
        var failure: any Error = NodeError.malformedRequest("the token names no address")
        for offset in token.addresses.indices {
            let index = (preferred + offset) % token.addresses.count
            do {
                let found = try await connect(to: token.addresses[index])
                if index != preferred {
                    tell(
                        "\(shown(preferred)) does not answer; going on through \(shown(index)), nothing missed")
                }
                preferred = index
                return found
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// An address as people know it: the port that is always the same says nothing.
    private func shown(_ index: Int) -> String {
        let (address, port) = (token.addresses[index], ":\(MeshMembership.defaultPort)")
        return address.hasSuffix(port) ? String(address.dropLast(port.utf8.count)) : address
    }

    private func connect(to address: String) async throws -> (Session, member: KeyID) {
        let token = token
        let verdict: @Sendable (SessionClaim) async -> SessionVerdict = { claim in
            do {
                _ = try GuestProxy.member(claim.payload, claim.remoteKey, token)
                return .accept
            } catch {
                return .reject(APIFailure(error).message)
            }
        }
        let configuration = SessionConfiguration(
            staticKey: noiseKey, meshID: MeshMembership.meshID(token.meshKey), payload: [], validate: verdict)
        let target = try await loop.resolve(address, defaultPort: MeshMembership.defaultPort)
        let session = try await Session.connect(
            loop, to: target, configuration, deadline: loop.after(GuestProxy.connectDeadline))
        return (session, try GuestProxy.member(session.remotePayload, session.remoteKey, token))
    }

    /// Which member of the token's mesh answers.
    private static func member(_ shown: [UInt8], _ noiseKey: [UInt8], _ token: AccessToken) throws -> KeyID {
        let credentials = try Joiner.verify(shown, noiseKey: noiseKey, expecting: token.meshKey)
        let member = try credentials.certificates.verify(meshKey: token.meshKey).subject.id
        try token.check(member: member)
        return member
    }
}
