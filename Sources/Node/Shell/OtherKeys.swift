import Codec
import GPUBackend
import Glibc
import Mesh
import Tokens

/// The second set of keys that a node has while its keys are rotated: at first those to come, and once the mesh has said
/// so those of before, until every member has used the new ones. Which set is in use follows from the replicated state
/// alone, so that a host that dies anywhere in between comes back with the right one.
///
/// `keys/other/` holds them. Taking them into use goes by renames: `keys/taken` is the set that is being put in place,
/// `keys/former` the one that makes room; each step can be done again.
struct OtherKeys: Sendable {
    let signingKey: SigningKey
    let noiseKey: NoiseKeyPair
    let certificates: CertificateChain
    /// From the keys in use to these; nil for those of before.
    let rotation: KeyRotation?

    private static let files = (
        identity: "identity", noise: "noise", certificates: "certificates", rotation: "rotation"
    )

    /// New keys, not kept anywhere yet.
    init(signingKey: SigningKey, noiseKey: NoiseKeyPair, certificates: CertificateChain, rotation: KeyRotation) {
        self.signingKey = signingKey
        self.noiseKey = noiseKey
        self.certificates = certificates
        self.rotation = rotation
    }

    /// Those of the data directory; nil where no rotation is under way.
    static func read(_ directory: DataDirectory, _ lock: KeyLock) throws -> OtherKeys? {
        HostFiles.exists(directory.otherKeys) ? try OtherKeys(at: directory.otherKeys, lock) : nil
    }

    private init(at path: String, _ lock: KeyLock) throws {
        signingKey = try SigningKeyFile.load("\(path)/\(OtherKeys.files.identity)", lock)
        noiseKey = try NoiseKeyFile.load("\(path)/\(OtherKeys.files.noise)", lock)
        do {
            certificates = try CertificateChain(
                encoded: try HostFiles.read("\(path)/\(OtherKeys.files.certificates)"))
            let file = "\(path)/\(OtherKeys.files.rotation)"
            rotation = HostFiles.exists(file) ? try KeyRotation(encoded: try HostFiles.read(file)) : nil
        } catch let error as CodecError {
            throw NodeError.dataDirectoryDamaged(path: path, reason: error.message)
        }
    }

    /// Makes them durable, all or none.
    func save(_ directory: DataDirectory, _ lock: KeyLock) throws {
        let place = directory.otherKeys + ".new"
        try HostFiles.removeTree(place)
        try HostFiles.makeDirectories(place)
        try SigningKeyFile.save(signingKey, to: "\(place)/\(OtherKeys.files.identity)", lock)
        try NoiseKeyFile.replace("\(place)/\(OtherKeys.files.noise)", with: noiseKey, lock)
        try HostFiles.replace("\(place)/\(OtherKeys.files.certificates)", with: certificates.encoded())
        if let rotation {
            try HostFiles.replace("\(place)/\(OtherKeys.files.rotation)", with: rotation.encoded())
        }
        try OtherKeys.sync(place)
        try OtherKeys.rename(place, to: directory.otherKeys)
        try OtherKeys.sync(directory.keys)
    }

    static func delete(_ directory: DataDirectory) throws {
        let gone = directory.keys + "/gone"
        try HostFiles.removeTree(gone)
        try rename(directory.otherKeys, to: gone)
        try HostFiles.removeTree(gone)
    }

    // MARK: Taking them into use

    /// From here on they are this node's at its next start.
    static func beginTaking(_ directory: DataDirectory) throws {
        try rename(directory.otherKeys, to: directory.keys + "/taken")
        try sync(directory.keys)
    }

    /// Puts those in place that were being taken, as far as that has not been done.
    ///
    /// - Parameter onStep: called behind each step; where it throws, the next call does the rest.
    static func finishTaking(
        _ directory: DataDirectory, _ lock: KeyLock, onStep: () throws -> Void = {}
    ) throws {
        let (taken, former, gone) = (directory.keys + "/taken", directory.keys + "/former", directory.keys + "/gone")
        if HostFiles.exists(taken) {
            let keys = try OtherKeys(at: taken, lock)
            guard var membership = try MeshMembership.read(directory) else {
                // It has left its mesh meanwhile, which admits the key of before no more.
                try put("\(taken)/\(files.identity)", at: directory.identity)
                try put("\(taken)/\(files.noise)", at: directory.noise)
                try HostFiles.removeTree(former)
                return try HostFiles.removeTree(taken)
            }
            // The certificates last: where they are, the rest is, too, and what is in use may be replaced.
            if !HostFiles.exists("\(former)/\(files.certificates)") {
                try HostFiles.removeTree(former)
                try HostFiles.makeDirectories(former)
                try onStep()
                try put(directory.identity, at: "\(former)/\(files.identity)")
                try onStep()
                try put(directory.noise, at: "\(former)/\(files.noise)")
                try onStep()
                try HostFiles.replace("\(former)/\(files.certificates)", with: membership.certificates.encoded())
                try sync(former)
                try sync(directory.keys)
                try onStep()
            }
            try put("\(taken)/\(files.identity)", at: directory.identity)
            try onStep()
            try put("\(taken)/\(files.noise)", at: directory.noise)
            try onStep()
            membership.root = try membership.root(of: keys.certificates)
            membership.certificates = keys.certificates
            membership.rotation = keys.rotation
            try membership.write(directory)
            try onStep()
            try HostFiles.removeTree(gone)
            try rename(taken, to: gone)
            try sync(directory.keys)
            try onStep()
        }
        if HostFiles.exists(former) {
            try rename(former, to: directory.otherKeys)
            try sync(directory.keys)
            try onStep()
        }
        try HostFiles.removeTree(gone)
    }

    /// The same file under another name, in the place of what was there.
    private static func put(_ source: String, at path: String) throws {
        let temporary = path + ".new"
        unlink(temporary)
        guard link(source, temporary) == 0 else {
            throw HostError.system(operation: "link", path: temporary, errorNumber: errno)
        }
        try rename(temporary, to: path)
        // Of two names of one file the rename does nothing.
        unlink(temporary)
    }

    static func rename(_ path: String, to other: String) throws {
        guard Glibc.rename(path, other) == 0 else {
            throw HostError.system(operation: "rename", path: path, errorNumber: errno)
        }
    }

    static func sync(_ path: String) throws {
        let directory = try HostFiles.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(directory) }
        guard fsync(directory) == 0 else {
            throw HostError.system(operation: "fsync", path: path, errorNumber: errno)
        }
    }
}
