import Codec
import GPUBackend
import Mesh
import Testing

@testable import Node
@testable import Tokens

/// Two sets of keys in one data directory, and a daemon that may die at each step between them.
struct OtherKeysTests {
    private struct Killed: Error {}

    private let scratch: ScratchDirectory
    private let directory: DataDirectory
    private let meshKey = SigningKey(seed: [UInt8](repeating: 1, count: 32))

    init() throws {
        scratch = try ScratchDirectory()
        directory = DataDirectory(path: scratch.path + "/data")
        try directory.prepare()
        try HostFiles.makeDirectories(directory.keys)
    }

    /// A member with an identity, and the keys that are to come.
    private func member() throws -> (NodeIdentity, OtherKeys) {
        let identity = try NodeIdentity(directory, KeyLock())
        try MeshMembership(
            meshName: "lab", meshKey: meshKey.publicKey, node: NodeID(3), nodeName: "owl",
            certificates: try .founding(identity.publicKey, name: "owl", meshKey: meshKey, now: 1_795_271_400),
            isFounder: false
        ).write(directory)
        let (key, noiseKey) = (SigningKey.generate(), NoiseKeyPair.generate())
        let rotation = KeyRotation(
            of: NodeID(3), from: identity.signingKey, to: key, noiseKey: noiseKey.publicKey,
            mesh: meshKey.publicKey.id.text)
        let keys = OtherKeys(
            signingKey: key, noiseKey: noiseKey,
            certificates: try .founding(key.publicKey, name: "owl", meshKey: meshKey, now: 1_795_271_400),
            rotation: rotation)
        try keys.save(directory, KeyLock())
        return (identity, keys)
    }

    private func expect(_ keys: OtherKeys, inUseBefore former: NodeIdentity) throws {
        let identity = try NodeIdentity(directory, KeyLock())
        #expect(identity.publicKey == keys.signingKey.publicKey)
        #expect(identity.noiseKey.publicKey == keys.noiseKey.publicKey)
        let membership = try #require(try MeshMembership.read(directory))
        try membership.check(identity, directory)
        #expect(membership.rotation == keys.rotation)
        let other = try #require(identity.other)
        #expect(other.signingKey.publicKey == former.publicKey)
        #expect(other.noiseKey.publicKey == former.noiseKey.publicKey)
        #expect(other.rotation == nil)
        #expect(try other.certificates.verify(meshKey: meshKey.publicKey).subject == former.publicKey)
        #expect(try HostFiles.names(in: directory.keys) == ["identity", "noise", "other"])
    }

    @Test("keys to come change nothing until they are taken, and can be dropped")
    func kept() throws {
        let (identity, keys) = try member()
        let again = try NodeIdentity(directory, KeyLock())
        #expect(again.publicKey == identity.publicKey)
        #expect(again.other?.signingKey.publicKey == keys.signingKey.publicKey)
        #expect(again.other?.rotation == keys.rotation)
        try OtherKeys.delete(directory)
        #expect(try NodeIdentity(directory, KeyLock()).other == nil)
        #expect(try HostFiles.names(in: directory.keys) == ["identity", "noise"])
    }

    @Test("a daemon that dies behind any step of taking them comes back with all of them, and keeps those of before")
    func dies() throws {
        var steps = 0
        let (first, keys) = try member()
        try OtherKeys.beginTaking(directory)
        try OtherKeys.finishTaking(directory, KeyLock()) { steps += 1 }
        #expect(steps == 9)
        try expect(keys, inUseBefore: first)
        try OtherKeys.delete(directory)
        for last in 1...steps {
            let (former, keys) = try member()
            try OtherKeys.beginTaking(directory)
            try takeAndDie(atStep: last)
            try expect(keys, inUseBefore: former)
            try OtherKeys.delete(directory)
        }
    }

    private func takeAndDie(atStep last: Int) throws {
        var step = 0
        do {
            try OtherKeys.finishTaking(directory, KeyLock()) {
                step += 1
                if step == last { throw Killed() }
            }
        } catch is Killed {}
    }

    @Test("a daemon that dies twice at the same step comes back, too")
    func diesTwice() throws {
        for last in 1...8 {
            let (former, keys) = try member()
            try OtherKeys.beginTaking(directory)
            for _ in 0..<2 { try takeAndDie(atStep: last) }
            try expect(keys, inUseBefore: former)
            try OtherKeys.delete(directory)
        }
    }

    @Test("where the mesh goes back to the keys of before, so does the node")
    func back() throws {
        let (former, keys) = try member()
        for _ in 0..<2 {
            try OtherKeys.beginTaking(directory)
            try OtherKeys.finishTaking(directory, KeyLock())
        }
        let identity = try NodeIdentity(directory, KeyLock())
        #expect(identity.publicKey == former.publicKey && identity.noiseKey.publicKey == former.noiseKey.publicKey)
        #expect(identity.other?.signingKey.publicKey == keys.signingKey.publicKey)
        try #require(try MeshMembership.read(directory)).check(identity, directory)
    }

    @Test("a node that has left its mesh meanwhile goes by the new keys, and keeps none of before")
    func left() throws {
        let (_, keys) = try member()
        try OtherKeys.beginTaking(directory)
        try HostFiles.removeTree(directory.mesh)
        let identity = try NodeIdentity(directory, KeyLock())
        #expect(identity.publicKey == keys.signingKey.publicKey && identity.other == nil)
        #expect(try HostFiles.names(in: directory.keys) == ["identity", "noise"])
    }

    @Test("keys of which a part is missing are not silently done without")
    func damaged() throws {
        _ = try member()
        try HostFiles.removeTree(directory.otherKeys + "/certificates")
        #expect(throws: (any Error).self) { try NodeIdentity(directory, KeyLock()) }
    }
}
