import Codec
import GPUBackend
import Glibc
import Mesh
import Raft
import Ring
import Scheduler
import Store
import Tokens

/// Rebuilds a mesh from what one node has of its log, or from a snapshot of its state, with the daemon of that node
/// stopped: for when so many voters are gone for good that no majority of them will ever meet again.
///
/// The node becomes the only voter, of a new epoch of the mesh, in a term that no other can have reached. Members of
/// the old epoch that come back find out by the first word of this one, put their logs aside and learn from it; so two
/// logs never meet. What the others acknowledged and never sent here is lost. Beside a majority that lives it is refused
/// (`permit`): there is nothing to recover from then, and much to lose.
public final class RaftRecovery {
    /// What is known before anything is changed.
    public struct Findings: Hashable, Sendable {
        public var meshName: String
        public var nodeName: String
        /// The last entry here.
        public var lastIndex: UInt64
        /// The last entry that this node knows to be decided.
        public var commitIndex: UInt64
        public var term: UInt64
        /// Entries up to this one were acknowledged here and are gone; nil: the log is whole.
        public var damagedUpTo: UInt64?
        /// Voters that are given up, by name.
        public var givenUp: [String]
        /// Those of them that answer now.
        public var answering: [Answering]
        /// Whether this node is a voter itself.
        public var isVoter: Bool
        /// Whether nothing is to be done: it is the only voter already.
        public var isOnlyVoter: Bool
        public var jobs: Int
        public var members: Int
        /// When the snapshot was taken, in nanoseconds since the Unix epoch; nil: the log is the source.
        public var snapshotTime: Int64?
        /// What becomes of tokens and invitations of before.
        public var voids: Voids
        /// Keys that are no members' and could issue tokens until now, by name.
        public var issuers: [String]

        /// Which entries were acknowledged here and may be gone, in words; nil: none.
        public var lostEntries: String? {
            damagedUpTo.map { $0 == RaftMark.unknownIndex ? "nobody knows how many entries" : "entries up to \($0)" }
        }
    }

    /// What a recovery makes void, because nobody knows what of it was used or withdrawn beyond what is here.
    public enum Voids: Hashable, Sendable {
        /// The mesh has none.
        case nothing
        case tokens
        case tokensAndInvitations

        init(level: UInt64) {
            self = level >= SchedulerState.recoveryVoidsLevel ? .tokensAndInvitations : level >= 4 ? .tokens : .nothing
        }
    }

    /// A voter that answers, and the last entry it knows to be decided, where it says so.
    public struct Answering: Hashable, Sendable {
        public var name: String
        public var commitIndex: UInt64?
    }

    /// What the mesh goes on from.
    private enum Source {
        case log(RaftLog, RaftRestored)
        case file(StateFile.Header)
    }

    public let findings: Findings
    private let directory: DataDirectory
    private var membership: MeshMembership
    private let source: Source
    private let state: SchedulerState
    private let voterCount: Int
    private let isOvertaken: NodeID?

    /// Far more elections than an old mesh will hold while it is found out.
    private static let termJump: UInt64 = 1_000_000

    /// Takes the data directory, reads the log or the snapshot's file, and asks which other voters answer.
    ///
    /// - Parameter lock: opens the keys of this host where they are locked.
    public init(_ directory: DataDirectory, from file: String? = nil, lock: KeyLock = KeyLock()) throws {
        umask(0o077)
        try Sodium.start()
        guard HostFiles.exists(directory.mesh), file != nil || HostFiles.exists(directory.raftLog),
            var membership = try MeshMembership.read(directory)
        else { throw NodeError.recoverNothing(path: directory.path) }
        do {
            try directory.take()
        } catch NodeError.dataDirectoryInUse(_, let process) {
            throw NodeError.recoverRunning(process: process)
        }
        let identity = try NodeIdentity(directory, lock)
        let raft: RaftMembership
        if let file {
            let (header, state) = try StateFile.read(file)
            membership = try Self.check(header, state, membership, identity, file)
            (source, self.state, raft) = (.file(header), state, header.membership)
        } else {
            let log = try RaftLog(directory: directory.path)
            guard let (restored, state, membership) = try Self.read(log, isExpected: membership.hasLog) else {
                throw NodeError.recoverNothing(path: directory.path)
            }
            guard !state.members.isEmpty || !restored.isDamaged else {
                throw NodeError.recoverNothingLeft(path: directory.path)
            }
            (source, self.state, raft) = (.log(log, restored), state, membership)
        }
        self.directory = directory
        self.membership = membership
        let others = raft.members.filter { raft.isVoter($0) && $0 != membership.node }
        let remembered = Self.remembered(directory)
        let search = VoterSearch(identity: identity, membership: membership)
        let state = self.state
        let found = try search.ask(others.compactMap { Self.record($0, state, remembered) })
        isOvertaken = found.first(where: \.isOfLaterEpoch)?.node
        voterCount = others.count + (raft.isVoter(membership.node) ? 1 : 0)
        findings = Self.findings(source, state, raft, membership, found)
    }

    private static func findings(
        _ source: Source, _ state: SchedulerState, _ raft: RaftMembership, _ membership: MeshMembership,
        _ answers: [VoterSearch.Found]
    ) -> Findings {
        let voters = raft.members.filter { raft.isVoter($0) }
        func name(_ id: NodeID) -> String { state.node(id)?.name ?? "\(id)" }
        var findings = Findings(
            meshName: membership.meshName, nodeName: state.node(membership.node)?.name ?? membership.nodeName,
            lastIndex: 0, commitIndex: 0, term: 0, givenUp: voters.filter { $0 != membership.node }.map(name),
            answering: answers.map { Answering(name: name($0.node), commitIndex: $0.commitIndex) },
            isVoter: voters.contains(membership.node), isOnlyVoter: false, jobs: state.jobCount,
            members: state.members.count, voids: Voids(level: state.level),
            issuers: state.issuers.filter { $0.replaced == nil }.map(\.name))
        switch source {
        case .log(_, let restored):
            findings.lastIndex = restored.lastIndex
            findings.commitIndex = max(restored.hardState.commitIndex, restored.snapshot?.index ?? 0)
            findings.term = restored.hardState.term
            findings.damagedUpTo = restored.hardState.damage?.index
            findings.isOnlyVoter = voters == [membership.node] && !restored.isDamaged
        case .file(let header):
            (findings.lastIndex, findings.commitIndex, findings.term) = (header.index, header.index, header.term)
            findings.snapshotTime = header.time
        }
        return findings
    }

    /// Where a voter can be reached: the newest addresses first.
    private static func record(_ id: NodeID, _ state: SchedulerState, _ remembered: [PeerRecord]) -> PeerRecord? {
        let kept = remembered.first { $0.id == id }
        guard let noiseKey = kept?.noiseKey ?? state.node(id)?.noiseKey else { return nil }
        var addresses = kept?.addresses ?? []
        for address in state.node(id)?.addresses ?? [] where !addresses.contains(address) { addresses.append(address) }
        return PeerRecord(id: id, noiseKey: noiseKey, addresses: addresses)
    }

    private static func remembered(_ directory: DataDirectory) -> [PeerRecord] {
        do { return try [PeerRecord](encoded: try HostFiles.read(directory.peers)) } catch { return [] }
    }

    /// This host as a member of the mesh in the file; its keys are what makes it one.
    private static func check(
        _ header: StateFile.Header, _ state: SchedulerState, _ membership: MeshMembership, _ identity: NodeIdentity,
        _ file: String
    ) throws -> MeshMembership {
        guard header.meshKey.array == membership.meshKey.bytes, state.meshKey == header.meshKey else {
            throw NodeError.recoverOtherMesh(file: header.meshName, here: membership.meshName)
        }
        // While its keys are rotated the file may know it by either.
        let keys = [identity.publicKey] + (identity.other.map { [$0.signingKey.publicKey] } ?? [])
        guard let own = keys.lazy.compactMap({ state.member(identityKey: Bytes($0.bytes)) }).first else {
            throw NodeError.recoverNotMember(path: file)
        }
        var membership = membership
        membership.node = own.id
        membership.nodeName = own.name
        return membership
    }

    /// The state that the whole log leads to: as its only voter, this node will find all of it decided.
    private static func read(
        _ log: RaftLog, isExpected: Bool
    ) throws -> (RaftRestored, SchedulerState, RaftMembership)? {
        guard let (restored, loaded) = try log.restore(isExpected: isExpected, CoreDriver.loadState) else {
            return nil
        }
        var state = loaded ?? SchedulerState()
        var raft = restored.snapshot?.membership ?? RaftMembership()
        for entry in restored.entries where entry.index > restored.snapshot?.index ?? 0 {
            switch entry.payload {
            case .empty: break
            case .command(let bytes):
                _ = state.apply(try Entry(encoded: bytes))
                _ = state.takeArchived()
                _ = state.takeAuditLines()
            case .membership(let membership): raft = membership
            }
        }
        return (restored, state, raft)
    }

    /// Throws where a majority of the voters lives, this host counted if it could vote, unless exactly those that answer
    /// are named to be given up.
    public func permit(givingUp named: [String]?) throws {
        let answering = findings.answering.map(\.name)
        if let isOvertaken {
            throw NodeError.recoverElsewhere(node: state.node(isOvertaken)?.name ?? "\(isOvertaken)")
        }
        let majority = voterCount / 2 + 1
        let canVote = findings.isVoter && findings.damagedUpTo == nil && HostFiles.exists(directory.raftLog)
        let lives = answering.count >= majority || canVote && answering.count + 1 >= majority && !answering.isEmpty
        if let named {
            guard lives, named.sorted() == answering.sorted() else {
                throw NodeError.recoverGivesUpOthers(named: named, answering: lives ? answering : [])
            }
        } else if lives {
            throw NodeError.recoverMeshLives(
                voters: answering, of: voterCount, withThisHost: answering.count < majority)
        }
    }

    /// Makes this node the only voter. Done twice, it is done once more, in one epoch more.
    public func carryOut() throws {
        membership.epoch = max(membership.epoch, state.recoveries) + 1
        membership.discardsLog = false
        membership.isFounder = false
        membership.hasLog = true
        // First, so that what is written next never meets the old epoch.
        try membership.write(directory)
        let others = state.members.map(\.id).filter { $0 != membership.node }
        let voters = RaftMembership(voters: [membership.node], learners: others)
        let term = findings.term + Self.termJump
        var entries = [RaftEntry(index: findings.lastIndex + 1, term: term, payload: .membership(voters))]
        for command in commands() {
            entries.append(
                RaftEntry(
                    index: findings.lastIndex + UInt64(entries.count) + 1, term: term,
                    payload: .command(command.encoded())))
        }
        let hardState = RaftHardState(term: term, vote: membership.node, commitIndex: findings.commitIndex)
        switch source {
        case .log(let log, _):
            try log.persist([RaftPersist(token: 0, hardState: hardState, entries: entries)])
            try log.settle()
        case .file(let header):
            try directory.setLogAside(beforeEpoch: membership.epoch)
            let log = try RaftLog(directory: directory.path)
            _ = try log.restore()
            let writer = try SnapshotWriter(
                RaftSnapshotPlan(index: header.index, term: header.term, membership: header.membership),
                log: directory.path)
            for chunk in StateChunks(state) { try writer.append(chunk) }
            try log.persist([
                RaftPersist(
                    token: 0, hardState: hardState, entries: entries, snapshot: try writer.finish(),
                    compactThrough: header.index, compactTerm: header.term)
            ])
            try log.settle()
        }
    }

    /// What everybody who learns from this node learns first. Whatever was issued until now is void with the recovery, not
    /// after a step that somebody might forget.
    private func commands() -> [Entry] {
        var random = SecureRandom()
        let time = EventLoops.wallClock.nanoseconds
        func entry(_ command: Command) -> Entry {
            Entry(request: RequestID(high: random.next(), low: random.next()), time: time, command: command)
        }
        let epoch = membership.epoch
        switch findings.voids {
        case .nothing: return [entry(.recovered(epoch: epoch))]
        case .tokens: return [entry(.recovered(epoch: epoch)), entry(.raiseTokenEpoch(by: "raft recover"))]
        case .tokensAndInvitations:
            // Higher than any that was given by counting since what is here was written.
            return [entry(.recovered(epoch: epoch, tokenEpoch: UInt64(max(0, time, state.time) / 1_000_000_000)))]
        }
    }

    /// Lets the data directory go.
    public func finish() { unlink(directory.processFile) }
}
