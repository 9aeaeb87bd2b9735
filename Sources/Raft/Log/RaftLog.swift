import Codec
import Store

/// The durable side of a node: `raft.db` (term, vote and log in SQLite), `raft.mark` beside it and `snapshots/`.
///
/// Blocking and confined to one thread, which it needs for itself. `persist` returns when everything in it is on disk; one
/// call is one transaction, so whoever calls it with all changes that have piled up gets group commit. After an error
/// nothing more is written: a failed write is a fact, not a thing to try again.
///
/// A log that is shorter than its mark, or whose chain of hashes is broken, has lost entries that others may count on:
/// `restore` then reports damage and `RaftCore` stays out of elections until its leader has repaired it.
public final class RaftLog: @unchecked Sendable {
    private let database: Database
    private let markFile: MarkFile
    private let statements: Statements
    private let directory: String
    let snapshots: SnapshotFiles
    /// What the database holds: its last index, term and vote, and the hash of the last row.
    private var lastIndex: UInt64 = 0
    private var hardState = RaftHardState()
    private var base: (index: UInt64, term: UInt64) = (0, 0)
    private var chain = EntryChain(afterIndex: 0, term: 0)
    private var hasFailed = false

    private static let version: Int32 = 2
    /// A mark may be this many writes older than the log.
    private static let markLagLimit = 64

    /// Opens or makes the log in a directory that exists.
    public init(directory: String) throws(RaftLogError) {
        self.directory = directory
        do {
            database = try Database(path: directory + "/raft.db", create: true)
            let version = try database.schemaVersion()
            guard version == 0 || version == Self.version else { throw RaftLogError.unknownVersion(version) }
            if version == 0 { try Self.makeTables(database) }
            statements = try Statements(database)
        } catch let error as StoreError {
            throw .store(error)
        } catch let error as RaftLogError {
            throw error
        } catch {
            preconditionFailure("an error of another type: \(error)")
        }
        markFile = try MarkFile(path: directory + "/raft.mark")
        snapshots = try SnapshotFiles(log: directory)
    }

    private static func makeTables(_ database: Database) throws(StoreError) {
        try database.transaction { () throws(StoreError) in
            try database.execute(
                """
                CREATE TABLE entry(idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL,
                    content BLOB NOT NULL, chain BLOB NOT NULL) STRICT;
                CREATE TABLE state(id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL, vote INTEGER,
                    commit_index INTEGER NOT NULL, damage_index INTEGER, damage_term INTEGER, damage_vote INTEGER) STRICT;
                CREATE TABLE base(id INTEGER PRIMARY KEY CHECK (id = 1), idx INTEGER NOT NULL, term INTEGER NOT NULL,
                    chain BLOB NOT NULL) STRICT;
                CREATE TABLE snapshot(id INTEGER PRIMARY KEY CHECK (id = 1), idx INTEGER NOT NULL,
                    term INTEGER NOT NULL, membership BLOB NOT NULL, bytes INTEGER NOT NULL, digest BLOB NOT NULL,
                    seal BLOB NOT NULL) STRICT;
                """)
            try database.setSchemaVersion(version)
        }
    }

    // MARK: Writing

    /// Makes all changes durable, in order, in one transaction.
    public func persist(_ changes: [RaftPersist]) throws(RaftLogError) {
        guard !hasFailed else { throw .stopped }
        do throws(RaftLogError) {
            for change in changes {
                guard let snapshot = change.snapshot, !snapshots.holds(snapshot) else { continue }
                throw .snapshotDamaged(path: SnapshotFormat.name(of: snapshot))
            }
            try lowerMark(before: changes)
            try write(changes)
            // What it takes the place of is not needed any more, now that the log says so for good.
            if let newest = changes.last(where: { $0.snapshot != nil })?.snapshot { try snapshots.keep(newest) }
            try markFile.write(RaftMark(index: lastIndex, term: hardState.term, vote: hardState.vote))
            if markFile.unsyncedWrites >= Self.markLagLimit { try markFile.sync() }
        } catch {
            hasFailed = true
            throw error
        }
    }

    /// Writes the first state of a node that founds a mesh.
    public func found(_ restored: RaftRestored) throws(RaftLogError) {
        try persist([restored.foundingPersist])
        try settle()
    }

    /// Makes the mark as new as the log. Call it when there is nothing else to write.
    public func settle() throws(RaftLogError) {
        guard !hasFailed else { throw .stopped }
        try markFile.sync()
    }

    /// A log that is about to be cut must not be shorter than its mark at any time, so the mark goes first.
    private func lowerMark(before changes: [RaftPersist]) throws(RaftLogError) {
        guard let mark = markFile.mark else { return }
        var shortest = lastIndex
        var last = lastIndex
        for change in changes {
            if let truncation = change.truncateFrom { last = min(last, truncation - 1) }
            if let snapshot = change.snapshot { last = max(last, snapshot.index) }
            shortest = min(shortest, last)
            last += UInt64(change.entries.count)
        }
        guard shortest < mark.index else { return }
        try markFile.write(RaftMark(index: shortest, term: mark.term, vote: mark.vote))
        try markFile.sync()
    }

    private func write(_ changes: [RaftPersist]) throws(RaftLogError) {
        let before = (lastIndex, hardState, base, chain)
        do {
            try database.transaction { () throws(StoreError) in
                for change in changes { try apply(change) }
            }
        } catch {
            (lastIndex, hardState, base, chain) = before
            throw .store(error)
        }
    }

    private func apply(_ change: RaftPersist) throws(StoreError) {
        if let truncation = change.truncateFrom { try truncate(from: truncation) }
        if let snapshot = change.snapshot { try statements.write(snapshot) }
        if let compaction = change.compactThrough { try compact(through: compaction, term: change.compactTerm) }
        for entry in change.entries {
            precondition(entry.index == lastIndex + 1, "entry \(entry.index) written after \(lastIndex)")
            let (kind, content) = entry.row
            let digest = chain.extend(index: entry.index, term: entry.term, kind: kind, content: content)
            try statements.append(entry, kind: kind, content: content, chain: digest)
            lastIndex = entry.index
        }
        if let hardState = change.hardState {
            try statements.write(hardState)
            self.hardState = hardState
        }
    }

    private func truncate(from index: UInt64) throws(StoreError) {
        try statements.deleteEntries(from: index)
        lastIndex = max(min(lastIndex, index - 1), base.index)
        if let head = try statements.chain(at: lastIndex) {
            chain = EntryChain(head: head)
        } else {
            chain = EntryChain(head: try baseChain())
        }
    }

    /// Forgets entries up to `index`; where the log does not reach that far, it starts anew behind it.
    private func compact(through index: UInt64, term: UInt64) throws(StoreError) {
        guard index > base.index else { return }
        let head: Digest
        if index <= lastIndex, let known = try statements.chain(at: index) {
            head = known
        } else {
            head = EntryChain(afterIndex: index, term: term).head
            chain = EntryChain(head: head)
            lastIndex = index
        }
        try statements.deleteEntries(through: index)
        try statements.writeBase(index: index, term: term, chain: head)
        base = (index, term)
    }

    private func baseChain() throws(StoreError) -> Digest {
        try statements.readBase()?.chain ?? EntryChain(afterIndex: 0, term: 0).head
    }

    // MARK: Reading

    /// What is on this disk; nil where nothing ever was. Call it once, before the first `persist`.
    ///
    /// What cannot be trusted is cut away and recorded as damage before this returns.
    ///
    /// - Parameter load: builds the state from the snapshot, of which it reads all. What it throws about bytes that are
    ///   what was written is thrown as `snapshotUnreadable`.
    public func restore<State>(
        _ load: (SnapshotReader) throws -> State
    ) throws(RaftLogError) -> (restored: RaftRestored, state: State?)? {
        do {
            return try readBack(load)
        } catch let error as StoreError {
            hasFailed = true
            throw .store(error)
        } catch let error as RaftLogError {
            hasFailed = true
            throw error
        } catch {
            preconditionFailure("an error of another type: \(error)")
        }
    }

    /// As `restore` of a node that has no state machine.
    public func restore() throws(RaftLogError) -> RaftRestored? {
        try restore { (reader: SnapshotReader) throws in while try reader.next() != nil {} }?.restored
    }

    /// The state of the snapshot that the log begins with; none and true where it is not what was written.
    private func readSnapshot<State>(
        _ load: (SnapshotReader) throws -> State
    ) throws -> (snapshot: RaftSnapshot?, state: State?, isBroken: Bool) {
        let (row, isRowBroken) = try statements.readSnapshot()
        guard let row else { return (nil, nil, isRowBroken) }
        do {
            let reader = try SnapshotReader(row, log: directory)
            do {
                let state = try load(reader)
                // What the loader has no use for is checked, too.
                while try reader.next() != nil {}
                return (row, state, false)
            } catch  where reader.isDamaged {
                return (nil, nil, true)
            }
        } catch RaftLogError.snapshotDamaged {
            return (nil, nil, true)
        } catch let error as CodecError {
            throw RaftLogError.snapshotUnreadable(error.message)
        }
    }

    private func readBack<State>(
        _ load: (SnapshotReader) throws -> State
    ) throws -> (restored: RaftRestored, state: State?)? {
        let (snapshot, state, isBroken) = try readSnapshot(load)
        let found = try RestoredRows(statements, snapshot: snapshot, isSnapshotBroken: isBroken)
        guard found.state != nil || markFile.mark != nil else { return nil }
        hardState = found.restored.hardState
        lastIndex = found.restored.lastIndex
        base = (found.restored.baseIndex, found.restored.baseTerm)
        chain = found.chain
        var restored = found.restored
        restored.hardState = trustedHardState(found)
        if restored.hardState != found.state || found.needsRewrite {
            try rewrite(found, restored)
        }
        // A log that has been cut remembers by itself what it once was, so the mark may follow it down.
        try markFile.write(RaftMark(index: lastIndex, term: hardState.term, vote: hardState.vote))
        try markFile.sync()
        try snapshots.clean(keeping: restored.snapshot)
        return (restored, state)
    }

    /// Brings the rows to what is trusted.
    private func rewrite(_ found: RestoredRows, _ restored: RaftRestored) throws(StoreError) {
        try database.transaction { () throws(StoreError) in
            try statements.deleteEntries(from: restored.lastLogIndex + 1)
            if found.isSnapshotBroken { try statements.deleteAll() }
            if found.startsAfterSnapshot {
                try statements.deleteEntries(through: base.index)
                try statements.writeBase(index: base.index, term: base.term, chain: chain.head)
            }
            try apply(RaftPersist(token: 0, hardState: restored.hardState))
        }
    }

    /// Term and vote as the newer of log and mark has them, and what the log once was where it is less now.
    private func trustedHardState(_ found: RestoredRows) -> RaftHardState {
        var state = found.restored.hardState
        let mark = markFile.mark ?? RaftMark(index: 0, term: 0, vote: nil)
        let isShort = mark.index > found.restored.lastIndex || mark.term > state.term
        if mark.term > state.term {
            state.term = mark.term
            state.vote = mark.vote
        }
        guard found.isBroken || found.isSnapshotBroken || isShort else { return state }
        let index = max(mark.index, found.lastRowIndex, state.damage?.index ?? 0, found.restored.lastIndex)
        state.damage = RaftMark(index: index, term: state.term, vote: state.vote)
        return state
    }
}
