import Codec
import Store

/// The durable side of a node: `raft.db` (term, vote and log in SQLite), `raft.mark` beside it and `snapshots/`.
///
/// Blocking and confined to one thread, which it needs for itself. `persist` returns when everything in it is on disk; one
/// call is one transaction, so whoever calls it with all changes that have piled up gets group commit. After an error
/// nothing more is written: a failed write is a fact, not a thing to try again.
///
/// SQLite ends its log at the first frame that is not in order, without a word. So each transaction has a number, which
/// the mark remembers, and every row is part of a hash: a log that is older than its mark, or not what was written, has
/// lost entries that others may count on. `restore` then reports damage, and `RaftCore` stays out of elections until its
/// leader has repaired it.
public final class RaftLog: @unchecked Sendable {
    let directory: String
    let snapshots: SnapshotFiles
    let markFile: MarkFile
    var database: Database
    var statements: Statements
    /// `raft.db` could not be read at all and was put aside.
    var wasUnreadable = false
    /// What the database holds: its last index and hard state, where it begins, and the hash of the last row.
    var lastIndex: UInt64 = 0
    var hardState = RaftHardState()
    var base: (index: UInt64, term: UInt64) = (0, 0)
    var chain = EntryChain(afterIndex: 0, term: 0)
    /// Number of the last transaction.
    var sequence: UInt64 = 0
    /// Rows up to `base` are of no use any more; those up to here are deleted.
    var deletedThrough: UInt64 = 0
    var hasFailed = false

    /// A mark may be this many writes older than the log on a disk that loses power.
    private static let markLagLimit = 64
    /// Rows that one transaction deletes behind the log's beginning, so that none takes long.
    private static let rowsDeletedAtOnce: UInt64 = 2_048

    /// Opens or makes the log in a directory that exists.
    public init(directory: String) throws(RaftLogError) {
        self.directory = directory
        markFile = try MarkFile(path: directory + "/raft.mark")
        snapshots = try SnapshotFiles(log: directory)
        do throws(RaftLogError) {
            (database, statements) = try LogDatabase.open(directory)
        } catch {
            guard error.isDamage else { throw error }
            try LogDatabase.putAside(directory)
            (database, statements) = try LogDatabase.open(directory)
            wasUnreadable = true
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
            try write(changes)
            try mark()
            if markFile.unsyncedWrites >= Self.markLagLimit { try markFile.sync() }
            // What it takes the place of is not needed any more, now that the log says so for good.
            if let newest = changes.last(where: { $0.snapshot != nil })?.snapshot { try snapshots.keep(newest) }
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

    /// Makes the mark as new as the log and deletes rows that are of no use. Call it when there is nothing else to write;
    /// true where it is worth calling again.
    @discardableResult
    public func settle() throws(RaftLogError) -> Bool {
        guard !hasFailed else { throw .stopped }
        do throws(RaftLogError) {
            if deletedThrough < base.index { try persist([]) }
            try markFile.sync()
        } catch {
            hasFailed = true
            throw error
        }
        return deletedThrough < base.index
    }

    func mark() throws(RaftLogError) {
        try markFile.write(
            RaftMark(index: lastIndex, term: hardState.term, vote: hardState.vote), after: sequence)
    }

    private func write(_ changes: [RaftPersist]) throws(RaftLogError) {
        do {
            try database.transaction { () throws(StoreError) in
                for change in changes { try apply(change) }
                try deleteSomeRows()
                try seal()
            }
        } catch {
            throw .store(error)
        }
    }

    /// Numbers the transaction and covers what it leaves behind.
    func seal() throws(StoreError) { try statements.write(nextStateRow()) }

    func nextStateRow() -> StateRow {
        sequence += 1
        return StateRow(
            state: hardState, sequence: sequence, lastIndex: lastIndex,
            stateSeal: LogSeals.ofState(hardState, sequence: sequence, lastIndex: lastIndex),
            logSeal: LogSeals.ofLog(sequence: sequence, base: base, lastIndex: lastIndex, head: chain.head))
    }

    private func apply(_ change: RaftPersist) throws(StoreError) {
        if let truncation = change.truncateFrom { try truncate(from: truncation) }
        if let snapshot = change.snapshot { try statements.write(snapshot) }
        if let compaction = change.compactThrough { try compact(through: compaction, term: change.compactTerm) }
        for entry in change.entries { try append(entry) }
        if let hardState = change.hardState { self.hardState = hardState }
    }

    private func append(_ entry: RaftEntry) throws(StoreError) {
        precondition(entry.index == lastIndex + 1, "entry \(entry.index) written after \(lastIndex)")
        try statements.append(entry, &chain)
        lastIndex = entry.index
    }

    private func truncate(from index: UInt64) throws(StoreError) {
        try statements.deleteEntries(from: index)
        lastIndex = max(min(lastIndex, index - 1), base.index)
        let head = lastIndex > base.index ? try statements.chain(at: lastIndex) : nil
        if let head {
            chain = EntryChain(head: head)
        } else {
            chain = try statements.readBase().map { EntryChain(head: $0.chain) } ?? EntryChain(afterIndex: 0, term: 0)
        }
    }

    /// Forgets entries up to `index`; where the log does not reach that far, it starts anew behind it. Their rows are
    /// deleted little by little.
    private func compact(through index: UInt64, term: UInt64) throws(StoreError) {
        guard index > base.index else { return }
        let head: Digest
        if index <= lastIndex, let known = try statements.chain(at: index) {
            head = known
        } else {
            try statements.deleteEntries(from: 1)
            deletedThrough = index
            head = EntryChain(afterIndex: index, term: term).head
            chain = EntryChain(head: head)
            lastIndex = index
        }
        try statements.writeBase(index: index, term: term, chain: head)
        base = (index, term)
    }

    private func deleteSomeRows() throws(StoreError) {
        guard deletedThrough < base.index else { return }
        let through = min(base.index, deletedThrough + Self.rowsDeletedAtOnce)
        try statements.deleteEntries(through: through)
        deletedThrough = through
    }
}
