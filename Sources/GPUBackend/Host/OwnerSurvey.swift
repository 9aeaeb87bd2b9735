import CLinux
import Codec
import Glibc

/// Looks for signs that the owner of this host is there. Confined to one thread at a time: it waits for input, and for
/// the owner's programs.
public final class OwnerSurvey: @unchecked Sendable {
    /// What to look at.
    public struct Places: Sendable {
        /// Where the kernel shows keyboards and mice; nil: nobody looks at them, nor at terminals.
        public var inputs: String?
        /// Whether to measure what all but jobs use of the processors.
        public var load: Bool
        /// Programs that end with 0 while the owner is away.
        public var programs: [String]

        public init(inputs: String? = "/dev/input", load: Bool = false, programs: [String] = []) {
            self.inputs = inputs
            self.load = load
            self.programs = programs
        }
    }

    /// What one look found.
    public struct Round: Hashable, Sendable {
        /// When somebody last touched this host (boot-time clock); nil: not since it is watched.
        public var lastInput: Instant?
        /// Thousandths of a CPU that all but jobs used since the last look; nil: this was the first.
        public var cpuMillis: UInt64?
        /// Why the owner cannot be told to be away, in words; nil: nothing is in the way.
        public var objection: String?
    }

    private let places: Places
    private let isTouched: (Int32) -> Bool
    private var inputs: [String: Int32] = [:]
    private var lastInput: Instant?
    private var used: (others: Int64, at: Instant)?
    private let jobs: CgroupHierarchies

    private static let programLimit: Int32 = 1_000

    public convenience init(_ places: Places) {
        self.init(places) { clinux_is_touched_by_people($0) != 0 }
    }

    /// - Parameter isTouched: whether an open file of `inputs` is something that people touch.
    init(_ places: Places, isTouched: @escaping (Int32) -> Bool) {
        self.places = places
        self.isTouched = isTouched
        jobs = places.load ? CgroupHierarchies.probe() : CgroupHierarchies()
    }

    deinit { for input in inputs.values { close(input) } }

    /// Waits for at most so long, or until somebody touches the host, then looks at everything.
    ///
    /// - Parameter listens: whether a touch ends the wait; it does not need to while everybody knows that somebody is there.
    public func round(waitMilliseconds: Int32, listens: Bool) -> Round {
        var round = Round()
        if let directory = places.inputs { findInputs(in: directory, &round) }
        wait(waitMilliseconds, listens: listens)
        if places.inputs != nil { takeInput() }
        round.lastInput = lastInput
        if places.load { measure(&round) }
        for program in places.programs {
            if let objection = OwnerSurvey.objection(of: program) { round.objection = round.objection ?? objection }
        }
        return round
    }

    private func wait(_ milliseconds: Int32, listens: Bool) {
        var files = listens ? inputs.values.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) } : []
        // A signal cuts it short, which does no harm.
        _ = poll(&files, nfds_t(files.count), milliseconds)
    }

    // -- Input --

    /// Keyboards come and go.
    private func findInputs(in directory: String, _ round: inout Round) {
        var names: [String] = []
        do throws(HostError) {
            if HostFiles.exists(directory) { names = try HostFiles.names(in: directory) }
        } catch {
            round.objection = "its owner cannot be seen: \(error.message)"
        }
        for name in names where name.hasPrefix("event") && inputs[name] == nil {
            let path = "\(directory)/\(name)"
            let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            guard file >= 0 else {
                if errno != ENODEV, errno != ENOENT {
                    round.objection = "its owner cannot be seen: \(path): \(ErrorText.of(errno))"
                }
                continue
            }
            if isTouched(file) { inputs[name] = file } else { close(file) }
        }
    }

    private func takeInput() {
        let now = HostClock.sinceBoot()
        var bytes = [UInt8](repeating: 0, count: 4_096)
        for (name, file) in inputs {
            while true {
                let count = read(file, &bytes, bytes.count)
                if count > 0 {
                    lastInput = now
                    continue
                }
                // Its device is gone.
                if count < 0, errno != EAGAIN, errno != EINTR {
                    close(file)
                    inputs[name] = nil
                }
                break
            }
        }
        let typed = clinux_last_terminal_input()
        guard typed > 0 else { return }
        let ago = max(0, HostClock.unix() - typed)
        let at = Instant(nanoseconds: max(0, now.nanoseconds - ago))
        lastInput = max(lastInput ?? at, at)
    }

    // -- Load --

    private func measure(_ round: inout Round) {
        guard let ofJobs = jobs.cpuMicroseconds(), let ofAll = OwnerSurvey.busyMicroseconds() else {
            round.objection = round.objection ?? "what its owner computes cannot be told from jobs: no control groups"
            return
        }
        let now = HostClock.sinceBoot()
        let others = ofAll - ofJobs
        defer { used = (others, now) }
        guard let used else { return }
        let elapsed = max(1, (now - used.at).nanoseconds / 1_000)
        round.cpuMillis = UInt64(max(0, (others - used.others) * 1_000 / elapsed))
    }

    /// What all processors have worked since the host began.
    private static func busyMicroseconds() -> Int64? {
        do throws(HostError) {
            let text = try HostFiles.readText("/proc/stat")
            let words = text.prefix { $0 != "\n" }.split(separator: " ")
            // user nice system idle iowait irq softirq; what a guest used stands in the first two.
            guard words.count > 7, words[0] == "cpu" else { return nil }
            var ticks: Int64 = 0
            for position in [1, 2, 3, 6, 7] { ticks += Int64(words[position]) ?? 0 }
            return ticks * 1_000_000 / Int64(sysconf(Int32(_SC_CLK_TCK)))
        } catch { return nil }
    }

    // -- Programs --

    private static func objection(of program: String) -> String? {
        switch clinux_question_program(program, nil, nil, nil, 0, programLimit) {
        case 0: nil
        case -ETIME: "\(program) takes longer than a second"
        case let failure where failure < 0: "\(program): \(ErrorText.of(-failure))"
        case let code: "\(program) says so (exit code \(code))"
        }
    }
}

extension CgroupHierarchies {
    /// What all jobs of this service have used of the processors; nil where nobody counts it.
    func cpuMicroseconds() -> Int64? {
        do throws(HostError) {
            if let unified {
                for line in try HostFiles.readText("\(unified)/cpu.stat").split(separator: "\n")
                where line.hasPrefix("usage_usec ") {
                    return Int64(line.dropFirst("usage_usec ".count))
                }
            }
            guard let directory = legacy[.cpu] else { return nil }
            let text = try HostFiles.readText("\(directory)/cpuacct.usage")
            return Int64(text.prefix { $0.isNumber }).map { $0 / 1_000 }
        } catch { return nil }
    }
}
