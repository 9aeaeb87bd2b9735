import Foundation
import Node
import Scheduler
import Synchronization
import Testing

@Suite("run at the keyboard")
struct KeyboardTests {
    /// `swarmlet run` on a terminal of its own, whose keys a test presses.
    final class Session {
        private let process = Process()
        private let keys = Pipe()
        private let screen = Pipe()
        private(set) var seen = ""

        /// Answers for as long as the command may ask.
        private let daemon: ScriptedDaemon

        init(_ words: [String], _ daemon: ScriptedDaemon) throws {
            self.daemon = daemon
            process.executableURL = URL(fileURLWithPath: "/usr/bin/script")
            let line = (["exec", Binary.path] + words).joined(separator: " ")
            process.arguments = ["--quiet", "--return", "--flush", "--command", line, "/dev/null"]
            process.environment = ["PATH": "/usr/bin:/bin", "SWARMLET_DATA_DIR": daemon.directory]
            process.standardInput = keys
            process.standardOutput = screen
            try process.run()
        }

        func press(_ key: UInt8) { keys.fileHandleForWriting.write(Data([key])) }

        /// Waits until a text is on the screen; false when the program has ended without it.
        func waits(for text: String) -> Bool {
            while !seen.contains(text) {
                let data = screen.fileHandleForReading.availableData
                guard !data.isEmpty else { return false }
                seen += String(decoding: data, as: UTF8.self)
            }
            return true
        }

        func exitCode() throws -> Int32 {
            while case let data = screen.fileHandleForReading.availableData, !data.isEmpty {
                seen += String(decoding: data, as: UTF8.self)
            }
            process.waitUntilExit()
            return process.terminationStatus
        }
    }

    static let controlC: UInt8 = 3
    static let controlBackslash: UInt8 = 28

    /// Follows job 2 until it is cancelled.
    static func daemon(_ cancels: Counter) throws -> ScriptedDaemon {
        let cancelled = DispatchSemaphore(value: 0)
        return try ScriptedDaemon { request, call in
            switch request {
            case .submit: try call.finish(.submitted(SubmittedView(job: 2, sentParts: 0)))
            case .follow:
                try call.send(RunTests.placed(1, "lynx"))
                cancelled.wait()
                try call.finish(.follow(.ended(RunTests.end(.cancelled, 130))))
            case .cancel:
                cancels.value.withLock { $0 += 1 }
                try call.finish(.done)
                cancelled.signal()
            default: Issue.record("nobody expected \(request)")
            }
        }
    }

    @Test("the first Ctrl-C says what it would do, the second cancels")
    func cancel() throws {
        let cancels = Counter()
        let session = try Session(["run", "--no-send", "x"], try Self.daemon(cancels))
        #expect(session.waits(for: "attempt 1 on lynx"))
        session.press(Self.controlC)
        #expect(
            session.waits(for: "job 2 is running. Ctrl-C again within 3 s: cancel. Ctrl-\\: detach, the job goes on"))
        #expect(cancels.count == 0)
        session.press(Self.controlC)
        #expect(session.waits(for: "cancelling job 2"))
        #expect(try session.exitCode() == 130)
        #expect(cancels.count == 1)
    }

    @Test("Ctrl-\\ detaches: the job goes on, and the way back is told")
    func detach() throws {
        let cancels = Counter()
        let session = try Session(["run", "--no-send", "x"], try Self.daemon(cancels))
        #expect(session.waits(for: "attempt 1 on lynx"))
        session.press(Self.controlBackslash)
        #expect(session.waits(for: "detached from job 2. Come back: swarmlet attach 2"))
        #expect(try session.exitCode() == 0)
        #expect(cancels.count == 0)
    }

    @Test("leave --forget on the last node asks, and no changes nothing")
    func question() throws {
        let daemon = try ScriptedDaemon { request, call in
            switch request {
            case .status: try call.finish(.status(StatusTests.status))
            case .members:
                try call.finish(
                    .members(
                        MembersView(
                            meshName: "lab", meshFingerprint: "k7qd", members: [TableTests.owl], waiting: [],
                            staleMilliseconds: nil)))
            default: Issue.record("nobody expected \(request)")
            }
        }
        let session = try Session(["leave", "--forget"], daemon)
        #expect(
            session.waits(
                for: "owl is the last node: mesh lab, its key and its history will be deleted. Go on? [y/N]"))
        session.press(UInt8(ascii: "\n"))
        #expect(session.waits(for: "[usage.declined]"))
        #expect(try session.exitCode() == 125)
    }

    /// A count that closures of another thread may raise.
    final class Counter: Sendable {
        let value = Mutex(0)
        var count: Int { value.withLock { $0 } }
    }
}
