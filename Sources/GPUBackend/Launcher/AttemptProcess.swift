import CLinux
import Codec
import Glibc
import Scheduler

/// The first process of an attempt and the descriptors that lead to it.
struct AttemptProcess {
    let process: Int32
    let control: Int32
    /// Where the command's output arrives.
    let output: Int32
    let errorOutput: Int32
    /// What the command reads is written here; -1: it reads nothing.
    let input: Int32
    /// What it is kept in.
    let sandbox: PreparedSandbox?

    /// What the attempt is kept in, for its first process to build.
    static func sandbox(of spec: AttemptSpec) throws(HostError) -> PreparedSandbox? {
        guard let asked = spec.sandbox else { return nil }
        let image = try asked.image.map { (root) throws(HostError) in try ImageLayout.probe(root.path) }
        return PreparedSandbox(SandboxPlanner(spec, asked, on: .here, image: image ?? ImageLayout()).plan)
    }

    /// Clones it into a group whose limits are set. It waits for `go` before it touches anything.
    static func clone(
        _ spec: AttemptSpec, in sandbox: PreparedSandbox?, into group: Cgroup? = nil
    ) throws(HostError) -> AttemptProcess {
        try begin(spec, in: sandbox, into: group) { attempt, control in clinux_attempt_clone(&attempt, &control) }
    }

    /// Gives it streams, and what is to be done with them by its first process, whose number `make` returns, or -errno.
    static func begin(
        _ spec: AttemptSpec, in sandbox: PreparedSandbox?, into group: Cgroup?,
        _ make: (inout clinux_attempt, inout Int32) -> Int32
    ) throws(HostError) -> AttemptProcess {
        let output = try pipe()
        let errorOutput: (read: Int32, write: Int32)
        do throws(HostError) { errorOutput = try pipe() } catch {
            closeAll([output.read, output.write])
            throw error
        }
        defer { closeAll([output.write, errorOutput.write]) }
        var (given, read): (Int32, Int32) = (-1, -1)
        if spec.hasInput {
            let result = clinux_open_pipe(1, &given, &read)
            if result < 0 {
                closeAll([output.read, errorOutput.read])
                throw .system(operation: "pipe", path: "", errorNumber: -result)
            }
        }
        defer { if read >= 0 { close(read) } }
        var control: Int32 = -1
        let process = withAttempt(spec, in: sandbox, into: group) { attempt in
            attempt.output = output.write
            attempt.error_output = errorOutput.write
            attempt.input = read
            return make(&attempt, &control)
        }
        guard process > 0 else {
            closeAll([output.read, errorOutput.read])
            if given >= 0 { close(given) }
            throw .system(operation: "clone", path: spec.arguments[0], errorNumber: -process)
        }
        return AttemptProcess(
            process: process, control: control, output: output.read, errorOutput: errorOutput.read, input: given,
            sandbox: sandbox)
    }

    /// The attempt as its first process takes it, without streams, for as long as `body` runs.
    static func withAttempt(
        _ spec: AttemptSpec, in sandbox: PreparedSandbox?, into group: Cgroup?,
        _ body: (inout clinux_attempt) -> Int32
    ) -> Int32 {
        let arguments = CStrings(spec.arguments)
        let environment = CStrings(spec.environment)
        let candidates = CStrings(spec.candidates)
        let setup = CStrings(spec.setup)
        let writable = CStrings(Self.writable(spec))
        let directory = CStrings([spec.seenDirectory])
        let groups = spec.user?.groups ?? []
        let doors = group?.doors ?? []
        return groups.withUnsafeBufferPointer { groups in
            var attempt = clinux_attempt()
            attempt.arguments = arguments.pointer
            attempt.environment = environment.pointer
            attempt.candidates = candidates.pointer
            attempt.setup = spec.setup.isEmpty ? nil : setup.pointer
            attempt.waits_after_setup = spec.keepsSetup ? 1 : 0
            attempt.working_directory = directory.pointer[0]
            attempt.writable = writable.pointer
            attempt.isolation = Int32(spec.isolation.rawValue)
            attempt.sandbox = sandbox?.raw
            let isSingle = sandbox?.plan.hasSingleUser == true
            let user = isSingle ? Self.singleUser(of: spec) : spec.user
            if let user, isSingle || geteuid() == 0 {
                // A daemon that is not root may set no groups, and has none that its job would know.
                attempt.change_user = geteuid() == 0 ? 1 : 0
                attempt.user = user.user
                attempt.group = user.group
            }
            attempt.groups = groups.baseAddress
            // The only user of a namespace has no other groups in it.
            attempt.group_count = attempt.change_user == 1 && !isSingle ? groups.count : 0
            attempt.oom_score_adjustment = oomScoreAdjustment
            attempt.cgroup = group?.birthplace ?? -1
            (attempt.output, attempt.error_output, attempt.input) = (-1, -1, -1)
            // The strings must outlive the call, not only their last mention here.
            return withExtendedLifetime((arguments, environment, candidates, setup, writable, directory, sandbox)) {
                doors.withUnsafeBufferPointer { doors in
                    attempt.doors = doors.baseAddress
                    attempt.door_count = doors.count
                    return body(&attempt)
                }
            }
        }
    }

    /// The kernel prefers to kill a job to killing the host's own services.
    private static let oomScoreAdjustment: Int32 = 500

    /// Parents before children: a later mount would cover an earlier one inside it.
    private static func writable(_ spec: AttemptSpec) -> [String] {
        Set([spec.workingDirectory] + spec.writableDirectories).sorted()
    }

    private static func pipe() throws(HostError) -> (read: Int32, write: Int32) {
        // Only our end does not block: the command's must wait when the pipe is full.
        var (read, write): (Int32, Int32) = (-1, -1)
        let result = clinux_pipe(&read, &write)
        if result < 0 { throw .system(operation: "pipe", path: "", errorNumber: -result) }
        return (read, write)
    }

    private static func closeAll(_ descriptors: [Int32]) {
        for descriptor in descriptors { close(descriptor) }
    }

    func send(_ order: clinux_order) {
        var byte = UInt8(truncatingIfNeeded: order.rawValue)
        // A first process that is gone needs no orders; its end is seen by wait.
        _ = Glibc.send(control, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    /// Passes an order on, and its descriptors; nil, or the error.
    func send(_ packet: [UInt8], _ descriptors: [Int32]) -> Int32? {
        let sent = clinux_send_descriptors(control, packet, packet.count, descriptors, descriptors.count)
        return sent < 0 ? Int32(-sent) : nil
    }

    /// What is to be heard of it.
    enum News {
        case message(clinux_message)
        /// A socket that listens where the attempt finds its proxy; the caller owns it.
        case proxyListens(Int32)
        case nothingYet
        /// It has closed its end, and says nothing more.
        case silence
    }

    func news() -> News {
        var message = clinux_message()
        let size = MemoryLayout<clinux_message>.size
        var (descriptor, count): (Int32, Int) = (-1, 0)
        switch clinux_receive_descriptors(control, &message, size, &descriptor, 1, &count) {
        case size where count == 1 && message.kind == CLINUX_MESSAGE_LISTENS.rawValue: return .proxyListens(descriptor)
        case size: return .message(message)
        case -Int(EAGAIN): return .nothingYet
        default: return .silence
        }
    }

    /// Makes users known inside the new user namespace: to root's supervisor all that it knows itself, since its jobs run
    /// as other users, else its own alone.
    func mapUsers(of spec: AttemptSpec) throws(HostError) {
        if let sandbox, sandbox.plan.hasSingleUser { return try mapSingleUser(of: spec) }
        guard geteuid() != 0 else { return try Self.mapAllUsers(in: process) }
        try HostFiles.write("deny", to: "/proc/\(process)/setgroups")
        try HostFiles.write("\(geteuid()) \(geteuid()) 1", to: "/proc/\(process)/uid_map")
        try HostFiles.write("\(getegid()) \(getegid()) 1", to: "/proc/\(process)/gid_map")
    }

    /// Makes everybody whom this process knows known inside the new user namespace, by the same number.
    static func mapAllUsers(in process: Int32) throws(HostError) {
        try HostFiles.write(identity(of: "/proc/self/uid_map"), to: "/proc/\(process)/uid_map")
        try HostFiles.write(identity(of: "/proc/self/gid_map"), to: "/proc/\(process)/gid_map")
    }

    /// Makes one user and one group known and nobody else; they have the numbers of this process where it is not root, and
    /// can then have any others inside.
    private func mapSingleUser(of spec: AttemptSpec) throws(HostError) {
        let inside = Self.singleUser(of: spec)
        let outside = geteuid() == 0 ? spec.user ?? inside : JobUser(user: geteuid(), group: getegid())
        if geteuid() != 0 { try HostFiles.write("deny", to: "/proc/\(process)/setgroups") }
        try HostFiles.write("\(inside.user) \(outside.user) 1", to: "/proc/\(process)/uid_map")
        try HostFiles.write("\(inside.group) \(outside.group) 1", to: "/proc/\(process)/gid_map")
    }

    /// Whom a user namespace with one user knows.
    private static func singleUser(of spec: AttemptSpec) -> JobUser {
        spec.insideUser ?? spec.user ?? JobUser(user: geteuid(), group: getegid())
    }

    /// Everything that `map` knows, mapped to itself; a line of it is first inside, first outside, count (user_namespaces(7)).
    private static func identity(of map: String) throws(HostError) -> String {
        try HostFiles.readText(map).split(separator: "\n").map { line in
            let numbers = line.split(separator: " ")
            return "\(numbers[0]) \(numbers[0]) \(numbers[2])\n"
        }.joined()
    }

    func closeAll() { Self.closeAll([control, output, errorOutput] + (input >= 0 ? [input] : [])) }

    /// For a try: waits until the command ran or was refused, and until nothing of it is left; nil if it ran.
    func waitForRefusal() -> String? {
        var answer: String? = "no answer in \(Self.tryMilliseconds / 1000) s"
        var polled = pollfd(fd: control, events: Int16(POLLIN), revents: 0)
        if poll(&polled, 1, Self.tryMilliseconds) > 0 {
            answer = "its first process ended early"
            if case .message(let message) = news() {
                let isRefused = message.kind == CLINUX_MESSAGE_REFUSED.rawValue
                answer = isRefused ? SandboxLayer.text(message, sandbox) : nil
            }
        }
        kill(process, SIGKILL)
        while waitpid(process, nil, 0) < 0 && errno == EINTR {}
        return answer
    }

    private static let tryMilliseconds: Int32 = 5000
}
