import Codec
import Testing

@Suite struct JSONTests {
    @Test("a document is read in its order and written back compactly")
    func roundTrip() throws {
        let text = #" { "b" : [ 1 , -2.5e3, true , false, null ], "a": "x\n\u00e9\ud83d\ude00\/" , "": {} } "#
        let document = try JSON.parse(text)
        #expect(document.text == "{\"b\":[1,-2500.0,true,false,null],\"a\":\"x\\né😀/\",\"\":{}}")
        #expect(document["a"]?.stringValue == "x\né😀/")
        #expect(document["b"]?[0]?.integerValue == 1)
        #expect(document["c"] == nil)
        #expect(try JSON.parse(document.encoded()) == document)
        let literal: JSON = ["b": [1, nil], "a": "x", "yes": true]
        #expect(literal.text == #"{"b":[1,null],"a":"x","yes":true}"#)
    }

    static let refused: [(text: String, flaw: CodecError.Flaw)] = [
        ("", .truncated), (" ", .truncated), ("[", .truncated), ("[1", .truncated), ("[1,", .truncated),
        ("{\"a\"", .truncated), ("\"a", .truncated), ("tru", .truncated), ("-", .truncated), ("1.", .truncated),
        ("1e", .truncated), ("\"\\u12", .truncated), ("{}{}", .trailing), ("1 2", .trailing), ("nulll", .trailing),
        ("{\"a\":1,\"a\":2}", .duplicateKey), ("{\"a\":1,\"\\u0061\":2}", .duplicateKey),
        ("[{\"x\":{\"k\":1,\"b\":2,\"k\":3}}]", .duplicateKey), ("01", .nonCanonical), ("-01", .nonCanonical),
        ("00", .nonCanonical), ("9223372036854775808", .outOfRange), ("-9223372036854775809", .outOfRange),
        ("1e999", .outOfRange), ("\"\\ud800\"", .badText), ("\"\\udc00\"", .badText), ("\"\\ud800\\u0041\"", .badText),
        ("\"\\ud800x\"", .badText), ("+1", .unexpectedByte), (".5", .unexpectedByte), ("1.e3", .unexpectedByte),
        ("[1,]", .unexpectedByte), ("{\"a\":1,}", .unexpectedByte), ("{a:1}", .unexpectedByte),
        ("'a'", .unexpectedByte), ("NaN", .unexpectedByte), ("Infinity", .unexpectedByte), ("TRUE", .unexpectedByte),
        ("\"\n\"", .unexpectedByte), ("\"\u{0}\"", .unexpectedByte), ("\"\\x\"", .unexpectedByte),
        ("\"\\u00g0\"", .unexpectedByte), ("// c\n1", .unexpectedByte), ("\u{FEFF}1", .unexpectedByte),
        ("[1 2]", .unexpectedByte), ("{\"a\" 1}", .unexpectedByte), ("0x10", .trailing), ("1_000", .trailing),
    ]

    @Test("documents that two readers could read differently are refused with the reason")
    func refusals() {
        for (text, flaw) in JSONTests.refused {
            do {
                let value = try JSON.parse(text)
                Issue.record("\(text) was read as \(value.text)")
            } catch .malformed(.json, let found, _) {
                #expect(found == flaw, "\(text)")
            } catch {
                Issue.record("\(text) gave \(error)")
            }
        }
    }

    @Test("a key that comes again is found among few keys and among many, wherever the first one stands")
    func duplicateKeys() throws {
        for count in [1, 15, 16, 17, 100] {
            let keys = (0..<count).map { "k\($0)" }
            func document(_ keys: [String]) -> String { "{\(keys.map { "\"\($0)\":0" }.joined(separator: ","))}" }
            #expect(try JSON.parse(document(keys)).objectValue?.map(\.key) == keys)
            for again in [0, count / 2, count - 1] {
                let text = document(keys + [keys[again]])
                #expect(throws: CodecError.malformed(.json, .duplicateKey, offset: document(keys).utf8.count)) {
                    try JSON.parse(text)
                }
            }
        }
    }

    @Test("bytes that are not UTF-8 are refused")
    func notUTF8() {
        for bytes: [UInt8] in [[0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80]] {
            #expect(throws: CodecError.malformed(.json, .badText, offset: 1)) {
                try JSON.parse([0x22] + bytes + [0x22])
            }
        }
        // UTF-16 without and with a byte order mark.
        #expect(throws: CodecError.self) { try JSON.parse([0x31, 0x00]) }
        #expect(throws: CodecError.self) { try JSON.parse([0xFF, 0xFE, 0x31, 0x00]) }
    }

    @Test("whole numbers are exact up to both ends of 64 bits, and a fraction never becomes one")
    func numbers() throws {
        #expect(try JSON.parse("9223372036854775807") == .integer(.max))
        #expect(try JSON.parse("-9223372036854775808") == .integer(.min))
        #expect(try JSON.parse("1.0") == .number(1))
        #expect(try JSON.parse("1e0") == .number(1))
        #expect(try JSON.parse("1.0").integerValue == nil)
        #expect(try JSON.parse("-0") == .number(-0.0))
        #expect(JSON.number(.nan).text == "null")
    }

    @Test("nesting, length and members are bounded")
    func limits() {
        let limits = JSONLimits(byteCount: 40, depth: 3, memberCount: 2)
        #expect(throws: Never.self) { try JSON.parse("[[[1]]]", limits: limits) }
        #expect(throws: CodecError.malformed(.json, .tooDeep, offset: 3)) {
            try JSON.parse("[[[[1]]]]", limits: limits)
        }
        #expect(throws: CodecError.self) { try JSON.parse(#"{"a":1,"b":2,"c":3}"#, limits: limits) }
        #expect(throws: CodecError.malformed(.json, .tooLarge, offset: 40)) {
            try JSON.parse([UInt8](repeating: 0x20, count: 41), limits: limits)
        }
        #expect(throws: CodecError.self) { try JSON.parse([UInt8](repeating: 0x5B, count: 1_000_000)) }
    }

    @Test("random bytes and damaged documents are refused or read as what they are written as")
    func randomBytes() throws {
        let document = Array(#"{"a":[1,2.5,"é\u00e9\n"],"b":{"c":null,"d":[true,false]}}"#.utf8)
        var generator = SeededGenerator(seed: 8259)
        for round in 0..<20_000 {
            var bytes = document
            if round % 2 == 0 {
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
                        in: 0...255, using: &generator)
                }
            } else {
                let alphabet = Array(#"[]{}",:0123.e-+tf \ud8n"#.utf8)
                bytes = (0..<Int.random(in: 0...16, using: &generator)).map { _ in
                    alphabet.randomElement(using: &generator) ?? 0
                }
            }
            let value: JSON
            do { value = try JSON.parse(bytes) } catch { continue }
            let again = try JSON.parse(value.encoded())
            if again != value { Issue.record("\(Hex.encode(bytes)) reads differently twice") }
        }
    }
}
