import Codec
import Testing

@testable import Mesh

@Suite("Manifests")
struct ManifestTests {
    static func file(_ path: String, _ content: [UInt8] = [1]) -> Manifest.Entry {
        Manifest.Entry(
            path: path,
            content: .file(
                Manifest.File(
                    byteCount: UInt64(content.count), isExecutable: false,
                    chunks: content.isEmpty ? [] : [BLAKE3.hash(content)])))
    }
    static func directory(_ path: String) -> Manifest.Entry { Manifest.Entry(path: path, content: .directory) }
    static func link(_ path: String, _ target: String) -> Manifest.Entry {
        Manifest.Entry(path: path, content: .symlink(target: target))
    }

    /// The bytes of a manifest that no honest sender makes.
    static func forged(_ entries: [CBOR]) -> [UInt8] {
        var map = CBORMap()
        map.set(0, 1)
        map[1] = .array(entries)
        return CBOR.map(map).encoded()
    }
    static func rawFile(_ path: String, size: UInt64 = 1, digests: Int = 1) -> CBOR {
        .array([.text(path), .unsigned(0), .unsigned(size), .bytes([UInt8](repeating: 7, count: 32 * digests))])
    }

    @Test("a manifest survives its encoding, and its root depends on everything in it")
    func roundTrip() throws {
        let entries = [
            Self.directory("a"), Self.file("a/b", [1, 2]), Self.link("a/c", "b"), Self.file("a-b", []),
            Manifest.Entry(
                path: "x",
                content: .file(Manifest.File(byteCount: 1, isExecutable: true, chunks: [BLAKE3.hash([1])]))),
        ]
        let manifest = try Manifest(entries: entries.shuffled())
        #expect(manifest.entries.map(\.path) == ["a", "a-b", "a/b", "a/c", "x"])
        #expect(try Manifest.decode(manifest.encoded()) == manifest)
        #expect(manifest.fileCount == 3)
        #expect(manifest.byteCount == 3)
        #expect(manifest.entry(at: "a/c")?.content == .symlink(target: "b"))
        #expect(manifest.entry(at: "a/d") == nil)
        var roots: Set<Digest> = [manifest.root]
        for leftOut in [1, 2, 3, 4] {
            var fewer = entries
            fewer.remove(at: leftOut)
            roots.insert(try Manifest(entries: fewer).root)
        }
        #expect(roots.count == 5)
    }

    @Test(
        "a path that is absolute, climbs, is empty or holds a NUL is refused",
        arguments: ["/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "./a", "a//b", "a/", "", "a\u{0}b"])
    func paths(path: String) throws {
        #expect(throws: TransferError.self) { try Manifest.decode(Self.forged([Self.rawFile(path)])) }
        let error = #expect(throws: TransferError.self) { try Manifest(entries: [Self.file(path)]) }
        #expect(error?.code == "mesh.transfer.path_invalid")
    }

    @Test("names and paths longer than Linux allows are refused")
    func lengths() {
        let name = String(repeating: "n", count: 256)
        #expect(throws: TransferError.self) { try Manifest(entries: [Self.file(name)]) }
        #expect(RelativePath.flaw(of: String(name.dropLast())) == nil)
        let deep = [String](repeating: "d", count: 129).joined(separator: "/")
        #expect(RelativePath.flaw(of: deep) != nil)
    }

    @Test("entries out of order, twice, or without their directory are refused")
    func order() {
        #expect(throws: TransferError.outOfOrder("a")) {
            try Manifest.decode(Self.forged([Self.rawFile("b"), Self.rawFile("a")]))
        }
        #expect(throws: TransferError.outOfOrder("a")) {
            try Manifest.decode(Self.forged([Self.rawFile("a"), Self.rawFile("a")]))
        }
        #expect(throws: TransferError.parentMissing("d/a")) { try Manifest(entries: [Self.file("d/a")]) }
        #expect(throws: TransferError.parentMissing("d/a")) {
            try Manifest(entries: [Self.link("d", "e"), Self.file("d/a")])
        }
        #expect(throws: TransferError.parentMissing("d/a")) {
            try Manifest(entries: [Self.file("d"), Self.file("d/a")])
        }
    }

    @Test("a symbolic link may point anywhere inside the tree and nowhere outside, even through other links")
    func links() throws {
        let base = [Self.directory("a"), Self.directory("a/b"), Self.file("a/f"), Self.file("g")]
        for target in ["f", "../g", "b/../f", "./f", "missing", "../a/b"] {
            _ = try Manifest(entries: base + [Self.link("a/l", target)])
        }
        for target in ["/etc/passwd", "../..", "../../x", "b/../../../x"] {
            #expect(throws: TransferError.symlinkEscapes(path: "a/l", target: target)) {
                try Manifest(entries: base + [Self.link("a/l", target)])
            }
        }
        // Each alone looks harmless; together they climb out.
        #expect(throws: TransferError.symlinkEscapes(path: "out", target: "a/b/up/../../x")) {
            try Manifest(entries: base + [Self.link("a/b/up", ".."), Self.link("out", "a/b/up/../../x")])
        }
        #expect(throws: TransferError.self) { try Manifest(entries: [Self.link("l", "")]) }
        // A loop leads nowhere, and is refused by no one.
        _ = try Manifest(entries: [Self.link("l", "m"), Self.link("m", "l")])
    }

    @Test("entangled links cost bounded work")
    func entangled() {
        var entries: [Manifest.Entry] = []
        for index in 0..<2000 {
            let next = String(format(index + 1))
            entries.append(
                Self.link(String(format(index)), [String](repeating: next, count: 800).joined(separator: "/")))
        }
        let error = #expect(throws: TransferError.self) { try Manifest(entries: entries) }
        #expect(error?.message.hasSuffix("the links are too entangled to follow") == true)
    }

    private func format(_ number: Int) -> Substring { "\(10_000 + number)".dropFirst() }

    @Test("sizes and chunks that do not fit, and size bombs, are refused")
    func sizes() {
        #expect(throws: TransferError.chunksMismatch("a")) {
            try Manifest.decode(Self.forged([Self.rawFile("a", size: 1, digests: 2)]))
        }
        #expect(throws: TransferError.chunksMismatch("a")) {
            try Manifest.decode(Self.forged([Self.rawFile("a", size: (4 << 20) + 1, digests: 1)]))
        }
        #expect(throws: TransferError.self) { try Manifest.decode(Self.forged([Self.rawFile("a", size: .max)])) }
        #expect(throws: TransferError.self) { try Manifest.decode(Self.forged([.array([.text("a"), .unsigned(9)])])) }
    }

    @Test("every truncation and every changed byte of an encoded manifest is refused or gives another root")
    func fuzz() throws {
        let manifest = try Manifest(entries: [Self.directory("a"), Self.file("a/b"), Self.link("c", "a/b")])
        let encoded = manifest.encoded()
        for count in encoded.indices {
            #expect(throws: TransferError.self) { try Manifest.decode(Array(encoded.prefix(count))) }
        }
        for index in encoded.indices {
            for bit in 0..<8 {
                var changed = encoded
                changed[index] ^= 1 << UInt8(bit)
                if let other = try? Manifest.decode(changed) { #expect(other.root != manifest.root) }
            }
        }
    }

    @Test("messages survive their encoding, and an oversized chunk is refused")
    func messages() throws {
        let digest = BLAKE3.hash([1])
        let messages: [TransferMessage] = [
            .offer(manifest: [1, 2]), .need([digest, BLAKE3.hash([2])]), .need([]),
            .chunk(digest, offset: 5, bytes: [1, 2, 3], isLast: true), .want([digest]), .wantManifest(digest),
            .manifest([9]), .done, .failed(code: "files.disk", message: "full"),
        ]
        for message in messages { #expect(try TransferMessage.decode(message.encoded()) == message) }
        let big = TransferMessage.chunk(
            digest, offset: 0, bytes: [UInt8](repeating: 0, count: (1 << 20) + 1), isLast: true)
        #expect(throws: TransferError.self) { try TransferMessage.decode(big.encoded()) }
        #expect(throws: TransferError.self) { try TransferMessage.decode([]) }
    }

    @Test("chunks are put together from parts, and only what was asked for and is true gets through")
    func assembler() throws {
        let content = (0..<(1 << 20) + 5).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let digest = BLAKE3.hash(content)
        let parts = TransferMessage.chunks(of: digest, content: content)
        #expect(parts.count == 2)
        func play(_ parts: [TransferMessage]) throws -> [UInt8]? {
            var assembler = ChunkAssembler(missing: [digest])
            var whole: [UInt8]?
            for case .chunk(let digest, let offset, let bytes, let isLast) in parts {
                whole = try assembler.accept(digest, offset: offset, bytes: bytes, isLast: isLast)?.content
            }
            #expect(assembler.isComplete == (whole != nil))
            return whole
        }
        #expect(try play(parts) == content)
        #expect(try play(Array(parts.prefix(1))) == nil)
        #expect(throws: TransferError.self) { try play([parts[1], parts[0]]) }
        #expect(throws: TransferError.self) { try play(parts + [parts[0]]) }
        #expect(throws: TransferError.blobDamaged(digest)) {
            try play([.chunk(digest, offset: 0, bytes: [1], isLast: true)])
        }
        #expect(throws: TransferError.self) {
            try play([.chunk(BLAKE3.hash([5]), offset: 0, bytes: [5], isLast: true)])
        }
        // One chunk never grows beyond 4 MiB.
        let endless = (0..<5).map {
            TransferMessage.chunk(
                digest, offset: UInt64($0) << 20, bytes: [UInt8](repeating: 0, count: 1 << 20), isLast: false)
        }
        #expect(throws: TransferError.self) { try play(endless) }
    }
}
