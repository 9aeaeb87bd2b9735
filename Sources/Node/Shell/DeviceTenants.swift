import Codec
import GPUBackend
import Ring
import Scheduler

/// Who used each device of this host last, so that nobody reads in its memory what somebody else left there: drivers do not
/// promise that memory is empty when it is given out. Confined to its loop.
///
/// Tenants are a guest's token, whoever asked for `strict`, and the members as one, whose jobs need not be kept from each
/// other. A device that changes hands is wiped before the next job begins; who last had it is in a file of its own, written
/// before that. AMD's driver empties memory when it is given back.
final class DeviceTenants: @unchecked Sendable {
    private let directory: String
    private let loop: any EventLoop
    private let log: DaemonLog
    private var wiping: Set<String> = []
    private let wiped: LoopSignal

    private static let members = "members"

    init(_ directory: String, loop: any EventLoop, log: DaemonLog) {
        self.directory = directory
        self.loop = loop
        self.log = log
        wiped = LoopSignal(loop)
    }

    /// Makes these devices the tenant's of an attempt that has its turn on them, wiped where they were another's.
    func settle(_ plan: AttemptPlan) async throws {
        let tenant = DeviceTenants.tenant(of: plan)
        for gpu in plan.visibleGPUs where !gpu.simulated && gpu.maker == .nvidia {
            // Ranks of a gang may see each other's.
            while wiping.contains(gpu.uuid) { try await wiped.wait() }
            let last = try last(on: gpu)
            guard tenant != last ?? DeviceTenants.members else { continue }
            wiping.insert(gpu.uuid)
            defer {
                wiping.remove(gpu.uuid)
                wiped.notify()
            }
            let program = Executable.path
            let begun = loop.now
            let failure = await loop.offload { DeviceWipe.failure(of: gpu.uuid, by: program) }
            if let failure { throw NodeError.deviceNotWiped(gpu.index, node: plan.nodeName, reason: failure) }
            try Task.checkCancellation()
            log.note(
                "\(GPUText.one(gpu)): its memory was wiped for job \(plan.key.job), in \((loop.now - begun).milliseconds) ms"
            )
            try HostFiles.replace(file(of: gpu), with: Array(tenant.utf8))
        }
    }

    /// nil: none but members, as far as is known.
    private func last(on gpu: GPU) throws -> String? {
        let file = file(of: gpu)
        return HostFiles.exists(file) ? try HostFiles.readText(file) : nil
    }

    private func file(of gpu: GPU) -> String {
        "\(directory)/" + String(gpu.uuid.map { $0 == "/" ? "-" : $0 })
    }

    private static func tenant(of plan: AttemptPlan) -> String {
        guard plan.profile == .strict else { return members }
        if let guest = plan.job.guest { return "token \(guest.names.first ?? "")" }
        return "user \(plan.job.user)"
    }
}
