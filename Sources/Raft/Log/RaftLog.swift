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
    /// What `restore` has found wrong with the files, as a sentence.
    public internal(set) var remark: String?
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
    /// Rows and bytes that one transaction deletes before the log's beginning, so that none takes long. While the log is
    /// written it is also at most this many rows for each that is appended: a write may not take much longer than it
    /// would, and what lies before the beginning shrinks all the same.
    private static let rowsDeletedAtOnce: UInt64 = 512
    private static let rowsDeletedPerAppended: UInt64 = 2
    private static let bytesDeletedAtOnce: UInt64 = 1 << 20
    /// From so many pages on in SQLite's log it is moved into the database when nobody waits for this thread, and at the
    /// second at once.
    private static let logPages = 1_000
    private static let logPagesMax = 4_000

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
            var appended: UInt64 = 0
            for change in changes { appended += UInt64(change.entries.count) }
            try write(changes, deleting: min(Self.rowsDeletedAtOnce, appended * Self.rowsDeletedPerAppended))
            try mark()
            if markFile.unsyncedWrites >= Self.markLagLimit { try markFile.sync() }
            if database.logPages >= Self.logPagesMax { try moveLog() }
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
            if deletedThrough < base.index {
                try write([], deleting: Self.rowsDeletedAtOnce)
                try mark()
                try tidy()
            }
            try markFile.sync()
        } catch {
            hasFailed = true
            throw error
        }
        return deletedThrough < base.index
    }

    /// Keeps SQLite's log short. Call it after each `persist`, once those who waited for that have been told.
    public func tidy() throws(RaftLogError) {
        guard !hasFailed else { throw .stopped }
        guard database.logPages >= Self.logPages else { return }
        do throws(RaftLogError) { try moveLog() } catch {
            hasFailed = true
            throw error
        }
    }

    private func moveLog() throws(RaftLogError) {
        do { try database.moveLog() } catch { throw .store(error) }
    }

    func mark() throws(RaftLogError) {
        try markFile.write(
            RaftMark(index: lastIndex, term: hardState.term, vote: hardState.vote), after: sequence)
    }

    private func write(_ changes: [RaftPersist], deleting rows: UInt64) throws(RaftLogError) {
        do {
            try database.transaction { () throws(StoreError) in
                for change in changes { try apply(change) }
                try deleteRows(atMost: rows)
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
        let newBase = change.compactThrough ?? base.index
        if let truncation = change.truncateFrom { try truncate(from: truncation, beginningAnewAt: newBase) }
        if let snapshot = change.snapshot { try statements.write(snapshot) }
        if newBase > base.index { try compact(through: newBase, term: change.compactTerm) }
        for entry in change.entries { try append(entry) }
        if let hardState = change.hardState { self.hardState = hardState }
    }

    private func append(_ entry: RaftEntry) throws(StoreError) {
        precondition(entry.index == lastIndex + 1, "entry \(entry.index) written after \(lastIndex)")
        try statements.append(entry, &chain)
        lastIndex = entry.index
    }

    /// Cuts the log. Where it begins anew behind the cut, only what lies beyond its new beginning has to go at once; the
    /// rest is deleted little by little, however much it is.
    private func truncate(from index: UInt64, beginningAnewAt newBase: UInt64) throws(StoreError) {
        if index <= newBase, newBase > base.index {
            try statements.deleteEntries(from: newBase + 1)
            lastIndex = min(lastIndex, newBase - 1)
            return
        }
        try statements.deleteEntries(from: index)
        lastIndex = max(min(lastIndex, index - 1), base.index)
        chain = EntryChain(head: try head(at: lastIndex))
    }

    /// Forgets entries up to `index`; where the log does not reach that far, it starts anew behind it.
    private func compact(through index: UInt64, term: UInt64) throws(StoreError) {
        let head: Digest
        if index <= lastIndex {
            head = try self.head(at: index)
        } else {
            head = EntryChain(afterIndex: index, term: term).head
            chain = EntryChain(head: head)
            lastIndex = index
        }
        try statements.writeBase(index: index, term: term, chain: head)
        base = (index, term)
    }

    /// The hash of a row that must be there, or of the log's beginning.
    private func head(at index: UInt64) throws(StoreError) -> Digest {
        if index > base.index {
            guard let head = try statements.chain(at: index) else {
                throw .damaged("row \(index) of the log has vanished")
            }
            return head
        }
        return try statements.readBase()?.chain ?? EntryChain(afterIndex: 0, term: 0).head
    }

    private func deleteRows(atMost rows: UInt64) throws(StoreError) {
        guard rows > 0, deletedThrough < base.index else { return }
        let through = try statements.endOfSlice(
            after: deletedThrough, through: base.index, rows: rows, bytes: Self.bytesDeletedAtOnce)
        try statements.deleteEntries(through: through)
        deletedThrough = through
    }
}
