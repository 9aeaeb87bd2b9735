import Codec
import Store

/// What the rows of `raft.db` say when they are read at start, as far as they can be trusted.
struct RestoredRows {
    /// Nil where nothing was ever written.
    let state: RaftHardState?
    /// The trusted part.
    private(set) var restored: RaftRestored
    /// Continues after the last trusted entry.
    private(set) var chain: EntryChain
    /// A row contradicts the chain of hashes: it and all after it are left out.
    private(set) var isBroken = false
    /// Entries before the snapshot's end are missing: the log starts anew behind it.
    private(set) var startsAfterSnapshot = false
    /// The snapshot is not what was written, so nothing after it can be used either.
    let isSnapshotBroken: Bool
    /// The last row's index, trusted or not.
    let lastRowIndex: UInt64

    /// - Parameters:
    ///   - snapshot: what the log begins with, where its file has been found whole.
    ///   - isSnapshotBroken: there is one, but it is not what was written.
    init(_ statements: Statements, snapshot: RaftSnapshot?, isSnapshotBroken: Bool) throws(StoreError) {
        state = try statements.readState()
        lastRowIndex = try statements.lastRowIndex()
        let base = try statements.readBase()
        self.isSnapshotBroken = isSnapshotBroken || (base != nil && snapshot == nil)
        restored = RaftRestored(hardState: state ?? RaftHardState())
        chain = EntryChain(afterIndex: 0, term: 0)
        guard !self.isSnapshotBroken else { return }
        restored.snapshot = snapshot
        if let base {
            restored.baseIndex = base.index
            restored.baseTerm = base.term
            chain = EntryChain(head: base.chain)
        }
        try statements.forEachEntry { index, term, kind, content, expected in
            take(index, term, kind, content, expected)
        }
        guard let snapshot, restored.lastLogIndex < snapshot.index else { return }
        startsAfterSnapshot = true
        restored.entries = []
        restored.baseIndex = snapshot.index
        restored.baseTerm = snapshot.term
        chain = EntryChain(afterIndex: snapshot.index, term: snapshot.term)
    }

    /// True where the rows on disk are not what `restored` says.
    var needsRewrite: Bool { isBroken || isSnapshotBroken || startsAfterSnapshot }

    /// Adds one row; false where it cannot be trusted.
    private mutating func take(
        _ index: UInt64, _ term: UInt64, _ kind: UInt64, _ content: [UInt8], _ expected: [UInt8]
    ) -> Bool {
        let before = chain
        isBroken = true
        guard index == restored.lastLogIndex + 1,
            chain.extend(index: index, term: term, kind: kind, content: content).bytes == expected
        else {
            chain = before
            return false
        }
        do throws(CodecError) {
            restored.entries.append(try RaftEntry(index: index, term: term, kind: kind, content: content))
        } catch {
            chain = before
            return false
        }
        isBroken = false
        return true
    }
}
