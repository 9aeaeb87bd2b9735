import Codec
import Testing

@Suite struct CBORTests {
    @Test("map keys are sorted by their encoding: numbers by size, texts by length, then bytes")
    func keyOrder() {
        // The example of RFC 8949 section 4.2.1.
        let keys: [CBOR] = [
            .unsigned(10), .unsigned(100), .integer(-1), .text("z"), .text("aa"), .array([.unsigned(100)]),
            .array([.integer(-1)]), .bool(false),
        ]
        var map = CBORMap()
        for key in keys.reversed() { map[key] = .null }
        #expect(map.entries.map(\.key) == keys)
    }

    @Test("nesting up to the limit is read, one level more is refused")
    func depth() throws {
        let limits = CBORLimits(depth: 4)
        let fitting: [UInt8] = [0x81, 0x81, 0x81, 0x80]
        #expect(try CBOR.decode(fitting, limits: limits).encoded() == fitting)
        #expect(throws: CodecError.malformed(.cbor, .tooDeep, offset: 5)) {
            try CBOR.decode([0x81, 0x81, 0x81, 0x81, 0x80], limits: limits)
        }
        #expect(throws: CodecError.self) { try CBOR.decode([UInt8](repeating: 0xC1, count: 1_000_000)) }
    }

    @Test("an input with more values or bytes than the limit is refused")
    func size() {
        let input = CBOR.array([CBOR](repeating: .unsigned(0), count: 100)).encoded()
        #expect(throws: CodecError.malformed(.cbor, .tooLarge, offset: 2)) {
            try CBOR.decode(input, limits: CBORLimits(valueCount: 100))
        }
        #expect(throws: CodecError.malformed(.cbor, .tooLarge, offset: 10)) {
            try CBOR.decode(input, limits: CBORLimits(byteCount: 10))
        }
        #expect(throws: Never.self) { try CBOR.decode(input, limits: CBORLimits(byteCount: 102, valueCount: 101)) }
    }

    @Test("the first of several values is read with its length")
    func stream() throws {
        let bytes = CBOR.text("one").encoded() + CBOR.unsigned(500).encoded()
        let first = try CBOR.decodeFirst(bytes[...])
        #expect(first.value == .text("one"))
        let second = try CBOR.decodeFirst(bytes[first.byteCount...])
        #expect(second.value == .unsigned(500))
        #expect(first.byteCount + second.byteCount == bytes.count)
    }

    @Test("a message with integer keys keeps what it does not know")
    func message() throws {
        var map = CBORMap()
        map.set(1, "train")
        map.set(2, UInt32(7))
        map.set(3, Int64?.none)
        map.setBytes(4, [1, 2, 3])
        map.set(5, [NodeID(1), NodeID(2)])
        map.set(99, true)
        map.set(-7, Interval.seconds(1))
        let read = try CBORMap(encoded: map.encoded())
        #expect(try read.require(1, String.self) == "train")
        #expect(try read.require(2, UInt32.self) == 7)
        #expect(try read.optional(3, Int64.self) == nil)
        #expect(try read.requireBytes(4) == [1, 2, 3])
        #expect(try read.require(5, [NodeID].self) == [NodeID(1), NodeID(2)])
        #expect(read.without(1...5).entries.map(\.key) == [.unsigned(99), .integer(-7)])
        var rebuilt = read.without(6...1000)
        rebuilt.merge(read.without(-10...5))
        #expect(rebuilt == read)
    }

    @Test("a field that is missing, of another type or out of range is named")
    func fieldErrors() {
        var map = CBORMap()
        map.set(1, 300)
        map.set(2, -1)
        #expect(throws: CodecError.missing(key: 7)) { try map.require(7, Int.self) }
        #expect(throws: CodecError.mismatch(key: 1, expected: "a text", found: "an integer")) {
            try map.require(1, String.self)
        }
        #expect(throws: CodecError.self) { try map.require(1, UInt8.self) }
        #expect(throws: CodecError.self) { try map.require(2, UInt64.self) }
        #expect(throws: CodecError.self) { try map.requireBytes(1) }
    }

    @Test("integers keep their value up to both ends of their type")
    func integerRange() throws {
        for value in [Int64.min, Int64.min + 1, -1, 0, 1, .max] {
            #expect(try Int64(encoded: value.encoded()) == value)
        }
        for value in [Int32.min, -1, .max] { #expect(try Int32(encoded: value.encoded()) == value) }
        #expect(throws: CodecError.self) { try Int64(encoded: UInt64.max.encoded()) }
        #expect(throws: CodecError.self) { try Int64(cbor: .negative(.max)) }
        #expect(try UInt64(encoded: UInt64.max.encoded()) == .max)
    }

    @Test("every half-precision number is written in three bytes and read back")
    func halves() throws {
        for pattern in UInt16.min...UInt16.max {
            let bytes: [UInt8] = [0xF9, UInt8(pattern >> 8), UInt8(pattern & 0xFF)]
            let isForeignNaN = pattern & 0x7C00 == 0x7C00 && pattern & 0x03FF != 0 && pattern != 0x7E00
            if isForeignNaN {
                #expect(throws: CodecError.self) { try CBOR.decode(bytes) }
            } else if try CBOR.decode(bytes).encoded() != bytes {
                Issue.record("half \(pattern) came back differently")
            }
        }
    }

    @Test("random bytes are refused or are the encoding of what they were read as")
    func randomBytes() {
        var generator = SeededGenerator(seed: 8949)
        var accepted = 0
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            do {
                let value = try CBOR.decode(bytes)
                accepted += 1
                if value.encoded() != bytes { Issue.record("\(Hex.encode(bytes)) has a second encoding") }
            } catch {
                continue
            }
        }
        #expect(accepted > 100)
    }

    @Test("a digest is 32 bytes, printed as 64 digits and ordered as its bytes")
    func digest() throws {
        let low = try #require(Digest(bytes: [UInt8](0..<32)))
        let high = try #require(Digest(bytes: [UInt8](1..<33)))
        #expect(low < high)
        #expect(low.bytes == [UInt8](0..<32))
        #expect(Digest(hex: low.description) == low)
        #expect(try Digest(encoded: low.encoded()) == low)
        #expect(Digest(hex: "00") == nil)
        #expect(Digest(bytes: [UInt8](0..<31)) == nil)
        #expect(throws: CodecError.self) { try Digest(cbor: .bytes([1])) }
    }
}
