import CLinux
import Glibc
import Scheduler

/// A sandbox that stands before there is an attempt for it, with a first process that waits inside.
///
/// It has what is common to all strict attempts: the namespaces, the empty root and what is taken into it from the host. What is the attempt's own is put in, and its user made the only one, when the attempt comes
/// (docs/sandbox.md). It is used once.
final class ReadySandbox {
    let process: Int32
    /// Readable when the first process says something.
    let control: Int32
    /// The control group that its first process is in, so that nothing has to be moved: that costs milliseconds. It has no
    /// limits yet.
    let group: Cgroup?
    private let arena: OpaquePointer
    private let sandbox: PreparedSandbox
    private let attempt: AttemptSpec
    /// Where the names of the host that it took along led to.
    private let marks: [clinux_mark]
    /// `/proc/self/mountinfo`: poll(2) tells of each change since it was opened.
    private let mounts: Int32
    private var isReady = false

    /// Begins to make one in a group without limits.
    init(in group: Cgroup?) throws(HostError) {
        self.group = group
        let attempt = Self.nobody
        guard let sandbox = try AttemptProcess.sandbox(of: attempt) else { preconditionFailure("it has a sandbox") }
        // Before anything is looked at, so that no change is missed.
        mounts = try HostFiles.open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)
        guard let arena = clinux_arena_make() else {
            close(mounts)
            throw .system(operation: "mmap", path: "", errorNumber: errno)
        }
        var control: Int32 = -1
        var marks: [clinux_mark] = []
        let process = AttemptProcess.withAttempt(attempt, in: sandbox, into: group) { raw in
            raw.arena = arena
            let error = Self.look(&raw, sandbox, into: &marks)
            return error < 0 ? error : clinux_attempt_clone(&raw, &control)
        }
        (self.process, self.control, self.arena, self.attempt) = (process, control, arena, attempt)
        (self.sandbox, self.marks) = (sandbox, marks)
        guard process > 0 else {
            clinux_arena_end(arena)
            close(mounts)
            throw .system(operation: "clone", path: "", errorNumber: -process)
        }
        clinux_arena_keep(arena)
    }

    /// Lets it build.
    func begin() throws(HostError) {
        try AttemptProcess.mapAllUsers(in: process)
        var order = UInt8(truncatingIfNeeded: CLINUX_ORDER_GO.rawValue)
        // If it is gone, that is what is heard of it next.
        _ = Glibc.send(control, &order, 1, Int32(MSG_NOSIGNAL))
    }

    /// Nobody, with nothing of its own.
    private static var nobody: AttemptSpec {
        AttemptSpec(
            key: AttemptKey(job: 0, task: 0, attempt: 0), arguments: ["-"], environment: [], workingDirectory: "/",
            user: JobUser(user: 65534, group: 65534), isolation: .userNamespace,
            sandbox: AttemptSandbox(profile: .strict, network: .off), logPath: "/")
    }

    /// What became of it.
    enum News {
        case stands, nothingYet
        /// It is of no use, and why.
        case failed(String)
    }

    func news() -> News {
        var message = clinux_message()
        let size = MemoryLayout<clinux_message>.size
        switch recv(control, &message, size, 0) {
        case size where message.kind == CLINUX_MESSAGE_READY.rawValue:
            isReady = true
            return .stands
        case size: return .failed(SandboxLayer.text(message, sandbox))
        case let count where count < 0 && (errno == EAGAIN || errno == EINTR): return .nothingYet
        default: return .failed("its first process ended")
        }
    }

    /// Waits a little for one that is being made: what is left of that takes less time than all of it.
    func settle() -> News {
        guard !isReady else { return .stands }
        var polled = pollfd(fd: control, events: Int16(POLLIN), revents: 0)
        poll(&polled, 1, Self.settleMilliseconds)
        return news()
    }

    private static let settleMilliseconds: Int32 = 20

    /// Makes it the attempt's. Nil where it cannot be: it is of no use then, whatever the reason.
    func give(_ spec: AttemptSpec, in wanted: PreparedSandbox) throws(HostError) -> AttemptProcess? {
        guard isMade(for: wanted.plan), isAsItWas else { return nil }
        try group?.prepare(spec.groupLimits)
        return try AttemptProcess.begin(spec, in: wanted, into: group) { raw, control in
            control = self.control
            let error = clinux_attempt_give(&raw, arena, self.control)
            return error < 0 ? error : process
        }
    }

    private func isMade(for wanted: SandboxPlan) -> Bool {
        let made = sandbox.plan
        return wanted.commonCount == made.commonCount && wanted.root == made.root
            && wanted.steps.prefix(wanted.commonCount) == made.steps.prefix(made.commonCount)
            && wanted.hasSingleUser && wanted.hasOwnNetwork && wanted.hostName == made.hostName
    }

    /// Nothing was mounted on the host since, and its names lead where they did.
    private var isAsItWas: Bool {
        var polled = pollfd(fd: mounts, events: Int16(POLLPRI), revents: 0)
        guard poll(&polled, 1, 0) == 0 else { return false }
        var now: [clinux_mark] = []
        let error = AttemptProcess.withAttempt(attempt, in: sandbox, into: nil) { Self.look(&$0, sandbox, into: &now) }
        return error == 0 && zip(marks, now).allSatisfy(==)
    }

    private static func look(
        _ attempt: inout clinux_attempt, _ sandbox: PreparedSandbox, into marks: inout [clinux_mark]
    ) -> Int32 {
        marks = [clinux_mark](repeating: clinux_mark(), count: sandbox.plan.commonCount)
        return clinux_attempt_mark(&attempt, &marks)
    }

    /// Lets go of what was only for the way of an attempt to its first process; that goes on.
    func closeGiven() {
        clinux_arena_end(arena)
        close(mounts)
    }

    /// Ends it. Its first process is to be reaped.
    func letGo() {
        closeGiven()
        close(control)
        kill(process, SIGKILL)
    }
}

extension clinux_mark {
    fileprivate static func == (one: clinux_mark, other: clinux_mark) -> Bool {
        one.device == other.device && one.inode == other.inode && one.mount == other.mount && one.error == other.error
    }
}

extension AttemptSpec {
    /// Of the control group that it is kept in.
    var groupLimits: Cgroup.Limits {
        Cgroup.Limits(memoryBytes: memoryBytes, cpuMillis: cpuMillis, processes: Cgroup.processLimit)
    }

    /// Whether a sandbox that was made ready can become that of such an attempt. Only root can make one.
    public var suitsReadySandbox: Bool {
        guard let sandbox, geteuid() == 0 else { return false }
        guard sandbox.network == .off || sandbox.meshAddresses != nil else { return false }
        return sandbox.profile == .strict && sandbox.image == nil && insideUser == nil && isolation == .userNamespace
    }
}
