import Codec
import GPUBackend
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
        guard key.publicKey == membership.meshKey else { throw NodeError.foreignMeshKey(mesh: membership.meshName) }
        if HostFiles.exists(directory.meshKey) {
            guard try SigningKeyFile.load(directory.meshKey).publicKey == key.publicKey else {
                throw TokenError.keyExists(path: directory.meshKey)
            }
            return nil
        }
        try SigningKeyFile.save(key, to: directory.meshKey)
        return membership.meshName
    }
}

extension MeshMembership {
    /// A node that was given the mesh key stands right below it, and not at the end of a chain of hosts that may be gone.
    ///
    /// - Returns: whether its certificates are new.
    mutating func takeMeshKey(_ identity: NodeIdentity, _ directory: DataDirectory) throws -> Bool {
        guard certificates.certificates.count > 1, HostFiles.exists(directory.meshKey) else { return false }
        let key = try SigningKeyFile.load(directory.meshKey)
        guard key.publicKey == meshKey else { throw NodeError.foreignMeshKey(mesh: meshName) }
        certificates = try .founding(identity.publicKey, name: nodeName, meshKey: key, now: Certifier.now)
        try write(directory)
        return true
    }
}
