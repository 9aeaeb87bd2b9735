import Codec
import GPUBackend
import Mesh
import Testing

@testable import Node
@testable import Tokens

/// All keys of a data directory, and a command that may die at each step of locking them.
struct KeysAtRestTests {
    private struct Killed: Error {}

    private let scratch: ScratchDirectory
    private let directory: DataDirectory
    private let meshKey = SigningKey(seed: [UInt8](repeating: 1, count: 32))
    private static let terms = PassphraseKey.Terms(memory: 8192, passes: 1)

    init() throws {
        try Sodium.start()
        scratch = try ScratchDirectory()
        directory = DataDirectory(path: scratch.path + "/data")
        try directory.prepare()
        try HostFiles.makeDirectories(directory.keys)
    }

    private func phrase(_ text: String = "sesame") -> KeyLock {
        var bytes = Array(text.utf8)
        return KeyLock(Passphrase(wiping: &bytes))
    }

    /// Makes new keys with the least of work.
    private func making() -> KeyLock {
        let lock = phrase()
        lock.lockNewKeys(Self.terms)
        return lock
    }

    /// A founder with an identity, the mesh key and one to come, and a rotation under way.
    private func founder() throws -> NodeIdentity {
        let identity = try NodeIdentity(directory, KeyLock())
        try SigningKeyFile.save(meshKey, to: directory.meshKey, KeyLock())
        _ = try MeshKeyCopy.next(directory, KeyLock())
        let (key, noiseKey) = (SigningKey.generate(), NoiseKeyPair.generate())
        let certificates = try CertificateChain.founding(
            identity.publicKey, name: "owl", meshKey: meshKey, now: 1_795_271_400)
        try MeshMembership(
            meshName: "lab", meshKey: meshKey.publicKey, node: NodeID(3), nodeName: "owl", certificates: certificates,
            isFounder: true
        ).write(directory)
        let rotation = KeyRotation(
            of: NodeID(3), from: identity.signingKey, to: key, noiseKey: noiseKey.publicKey,
            mesh: meshKey.publicKey.id.text)
        try OtherKeys(signingKey: key, noiseKey: noiseKey, certificates: certificates, rotation: rotation)
            .save(directory, KeyLock())
        return try NodeIdentity(directory, KeyLock())
    }

    /// Every secret of that host in the forms in which it may be written.
    private func secrets(_ identity: NodeIdentity) throws -> [[UInt8]] {
        let noise = [identity.noiseKey, try #require(identity.other).noiseKey].map { pair in
            pair.withSecretBytes { Array(UnsafeBufferPointer(start: $0, count: 32)) }
        }
        let next = try SigningKeyFile.load(directory.nextMeshKey, KeyLock())
        let seeds = [identity.signingKey, try #require(identity.other).signingKey, meshKey, next].map { key in
            key.withSeed { Array($0) }
        }
        return (noise + seeds).flatMap { [$0, Array(Base64URL.encode($0).utf8)] }
    }

    private func files(_ place: String) throws -> [String] {
        try HostFiles.names(in: place).flatMap { name in
            let path = "\(place)/\(name)"
            return ["identity", "noise", "mesh", "mesh.next", "certificates", "rotation"].contains(name)
                || name.hasSuffix(".new") && name != "other.new" ? [path] : try files(path)
        }
    }

    private func expectNoneOpen(_ secrets: [[UInt8]]) throws {
        for path in try files(directory.keys) {
            let content = try HostFiles.read(path)
            for secret in secrets {
                let isThere = content.indices.contains { content[$0...].starts(with: secret) }
                #expect(!isThere, "\(path)")
            }
        }
    }

    private func expect(_ before: NodeIdentity, with lock: KeyLock) throws {
        let now = try NodeIdentity(directory, lock)
        #expect(now.publicKey == before.publicKey && now.noiseKey.publicKey == before.noiseKey.publicKey)
        #expect(now.other?.signingKey.publicKey == before.other?.signingKey.publicKey)
        #expect(now.other?.noiseKey.publicKey == before.other?.noiseKey.publicKey)
        #expect(try SigningKeyFile.load(directory.meshKey, now.lock).publicKey == meshKey.publicKey)
    }

    @Test("all keys are locked, with one derivation, open as they were, and no plain one is left")
    func locked() throws {
        let before = try founder()
        let secrets = try secrets(before)
        #expect(try KeysAtRest.standing(directory) == .init(locked: 0, open: 6))
        #expect(try KeysAtRest.lock(directory, making()))
        #expect(try KeysAtRest.standing(directory) == .init(locked: 6, open: 0))
        try expectNoneOpen(secrets)
        #expect(try HostFiles.names(in: directory.keys) == ["identity", "mesh", "mesh.next", "noise", "other"])
        try expect(before, with: phrase())
        let salts = try files(directory.keys).map { try HostFiles.readText($0) }.filter {
            $0.hasPrefix("k4.secret-pw.")
        }
        .map { $0.prefix(13 + 21) }
        #expect(salts.count == 6 && Set(salts).count == 1)
        #expect(try !KeysAtRest.lock(directory, phrase()), "a second time changes nothing")
        #expect(try KeysAtRest.unlock(directory, phrase()))
        #expect(try KeysAtRest.standing(directory) == .init(locked: 0, open: 6))
        try expect(before, with: KeyLock())
        #expect(try !KeysAtRest.unlock(directory, phrase()))
    }

    @Test("without the passphrase, or with another, nothing begins and nothing is changed")
    func refused() throws {
        _ = try founder()
        #expect(try KeysAtRest.lock(directory, making()))
        let before = try files(directory.keys).map { try HostFiles.read($0) }
        #expect(throws: TokenError.keyLocked(path: directory.identity)) { try NodeIdentity(directory, KeyLock()) }
        let wrong = TokenError.keyNotOpened(path: directory.identity)
        #expect(throws: wrong) { try NodeIdentity(directory, phrase("sesam")) }
        #expect(throws: wrong) { try KeysAtRest.lock(directory, phrase("sesam")) }
        #expect(throws: wrong) { try KeysAtRest.unlock(directory, phrase("sesam")) }
        #expect(try files(directory.keys).map { try HostFiles.read($0) } == before)
    }

    @Test("whoever dies behind any step of locking or unlocking leaves keys that open, and the next try does the rest")
    func dies() throws {
        let before = try founder()
        let secrets = try secrets(before)
        for last in 1...6 {
            var step = 0
            let die = {
                step += 1
                if step == last { throw Killed() }
            }
            #expect(throws: Killed.self) { try KeysAtRest.lock(directory, making(), onStep: die) }
            #expect(try KeysAtRest.standing(directory) == .init(locked: last, open: 6 - last))
            try expect(before, with: phrase())
            #expect(throws: TokenError.keyLocked(path: directory.identity)) {
                try NodeIdentity(directory, KeyLock())
            }
            // It died while it wrote the next file, which was to be plain.
            try SecretFile.create(directory.noise + ".new", with: Array(secrets[0].dropLast(3)))
            #expect(try KeysAtRest.lock(directory, phrase()) == (last < 6))
            try expectNoneOpen(secrets)
            #expect(try KeysAtRest.standing(directory) == .init(locked: 6, open: 0))
            step = 0
            #expect(throws: Killed.self) { try KeysAtRest.unlock(directory, phrase(), onStep: die) }
            try expect(before, with: phrase())
            #expect(try KeysAtRest.unlock(directory, phrase()) == (last < 6))
            try expect(before, with: KeyLock())
        }
    }

    @Test("keys that a locked host makes are locked, those of a rotation that is being taken included")
    func made() throws {
        let before = try founder()
        #expect(try KeysAtRest.lock(directory, making()))
        try OtherKeys.beginTaking(directory)
        let taken = try NodeIdentity(directory, phrase())
        #expect(taken.publicKey == before.other?.signingKey.publicKey)
        #expect(taken.other?.signingKey.publicKey == before.publicKey)
        #expect(try KeysAtRest.standing(directory) == .init(locked: 6, open: 0))
        try OtherKeys.delete(directory)
        let key = SigningKey.generate()
        let rotation = KeyRotation(
            of: NodeID(3), from: taken.signingKey, to: key, noiseKey: taken.noiseKey.publicKey,
            mesh: meshKey.publicKey.id.text)
        let certificates = try CertificateChain.founding(
            key.publicKey, name: "owl", meshKey: meshKey, now: 1_795_271_400)
        try OtherKeys(signingKey: key, noiseKey: .generate(), certificates: certificates, rotation: rotation)
            .save(directory, taken.lock)
        #expect(try KeysAtRest.standing(directory) == .init(locked: 6, open: 0))
    }

    @Test("keys of a first start under a passphrase never lie open; without one they are as they were")
    func firstStart() throws {
        let identity = try NodeIdentity(directory, making())
        #expect(try KeysAtRest.standing(directory) == .init(locked: 2, open: 0))
        #expect(try NodeIdentity(directory, phrase()).publicKey == identity.publicKey)
        try HostFiles.removeTree(directory.keys)
        try HostFiles.makeDirectories(directory.keys)
        _ = try NodeIdentity(directory, KeyLock())
        #expect(try KeysAtRest.standing(directory) == .init(locked: 0, open: 2))
        // A passphrase that nothing was locked by locks nothing by itself.
        let lock = phrase()
        _ = try NodeIdentity(directory, lock)
        #expect(!lock.isLocking && !lock.hasPassphrase)
    }

    @Test("keys are locked only while no daemon holds them, and where there are some")
    func held() throws {
        var bytes = Array("sesame".utf8)
        let passphrase = Passphrase(wiping: &bytes)
        #expect(throws: NodeError.keysMissing(path: directory.path)) { try KeysAtRest.lock(directory, passphrase) }
        _ = try NodeIdentity(directory, KeyLock())
        try directory.take()
        #expect(throws: NodeError.self) { try KeysAtRest.lock(directory, passphrase) }
        #expect(try KeysAtRest.standing(directory) == .init(locked: 0, open: 2))
    }
}
