import Codec
import Foundation
import Scheduler
import Testing

@testable import GPUBackend

@Suite("What a job prints is kept byte for byte")
struct OutputTests {
    @Test("both streams are kept apart, in order of time")
    func streams() throws {
        let harness = try SupervisorHarness()
        let spec = try harness.start(["/bin/sh", "-c", "echo one; echo two >&2; sleep 0.05; echo three"])
        let result = try harness.waitForEnd(spec.key)
        var reader = LogReader(path: spec.logPath)
        let records = try reader.read()
        let output = records.filter { $0.stream == .output }.map(\.content)
        #expect(output == [.bytes(Array("one\n".utf8)), .bytes(Array("three\n".utf8))])
        #expect(records.filter { $0.stream == .error }.map(\.content) == [.bytes(Array("two\n".utf8))])
        #expect(records.map(\.time) == records.map(\.time).sorted())
        #expect(result.outputBytes == 14)
    }

    @Test("200 MB of output arrive whole")
    func large() throws {
        let harness = try SupervisorHarness()
        // The bytes of a fixed generator, so that both ends can be compared without keeping them.
        let script = """
            import sys, hashlib
            block = b''.join((i * 2654435761 % 4294967296).to_bytes(4, 'little') for i in range(250000))
            digest = hashlib.sha256()
            for i in range(200):
                sys.stdout.buffer.write(block); digest.update(block)
            sys.stdout.flush()
            open('digest', 'w').write(digest.hexdigest())
            """
        let begin = HostClock.sinceBoot()
        let spec = try harness.start(["/usr/bin/python3", "-c", script])
        let result = try harness.waitForEnd(spec.key, seconds: 60)
        let elapsed = (HostClock.sinceBoot() - begin).seconds
        #expect(result.outcome == .exited(0))
        #expect(result.outputBytes == 200_000_000)
        let copy = harness.work + "/copy"
        _ = FileManager.default.createFile(atPath: copy, contents: nil)
        let file = try #require(FileHandle(forWritingAtPath: copy))
        var reader = LogReader(path: spec.logPath)
        while case let records = try reader.read(maximumBytes: 4 << 20), !records.isEmpty {
            for case .bytes(let piece) in records.map(\.content) { file.write(Data(piece)) }
        }
        try file.close()
        let check = Process()
        check.executableURL = URL(fileURLWithPath: "/bin/sh")
        check.arguments = ["-c", "[ $(sha256sum < \(copy) | cut -d' ' -f1) = $(cat \(harness.work)/digest) ]"]
        try check.run()
        check.waitUntilExit()
        #expect(check.terminationStatus == 0)
        #expect(reader.cursor.outputBytes == 200_000_000)
        print("200 MB of output: \(elapsed) s, \(Int(200 / elapsed)) MB/s with the job's own work")
    }

    @Test("every byte value survives")
    func binary() throws {
        let harness = try SupervisorHarness()
        let script = "import sys; sys.stdout.buffer.write(bytes(range(256)))"
        let spec = try harness.start(["/usr/bin/python3", "-c", script])
        _ = try harness.waitForEnd(spec.key)
        #expect(try harness.log(spec) == Array(UInt8.min...UInt8.max))
    }

    @Test("a progress bar without a newline is seen while the job runs")
    func partialLine() throws {
        let harness = try SupervisorHarness()
        let spec = try harness.start(["/bin/sh", "-c", "printf '\\r 50%%'; sleep 60"])
        #expect(try eventually { String(decoding: try harness.log(spec), as: UTF8.self) == "\r 50%" })
        try harness.send(.kill(spec.key))
        #expect(try harness.waitForEnd(spec.key).outcome == .lost)
    }

    @Test("standard input is empty, not the daemon's")
    func noInput() throws {
        let (result, output) = try SupervisorHarness().shell("cat; echo end")
        #expect(result.outcome == .exited(0))
        #expect(output == "end\n")
    }
}
