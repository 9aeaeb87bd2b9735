import Codec
import Store

/// The SQL of `RaftLog`, prepared once.
final class Statements {
    private let insertEntry: Statement
    private let deleteAfter: Statement
    private let deleteBefore: Statement
    private let selectChain: Statement
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
        replaceState = try database.prepare("REPLACE INTO state VALUES(1, ?, ?, ?, ?, ?, ?)")
        replaceBase = try database.prepare("REPLACE INTO base VALUES(1, ?, ?, ?)")
        replaceSnapshot = try database.prepare("REPLACE INTO snapshot VALUES(1, ?, ?, ?, ?, ?, ?)")
    }

    // Indexes, terms and node numbers count up from 1 and stay far below 2^63.

    func append(_ entry: RaftEntry, kind: UInt64, content: [UInt8], chain: Digest) throws(StoreError) {
        insertEntry.bind(1, Int64(entry.index))
        insertEntry.bind(2, Int64(entry.term))
        insertEntry.bind(3, Int64(kind))
        insertEntry.bind(4, content)
        insertEntry.bind(5, chain.bytes)
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

    func deleteAll() throws(StoreError) {
        try database.execute("DELETE FROM entry; DELETE FROM base; DELETE FROM snapshot")
    }

    func chain(at index: UInt64) throws(StoreError) -> Digest? {
        selectChain.bind(1, Int64(index))
        defer { selectChain.reset() }
        return try selectChain.step() ? Digest(bytes: selectChain.bytes(0)) : nil
    }

    func write(_ state: RaftHardState) throws(StoreError) {
        replaceState.bind(1, Int64(state.term))
        replaceState.bind(2, state.vote.map { Int64($0.rawValue) })
        replaceState.bind(3, Int64(state.commitIndex))
        replaceState.bind(4, state.damage.map { Int64($0.index) })
        replaceState.bind(5, state.damage.map { Int64($0.term) })
        replaceState.bind(6, state.damage?.vote.map { Int64($0.rawValue) })
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

    func readState() throws(StoreError) -> RaftHardState? {
        let rows = try database.prepare("SELECT * FROM state")
        guard try rows.step() else { return nil }
        func node(_ column: Int) -> NodeID? { rows.isNull(column) ? nil : NodeID(UInt64(rows.integer(column))) }
        let damage =
            rows.isNull(4)
            ? nil
            : RaftMark(index: UInt64(rows.integer(4)), term: UInt64(rows.integer(5)), vote: node(6))
        return RaftHardState(
            term: UInt64(rows.integer(1)), vote: node(2), commitIndex: UInt64(rows.integer(3)), damage: damage)
    }

    func readBase() throws(StoreError) -> (index: UInt64, term: UInt64, chain: Digest)? {
        let rows = try database.prepare("SELECT idx, term, chain FROM base")
        guard try rows.step(), let chain = Digest(bytes: rows.bytes(2)) else { return nil }
        return (UInt64(rows.integer(0)), UInt64(rows.integer(1)), chain)
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

    func forEachEntry(
        _ body: (_ index: UInt64, _ term: UInt64, _ kind: UInt64, _ content: [UInt8], _ chain: [UInt8]) -> Bool
    ) throws(StoreError) {
        let rows = try database.prepare("SELECT idx, term, kind, content, chain FROM entry ORDER BY idx")
        while try rows.step() {
            let isWanted = body(
                UInt64(bitPattern: rows.integer(0)), UInt64(bitPattern: rows.integer(1)),
                UInt64(bitPattern: rows.integer(2)), rows.bytes(3), rows.bytes(4))
            guard isWanted else { return }
        }
    }

    func lastRowIndex() throws(StoreError) -> UInt64 {
        let rows = try database.prepare("SELECT coalesce(max(idx), 0) FROM entry")
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
