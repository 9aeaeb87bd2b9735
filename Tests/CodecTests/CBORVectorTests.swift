import Codec
import Testing

/// RFC 8949 appendix A, as far as it is not covered by names elsewhere: encoding in hexadecimal and what it means.
@Suite struct CBORVectorTests {
    static func negative(_ value: Int) -> CBOR { .integer(value) }

    static func map(_ pairs: [(CBOR, CBOR)]) -> CBOR {
        var map = CBORMap()
        for (key, value) in pairs { map[key] = value }
        return .map(map)
    }

    static let deterministic: [(hex: String, value: CBOR)] = [
        ("00", .unsigned(0)), ("01", .unsigned(1)), ("0a", .unsigned(10)), ("17", .unsigned(23)),
        ("1818", .unsigned(24)), ("1819", .unsigned(25)), ("1864", .unsigned(100)), ("1903e8", .unsigned(1000)),
        ("1a000f4240", .unsigned(1_000_000)), ("1b000000e8d4a51000", .unsigned(1_000_000_000_000)),
        ("1bffffffffffffffff", .unsigned(.max)),
        ("c249010000000000000000", .tagged(2, .bytes([1, 0, 0, 0, 0, 0, 0, 0, 0]))),
        ("3bffffffffffffffff", .negative(.max)),
        ("c349010000000000000000", .tagged(3, .bytes([1, 0, 0, 0, 0, 0, 0, 0, 0]))),
        ("20", negative(-1)), ("29", negative(-10)), ("3863", negative(-100)), ("3903e7", negative(-1000)),
        ("f90000", .float(0.0)), ("f98000", .float(-0.0)), ("f93c00", .float(1.0)), ("fb3ff199999999999a", .float(1.1)),
        ("f93e00", .float(1.5)), ("f97bff", .float(65504.0)), ("fa47c35000", .float(100000.0)),
        ("fa7f7fffff", .float(3.4028234663852886e+38)), ("fb7e37e43c8800759c", .float(1.0e+300)),
        ("f90001", .float(5.960464477539063e-8)), ("f90400", .float(0.00006103515625)), ("f9c400", .float(-4.0)),
        ("fbc010666666666666", .float(-4.1)), ("f97c00", .float(.infinity)), ("f9fc00", .float(-.infinity)),
        ("f4", .bool(false)), ("f5", .bool(true)), ("f6", .null), ("f7", .undefined), ("f0", .simple(16)),
        ("f8ff", .simple(255)),
        ("c074323031332d30332d32315432303a30343a30305a", .tagged(0, .text("2013-03-21T20:04:00Z"))),
        ("c11a514b67b0", .tagged(1, .unsigned(1_363_896_240))),
        ("c1fb41d452d9ec200000", .tagged(1, .float(1363896240.5))),
        ("d74401020304", .tagged(23, .bytes([1, 2, 3, 4]))),
        ("d818456449455446", .tagged(24, .bytes([0x64, 0x49, 0x45, 0x54, 0x46]))),
        (
            "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
            .tagged(32, .text("http://www.example.com"))
        ),
        ("40", .bytes([])), ("4401020304", .bytes([1, 2, 3, 4])), ("60", .text("")), ("6161", .text("a")),
        ("6449455446", .text("IETF")), ("62225c", .text("\"\\")), ("62c3bc", .text("\u{fc}")),
        ("63e6b0b4", .text("\u{6c34}")), ("64f0908591", .text("\u{10151}")), ("80", .array([])),
        ("83010203", .array([.unsigned(1), .unsigned(2), .unsigned(3)])),
        (
            "8301820203820405",
            .array([
                .unsigned(1), .array([.unsigned(2), .unsigned(3)]), .array([.unsigned(4), .unsigned(5)]),
            ])
        ),
        (
            "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
            .array((1...25).map { .unsigned($0) })
        ),
        ("a0", .map(CBORMap())), ("a201020304", map([(.unsigned(3), .unsigned(4)), (.unsigned(1), .unsigned(2))])),
        (
            "a26161016162820203",
            map([(.text("b"), .array([.unsigned(2), .unsigned(3)])), (.text("a"), .unsigned(1))])
        ),
        ("826161a161626163", .array([.text("a"), map([(.text("b"), .text("c"))])])),
        (
            "a56161614161626142616361436164614461656145",
            map(["e", "d", "c", "b", "a"].map { (.text($0), .text($0.uppercased())) })
        ),
    ]

    @Test(
        "every deterministic example of RFC 8949 appendix A is written and read byte for byte", arguments: deterministic
    )
    func deterministicExample(hex: String, value: CBOR) throws {
        let bytes = try #require(Hex.decode(hex))
        #expect(Hex.encode(value.encoded()) == hex)
        #expect(try CBOR.decode(bytes) == value)
    }

    @Test("the one NaN is read and written")
    func nan() throws {
        let value = try CBOR.decode([0xF9, 0x7E, 0x00])
        guard case .float(let number) = value else { return #expect(Bool(false), "not a float") }
        #expect(number.isNaN)
        #expect(value.encoded() == [0xF9, 0x7E, 0x00])
    }

    static let refused: [(hex: String, flaw: CodecError.Flaw)] = [
        // Appendix A: longer forms and indefinite lengths.
        ("fa7f800000", .nonCanonical), ("fa7fc00000", .nonCanonical), ("faff800000", .nonCanonical),
        ("fb7ff0000000000000", .nonCanonical), ("fb7ff8000000000000", .nonCanonical),
        ("fbfff0000000000000", .nonCanonical), ("5f42010243030405ff", .nonCanonical),
        ("7f657374726561646d696e67ff", .nonCanonical), ("9fff", .nonCanonical), ("9f018202039f0405ffff", .nonCanonical),
        ("bf61610161629f0203ffff", .nonCanonical), ("bf6346756ef563416d7421ff", .nonCanonical), ("ff", .nonCanonical),
        // Other floats and integers that have a shorter form, other NaNs.
        ("fa3fc00000", .nonCanonical), ("fb40f86a0000000000", .nonCanonical), ("f97e01", .nonCanonical),
        ("f9fe00", .nonCanonical), ("1817", .nonCanonical), ("190018", .nonCanonical), ("1a0000ffff", .nonCanonical),
        ("1b00000000ffffffff", .nonCanonical), ("3817", .nonCanonical), ("5801ff", .nonCanonical),
        ("f818", .nonCanonical), ("f81f", .nonCanonical), ("d80001", .nonCanonical),
        // Reserved heads (appendix F).
        ("1c", .unexpectedByte), ("5d", .unexpectedByte), ("fc", .unexpectedByte), ("fe", .unexpectedByte),
        // Lengths beyond what is left.
        ("", .truncated), ("18", .truncated), ("1903", .truncated), ("1a000f42", .truncated), ("41", .truncated),
        ("5bffffffffffffffff00", .truncated), ("7affffffff00", .truncated), ("9bffffffffffffffff", .truncated),
        ("bb7fffffffffffffff", .truncated), ("8201", .truncated), ("a1", .truncated), ("a101", .truncated),
        ("c0", .truncated), ("f900", .truncated), ("fa0000", .truncated), ("fb00", .truncated), ("f8", .truncated),
        // Order, duplicates, text, trailing bytes.
        ("a203040102", .unsorted), ("a2626161016162f5", .unsorted), ("a201020103", .duplicateKey),
        ("a2616101616102", .duplicateKey), ("a2200120f5", .duplicateKey), ("61ff", .badText), ("62c328", .badText),
        ("62c0af", .badText), ("63eda080", .badText), ("64f4908080", .badText), ("0000", .trailing),
        ("f6f6", .trailing),
    ]

    @Test("bytes that are not the one encoding of a value are refused with the reason", arguments: refused)
    func refusedExample(hex: String, flaw: CodecError.Flaw) throws {
        let bytes = try #require(Hex.decode(hex))
        do {
            let value = try CBOR.decode(bytes)
            Issue.record("\(hex) was read as \(value)")
        } catch .malformed(.cbor, let found, _) {
            #expect(found == flaw)
        } catch {
            Issue.record("\(hex) gave \(error)")
        }
    }
}
