import Foundation
import Simulation
import Testing

/// The tool itself, as processes: what no test inside one process can show.
@Suite struct SimulateToolTests {
    /// (19) Swift seeds the hashes of dictionaries and sets anew in each process.
    @Test("a seed leaves the same trace in every process, whatever the order of hashes is there")
    func hashSeeds() throws {
        var traces: [String] = []
        for hashing in [nil, nil, "1"] { traces.append(try trace(deterministicHashing: hashing)) }
        let first = try #require(traces.first)
        #expect(first.contains("trace "))
        #expect(traces.allSatisfy { $0 == first })
    }

    private func trace(deterministicHashing: String?) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = tool
        process.arguments = ["raft", "--seed", "11"]
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_DETERMINISTIC_HASHING"] = deterministicHashing
        process.environment = environment
        process.standardOutput = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The tool lies beside the test bundle.
    private var tool: URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("Simulate")
    }
}
