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

    /// Reads the keys of the data directory, and makes them on the first start.
    init(_ directory: DataDirectory) throws {
        try OtherKeys.finishTaking(directory)
        if !HostFiles.exists(directory.identity) {
            try SigningKeyFile.save(.generate(), to: directory.identity)
        }
        signingKey = try SigningKeyFile.load(directory.identity)
        if !HostFiles.exists(directory.noise) {
            let made = NoiseKeyPair.generate()
            let secret = made.withSecretBytes { Array(UnsafeBufferPointer(start: $0, count: 32)) }
            try HostFiles.replace(directory.noise, with: secret)
        }
        noiseKey = try NoiseKeyPair(secretBytes: try HostFiles.read(directory.noise))
        other = try OtherKeys.read(directory)
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
