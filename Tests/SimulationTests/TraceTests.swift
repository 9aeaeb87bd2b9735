import Foundation
import Testing

/// The trace of a storm, read by a program that knows the specification and nothing of the code.
@Suite struct TraceTests {
    @Test("what the cores do in a storm obeys the specification of etcd's Raft", arguments: [5, 6])
    func independentChecker(seed: Int) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("raft-trace-\(UUID()).ndjson")
        defer { try? FileManager.default.removeItem(at: file) }
        let tool = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        try run(tool.appendingPathComponent("Simulate"), ["raft", "--seed", "\(seed)", "--trace", file.path])
        let checker = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../trace/check_trace.py")
        try run(URL(fileURLWithPath: "/usr/bin/env"), ["python3", checker.path, file.path])
    }

    private func run(_ program: URL, _ arguments: [String]) throws {
        let process = Process()
        let output = Pipe()
        process.executableURL = program
        process.arguments = arguments
        process.standardOutput = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(String(decoding: bytes, as: UTF8.self))")
    }
}
