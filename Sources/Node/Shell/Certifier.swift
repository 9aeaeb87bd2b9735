import Codec
import Mesh
import Ring
import Scheduler
import Tokens

/// Certifies members: those that join here, and those that ask for new certificates. Confined to its loop.
struct Certifier {
    let node: MeshNode

    private static let rights: [Certificate.Right] = [.admit]
    /// How long the mesh is asked who is a member by now.
    private static let patience = Interval.seconds(2)

    /// - Throws: `NodeError.noAdmission`, `clockOff`.
    func requireRight() throws {
        try node.requireClock()
        let membership = node.membership
        guard try membership.verify(membership.certificates).mayAdmit else {
            throw NodeError.noAdmission(node: membership.nodeName)
        }
    }

    /// The chain of a member: this node's, and its own certificate below.
    ///
    /// - Parameter role: who may never vote may admit nobody.
    func chain(for key: PublicKey, name: String, role: NodeRole?) throws -> CertificateChain {
        let membership = node.membership
        return try membership.certificates.issuing(
            to: key, name: name, rights: role == .auto ? Certifier.rights : [], mesh: membership.meshKey.id,
            signer: node.identity.signingKey, now: Self.now)
    }

    /// A member asks for new certificates. Its session has shown who it is, the state says what it may have.
    func serve(_ stream: any MessageStream, from sender: NodeID) async throws {
        guard try await stream.receive() != nil else { return stream.cancel() }
        try requireRight()
        // A node that was revoked must not get one more month from a member that has not heard of it yet.
        guard try await node.driver.read(patience: Certifier.patience) else {
            throw NodeError.noLeader(seconds: Int(node.staleness?.seconds ?? 0))
        }
        let member = try Certifier.member(sender, in: node.state)
        let key = try PublicKey(bytes: member.identityKey.array)
        let chain = try chain(for: key, name: member.name, role: member.role)
        try await stream.send(CertificateAnswer.certified(chain).encoded())
        await stream.finish()
    }

    /// Who may have certificates: a member, and none that was revoked and is about to be removed.
    static func member(_ id: NodeID, in state: SchedulerState) throws(NodeError) -> NodeRecord {
        guard let member = state.node(id), member.presence != .left, member.revocation == nil else {
            throw .removed(mesh: state.meshName)
        }
        return member
    }

    /// Seconds since the Unix epoch.
    static var now: Int64 { EventLoops.wallClock.nanoseconds / 1_000_000_000 }
}
