import Codec
import GPUBackend
import Glibc
import Ring

/// Whether the owner of this host lets jobs use it now. Confined to its loop.
final class HostOwner: @unchecked Sendable {
    let policy: OwnerPolicy
    /// After `reason` has become another.
    var onChange: (() -> Void)?
    /// Whether what runs here has to go; not before the first look, because a restart ends no job.
    var wantsHostAlone: Bool { hasLooked && watch.reason != nil }
    /// Why nothing new may begin here, for people; nil: it may.
    var reason: String? { hasLooked || !policy.mayClose ? watch.reason : "its owner has not been looked for yet" }

    private let loop: any EventLoop
    private let thread: DedicatedThread?
    private let survey: OwnerSurvey
    private let pause: Int32
    private var watch: OwnerWatch
    private var hasLooked = false
    private var isRunning = true

    init(_ policy: OwnerPolicy, _ loop: any EventLoop) throws(RingError) {
        self.policy = policy
        self.loop = loop
        watch = OwnerWatch(policy)
        var places = OwnerSurvey.Places(inputs: nil)
        for rule in policy.idle {
            switch rule {
            case .input: places.inputs = "/dev/input"
            case .load: places.load = true
            case .command(let path): places.programs.append(path)
            }
        }
        survey = OwnerSurvey(places)
        // Opening hours begin and end with a minute; an owner who is back waits for nothing.
        pause = policy.idle.isEmpty ? 5_000 : 500
        thread = policy.mayClose ? try DedicatedThread("owner") : nil
    }

    /// Watches until `stop`.
    func start(_ log: DaemonLog) {
        guard let thread else { return }
        loop.spawn("watch for the owner") { [self] in
            do {
                while isRunning {
                    let (survey, wait, listens) = (survey, hasLooked ? pause : 0, watch.reason == nil)
                    let (round, minute) = try await thread.perform {
                        (survey.round(waitMilliseconds: wait, listens: listens), HostOwner.minuteOfWeek())
                    }
                    guard isRunning else { return }
                    take(round, minute, log)
                }
            } catch {
                // The daemon ends.
            }
        }
    }

    func stop() {
        isRunning = false
        thread?.finish()
    }

    private func take(_ round: OwnerSurvey.Round, _ minute: Int, _ log: DaemonLog) {
        let before = reason
        watch.look(
            OwnerSigns(
                minute: minute, lastInput: round.lastInput, cpuMillis: round.cpuMillis, objection: round.objection),
            at: HostClock.sinceBoot())
        hasLooked = true
        guard reason != before else { return }
        log.note(reason.map { "closed to jobs: \($0)" } ?? "open to jobs")
        onChange?()
    }

    /// By the clock on the wall of this host; Monday 00:00 is 0.
    private static func minuteOfWeek() -> Int {
        var now = time(nil)
        var local = tm()
        localtime_r(&now, &local)
        return (Int(local.tm_wday) + 6) % 7 * 1_440 + Int(local.tm_hour) * 60 + Int(local.tm_min)
    }
}
