import Foundation

/// A daemon of the built binary that is a mesh of its own, on loopback, in a directory that goes with it.
final class RealNode: Sendable {
    let directory: String
    /// Where its commands are typed.
    let work: String

    init(_ flags: [String] = ["--simulate-gpus", "2"]) throws {
        directory = NSTemporaryDirectory() + "/swarmlet-node-" + UUID().uuidString.prefix(8)
        work = directory + "-work"
        try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
        // Not a port the kernel hands out: another test's socket could get it while this daemon is down.
        var said = ""
        for _ in 0..<20 {
            let port = Int.random(in: 10_000..<30_000)
            let up = try run(["up", "--mesh", "lab", "--listen", "127.0.0.1:\(port)"] + flags)
            if up.exitCode == 0 { return }
            said = up.stderr
            guard said.contains("[node.listen]") else { break }
        }
        throw Failed(said: said)
    }

    deinit {
        stop(SIGTERM)
        for path in [directory, work] {
            do { try FileManager.default.removeItem(atPath: path) } catch {}
        }
    }

    struct Failed: Error {
        let said: String
    }

    @discardableResult
    func run(_ words: [String], input: String = "") throws -> Binary.Outcome {
        try Binary.run(words, input: input, environment: ["SWARMLET_DATA_DIR": directory], directory: work)
    }

    /// Starts a command and leaves it to the test.
    func start(_ words: [String]) throws -> (process: Process, output: FileHandle) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: Binary.path)
        process.arguments = words
        process.environment = ["PATH": "/usr/bin:/bin", "SWARMLET_DATA_DIR": directory]
        process.currentDirectoryURL = URL(fileURLWithPath: work)
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        return (process, pipe.fileHandleForReading)
    }

    var daemon: Int32? {
        do {
            return Int32(try String(contentsOfFile: directory + "/daemon.pid", encoding: .utf8).filter(\.isNumber))
        } catch {
            return nil
        }
    }

    /// Ends the daemon and waits until its process is gone.
    func stop(_ signal: Int32) {
        guard let daemon, kill(daemon, signal) == 0 else { return }
        // A process of ours in everything but parentage: its end is seen by the lock it lets go.
        let lock = open(directory + "/lock", O_RDWR)
        guard lock >= 0 else { return }
        flock(lock, LOCK_EX)
        close(lock)
    }

    func write(_ text: String, to name: String) throws {
        try text.write(toFile: work + "/" + name, atomically: true, encoding: .utf8)
    }

    func read(_ name: String) throws -> String { try String(contentsOfFile: work + "/" + name, encoding: .utf8) }
}
