import Codec
import Testing

@testable import Tokens

/// What a look through a copy of an audit log finds.
struct AuditCheckTests {
    private struct Row {
        var sequence: UInt64
        var line: [UInt8]
        var leaf: [UInt8]
    }

    private static func line(_ number: UInt64) -> [UInt8] { Array("{\"seq\":\(number)}".utf8) }

    /// The number in a line of `line`.
    private static func says(_ line: [UInt8]) -> UInt64? {
        UInt64(
            String(
                decoding: line.dropFirst(7).prefix { $0 != UInt8(ascii: "}") && $0 != UInt8(ascii: " ") }, as: UTF8.self
            ))
    }

    private static func rows(_ count: UInt64) -> [Row] {
        (0..<count).map { Row(sequence: $0, line: line($0), leaf: MerkleHash.leaf(line($0)).bytes) }
    }

    private static func anchor(_ size: UInt64) -> AuditCheck.Anchor {
        var frontier = MerkleFrontier()
        for number in 0..<size { frontier.append(leaf: MerkleHash.leaf(line(number))) }
        return AuditCheck.Anchor(size: size, root: frontier.root)
    }

    private func flaw(_ rows: [Row], of size: UInt64, anchors: [UInt64]) -> AuditCheck.Flaw? {
        var check = AuditCheck(anchors: anchors.map(Self.anchor))
        for row in rows {
            check.take(
                sequence: row.sequence, line: row.line, saysSequence: Self.says(row.line), leaf: row.leaf)
        }
        check.finish(size: size)
        return check.flaw
    }

    @Test("a whole copy has no flaw") func whole() {
        #expect(flaw(Self.rows(100), of: 100, anchors: [100, 7, 64]) == nil)
        #expect(flaw([], of: 0, anchors: []) == nil)
    }

    @Test("each alteration of one row is named by its number", arguments: [0, 1, 41, 98, 99] as [UInt64])
    func single(at number: UInt64) {
        let rows = Self.rows(100)
        let index = Int(number)
        var altered = rows
        altered[index].line.append(UInt8(ascii: " "))
        #expect(flaw(altered, of: 100, anchors: [100]) == .altered(number))
        var dropped = rows
        dropped.remove(at: index)
        #expect(flaw(dropped, of: 100, anchors: [100]) == .missing(number))
        #expect(flaw(Array(rows.prefix(index)), of: 100, anchors: [100]) == .missing(number))
        var swapped = rows
        let other = index == 0 ? 1 : index - 1
        (swapped[index].line, swapped[other].line) = (swapped[other].line, swapped[index].line)
        (swapped[index].leaf, swapped[other].leaf) = (swapped[other].leaf, swapped[index].leaf)
        #expect(flaw(swapped, of: 100, anchors: [100]) == .misplaced(UInt64(min(index, other))))
    }

    @Test("a row that was altered with its hash lies between two signed sizes")
    func consistent() {
        var rows = Self.rows(100)
        rows[70].line = Array("{\"seq\":70 }".utf8)
        rows[70].leaf = MerkleHash.leaf(rows[70].line).bytes
        #expect(flaw(rows, of: 100, anchors: [64, 80, 100]) == .alteredAmong(64...79))
        #expect(flaw(rows, of: 100, anchors: [100]) == .alteredAmong(0...99))
    }

    @Test("more rows than the log has are not taken for the log")
    func surplus() { #expect(flaw(Self.rows(101), of: 100, anchors: [100]) == .surplus(100)) }

    @Test("a frontier from subtrees is the one from entries", arguments: [0, 1, 5, 64, 99] as [UInt64])
    func frontiers(size: UInt64) {
        var hashes: [MerkleHash.Position: Digest] = [:]
        var whole = MerkleFrontier()
        var wanted = MerkleFrontier()
        for number in 0..<UInt64(100) {
            for (position, hash) in whole.append(leaf: MerkleHash.leaf(Self.line(number))) { hashes[position] = hash }
            if whole.size == size { wanted = whole }
        }
        #expect(MerkleFrontier(size: size) { hashes[$0] } == wanted)
        #expect(MerkleFrontier(size: 100) { $0.level > 5 ? nil : hashes[$0] } == nil)
    }
}
