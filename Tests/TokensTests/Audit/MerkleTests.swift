import Codec
import Foundation
import Testing

@testable import Tokens

@Suite struct MerkleTests {
    static let vectors = "merkle/testdata/inclusion"

    /// A log with all that proofs need, grown entry by entry.
    struct Log {
        var frontier = MerkleFrontier()
        var subtrees: [MerkleHash.Position: Digest] = [:]
        var roots = [MerkleHash.empty]

        init(_ entries: [[UInt8]]) {
            for entry in entries {
                for ended in frontier.append(leaf: MerkleHash.leaf(entry)) { subtrees[ended.position] = ended.hash }
                roots.append(frontier.root)
            }
        }
    }

    /// The definition, as RFC 9162 writes it down.
    static func root(_ entries: ArraySlice<[UInt8]>) -> Digest {
        if entries.isEmpty { return MerkleHash.empty }
        if entries.count == 1 { return MerkleHash.leaf(entries[entries.startIndex]) }
        var left = 1
        while left * 2 < entries.count { left *= 2 }
        return MerkleHash.node(root(entries.prefix(left)), root(entries.dropFirst(left)))
    }

    static let entries = (0..<70).map { Array("entry \($0)".utf8) }
    let log = Log(entries)

    @Test("the eight leaves that Certificate Transparency publishes give its root")
    func publishedRoot() {
        let leaves = [
            "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
        ]
        let root = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        #expect(Log(leaves.map { Hex.decode($0) ?? [] }).frontier.root.hex == root)
    }

    @Test("the edge of a tree gives the root that the definition gives, at every size")
    func roots() {
        for size in 0...MerkleTests.entries.count {
            let root = MerkleTests.root(MerkleTests.entries.prefix(size))
            #expect(log.roots[size] == root)
            #expect(MerkleProof.root(size: UInt64(size)) { log.subtrees[$0] } == root)
        }
    }

    @Test("every entry of every tree can be proven, and nothing else by the same proof")
    func inclusion() throws {
        for size in 1...UInt64(MerkleTests.entries.count) {
            let root = log.roots[Int(size)]
            for index in 0..<size {
                let leaf = MerkleHash.leaf(MerkleTests.entries[Int(index)])
                let path = try #require(MerkleProof.inclusion(of: index, size: size) { log.subtrees[$0] })
                #expect(MerkleProof.verifies(path, leaf: leaf, index: index, size: size, root: root))
                #expect(!MerkleProof.verifies(path + [root], leaf: leaf, index: index, size: size, root: root))
                #expect(!MerkleProof.verifies(path, leaf: root, index: index, size: size, root: root) || size == 1)
                #expect(!MerkleProof.verifies(path, leaf: leaf, index: index + 1, size: size, root: root))
                #expect(!MerkleProof.verifies(path, leaf: leaf, index: index, size: size, root: MerkleHash.empty))
                for place in path.indices {
                    var other = path
                    other[place] = leaf
                    #expect(!MerkleProof.verifies(other, leaf: leaf, index: index, size: size, root: root))
                    other.remove(at: place)
                    #expect(!MerkleProof.verifies(other, leaf: leaf, index: index, size: size, root: root))
                }
            }
        }
    }

    @Test("every tree can be proven to begin with every earlier one, and with no other")
    func consistency() throws {
        let sizes = UInt64(MerkleTests.entries.count)
        for new in 0...sizes {
            for old in 0...new {
                let path = try #require(MerkleProof.consistency(from: old, to: new) { log.subtrees[$0] })
                let (before, after) = ((old, log.roots[Int(old)]), (new, log.roots[Int(new)]))
                #expect(MerkleProof.verifies(path, from: before, to: after))
                #expect(!MerkleProof.verifies(path + [after.1], from: before, to: after))
                #expect(!MerkleProof.verifies(path, from: (old, Digest.zero), to: after))
                if old > 0 && old < new {
                    #expect(!MerkleProof.verifies(path, from: before, to: (new, Digest.zero)))
                    #expect(!MerkleProof.verifies(path.dropLast(), from: before, to: after))
                }
            }
        }
        #expect(MerkleProof.consistency(from: 2, to: 1) { log.subtrees[$0] } == nil)
    }

    @Test("an entry that was altered, dropped or moved changes the root")
    func altered() {
        for index in MerkleTests.entries.indices {
            var entries = MerkleTests.entries
            entries[index].append(0)
            #expect(Log(entries).frontier.root != log.frontier.root)
            entries.remove(at: index)
            #expect(Log(entries).frontier.root != log.frontier.root)
        }
    }

    @Test("a leaf is never taken for a node")
    func domains() {
        let (left, right) = (MerkleHash.leaf([1]), MerkleHash.leaf([2]))
        #expect(MerkleHash.leaf(left.bytes + right.bytes) != MerkleHash.node(left, right))
        #expect(Log([left.bytes + right.bytes]).frontier.root != Log([[1], [2]]).frontier.root)
    }

    @Test("the edge of a tree survives being written down, and one that does not fit is refused")
    func written() throws {
        #expect(try MerkleFrontier(cbor: log.frontier.cbor) == log.frontier)
        var map = CBORMap()
        map.set(1, UInt64(3))
        map.set(2, [Digest.zero])
        #expect(throws: CodecError.self) { try MerkleFrontier(cbor: .map(map)) }
    }

    @Test(
        "published inclusion proofs are taken, and those that were tampered with are refused",
        .enabled(if: Vectors.exist(vectors), "the Merkle vectors are not here: set SWARMLET_VECTORS"))
    func published() throws {
        let folder = Vectors.url(MerkleTests.vectors)
        let files = try #require(FileManager.default.subpaths(atPath: folder.path)).filter { $0.hasSuffix(".json") }
        for file in files.sorted() {
            let vector = try Vector(Data(contentsOf: folder.appendingPathComponent(file)))
            #expect(vector.isTaken == !vector.wantErr, "\(file)")
        }
        #expect(files.count == 98)
    }
    /// Numbers in these go beyond what our own JSON takes.
    private struct Vector: Decodable {
        let leafIdx, treeSize: UInt64
        let root, leafHash: String?
        let proof: [String]?
        let wantErr: Bool

        init(_ data: Data) throws { self = try JSONDecoder().decode(Vector.self, from: data) }

        /// What is no hash of 32 bytes is no proof.
        var isTaken: Bool {
            guard let leaf = digest(leafHash), let root = digest(root) else { return false }
            let path = (proof ?? []).map(digest)
            guard !path.contains(nil) else { return false }
            return MerkleProof.verifies(
                path.compactMap(\.self), leaf: leaf, index: leafIdx, size: treeSize, root: root)
        }

        private func digest(_ text: String?) -> Digest? {
            Data(base64Encoded: text ?? "").flatMap { Digest(bytes: [UInt8]($0)) }
        }
    }
}
