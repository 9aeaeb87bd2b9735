import Codec
import Mesh
import Ring

/// Asks, where no daemon runs, which members of a mesh answer now, each on a session of its own.
///
/// Blocking: it runs a loop on the calling thread until all have answered or a few seconds are over.
struct VoterSearch {
    let identity: NodeIdentity
    let membership: MeshMembership

    struct Found: Hashable, Sendable {
        var node: NodeID
        /// The last entry it knows to be decided; nil: it answers, and does not tell this node anything.
        var commitIndex: UInt64?
        /// It lives in a later epoch of the mesh.
        var isOfLaterEpoch: Bool
    }

    private static let patience = Interval.seconds(3)

    /// Those that answer, ascending.
    func ask(_ members: [PeerRecord]) throws -> [Found] {
        let answers = Answers()
        let loop = try EventLoops.make()
        let search = self
        for member in members {
            answers.open += 1
            loop.spawn("ask \(member.id)") {
                if let found = await search.ask(member, loop) { answers.found.append(found) }
                answers.open -= 1
                if answers.open == 0 { loop.stop() }
            }
        }
        guard answers.open > 0 else { return [] }
        loop.run()
        return answers.found.sorted { $0.node < $1.node }
    }

    /// Confined to the loop, and read after it has ended.
    private final class Answers: @unchecked Sendable {
        var open = 0
        var found: [Found] = []
    }

    private func ask(_ member: PeerRecord, _ loop: any EventLoop) async -> Found? {
        let deadline = loop.after(VoterSearch.patience)
        for text in member.addresses {
            do {
                let address = try await loop.resolve(text, defaultPort: MeshMembership.defaultPort)
                let session = try await Session.connect(
                    loop, to: address, remoteKey: member.noiseKey.array,
                    identity.configuration(for: membership, .streams), deadline: deadline)
                defer { session.close() }
                let epoch = SessionPurpose.epoch(ofListener: session.remotePayload)
                // One of an earlier epoch has been given up already.
                guard epoch >= membership.epoch else { return nil }
                guard epoch == membership.epoch else {
                    return Found(node: member.id, commitIndex: nil, isOfLaterEpoch: true)
                }
                return Found(
                    node: member.id, commitIndex: await commitIndex(session, loop, deadline), isOfLaterEpoch: false)
            } catch MeshError.refusedByPeer {
                // Somebody is there with the right key, and knows this node no longer.
                return Found(node: member.id, commitIndex: nil, isOfLaterEpoch: false)
            } catch {
                continue
            }
        }
        return nil
    }

    private func commitIndex(_ session: Session, _ loop: any EventLoop, _ deadline: Instant) async -> UInt64? {
        let timer = loop.schedule(at: deadline) { session.close("no answer in time") }
        defer { loop.cancel(timer) }
        do {
            let stream = try await session.openStream(StreamKind.raft.rawValue)
            try await stream.send(APIRequest.raft(.node).encoded())
            guard let bytes = try await stream.receive(), case .raft(let view) = try APIReply(encoded: bytes) else {
                return nil
            }
            return view.commitIndex
        } catch {
            return nil
        }
    }
}
