import Codec
import Testing

@testable import Tokens

@Suite("A log whose lines say the hash of the line before") struct LineChainTests {
    /// So many lines, and the end of the log behind each.
    private func log(_ count: Int) -> (lines: [[UInt8]], ends: [LineChain]) {
        var chain = LineChain()
        var (lines, ends) = ([[UInt8]](), [LineChain]())
        for number in 0..<count {
            lines.append(chain.append([("code", .string("token.revoked")), ("number", .integer(Int64(number * 7)))]))
            ends.append(chain)
        }
        return (lines, ends)
    }

    private func flaw(
        _ lines: some Sequence<[UInt8]>, _ anchors: [LineChain] = [], mayBeginLater: Bool = true
    ) -> LineChainCheck.Flaw? {
        var check = LineChainCheck(anchors: anchors, mayBeginLater: mayBeginLater)
        for line in lines { check.take(line) }
        check.finish()
        return check.flaw
    }

    @Test("what others' tools see: an object with its number and SHA-256 of the line before")
    func lines() throws {
        let lines = log(2).lines
        #expect(
            String(decoding: lines[0], as: UTF8.self)
                == #"{"seq":0,"code":"token.revoked","number":0,"prev":"\#(String(repeating: "0", count: 64))"}"#)
        let previous = try #require(JSON.parse(lines[1])["prev"]?.stringValue)
        #expect(previous == MerkleHash.sha256(lines[0]).hex)
    }

    @Test("a log goes on from its last line")
    func goesOn() throws {
        let (lines, ends) = log(3)
        for (line, end) in zip(lines, ends) { #expect(LineChain(endingWith: line) == end) }
        #expect(LineChain(endingWith: Array("{}".utf8)) == nil)
        #expect(try LineChain(encoded: ends[2].encoded()) == ends[2])
    }

    @Test("a whole log has no flaw, whatever was said of it elsewhere, and wherever its kept part begins")
    func whole() {
        let (lines, ends) = log(9)
        for first in 0..<9 { #expect(flaw(lines[first...], ends + [LineChain()]) == nil, "\(first)") }
        #expect(flaw([], [LineChain()]) == nil)
    }

    @Test("every bit of every line counts but those of the last, which count where they are known elsewhere")
    func altered() {
        let (lines, ends) = log(3)
        for line in lines.indices {
            for byte in lines[line].indices {
                var changed = lines
                changed[line][byte] ^= 1
                #expect(flaw(changed, [ends[2]]) != nil, "line \(line), byte \(byte)")
                if line < 2 { #expect(flaw(changed) != nil, "line \(line), byte \(byte)") }
            }
        }
    }

    @Test("a line that was left out, put in, exchanged or cut off at the end is named")
    func moved() {
        let (lines, ends) = log(5)
        #expect(flaw(lines[..<2] + lines[3...]) == .misplaced(2))
        #expect(flaw(lines[...2] + lines[2...]) == .misplaced(3))
        #expect(flaw([lines[1], lines[0]]) == .misplaced(2))
        #expect(flaw(lines[..<3], [ends[4]]) == .missing(3))
        #expect(flaw([], [ends[0]]) == .missing(0))
        #expect(flaw(lines[2...], mayBeginLater: false) == .missing(0))
    }

    @Test("a log that was written anew from a line on shows where an end of the old one is known")
    func anew() {
        let (lines, ends) = log(5)
        var chain = ends[1]
        let others = (2..<5).map { _ in chain.append([("code", .string("nothing"))]) }
        #expect(flaw(lines[..<2] + others) == nil)
        #expect(flaw(lines[..<2] + others, [ends[1], ends[3]]) == .altered(3))
        // Also where only later lines are kept.
        #expect(flaw(others[1...], [ends[2]]) == .altered(2))
    }
}
