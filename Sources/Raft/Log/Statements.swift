import Codec
import Store

/// The row that each transaction writes anew.
struct StateRow {
    var state: RaftHardState
    /// Number of the transaction.
    var sequence: UInt64
    /// How far the log reached with it.
    var lastIndex: UInt64
    var stateSeal: Digest
    var logSeal: Digest
}

/// The SQL of `RaftLog`, prepared once.
final class Statements {
    private let insertEntry: Statement
    private let deleteAfter: Statement
    private let deleteBefore: Statement
    private let selectChain: Statement
    private let selectSizes: Statement
    private let replaceState: Statement
    private let replaceBase: Statement
    private let replaceSnapshot: Statement
    private let database: Database

    init(_ database: Database) throws(StoreError) {
        self.database = database
        insertEntry = try database.prepare("INSERT INTO entry VALUES(?, ?, ?, ?, ?)")
        deleteAfter = try database.prepare("DELETE FROM entry WHERE idx >= ?")
        deleteBefore = try database.prepare("DELETE FROM entry WHERE idx <= ?")
        selectChain = try database.prepare("SELECT chain FROM entry WHERE idx = ?")
        // The length of a value stands before it: its pages are not read.
        selectSizes = try database.prepare(
            "SELECT idx, length(content) FROM entry WHERE idx > ? AND idx <= ? ORDER BY idx LIMIT ?")
        replaceState = try database.prepare("REPLACE INTO state VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        replaceBase = try database.prepare("REPLACE INTO base VALUES(1, ?, ?, ?)")
        replaceSnapshot = try database.prepare("REPLACE INTO snapshot VALUES(1, ?, ?, ?, ?, ?, ?)")
    }

    // Indexes, terms and node numbers count up from 1 and stay far below 2^63.

    /// Adds the entry that follows the one at the chain's head.
    func append(_ entry: RaftEntry, _ chain: inout EntryChain) throws(StoreError) {
        let (kind, content) = entry.row
        let digest = chain.extend(index: entry.index, term: entry.term, kind: kind, content: content)
        insertEntry.bind(1, Int64(entry.index))
        insertEntry.bind(2, Int64(entry.term))
        insertEntry.bind(3, Int64(kind))
        insertEntry.bind(4, content)
        insertEntry.bind(5, digest.bytes)
        try insertEntry.run()
    }

    func deleteEntries(from index: UInt64) throws(StoreError) {
        deleteAfter.bind(1, Int64(index))
        try deleteAfter.run()
    }

    func deleteEntries(through index: UInt64) throws(StoreError) {
        deleteBefore.bind(1, Int64(index))
        try deleteBefore.run()
    }

    /// The last of the rows `after + 1 ... through` that fit into a slice of so many rows and bytes; it has one at least.
    func endOfSlice(
        after: UInt64, through: UInt64, rows: UInt64, bytes: UInt64
    ) throws(StoreError) -> UInt64 {
        selectSizes.bind(1, Int64(after))
        selectSizes.bind(2, Int64(through))
        selectSizes.bind(3, Int64(rows))
        defer { selectSizes.reset() }
        var count: UInt64 = 0
        var sum: UInt64 = 0
        var last = through
        while try selectSizes.step() {
            count += 1
            last = UInt64(selectSizes.integer(0))
            sum += UInt64(selectSizes.integer(1))
            if sum >= bytes { return last }
        }
        return count == rows ? last : through
    }

    func chain(at index: UInt64) throws(StoreError) -> Digest? {
        selectChain.bind(1, Int64(index))
        defer { selectChain.reset() }
        return try selectChain.step() ? Digest(bytes: selectChain.bytes(0)) : nil
    }

    func write(_ row: StateRow) throws(StoreError) {
        let state = row.state
        replaceState.bind(1, Int64(state.term))
        replaceState.bind(2, state.vote.map { Int64($0.rawValue) })
        replaceState.bind(3, Int64(state.commitIndex))
        replaceState.bind(4, state.damage.map { Int64($0.index) })
        replaceState.bind(5, state.damage.map { Int64($0.term) })
        replaceState.bind(6, state.damage?.vote.map { Int64($0.rawValue) })
        replaceState.bind(7, Int64(row.sequence))
        replaceState.bind(8, Int64(row.lastIndex))
        replaceState.bind(9, row.stateSeal.bytes)
        replaceState.bind(10, row.logSeal.bytes)
        try replaceState.run()
    }

    func writeBase(index: UInt64, term: UInt64, chain: Digest) throws(StoreError) {
        replaceBase.bind(1, Int64(index))
        replaceBase.bind(2, Int64(term))
        replaceBase.bind(3, chain.bytes)
        try replaceBase.run()
    }

    func write(_ snapshot: RaftSnapshot) throws(StoreError) {
        let membership = snapshot.membership.encoded()
        replaceSnapshot.bind(1, Int64(snapshot.index))
        replaceSnapshot.bind(2, Int64(snapshot.term))
        replaceSnapshot.bind(3, membership)
        replaceSnapshot.bind(4, Int64(snapshot.byteCount))
        replaceSnapshot.bind(5, snapshot.digest.bytes)
        replaceSnapshot.bind(6, Self.seal(snapshot, membership).bytes)
        try replaceSnapshot.run()
    }

    // MARK: Reading, once at start

    func readState() throws(StoreError) -> StateRow? {
        let rows = try database.prepare("SELECT * FROM state")
        guard try rows.step() else { return nil }
        func number(_ column: Int) -> UInt64 { UInt64(bitPattern: rows.integer(column)) }
        func node(_ column: Int) -> NodeID? { rows.isNull(column) ? nil : NodeID(number(column)) }
        let damage = rows.isNull(4) ? nil : RaftMark(index: number(4), term: number(5), vote: node(6))
        return StateRow(
            state: RaftHardState(term: number(1), vote: node(2), commitIndex: number(3), damage: damage),
            sequence: number(7), lastIndex: number(8), stateSeal: Digest(bytes: rows.bytes(9)) ?? .zero,
            logSeal: Digest(bytes: rows.bytes(10)) ?? .zero)
    }

    func readBase() throws(StoreError) -> (index: UInt64, term: UInt64, chain: Digest)? {
        let rows = try database.prepare("SELECT idx, term, chain FROM base")
        guard try rows.step() else { return nil }
        let chain = Digest(bytes: rows.bytes(2)) ?? .zero
        return (UInt64(bitPattern: rows.integer(0)), UInt64(bitPattern: rows.integer(1)), chain)
    }

    /// The snapshot's description; nil where there is none, and broken where the row is not what was written.
    func readSnapshot() throws(StoreError) -> (snapshot: RaftSnapshot?, isBroken: Bool) {
        let rows = try database.prepare("SELECT idx, term, membership, bytes, digest, seal FROM snapshot")
        guard try rows.step() else { return (nil, false) }
        let encoded = rows.bytes(2)
        guard let digest = Digest(bytes: rows.bytes(4)) else { return (nil, true) }
        do throws(CodecError) {
            let snapshot = RaftSnapshot(
                index: UInt64(bitPattern: rows.integer(0)), term: UInt64(bitPattern: rows.integer(1)),
                membership: try RaftMembership(encoded: encoded), byteCount: UInt64(bitPattern: rows.integer(3)),
                digest: digest)
            let isWhole = Self.seal(snapshot, encoded).bytes == rows.bytes(5)
            return (isWhole ? snapshot : nil, !isWhole)
        } catch {
            return (nil, true)
        }
    }

    /// A row as it lies in SQLite's memory, valid while it is looked at.
    struct EntryRow {
        var index: UInt64
        var term: UInt64
        var kind: UInt64
        var content: UnsafeRawBufferPointer
        var chain: UnsafeRawBufferPointer
    }

    /// In order, until the body does not want more. Rows before may be left that have not been deleted yet.
    func forEachEntry(after base: UInt64, _ body: (EntryRow) -> Bool) throws(StoreError) {
        let rows = try database.prepare("SELECT idx, term, kind, content, chain FROM entry WHERE idx > ? ORDER BY idx")
        rows.bind(1, Int64(bitPattern: base))
        while try rows.step() {
            let isWanted = rows.withBytes(3) { content in
                rows.withBytes(4) { chain in
                    body(
                        EntryRow(
                            index: UInt64(bitPattern: rows.integer(0)), term: UInt64(bitPattern: rows.integer(1)),
                            kind: UInt64(bitPattern: rows.integer(2)), content: content, chain: chain))
                }
            }
            guard isWanted else { return }
        }
    }

    /// The index of the first row, 0 where there is none.
    func firstRowIndex() throws(StoreError) -> UInt64 {
        let rows = try database.prepare("SELECT coalesce(min(idx), 0) FROM entry")
        _ = try rows.step()
        return UInt64(bitPattern: rows.integer(0))
    }

    /// A hash over the row.
    private static func seal(_ snapshot: RaftSnapshot, _ membership: [UInt8]) -> Digest {
        var chain = EntryChain(afterIndex: snapshot.index, term: snapshot.term)
        _ = chain.extend(index: snapshot.index, term: snapshot.term, kind: 0, content: membership)
        return chain.extend(
            index: snapshot.index, term: snapshot.byteCount, kind: 1, content: snapshot.digest.bytes)
    }
}
