import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// Asks the members of a token's mesh, on a connection and with a proof for each call.
///
/// Nothing is sent to a member before it has shown a chain of certificates from the mesh key of the token to the key of
/// the connection, and that key is one which the token names. Confined to its loop.
public final class GuestCaller: @unchecked Sendable {
    /// A connection to a member, with a stream on which it waits for one call.
    struct Line {
        let session: Session
        let member: KeyID
        let stream: any MessageStream
        /// Seconds since the Unix epoch. The clock of the node counts: the one here may be wrong.
        let now: Int64
    }

    private let loop: any EventLoop
    private let token: AccessToken
    private let holderKey: SigningKey
    private let noiseKey = NoiseKeyPair.generate()
    /// Says something to the person; from the loop's thread.
    private let tell: @Sendable (String) -> Void
    /// Which address answered last.
    private var preferred: Int

    /// - Parameter first: which of the token's addresses is asked first.
    /// - Throws: `accessKeyElsewhere`.
    public init(
        _ token: AccessToken, on loop: any EventLoop, first: Int = 0, tell: @escaping @Sendable (String) -> Void
    ) throws(TokenError) {
        guard let holderKey = token.holderKey else { throw .accessKeyElsewhere }
        self.loop = loop
        self.token = token
        self.holderKey = holderKey
        self.preferred = token.addresses.isEmpty ? 0 : first % token.addresses.count
        self.tell = tell
    }

    /// What its token is counted by.
    public var tokenName: String { token.grant.names[token.grant.names.count - 1] }

    /// The first answer of a member to something that needs no files.
    ///
    /// - Throws: where nobody answers. Whether it was done is not known then: the same request may be asked again.
    public func ask(_ request: APIRequest) async throws -> APIReply {
        let line = try await open()
        defer { line.session.close() }
        try await line.stream.send(call(request, on: line).0.encoded())
        guard let reply = try await line.stream.receive() else { throw MeshError.disconnected }
        return try APIReply(encoded: reply)
    }

    /// A connection to a member that has said its time, the one that answered last before all others.
    func open() async throws -> Line {
        var failure: (any Error)?
        for offset in token.addresses.indices {
            let index = (preferred + offset) % token.addresses.count
            do {
                let line = try await open(at: token.addresses[index])
                if index != preferred {
                    tell(
                        "\(shown(preferred)) does not answer; going on through \(shown(index)), nothing missed")
                }
                preferred = index
                return line
            } catch {
                failure = FirstContact.telling(failure, error)
            }
        }
        throw failure ?? NodeError.malformedRequest("the token names no address")
    }

    private func open(at address: String) async throws -> Line {
        let (session, member) = try await connect(to: address)
        do {
            let stream = try await session.openStream(StreamKind.guest.rawValue)
            guard let greeting = try await stream.receive() else { throw MeshError.disconnected }
            return Line(session: session, member: member, stream: stream, now: try time(in: greeting))
        } catch {
            session.close()
            throw error
        }
    }

    /// What the clock of a member says, which it does not tell where that is wrong.
    private func time(in greeting: [UInt8]) throws -> Int64 {
        do { return try Int64(encoded: greeting) } catch {
            if case .failure(let failure) = try APIReply(encoded: greeting) { throw failure }
            throw error
        }
    }

    /// What goes to the member for what the command asks.
    func call(_ request: APIRequest, on line: Line) throws -> (GuestCall, manifest: [UInt8]?) {
        var request = request
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
            channel: line.session.handshakeHash, operation: operation, requestBytes: asked, node: line.member)
        let proof = try AccessProof(
            of: token.chain, about: about, mesh: token.meshKey.id, now: line.now, key: holderKey)
        return (GuestCall(links: token.chain.links, proof: proof.token, request: Bytes(asked)), manifest)
    }

    /// An address as people know it: the port that is always the same says nothing.
    private func shown(_ index: Int) -> String {
        let (address, port) = (token.addresses[index], ":\(MeshMembership.defaultPort)")
        return address.hasSuffix(port) ? String(address.dropLast(port.utf8.count)) : address
    }

    private func connect(to address: String) async throws -> (Session, member: KeyID) {
        let token = token
        // This clock may be wrong, but not so far behind that the token is not made yet.
        let now = max(EventLoops.wallClock.nanoseconds / 1_000_000_000, token.grant.links[0].issuedAt)
        let contact = FirstContact(
            loop: loop, staticKey: noiseKey, meshKey: token.meshKey, root: token.root, now: now,
            check: { try GuestCaller.check($0, $1, token) })
        let (session, _, member) = try await contact.connect(to: address)
        return (session, member.id)
    }

    /// Whether that member is one of those that the token names.
    private static func check(_ member: PublicKey, _ credentials: MemberCredentials, _ token: AccessToken) throws {
        do throws(TokenError) { try token.check(member: member.id) } catch {
            // The token knows it by the key that it had before, and that key has signed for this one.
            guard let rotation = credentials.rotation, rotation.newKey.array == member.bytes else { throw error }
            try rotation.verify(mesh: token.meshKey.id.text)
            try token.check(member: try PublicKey(bytes: rotation.oldKey.array).id)
        }
    }
}
