import CLinux
import Codec
import Foundation
import Scheduler
import Testing

@testable import GPUBackend

/// A real supervisor in a directory of its own, spoken to as a daemon would.
final class SupervisorHarness {
    let root: String
    private(set) var directory: SupervisorDirectory
    let lease: LeasePage
    private(set) var socket: Int32 = -1
    private var frames = SupervisorFrames<SupervisorEvent>()
    private(set) var events: [SupervisorEvent] = []
    private var attempts: UInt32 = 0

    /// The built executable, beside the test bundle.
    static let program: String = {
        if let named = ProcessInfo.processInfo.environment["SWARMLET_PROGRAM"] { return named }
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let beside = (own as NSString).deletingLastPathComponent + "/swarmlet"
        if FileManager.default.isExecutableFile(atPath: beside) { return beside }
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return package.appendingPathComponent(".build/debug/swarmlet").path
    }()

    static let isRoot = geteuid() == 0
    /// What works on this host, the strongest first.
    static let isolations = [Isolation.namespaces, .userNamespace, .group].filter {
        HostCapabilities.refusal(of: $0) == nil
    }
    static let hasNamespaces = isolations[0] != .group
    static let withoutNamespaces: Comment = "this host gives no namespaces (see `swarmlet doctor`)"
    /// Outside every directory that a job has private, if this user may write there.
    static let buildDirectory: String = {
        let beside = (program as NSString).deletingLastPathComponent
        return access(beside, W_OK) == 0 ? beside : "/tmp"
    }()

    init(launch: Bool = true, expectsStrict: Bool = false, base: String = "/tmp") throws {
        var template = Array("\(base)/swarmlet-host-XXXXXX".utf8CString)
        root = String(cString: mkdtemp(&template))
        chmod(root, 0o755)
        try FileManager.default.createDirectory(atPath: root + "/work", withIntermediateDirectories: true)
        directory = SupervisorDirectory(path: root + "/job")
        lease = try directory.leasePage()
        lease.extend(to: HostClock.sinceBoot() + .seconds(3600))
        if launch { try self.launch(expectsStrict: expectsStrict) }
    }

    deinit {
        if socket >= 0 { close(socket) }
        if case .lives(let process)? = try? directory.condition() { kill(process, SIGKILL) }
        _ = try? directory.condition()
        try? FileManager.default.removeItem(atPath: root)
    }

    var work: String { root + "/work" }

    func launch(expectsStrict: Bool = false) throws {
        try directory.launch(program: Self.program, expectsStrict: expectsStrict)
        try connect()
    }

    func connect() throws {
        frames = SupervisorFrames()
        events = []
        socket = try directory.connect()
        try send(.hello(version: SupervisorRequest.version, directory: directory.path))
        _ = try wait { $0 == .replayed }
    }

    /// Moves the directory, as the daemon does when a supervisor that is ready gets a job, and connects there.
    func takePlace(named name: String) throws {
        directory = try directory.move(to: root + "/" + name)
        try connect()
    }

    func disconnect() {
        close(socket)
        socket = -1
    }

    func send(_ request: SupervisorRequest) throws {
        let bytes = SupervisorFrames.frame(request)
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Foundation.send(socket, $0.baseAddress, $0.count, 0) }
            if count < 0 && errno == EAGAIN { continue }
            try #require(count > 0)
            done += count
        }
    }

    /// Waits until an event comes that `matches`; what was seen before counts.
    @discardableResult
    func wait(seconds: Double = 20, _ matches: (SupervisorEvent) -> Bool) throws -> SupervisorEvent {
        for seen in events where matches(seen) { return seen }
        let deadline = HostClock.sinceBoot() + Interval(nanoseconds: Int64(seconds * 1e9))
        var buffer = [UInt8](repeating: 0, count: 65536)
        while HostClock.sinceBoot() < deadline {
            var polled = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, 100) > 0 else { continue }
            let count = recv(socket, &buffer, buffer.count, 0)
            try #require(count > 0, "the supervisor hung up; it said: \(output())")
            frames.append(buffer[..<count])
            var found: SupervisorEvent?
            while let event = try frames.next() {
                events.append(event)
                if found == nil, matches(event) { found = event }
            }
            if let found { return found }
        }
        Issue.record("no such event in \(seconds) s; seen \(events); the supervisor said: \(output())")
        throw HostError.notOurs(path: "timeout")
    }

    func waitForMore(than count: Int) throws { try wait { _ in events.count > count } }

    /// Wakes a supervisor whose page was changed behind its timer, as the daemon does with any message.
    func lapse() throws { try send(.acknowledge(AttemptKey(job: 0, task: 0, attempt: 0))) }

    func output() -> String {
        (try? String(contentsOfFile: directory.path + "/supervisor.log", encoding: .utf8)) ?? ""
    }

    func spec(_ arguments: [String], change: (inout AttemptSpec) -> Void = { _ in }) -> AttemptSpec {
        attempts += 1
        let key = AttemptKey(job: 1, task: attempts, attempt: 1)
        var spec = AttemptSpec(
            key: key, arguments: arguments, environment: ["PATH=/usr/bin:/bin", "HOME=/"], workingDirectory: work,
            grace: .milliseconds(300), isolation: Self.isolations[0],
            logPath: directory.logPath(key))
        change(&spec)
        return spec
    }

    func start(_ arguments: [String], change: (inout AttemptSpec) -> Void = { _ in }) throws -> AttemptSpec {
        let made = spec(arguments, change: change)
        try send(.start(made))
        return made
    }

    func waitForStart(_ key: AttemptKey) throws -> Int32 {
        var process: Int32 = 0
        try wait {
            guard case .started(key, let number, _) = $0 else { return false }
            process = number
            return true
        }
        return process
    }

    func waitForEnd(_ key: AttemptKey, seconds: Double = 20) throws -> AttemptResult {
        var result: AttemptResult?
        try wait(seconds: seconds) {
            guard case .ended(key, let found) = $0 else { return false }
            result = found
            return true
        }
        return try #require(result)
    }

    /// Runs a command to its end.
    func run(_ arguments: [String], change: (inout AttemptSpec) -> Void = { _ in }) throws -> (AttemptResult, String) {
        let made = try start(arguments, change: change)
        let result = try waitForEnd(made.key)
        return (result, String(decoding: try log(made), as: UTF8.self))
    }

    func shell(_ script: String, change: (inout AttemptSpec) -> Void = { _ in }) throws -> (AttemptResult, String) {
        try run(["/bin/sh", "-c", script], change: change)
    }

    func log(_ spec: AttemptSpec) throws -> [UInt8] {
        var reader = LogReader(path: spec.logPath)
        var bytes: [UInt8] = []
        while true {
            let records = try reader.read()
            if records.isEmpty { return bytes }
            for case .bytes(let piece) in records.map(\.content) { bytes += piece }
        }
    }
}

/// Waits for a condition of the world outside; false when it did not come.
func eventually(seconds: Double = 10, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = HostClock.sinceBoot() + Interval(nanoseconds: Int64(seconds * 1e9))
    while HostClock.sinceBoot() < deadline {
        if try condition() { return true }
        poll(nil, 0, 5)
    }
    return false
}
