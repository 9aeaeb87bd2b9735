import Codec
import GPUBackend
import Ring
import Scheduler

/// The devices of this host: simulated ones as they are, real ones watched. Confined to its loop.
final class HostDevices: @unchecked Sendable {
    /// In the order of their index.
    private(set) var gpus: [GPU]
    /// Why devices could not be listed although their driver is there.
    var problem: String? { watch.problem }
    /// After `gpus` has become another list.
    var onChange: (() -> Void)?

    private let loop: any EventLoop
    private var watch = DeviceWatch()
    /// What attempts use of real devices.
    var meter = GPUMeter()
    /// nil: simulated.
    private let survey: Survey?
    private var isRunning = true

    private struct Survey: Sendable {
        let survey: DeviceSurvey
        /// Its calls wait for drivers.
        let thread: DedicatedThread
    }

    /// How long a driver is listened to before everything is looked at again.
    private static let listening: UInt32 = 2_000
    private static let pause = Interval.seconds(2)
    /// Where there is no device, and where one waits to be reset, which nobody can do who is watched.
    private static let longPause = Interval.seconds(30)

    init(simulated: [GPU], _ loop: any EventLoop) {
        gpus = simulated
        survey = nil
        self.loop = loop
    }

    /// Takes the first look before it returns, which may last some tenths of a second.
    init(_ survey: DeviceSurvey, _ loop: any EventLoop) throws(RingError) {
        self.survey = Survey(survey: survey, thread: try DedicatedThread("devices"))
        self.loop = loop
        gpus = []
        take(survey.round(waitMilliseconds: 0))
    }

    /// Watches them until `stop`.
    func start(_ log: DaemonLog) {
        guard let survey else { return }
        loop.spawn("watch devices") { [self] in
            do {
                while isRunning {
                    let mayBeReset = watch.waitsForReset
                    let round = try await survey.thread.perform {
                        if mayBeReset { survey.survey.release() }
                        return survey.survey.round(waitMilliseconds: HostDevices.listening)
                    }
                    guard isRunning else { return }
                    take(round, log)
                    if watch.waitsForReset || gpus.isEmpty {
                        try await survey.thread.perform { survey.survey.release() }
                        try await loop.sleep(for: HostDevices.longPause)
                    } else if !round.hasWaited {
                        try await loop.sleep(for: HostDevices.pause)
                    }
                }
            } catch {
                // The daemon ends.
            }
        }
    }

    func stop() {
        isRunning = false
        survey?.thread.finish()
    }

    /// The files of these devices that are there.
    func files(of indices: [UInt32]) -> [String] { watch.files(of: indices).filter(HostFiles.exists) }

    /// A command that failed on a device that failed is not to blame.
    ///
    /// - Parameters:
    ///   - indices: of the devices that it held.
    ///   - level: of the mesh, which may have no words for it.
    func cause(of outcome: Outcome, holding indices: [UInt32]?, level: UInt64) -> Outcome {
        switch outcome {
        case .exited, .signalled: break
        default: return outcome
        }
        guard let indices, !outcome.isSuccess,
            let gpu = gpus.first(where: { $0.obstacle?.kind == .unhealthy && indices.contains($0.index) })
        else { return outcome }
        return level < 2 ? .lost : .deviceFailed("GPU \(gpu.index): \(gpu.obstacle?.text ?? "")")
    }

    private func take(_ round: DeviceSurvey.Round, _ log: DaemonLog? = nil) {
        for fault in round.faults { watch.report(fault) }
        if let refusal = round.refusal {
            watch.fail(.nvidia, refusal)
        } else {
            watch.look(round.seen)
            meter.look(Dictionary(round.seen.map { ($0.index, $0.use) }, uniquingKeysWith: { first, _ in first }))
        }
        guard watch.gpus != gpus else { return }
        let before = gpus
        gpus = watch.gpus
        if let log { say(before, log) }
        onChange?()
    }

    private func say(_ before: [GPU], _ log: DaemonLog) {
        for gpu in gpus {
            let old = before.first { $0.index == gpu.index }
            guard old?.obstacle != gpu.obstacle || old == nil else { continue }
            let text = gpu.obstacle.map(\.text) ?? (old == nil ? "is here" : "can be used again")
            log.note("\(GPUText.one(gpu)): \(text)")
        }
    }
}
