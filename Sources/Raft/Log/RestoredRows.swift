import Codec
import Store

/// What the rows of `raft.db` say when they are read at start, as far as they can be trusted. One pass, in which every
/// row is checked.
struct RestoredRows {
    /// The trusted part. Its hard state is that of the row, where that row is what was written.
    private(set) var restored = RaftRestored()
    /// Whether anything was ever written.
    private(set) var isEmpty = true
    /// Number of the last transaction; 0 where it cannot be trusted.
    private(set) var sequence: UInt64 = 0
    /// How far the log reached with it.
    private(set) var sealedLastIndex: UInt64 = 0
    /// Continues after the last trusted entry.
    private(set) var chain = EntryChain(afterIndex: 0, term: 0)
    /// The hash that the first entry continues.
    private(set) var baseChain = EntryChain(afterIndex: 0, term: 0)
    /// Something is not what was written, so that a part is left out of `restored`, or its hard state.
    private(set) var isBroken = false
    /// Entries before the snapshot's end are missing: the log starts anew behind it.
    private(set) var startsAfterSnapshot = false

    init() {}

    /// Weight of the entries that `decided` is given at once.
    private static let decidedWeight = 256 << 10

    /// - Parameters:
    ///   - snapshot: what the log begins with, where its file has been found whole.
    ///   - isSnapshotBroken: there is one, but it is not what was written.
    ///   - decided: is given the entries after the snapshot that are known to be committed, while the rest is read.
    init(
        _ statements: Statements, snapshot: RaftSnapshot?, isSnapshotBroken: Bool, decided: ([RaftEntry]) -> Void
    ) throws(StoreError) {
        let logSeal = try readState(statements)
        let base = try statements.readBase()
        guard !isSnapshotBroken, base == nil || snapshot != nil else {
            // Nothing after it can be used either.
            isBroken = true
            return
        }
        restored.snapshot = snapshot
        if let base {
            restored.baseIndex = base.index
            restored.baseTerm = base.term
            chain = EntryChain(head: base.chain)
            baseChain = chain
        }
        let decidedAfter = snapshot?.index ?? 0
        var batch: [RaftEntry] = []
        var batchWeight = 0
        do throws(StoreError) {
            try statements.forEachEntry(after: restored.baseIndex) { row in
                guard let entry = take(row) else { return false }
                guard entry.index > decidedAfter, entry.index <= restored.hardState.commitIndex else { return true }
                batch.append(entry)
                batchWeight += entry.weight
                if batchWeight >= Self.decidedWeight {
                    decided(batch)
                    (batch, batchWeight) = ([], 0)
                }
                return true
            }
        } catch {
            guard error.isDamage else { throw error }
            isBroken = true
        }
        if !batch.isEmpty { decided(batch) }
        let seal = LogSeals.ofLog(
            sequence: sequence, base: (restored.baseIndex, restored.baseTerm), lastIndex: restored.lastLogIndex,
            head: chain.head)
        if !isEmpty, seal != logSeal { isBroken = true }
        if let snapshot, restored.lastLogIndex < snapshot.index { startAfter(snapshot) }
    }

    /// The hard state; the answer is the seal over the log that stands beside it.
    private mutating func readState(_ statements: Statements) throws(StoreError) -> Digest? {
        guard let row = try statements.readState() else { return nil }
        isEmpty = false
        guard LogSeals.ofState(row.state, sequence: row.sequence, lastIndex: row.lastIndex) == row.stateSeal else {
            isBroken = true
            return nil
        }
        restored.hardState = row.state
        sequence = row.sequence
        sealedLastIndex = row.lastIndex
        return row.logSeal
    }

    private mutating func startAfter(_ snapshot: RaftSnapshot) {
        startsAfterSnapshot = true
        restored.entries = []
        restored.baseIndex = snapshot.index
        restored.baseTerm = snapshot.term
        chain = EntryChain(afterIndex: snapshot.index, term: snapshot.term)
        baseChain = chain
    }

    /// Adds one row; nil where it cannot be trusted.
    private mutating func take(_ row: Statements.EntryRow) -> RaftEntry? {
        let before = chain
        if row.index == restored.lastLogIndex + 1,
            chain.extend(index: row.index, term: row.term, kind: row.kind, content: row.content) == Digest(row.chain)
        {
            do throws(CodecError) {
                let entry = try RaftEntry(
                    index: row.index, term: row.term, kind: row.kind, content: Array(row.content))
                restored.entries.append(entry)
                return entry
            } catch {
                // A row that was written by this very code and cannot be read is as good as another's.
            }
        }
        chain = before
        isBroken = true
        return nil
    }
}
