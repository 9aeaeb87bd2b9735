import Codec
import GPUBackend
import Glibc
import Raft
import Ring
import Scheduler
import Store
import Tokens

/// Rebuilds a mesh from what one node has of its log, with the daemon of that node stopped: for when so many voters are
/// gone for good that no majority of them will ever meet again.
///
/// The node becomes the only voter, of a new epoch of the mesh, in a term that no other can have reached. Members of
/// the old epoch that come back find out by the first word of this one, put their logs aside and learn from it; so two
/// logs never meet. What the others acknowledged and never sent here is lost.
public final class RaftRecovery {
    /// What is known before anything is changed.
    public struct Findings: Hashable, Sendable {
        public var meshName: String
        public var nodeName: String
        /// The last entry of the log here.
        public var lastIndex: UInt64
        /// The last entry that this node knows to be decided.
        public var commitIndex: UInt64
        public var term: UInt64
        /// Entries up to this one were acknowledged here and are gone; nil: the log is whole.
        public var damagedUpTo: UInt64?
        /// Voters that are given up, by name.
        public var givenUp: [String]
        /// Whether this node is a voter itself.
        public var isVoter: Bool
        /// Whether nothing is to be done: it is the only voter already.
        public var isOnlyVoter: Bool
        public var jobs: Int
        public var members: Int
    }

    public let findings: Findings
    private let directory: DataDirectory
    private var membership: MeshMembership
    private let log: RaftLog
    private let restored: RaftRestored
    private let others: [NodeID]

    /// Far more elections than an old mesh will hold while it is found out.
    private static let termJump: UInt64 = 1_000_000

    /// Takes the data directory and reads the log.
    public init(_ directory: DataDirectory) throws {
        umask(0o077)
        try Sodium.start()
        guard HostFiles.exists(directory.mesh), HostFiles.exists(directory.raftLog),
            let membership = try MeshMembership.read(directory)
        else { throw NodeError.recoverNothing(path: directory.path) }
        do {
            try directory.take()
        } catch NodeError.dataDirectoryInUse(_, let process) {
            throw NodeError.recoverRunning(process: process)
        }
        let log = try RaftLog(directory: directory.path)
        guard let (restored, state, raft) = try Self.read(log, membership.node) else {
            throw NodeError.recoverNothing(path: directory.path)
        }
        self.directory = directory
        self.membership = membership
        self.log = log
        self.restored = restored
        others = state.members.map(\.id).filter { $0 != membership.node }
        let voters = raft.members.filter { raft.isVoter($0) }
        findings = Findings(
            meshName: membership.meshName, nodeName: state.node(membership.node)?.name ?? membership.nodeName,
            lastIndex: restored.lastIndex,
            commitIndex: max(restored.hardState.commitIndex, restored.snapshot?.index ?? 0),
            term: restored.hardState.term, damagedUpTo: restored.hardState.damage?.index,
            givenUp: voters.filter { $0 != membership.node }.map { state.node($0)?.name ?? "\($0)" },
            isVoter: voters.contains(membership.node), isOnlyVoter: voters == [membership.node],
            jobs: state.jobCount, members: state.members.count)
    }

    /// The state that the whole log leads to: as its only voter, this node will find all of it decided.
    private static func read(
        _ log: RaftLog, _ node: NodeID
    ) throws -> (RaftRestored, SchedulerState, RaftMembership)? {
        guard let (restored, loaded) = try log.restore(CoreDriver.loadState) else { return nil }
        var state = loaded ?? SchedulerState()
        var raft = restored.snapshot?.membership ?? RaftMembership()
        for entry in restored.entries where entry.index > restored.snapshot?.index ?? 0 {
            switch entry.payload {
            case .empty: break
            case .command(let bytes): _ = state.apply(try Entry(encoded: bytes))
            case .membership(let membership): raft = membership
            }
        }
        return (restored, state, raft)
    }

    /// Makes this node the only voter. Done twice, it is done once more, in one epoch more.
    public func carryOut() throws {
        membership.epoch += 1
        membership.discardsLog = false
        // First, so that what is written next never meets the old epoch.
        try membership.write(directory)
        var random = SecureRandom()
        let term = restored.hardState.term + Self.termJump
        let command = Entry(
            request: RequestID(high: random.next(), low: random.next()), time: EventLoops.wallClock.nanoseconds,
            command: .recovered(epoch: membership.epoch))
        let voters = RaftMembership(voters: [membership.node], learners: others)
        try log.persist([
            RaftPersist(
                token: 0,
                hardState: RaftHardState(
                    term: term, vote: membership.node, commitIndex: restored.hardState.commitIndex),
                entries: [
                    RaftEntry(index: restored.lastIndex + 1, term: term, payload: .membership(voters)),
                    RaftEntry(index: restored.lastIndex + 2, term: term, payload: .command(command.encoded())),
                ])
        ])
        try log.settle()
    }

    /// Lets the data directory go.
    public func finish() { unlink(directory.processFile) }
}
