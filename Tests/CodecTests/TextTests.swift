import Codec
import Testing

@Suite struct TextTests {
    @Test("base64 agrees with RFC 4648 with padding, and takes no other text")
    func paddedBase64() throws {
        for (text, encoded) in [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy"),
        ] {
            #expect(Base64.encode(Array(text.utf8)) == encoded)
            #expect(try Base64.decode(Array(encoded.utf8)) == Array(text.utf8))
        }
        #expect(Base64.encode([0xFB, 0xFF, 0xFE]) == "+//+")
        for text in ["Zg", "Zg=", "Zg===", "Zh==", "Z===", "====", "Zm=v", "-__-", "Zm9v\n", " Zm9"] {
            #expect(throws: CodecError.self, "\(text)") { try Base64.decode(Array(text.utf8)) }
        }
    }

    @Test("base64url agrees with RFC 4648 without padding")
    func base64() throws {
        for (text, encoded) in [
            ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            #expect(Base64URL.encode(Array(text.utf8)) == encoded)
            #expect(try Base64URL.decode(encoded) == Array(text.utf8))
        }
        #expect(Base64URL.encode([0xFB, 0xFF, 0xFE]) == "-__-")
        let all = [UInt8](0...255)
        #expect(try Base64URL.decode(Base64URL.encode(all)) == all)
    }

    @Test("padding, spaces, the other alphabet, spare bits and lone characters are refused")
    func base64Refusals() {
        for text in [
            "Zg==", "Zg=", "Zm9v\n", " Zm9v", "Zm 9v", "+__-", "-//-", "Zh", "Zm9", "Z", "Zm9vY", "Zm9v\u{0}", "Zé",
        ] {
            #expect(throws: CodecError.self, "\(text)") { try Base64URL.decode(text) }
        }
    }

    @Test("of 256 bytes 64 stand for something, wherever in a text they are, and each text is written back as it was")
    func base64Characters() {
        // Whole groups, and what is left over behind them.
        for text in ["QUJDREVGR0hJ", "QUJDREVGR0g", "QUJDREVGRw"] {
            for position in text.utf8.indices.dropLast().map({ text.utf8.distance(from: text.startIndex, to: $0) }) {
                let taken = (UInt8.min...UInt8.max).filter { character in
                    var bytes = Array(text.utf8)
                    bytes[position] = character
                    do {
                        return Array(Base64URL.encode(try Base64URL.decode(bytes)).utf8) == bytes
                    } catch {
                        return false
                    }
                }
                #expect(taken.count == 64, "\(text) at \(position)")
            }
        }
    }

    @Test("times are written and read in UTC")
    func times() throws {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0), ("1969-12-31T23:59:59Z", -1), ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-21T14:30:00Z", 1_795_271_400), ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("1900-01-01T00:00:00Z", -2_208_988_800),
        ] {
            #expect(try RFC3339.parse(text) == Int64(seconds) * 1_000_000_000, "\(text)")
            #expect(RFC3339.format(Int64(seconds) * 1_000_000_000) == text)
        }
        #expect(try RFC3339.parse("1970-01-01T00:00:01.5Z") == 1_500_000_000)
        #expect(try RFC3339.parse("1970-01-01T02:00:00.000000001+02:00") == 1)
        #expect(try RFC3339.parse("1969-12-31T19:00:00-05:00") == 0)
        #expect(RFC3339.format(1_234_567_890, fractionDigits: 3) == "1970-01-01T00:00:01.234Z")
        #expect(RFC3339.format(-1, fractionDigits: 9) == "1969-12-31T23:59:59.999999999Z")
        for extreme in [Int64.min, .max] {
            #expect(try RFC3339.parse(RFC3339.format(extreme, fractionDigits: 9)) == extreme)
        }
    }

    @Test("every day of 400 years comes back")
    func days() throws {
        for day in stride(from: Int64(-80_000), to: 66_000, by: 7) {
            let time = day * 86_400 * 1_000_000_000
            if try RFC3339.parse(RFC3339.format(time)) != time { Issue.record("day \(day)") }
        }
    }

    @Test("other spellings of a time are refused")
    func timeRefusals() {
        for text in [
            "", "2026-11-21", "2026-11-21t14:30:00Z", "2026-11-21T14:30:00z", "2026-11-21 14:30:00Z",
            "2026-11-21T14:30Z",
            "2026-11-21T14:30:60Z", "2026-11-21T24:00:00Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-11-00T00:00:00Z", "2026-11-21T14:30:00", "2026-11-21T14:30:00.Z",
            "2026-11-21T14:30:00.1234567890Z", "2026-11-21T14:30:00+0100", "2026-11-21T14:30:00+24:00",
            "2026-11-21T14:30:00ZZ", "10000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
            "-026-11-21T14:30:00Z", "２026-11-21T14:30:00Z",
        ] {
            #expect(throws: CodecError.self, "\(text)") { try RFC3339.parse(text) }
        }
    }
}
