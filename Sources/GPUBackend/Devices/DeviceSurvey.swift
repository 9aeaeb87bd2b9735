import Glibc
import Scheduler

/// Looks at the hardware of this host, again and again. Confined to one thread at a time: drivers may take long to answer.
public final class DeviceSurvey: @unchecked Sendable {
    private let nvidia: NVIDIADevices
    private let amd: AMDDevices
    /// Whose supervisors are ours.
    private let supervisors: String
    /// Of the first AMD card; above all numbers of NVIDIA cards where a host has both.
    private var firstAMDNumber: UInt32?

    private static let numberBesideNVIDIA: UInt32 = 64

    /// What one round found.
    public struct Round: Sendable {
        public var seen: [SeenDevice] = []
        public var faults: [DeviceFault] = []
        /// What the NVIDIA driver said instead of listing its cards.
        public var refusal: String?
        /// Errors are told by the driver while it is waited for: the next round may begin at once.
        public var hasWaited = false
    }

    /// - Parameters:
    ///   - supervisors: the directory below which this daemon's supervisors have theirs.
    ///   - sysfs: where the kernel shows devices.
    ///   - nvidiaLibrary: another file than the system's libnvidia-ml.so.1.
    public init(supervisors: String, sysfs: String = "/sys", nvidiaLibrary: String? = nil) {
        self.supervisors = supervisors
        nvidia = NVIDIADevices(library: nvidiaLibrary)
        amd = AMDDevices(root: sysfs)
    }

    /// Waits for errors for at most so long, where a driver tells of them, then looks at everything.
    public func round(waitMilliseconds: UInt32) -> Round {
        var round = Round()
        if let faults = nvidia.faults(milliseconds: waitMilliseconds) {
            round.faults = faults
            round.hasWaited = true
        }
        do throws(NVIDIADevices.Failure) { round.seen = try nvidia.look() } catch {
            switch error {
            case .refused(let reason): round.refusal = reason
            }
        }
        let first = firstAMDNumber ?? (round.seen.isEmpty && round.refusal == nil ? 0 : DeviceSurvey.numberBesideNVIDIA)
        let cards = amd.look(firstNumber: first)
        if !cards.isEmpty { firstAMDNumber = first }
        round.seen += cards
        for position in round.seen.indices {
            round.seen[position].strangers = round.seen[position].users.compactMap(stranger)
        }
        return round
    }

    /// Lets go of all drivers until the next round.
    public func release() { nvidia.release() }

    /// Nil for a process of one of our jobs, for one that wipes a device for this one, and for one that is gone.
    private func stranger(_ process: Int32) -> SeenDevice.Stranger? {
        guard let user = ProcessFacts.user(of: process) else { return nil }
        var ancestor = process
        for _ in 0..<DeviceSurvey.generationsMax {
            let words = ProcessFacts.arguments(of: ancestor)
            if words.count > 2, words[1] == "supervisor", words[2].hasPrefix(supervisors + "/") { return nil }
            guard let parent = ProcessFacts.of(ancestor)?.parent, parent > 1 else { break }
            if words.count > 2, words[1] == DeviceWipe.word, parent == getpid() { return nil }
            ancestor = parent
        }
        return SeenDevice.Stranger(process: process, user: user)
    }

    private static let generationsMax = 64
}
