import Codec
import Testing

/// Random values and damaged encodings, from seeds.
@Suite struct CBORPropertyTests {
    static func value(_ generator: inout SeededGenerator, depth: Int) -> CBOR {
        let argument = { (generator: inout SeededGenerator) -> UInt64 in
            UInt64.random(in: .min ... .max, using: &generator) >> UInt64.random(in: 0...63, using: &generator)
        }
        switch Int.random(in: 0..<(depth > 0 ? 12 : 9), using: &generator) {
        case 0: return .unsigned(argument(&generator))
        case 1: return .negative(argument(&generator))
        case 2: return .bytes((0..<Int.random(in: 0...40, using: &generator)).map { UInt8($0) })
        case 3:
            return .text(
                String(
                    repeating: "aé水😀".randomElement(using: &generator) ?? "a",
                    count: Int.random(in: 0...30, using: &generator)))
        case 4: return .bool(Bool.random(using: &generator))
        case 5: return [.null, .undefined][Int.random(in: 0...1, using: &generator)]
        case 6: return .simple(UInt8.random(in: 32...255, using: &generator))
        case 7: return .float(Double(Int.random(in: -5000...5000, using: &generator)) / 8)
        case 8:
            let double = Double(bitPattern: argument(&generator))
            return .float(double.isNaN ? 0.1 : double)
        case 9: return .tagged(argument(&generator), value(&generator, depth: depth - 1))
        case 10:
            return .array(
                (0..<Int.random(in: 0...6, using: &generator)).map { _ in value(&generator, depth: depth - 1) })
        default:
            var map = CBORMap()
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                map[value(&generator, depth: depth - 1)] = value(&generator, depth: depth - 1)
            }
            return .map(map)
        }
    }

    @Test("every value is read back as it was written")
    func roundTrip() throws {
        var generator = SeededGenerator(seed: 1)
        for round in 0..<5000 {
            let value = CBORPropertyTests.value(&generator, depth: 4)
            let bytes = value.encoded()
            if try CBOR.decode(bytes) != value { Issue.record("round \(round): \(Hex.encode(bytes))") }
        }
    }

    @Test("no damaged encoding is read as something that would be written differently, and no cut one is read at all")
    func damage() throws {
        var generator = SeededGenerator(seed: 2)
        for round in 0..<3000 {
            let whole = CBORPropertyTests.value(&generator, depth: 4).encoded()
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^=
                    1 << UInt8.random(in: 0...7, using: &generator)
            }
            let cut = Array(whole.prefix(Int.random(in: 0..<whole.count, using: &generator)))
            #expect(throws: CodecError.self, "round \(round): \(Hex.encode(cut))") { try CBOR.decode(cut) }
            let value: CBOR
            do { value = try CBOR.decode(bytes) } catch { continue }
            if value.encoded() != bytes { Issue.record("round \(round): \(Hex.encode(bytes))") }
        }
    }

    @Test("a map built in any order has one encoding")
    func order() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<500 {
            let keys = (0..<8).map { _ in CBORPropertyTests.value(&generator, depth: 1) }
            var forward = CBORMap()
            for key in keys { forward[key] = .null }
            var shuffled = CBORMap()
            for key in keys.shuffled(using: &generator) { shuffled[key] = .null }
            #expect(CBOR.map(forward).encoded() == CBOR.map(shuffled).encoded())
            for key in keys.shuffled(using: &generator) { forward[key] = nil }
            #expect(forward.isEmpty)
        }
    }
}
