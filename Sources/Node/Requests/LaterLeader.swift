import Codec
import Raft
import Ring

/// Heals a voter that has lost its log and, with the mark, how far it went.
///
/// Such a node may have acknowledged anything to the leader it finds, and late acknowledgements of its own may still be
/// on their way to that leader: only what a later leader has committed tells that nothing is missing. So once it has
/// caught up it asks the leader to hand over to another voter, as a person would with `swarmlet raft transfer`.
/// Confined to its loop.
struct LaterLeader {
    let node: MeshNode

    /// A leader that has just been elected, or goes soon, needs no asking.
    private static let firstPause = Interval.seconds(2)
    private static let longestPause = Interval.seconds(60)

    /// Ends when the log is whole, or with the node.
    func run() async {
        var pause = LaterLeader.firstPause
        while node.isRunning, node.driver.core.raft.isDamaged {
            do {
                try await node.loop.sleep(for: pause)
            } catch {
                return
            }
            guard node.isRunning, let successor else { continue }
            pause = min(pause + pause, LaterLeader.longestPause)
            do {
                // Nobody asks but this host itself, which may.
                let name = node.membership.nodeName
                let asker = Asker(name: name, actor: name, role: .administrator)
                _ = try await RaftService(node: node).transfer(to: successor, by: asker)
                node.log.note(
                    "the leader has handed over to \(successor), so that this node's log can be trusted again")
            } catch {
                node.log.warning("this node asked for a later leader: \(APIFailure(error).message)")
            }
        }
    }

    /// The name of a voter that can lead instead; nil while no later leader is needed or none can be had.
    private var successor: String? {
        let raft = node.driver.core.raft
        let voters = raft.membership.voters
        guard raft.damagedThrough == RaftMark.unknownIndex, let leader = raft.leader, leader != node.id,
            voters.contains(node.id), node.driver.core.hasCaughtUp
        else { return nil }
        let others = voters.filter { $0 != node.id && $0 != leader && node.peers.isConnected($0) }
        return others.first.map(node.views.nodeName)
    }
}
