import Codec
import GPUBackend
import Glibc
import Scheduler
import Tokens

/// Copies of the key of a mesh: away from the host that founded it, and onto another member, for the day when that host
/// is gone. Works on the data directory; a daemon takes a key that came at its next start.
public enum MeshKeyCopy {
    /// The line to keep: the secret itself, or locked by a passphrase. Where the keys of this host are locked it is always
    /// locked, by their passphrase.
    ///
    /// - Throws: `NodeError.noMeshKey`, `.notInMesh`; `TokenError` for a key file that must not be used, or another
    ///   passphrase than that of this host's keys.
    public static func export(from directory: DataDirectory, passphrase: Passphrase?) throws -> String {
        try Sodium.start()
        guard let membership = try MeshMembership.read(directory) else { throw NodeError.notInMesh }
        guard HostFiles.exists(directory.meshKey) else { throw NodeError.noMeshKey(node: membership.nodeName) }
        let content = try SecretFile.read(directory.meshKey, byteCountMax: SigningKeyFile.byteCountMax)
        if SigningKeyFile.isLocked(content) {
            if let passphrase { _ = try SigningKeyFile.load(directory.meshKey, KeyLock(passphrase)) }
            return String(
                decoding: content.last == UInt8(ascii: "\n") ? content.dropLast() : content[...], as: UTF8.self)
        }
        let key = try SigningKeyFile.load(directory.meshKey, KeyLock())
        guard let passphrase else { return String(decoding: SigningKeyFile.line(of: key).dropLast(), as: UTF8.self) }
        return LockedKey.lock(key, passphrase: passphrase)
    }

    /// Whether a line asks for a passphrase.
    public static func isLocked(_ line: String) -> Bool { LockedKey.isOne(line) }

    /// Puts the key of such a line where the daemon looks for it, locked where the keys of this host are: the passphrase is
    /// theirs then, and that of the line, if it is locked, too.
    ///
    /// - Returns: the name of the mesh, or nil where the key is there already.
    /// - Throws: `NodeError.foreignMeshKey`, `.notInMesh`; `TokenError` for what is no key, or another passphrase's.
    public static func take(_ line: String, passphrase: Passphrase?, into directory: DataDirectory) throws -> String? {
        try Sodium.start()
        guard let membership = try MeshMembership.read(directory) else { throw NodeError.notInMesh }
        let lock = KeyLock(passphrase)
        try KeysAtRest.open(directory, lock)
        let key: SigningKey
        if isLocked(line) {
            guard let passphrase else { throw TokenError.passphraseWrong }
            key = try LockedKey.unlock(line, passphrase: passphrase)
        } else {
            guard let plain = SigningKeyFile.parse(Array(line.utf8)[...]) else { throw TokenError.notAKey }
            key = plain
        }
        guard !membership.isFormer(key.publicKey) else { throw NodeError.meshKeyReplaced(mesh: membership.meshName) }
        guard key.publicKey == membership.currentMeshKey else {
            throw NodeError.foreignMeshKey(mesh: membership.meshName)
        }
        if HostFiles.exists(directory.meshKey) {
            guard try SigningKeyFile.load(directory.meshKey, lock).publicKey == key.publicKey else {
                throw TokenError.keyExists(path: directory.meshKey)
            }
            return nil
        }
        try SigningKeyFile.save(key, to: directory.meshKey, lock)
        return membership.meshName
    }

    // MARK: Rotation

    /// The key to come: that of a try whose end nobody knows, which may still be decided, or a new one, which is durable when
    /// this returns.
    static func next(_ directory: DataDirectory, _ lock: KeyLock) throws -> SigningKey {
        guard !HostFiles.exists(directory.nextMeshKey) else {
            return try SigningKeyFile.load(directory.nextMeshKey, lock)
        }
        let temporary = directory.nextMeshKey + ".new"
        unlink(temporary)
        let key = SigningKey.generate()
        try SigningKeyFile.save(key, to: temporary, lock)
        try OtherKeys.rename(temporary, to: directory.nextMeshKey)
        try OtherKeys.sync(directory.keys)
        return key
    }

    /// Puts the key to come in the place of the one before where the state says so, and deletes what other hosts have
    /// replaced. What the state does not know stays.
    ///
    /// - Returns: what was done, for people; nil: nothing.
    static func settle(
        _ directory: DataDirectory, _ state: SchedulerState, _ lock: KeyLock
    ) throws -> String? {
        let current = state.currentMeshKey.array
        if HostFiles.exists(directory.nextMeshKey),
            try SigningKeyFile.load(directory.nextMeshKey, lock).publicKey.bytes == current
        {
            // The secret of the one before goes with its name.
            try OtherKeys.rename(directory.nextMeshKey, to: directory.meshKey)
            try OtherKeys.sync(directory.keys)
            return "the mesh has another key, which lies here; the old one is deleted"
        }
        guard HostFiles.exists(directory.meshKey) else { return nil }
        let key = Bytes(try SigningKeyFile.load(directory.meshKey, lock).publicKey.bytes)
        guard key.array != current, state.isMeshKey(key) else { return nil }
        for file in [directory.nextMeshKey, directory.meshKey] where unlink(file) != 0 && errno != ENOENT {
            throw HostError.system(operation: "unlink", path: file, errorNumber: errno)
        }
        try OtherKeys.sync(directory.keys)
        return "the mesh key was rotated on another host: the one that lay here is deleted"
    }
}

extension MeshMembership {
    /// A node that was given the mesh key stands right below it, and not at the end of a chain of hosts that may be gone.
    ///
    /// - Returns: whether its certificates are new.
    mutating func takeMeshKey(_ identity: NodeIdentity, _ directory: DataDirectory) throws -> Bool {
        guard certificates.certificates.count > 1, HostFiles.exists(directory.meshKey) else { return false }
        let key = try SigningKeyFile.load(directory.meshKey, identity.lock)
        // It is deleted as soon as the state is there.
        guard !isFormer(key.publicKey) else { return false }
        guard key.publicKey == currentMeshKey else { throw NodeError.foreignMeshKey(mesh: meshName) }
        certificates = try .founding(
            identity.publicKey, name: nodeName, meshKey: key, mesh: meshKey.id, now: Certifier.now)
        root = currentMeshKey
        try write(directory)
        return true
    }
}
