import Codec

@testable import Tokens

/// What keys state, and what is shown of the audit log.
enum StatementFuzzing {
    private static let (first, second) = (key(7), key(8))
    private static let mesh = key(1).publicKey.id.text
    private static let program = BLAKE3.hash([1])
    private static let leaves = (0..<7).map { MerkleHash.leaf([UInt8($0)]) }

    private static func key(_ byte: UInt8) -> SigningKey { SigningKey(seed: [UInt8](repeating: byte, count: 32)) }

    /// The first byte says what the rest is. Nobody but the fuzzer's keys signs: what is good must be what they signed.
    static func statement(_ bytes: [UInt8]) -> String? {
        let rest = Array(bytes.dropFirst())
        switch bytes.first {
        case 0:
            return signed(KeyRotation.self, rest, keyRotation) { (read) throws(TokenError) in
                try read.verify(mesh: mesh)
            }
        case 1:
            return signed(MeshKeyRotation.self, rest, meshKeyRotation) { (read) throws(TokenError) in
                try read.verify(mesh: mesh)
            }
        case 2:
            return signed(RoleStatement.self, rest, role) { (read) throws(TokenError) in
                guard read.isSigned(by: first.publicKey, about: program, mesh: mesh) else { throw .signatureInvalid }
            }
        case 3:
            return signed(ProgramStatement.self, rest, programStatement) { (read) throws(TokenError) in
                guard read.isSigned(by: first.publicKey, mesh: mesh) else { throw .signatureInvalid }
            }
        case 4: return note(String(decoding: rest, as: UTF8.self))
        case 5: return proof(rest)
        case 6: return ownLog(rest)
        case 7: return end(of: rest)
        default: return nil
        }
    }

    private static func signed<Statement: CBORCodable & Hashable>(
        _ type: Statement.Type, _ bytes: [UInt8], _ known: Statement,
        verify: (Statement) throws(TokenError) -> Void
    ) -> String? {
        if let flaw = Fuzzer.hasOneMeaning(type, bytes) { return flaw }
        guard let read = Fuzzer.taken({ () throws(CodecError) in try type.init(encoded: bytes) }),
            Fuzzer.taken({ () throws(TokenError) in try verify(read) }) != nil
        else { return nil }
        return read == known ? nil : "a \(type) that nobody signed is good"
    }

    private static func note(_ text: String) -> String? {
        guard let note = Fuzzer.taken({ () throws(TokenError) in try SignedNote(note: text) }) else { return nil }
        guard note.note == text else { return "a note that was taken is written in another way" }
        let isSigned = note.isSigned(by: "lab", first.publicKey) || note.cosigned(by: "owl", second.publicKey) != nil
        guard isSigned == false || note.text == checkpoint.text else { return "a note that nobody signed is good" }
        guard let read = Fuzzer.taken({ () throws(TokenError) in try AuditCheckpoint(text: note.text) }) else {
            return nil
        }
        return read.text == note.text ? nil : "a checkpoint that was taken is written in another way"
    }

    /// Two sizes or an index and a size, then hashes of 32 bytes: as a proof of an entry, and of a beginning.
    private static func proof(_ bytes: [UInt8]) -> String? {
        guard bytes.count >= 16 else { return nil }
        func number(_ start: Int) -> UInt64 { bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        var hashes: [Digest] = []
        for start in stride(from: 16, to: bytes.count - 31, by: 32) {
            guard let hash = Digest(bytes: Array(bytes[start..<start + 32])) else { return "32 bytes that are no hash" }
            hashes.append(hash)
        }
        let (index, size, root) = (number(0), number(8), tree(7))
        for leaf in leaves.indices
        where MerkleProof.verifies(hashes, leaf: leaves[leaf], index: index, size: size, root: root) {
            if size == 7, index != UInt64(leaf) { return "entry \(leaf) is shown to be entry \(index)" }
        }
        for old in 1...7 {
            let isShown = MerkleProof.verifies(hashes, from: (index, tree(old)), to: (size, root))
            if isShown, size == 7, index != UInt64(old) {
                return "a tree of \(old) entries is shown to be one of \(index)"
            }
        }
        return nil
    }

    /// Of a log whose end is known nothing but its own lines is whole.
    private static func ownLog(_ bytes: [UInt8]) -> String? {
        var check = LineChainCheck(anchors: [log.end], mayBeginLater: true)
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
        for line in lines { check.take(line) }
        check.finish()
        guard case .whole = check.verdict, let first = LineChain(endingWith: lines[0]), first.count <= log.end.count
        else {
            return nil
        }
        let known = log.lines.dropFirst(Int(first.count) - 1)
        return lines.starts(with: known) ? nil : "lines that nobody wrote are whole"
    }

    private static func end(of bytes: [UInt8]) -> String? {
        if let flaw = Fuzzer.hasOneMeaning(LineChain.self, bytes) { return flaw }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let read = LineChain(text) else { return nil }
        return read.description == text ? nil : "the end of a log that was taken is written in another way"
    }

    private static func tree(_ size: Int) -> Digest {
        func root(_ leaves: ArraySlice<Digest>) -> Digest {
            guard leaves.count > 1 else { return leaves[leaves.startIndex] }
            var left = 1
            while left * 2 < leaves.count { left *= 2 }
            return MerkleHash.node(root(leaves.prefix(left)), root(leaves.dropFirst(left)))
        }
        return root(leaves.prefix(size))
    }

    // MARK: True ones

    private static let keyRotation = KeyRotation(
        of: NodeID(3), from: first, to: second, noiseKey: [UInt8](repeating: 9, count: 32), mesh: mesh)
    private static let meshKeyRotation = MeshKeyRotation(from: first, to: second, mesh: mesh)
    private static let role = RoleStatement(.administrator, about: program, mesh: mesh, key: first)
    private static let programStatement = ProgramStatement(
        program, version: version, allowsOlder: true, time: 5, actor: "ana@owl", mesh: mesh, key: first)
    private static var version: ProgramVersion {
        guard let version = ProgramVersion("1.2.3") else { preconditionFailure("a version has three numbers") }
        return version
    }
    private static let log: (lines: [[UInt8]], end: LineChain) = {
        var end = LineChain()
        let lines = ["token.used", "auth.denied", "token.rate"].map { end.append([("code", .string($0))]) }
        return (lines, end)
    }()
    private static let checkpoint = AuditCheckpoint(origin: "lab", size: 7, root: tree(7))

    static func seeds() -> [[UInt8]] {
        var note = SignedNote(text: checkpoint.text)
        note.sign(name: "lab", with: first)
        note.cosign(name: "owl", with: second, time: 1_795_271_400)
        func proof(_ numbers: [UInt64], _ path: [Digest]) -> [UInt8] {
            [5] + numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) } }
                + path.flatMap(\.bytes)
        }
        return [
            [0] + keyRotation.encoded(), [1] + meshKeyRotation.encoded(), [2] + role.encoded(),
            [3] + programStatement.encoded(), [4] + Array(note.note.utf8),
            [6] + log.lines.joined(separator: Array("\n".utf8)), [7] + log.end.encoded(),
            [7] + Array(log.end.description.utf8),
            // That the entry 6 is in the tree, and that the tree begins with that of four entries.
            proof([6, 7], [MerkleHash.node(leaves[4], leaves[5]), tree(4)]),
            proof([4, 7], [MerkleHash.node(MerkleHash.node(leaves[4], leaves[5]), leaves[6])]),
        ]
    }
}
