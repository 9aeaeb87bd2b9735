import Codec
import GPUBackend
import Glibc
import Ring
import Scheduler
import Tokens

/// How a daemon was last asked to run, kept in its data directory so that a restart without flags is the same daemon.
struct DaemonSettings: Hashable, Sendable, CBORCodable {
    /// `ADDRESS[:PORT]`; nil: every address.
    var listen: String?
    var port: UInt16?
    /// `N[:MODEL]`, as `--simulate-gpus` took it.
    var simulatedGPUs: String?
    /// As `--least-profile` took it; nil: what is standard for the daemon's user.
    var leastProfile: SandboxProfile?
    /// As `--allow-mount` took them.
    var allowedMounts: [String] = []
    /// As `--idle-only`, `--hours` and `--share` took it.
    var owner = OwnerPolicy()

    init() {}

    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        listen = try map.optional(1)
        port = try map.optional(2)
        simulatedGPUs = try map.optional(3)
        leastProfile = try map.optional(4)
        allowedMounts = try map.optional(5) ?? []
        owner = OwnerPolicy().changed(by: try map.optional(6) ?? OwnerWishes())
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, listen)
        map.set(2, port)
        map.set(3, simulatedGPUs)
        map.set(4, leastProfile)
        map.set(5, allowedMounts.isEmpty ? nil : allowedMounts)
        map.set(6, owner == OwnerPolicy() ? nil : OwnerWishes(owner))
        return .map(map)
    }

    /// Flags of a request that this daemon does not run with, as they were typed.
    func differences(to request: UpRequest) -> [String] {
        var flags: [String] = []
        if let listen = request.listen, listen != self.listen { flags.append("--listen \(listen)") }
        // 0 asks for any port, and any is what it has.
        if let port = request.port, port != 0, port != self.port { flags.append("--port \(port)") }
        if let simulated = request.simulatedGPUs, simulated != simulatedGPUs {
            flags.append("--simulate-gpus \(simulated)")
        }
        if let least = request.leastProfile, least != leastProfile { flags.append("--least-profile \(least.name)") }
        if let mounts = request.allowedMounts, mounts != allowedMounts {
            flags += mounts.map { "--allow-mount \($0)" }
        }
        flags += request.owner.flags(differingFrom: owner)
        return flags
    }

    /// What was kept, with what is asked for now in its place.
    static func read(_ directory: DataDirectory, options: DaemonOptions) throws -> DaemonSettings {
        var settings = DaemonSettings()
        if HostFiles.exists(directory.settings) {
            do {
                settings = try DaemonSettings(encoded: try HostFiles.read(directory.settings))
            } catch let error as CodecError {
                throw NodeError.dataDirectoryDamaged(path: directory.settings, reason: error.message)
            }
        }
        if let listen = options.listen { settings.listen = listen }
        if let port = options.port { settings.port = port }
        if let simulated = options.simulatedGPUs { settings.simulatedGPUs = simulated }
        if let least = options.leastProfile { settings.leastProfile = least }
        if let mounts = options.allowedMounts { settings.allowedMounts = mounts }
        settings.owner = settings.owner.changed(by: options.owner)
        return settings
    }
}

extension DaemonSettings {
    /// Root's daemon runs a job as its submitter, who has an account there. One that is not root runs everybody's jobs as
    /// its own user: without a sandbox only where that user has said so.
    var policy: HostPolicy {
        HostPolicy(
            leastProfile: leastProfile ?? (geteuid() == 0 ? .none : .standard),
            mounts: allowedMounts.compactMap(HostPolicy.AllowedMount.init))
    }
}

/// What `swarmlet daemon` was asked.
public struct DaemonOptions: Sendable {
    public var directory: DataDirectory
    /// `ADDRESS[:PORT]`; nil: as last time, at first every address.
    public var listen: String?
    /// 0: one that is free, kept from then on.
    public var port: UInt16?
    /// `N[:MODEL]`.
    public var simulatedGPUs: String?
    /// nil: as last time.
    public var leastProfile: SandboxProfile?
    /// nil: as last time.
    public var allowedMounts: [String]?
    public var owner: OwnerWishes
    /// What opens the keys of this host where they are locked.
    public var lock: KeyLock
    public var eventLoop: EventLoops.Preference
    /// Which levels of the protocol it says it speaks; another than its own is for tests of mixed versions.
    public var levels: ProtocolLevels

    public init(
        directory: DataDirectory, listen: String? = nil, port: UInt16? = nil, simulatedGPUs: String? = nil,
        leastProfile: SandboxProfile? = nil, allowedMounts: [String]? = nil,
        owner: OwnerWishes = OwnerWishes(), lock: KeyLock = KeyLock(), eventLoop: EventLoops.Preference = .automatic,
        levels: ProtocolLevels = .current
    ) {
        self.directory = directory
        self.listen = listen
        self.port = port
        self.simulatedGPUs = simulatedGPUs
        self.leastProfile = leastProfile
        self.allowedMounts = allowedMounts
        self.owner = owner
        self.lock = lock
        self.eventLoop = eventLoop
        self.levels = levels
    }
}
