import Codec
import GPUBackend
import Glibc
import Scheduler
import Tokens

/// Copies of the key of a mesh: away from the host that founded it, and onto another member, for the day when that host
/// is gone. Works on the data directory; a daemon takes a key that came at its next start.
public enum MeshKeyCopy {
    /// The line to keep: the secret itself, or locked by a passphrase, which is not empty.
    ///
    /// - Throws: `NodeError.noMeshKey`, `.notInMesh`; `TokenError` for a key file that must not be used.
    public static func export(from directory: DataDirectory, passphrase: String?) throws -> String {
        try Sodium.start()
        guard let membership = try MeshMembership.read(directory) else { throw NodeError.notInMesh }
        guard HostFiles.exists(directory.meshKey) else { throw NodeError.noMeshKey(node: membership.nodeName) }
        let key = try SigningKeyFile.load(directory.meshKey)
        guard let passphrase else { return String(decoding: SigningKeyFile.line(of: key).dropLast(), as: UTF8.self) }
        return LockedKey.lock(key, passphrase: Array(passphrase.utf8))
    }

    /// Whether a line asks for a passphrase.
    public static func isLocked(_ line: String) -> Bool { LockedKey.isOne(line) }

    /// Puts the key of such a line where the daemon looks for it.
    ///
    /// - Returns: the name of the mesh, or nil where the key is there already.
    /// - Throws: `NodeError.foreignMeshKey`, `.notInMesh`; `TokenError` for what is no key, or another passphrase's.
    public static func take(_ line: String, passphrase: String?, into directory: DataDirectory) throws -> String? {
        try Sodium.start()
        guard let membership = try MeshMembership.read(directory) else { throw NodeError.notInMesh }
        let key: SigningKey
        if isLocked(line) {
            key = try LockedKey.unlock(line, passphrase: Array((passphrase ?? "").utf8))
        } else {
            guard let plain = SigningKeyFile.parse(Array(line.utf8)[...]) else { throw TokenError.notAKey }
            key = plain
        }
        guard !membership.isFormer(key.publicKey) else { throw NodeError.meshKeyReplaced(mesh: membership.meshName) }
        guard key.publicKey == membership.currentMeshKey else {
            throw NodeError.foreignMeshKey(mesh: membership.meshName)
        }
        if HostFiles.exists(directory.meshKey) {
            guard try SigningKeyFile.load(directory.meshKey).publicKey == key.publicKey else {
                throw TokenError.keyExists(path: directory.meshKey)
            }
            return nil
        }
        try SigningKeyFile.save(key, to: directory.meshKey)
        return membership.meshName
    }

    // MARK: Rotation

    /// The key to come: that of a try whose end nobody knows, which may still be decided, or a new one, which is durable when
    /// this returns.
    static func next(_ directory: DataDirectory) throws -> SigningKey {
        guard !HostFiles.exists(directory.nextMeshKey) else { return try SigningKeyFile.load(directory.nextMeshKey) }
        let temporary = directory.nextMeshKey + ".new"
        unlink(temporary)
        let key = SigningKey.generate()
        try SigningKeyFile.save(key, to: temporary)
        try OtherKeys.rename(temporary, to: directory.nextMeshKey)
        try OtherKeys.sync(directory.keys)
        return key
    }

    /// Puts the key to come in the place of the one before where the state says so, and deletes what other hosts have
    /// replaced. What the state does not know stays.
    ///
    /// - Returns: what was done, for people; nil: nothing.
    static func settle(_ directory: DataDirectory, _ state: SchedulerState) throws -> String? {
        let current = state.currentMeshKey.array
        if HostFiles.exists(directory.nextMeshKey),
            try SigningKeyFile.load(directory.nextMeshKey).publicKey.bytes == current
        {
            // The secret of the one before goes with its name.
            try OtherKeys.rename(directory.nextMeshKey, to: directory.meshKey)
            try OtherKeys.sync(directory.keys)
            return "the mesh has another key, which lies here; the old one is deleted"
        }
        guard HostFiles.exists(directory.meshKey) else { return nil }
        let key = Bytes(try SigningKeyFile.load(directory.meshKey).publicKey.bytes)
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
        let key = try SigningKeyFile.load(directory.meshKey)
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
