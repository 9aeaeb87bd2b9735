import Foundation

/// The built `swarmlet`, run as a person or a script would.
enum Binary {
    /// Beside the test bundle, where the package builder puts it.
    static let path = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("swarmlet").path

    struct Outcome {
        var stdout: String
        var stderr: String
        var exitCode: Int32
    }

    /// Runs the binary in a pipe, with a data directory of its own in which no daemon runs unless another is named.
    static func run(
        _ words: [String], input: String = "", environment: [String: String] = [:], directory: String? = nil
    ) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = words
        if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
        process.environment = baseEnvironment.merging(environment) { $1 }
        return try finish(process, input)
    }

    /// Runs the binary on a terminal (of `script`, util-linux); stdout and stderr come together, without carriage returns.
    static func runOnTerminal(_ words: [String], environment: [String: String] = [:]) throws -> Outcome {
        let line = ([path] + words).map { "'" + $0.replacingOccurrences(of: "'", with: "'\\''") + "'" }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/script")
        process.arguments = ["--quiet", "--return", "--command", line.joined(separator: " "), "/dev/null"]
        process.environment = baseEnvironment.merging(environment) { $1 }
        var outcome = try finish(process, "")
        outcome.stdout = outcome.stdout.replacingOccurrences(of: "\r", with: "")
        return outcome
    }

    private static var baseEnvironment: [String: String] {
        [
            "PATH": "/usr/bin:/bin", "HOME": NSHomeDirectory(),
            "SWARMLET_DATA_DIR": NSTemporaryDirectory() + "/swarmlet-none-\(getpid())",
        ]
    }

    private static func finish(_ process: Process, _ input: String) throws -> Outcome {
        let stdin = Pipe()
        let files = try (0..<2).map { _ in try TemporaryFile() }
        process.standardInput = stdin
        process.standardOutput = files[0].handle
        process.standardError = files[1].handle
        try process.run()
        stdin.fileHandleForWriting.write(Data(input.utf8))
        try stdin.fileHandleForWriting.close()
        process.waitUntilExit()
        let code = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        return Outcome(stdout: try files[0].text(), stderr: try files[1].text(), exitCode: code)
    }

    /// A file, so that a lot of output never fills a pipe that nobody reads yet.
    private struct TemporaryFile {
        let handle: FileHandle
        private let path = NSTemporaryDirectory() + "/swarmlet-test-" + UUID().uuidString

        init() throws {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
            handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            try FileManager.default.removeItem(atPath: path)
        }

        func text() throws -> String {
            try handle.seek(toOffset: 0)
            return String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
        }
    }
}
