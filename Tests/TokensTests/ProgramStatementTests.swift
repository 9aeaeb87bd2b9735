import Codec
import Testing

@testable import Tokens

/// A node's word that an administrator wants a program to run.
@Suite struct ProgramStatementTests {
    private let mesh = testKey(1).publicKey.id.text
    private let program = BLAKE3.hash([1, 2, 3])

    private func statement(
        version: String = "1.4.0", allowsOlder: Bool = false, time: Int64 = 1_000, actor: String = "ana@owl"
    ) -> ProgramStatement {
        ProgramStatement(
            program, version: ProgramVersion(version)!, allowsOlder: allowsOlder, time: time, actor: actor, mesh: mesh,
            key: testKey(5))
    }

    private func isGood(_ encoded: [UInt8]) -> Bool {
        guard case .success(let read) = Result(catching: { try ProgramStatement(encoded: encoded) }) else {
            return false
        }
        return read.isSigned(by: testKey(5).publicKey, mesh: mesh)
    }

    @Test("a statement about a program is good for its key and its mesh alone, and the same after encoding")
    func fits() throws {
        for statement in [statement(), statement(version: "9-rc.1", allowsOlder: true, time: .max, actor: "änne@owl")] {
            #expect(statement.isSigned(by: testKey(5).publicKey, mesh: mesh))
            #expect(!statement.isSigned(by: testKey(6).publicKey, mesh: mesh))
            #expect(!statement.isSigned(by: testKey(5).publicKey, mesh: testKey(2).publicKey.id.text))
            #expect(try ProgramStatement(encoded: statement.encoded()) == statement)
        }
    }

    @Test("any bit of a statement about a program that is changed makes it worthless")
    func changed() {
        let bytes = statement().encoded()
        #expect(isGood(bytes))
        for index in bytes.indices {
            for bit in 0..<8 {
                var altered = bytes
                altered[index] ^= 1 << bit
                #expect(!isGood(altered), "byte \(index), bit \(bit)")
            }
        }
    }

    @Test("what a host signed for another purpose is no statement about a program")
    func purpose() throws {
        let good = statement()
        var map = try good.cbor.requireMap()
        let parts = [
            Array(mesh.utf8), program.bytes, Array("1.4.0".utf8), [0], [0xE8, 3, 0, 0, 0, 0, 0, 0],
            Array("ana@owl".utf8),
        ]
        map.setBytes(6, testKey(5).sign(purpose: "swarmlet/program/1", parts))
        #expect(isGood(CBOR.map(map).encoded()), "these are its parts")
        map.setBytes(6, testKey(5).sign(purpose: "swarmlet/role/1", parts))
        #expect(!isGood(CBOR.map(map).encoded()))
    }

    @Test(
        "a statement with a field too much, too little or out of bounds is not read, however it is signed",
        arguments: [
            (1, CBOR.bytes([1])), (1, nil), (2, .text("newest")), (2, .text("1.4")), (2, nil), (3, .unsigned(1)),
            (3, nil), (4, .negative(0)), (4, nil), (5, .text("")), (5, .text("ana\u{1B}[2J@owl")),
            (5, .text(String(repeating: "a", count: 321))), (5, nil), (6, .bytes([UInt8](repeating: 1, count: 63))),
            (6, nil), (7, .unsigned(1)),
        ] as [(Int, CBOR?)])
    func strict(field: Int, value: CBOR?) throws {
        var map = try statement().cbor.requireMap()
        #expect(isGood(CBOR.map(map).encoded()))
        map[field] = value
        #expect(throws: CodecError.self) { try ProgramStatement(encoded: CBOR.map(map).encoded()) }
    }
}

@Suite struct ProgramVersionTests {
    @Test("versions are in the order of Semantic Versioning")
    func order() throws {
        let texts = [
            "0.0.9", "0.1.0-alpha", "0.1.0-alpha.1", "0.1.0-alpha.beta", "0.1.0-beta", "0.1.0-beta.2", "0.1.0-beta.11",
            "0.1.0-rc.1", "0.1.0", "0.2", "0.10.0", "1", "1.0.1", "9", "10.0.0",
        ]
        let versions = try texts.map { try #require(ProgramVersion($0), "\($0)") }
        for (index, version) in versions.enumerated() {
            for (other, another) in versions.enumerated() {
                #expect((version < another) == (index < other), "\(texts[index]) \(texts[other])")
            }
        }
        #expect(ProgramVersion("9") == ProgramVersion("9.0.0"))
        #expect(ProgramVersion("9")?.text == "9.0.0")
        #expect(ProgramVersion("1.2.3-rc.1")?.text == "1.2.3-rc.1")
    }

    @Test(
        "what is no version is refused",
        arguments: [
            "", ".", "1.", "1..2", "1.2.3.4", "a", "1.a", "+1", "1.+2", "-1", "1-", "1-rc..1", "1-rc 1", "1 ",
            "4294967296",
            "1-\u{E9}", "1-" + String(repeating: "a", count: 64),
        ])
    func refused(text: String) { #expect(ProgramVersion(text) == nil) }
}
