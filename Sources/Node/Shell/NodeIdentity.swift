import Codec
import GPUBackend
import Mesh
import Tokens

/// This node's own keys: an Ed25519 key that says who it is, and an X25519 key for its sessions, signed by the first.
struct NodeIdentity: Sendable {
    let signingKey: SigningKey
    let noiseKey: NoiseKeyPair
    /// While they are being rotated: those to come, or those of before.
    let other: OtherKeys?
    /// What these and all other keys of this host are locked by.
    let lock: KeyLock

    /// Reads the keys of the data directory, and makes them on the first start.
    init(_ directory: DataDirectory, _ lock: KeyLock) throws {
        // All that is locked, before anything is changed: there is no start with a part of the keys.
        try KeysAtRest.open(directory, lock)
        try OtherKeys.finishTaking(directory, lock)
        if !HostFiles.exists(directory.identity) {
            // Keys that are made under a passphrase never lie open.
            lock.lockNewKeys()
            try SigningKeyFile.save(.generate(), to: directory.identity, lock)
        }
        signingKey = try SigningKeyFile.load(directory.identity, lock)
        if !HostFiles.exists(directory.noise) { try NoiseKeyFile.replace(directory.noise, with: .generate(), lock) }
        noiseKey = try NoiseKeyFile.load(directory.noise, lock)
        other = try OtherKeys.read(directory, lock)
        lock.forgetPassphrase()
        self.lock = lock
    }

    var publicKey: PublicKey { signingKey.publicKey }
    /// What proves to others that the session key is this node's.
    var noiseBinding: NoiseKeyBinding { NoiseKeyBinding(noiseKey: noiseKey.publicKey, identity: signingKey) }

    /// What this node brings to a session that it dials to another member.
    ///
    /// - Parameter boot: of this start of the daemon.
    func configuration(
        for membership: MeshMembership, _ purpose: SessionPurpose, boot: UInt64 = TwinWatch.unknown
    ) -> SessionConfiguration {
        SessionConfiguration(
            staticKey: noiseKey, meshID: membership.meshID,
            payload: purpose.payload(epoch: membership.epoch, boot: boot),
            validate: { _ in .accept })
    }
}
