import Foundation
import Scheduler
import Testing

@testable import GPUBackend

@Suite("What the NVIDIA driver says is read as it is meant, whatever its version")
struct DriverTests {
    private static let h100 = """
        gpu
        uuid=GPU-1111
        name=NVIDIA H100 80GB HBM3
        memory=85520809984
        pci=00000000:1B:00.0
        recovery=0
        link=00000000:43:00.0
        link=00000000:43:00.0
        ancestor=50
        gpu
        uuid=GPU-2222
        name=NVIDIA H100 80GB HBM3
        memory=85520809984
        pci=00000000:43:00.0
        recovery=0
        ancestor=50

        """

    @Test("how a card is used is read as far as its driver says it")
    func use() throws {
        let driver = try StubDriver()
        try driver.show(Self.h100 + "used=1073741824\nbusy=87\nenergy=123456\n")
        let seen = driver.survey().round(waitMilliseconds: 0).seen
        #expect(seen.map(\.use.utilisation) == [nil, 87])
        #expect(seen.map(\.use.usedBytes) == [0, 1 << 30])
        #expect(seen.map(\.use.millijoules) == [nil, 123_456])
        try driver.show("gpu\nuuid=GPU-3\nname=NVIDIA GB10\nmemory=unsupported\n")
        #expect(driver.survey().round(waitMilliseconds: 0).seen.map(\.use) == [DeviceUse()])
    }

    @Test("two cards: names, sizes as sold, places on the bus, and the links between them")
    func cards() throws {
        let driver = try StubDriver()
        try driver.show(Self.h100)
        var watch = DeviceWatch()
        watch.look(driver.survey().round(waitMilliseconds: 0).seen)
        #expect(watch.gpus.map(\.uuid) == ["GPU-1111", "GPU-2222"])
        #expect(watch.gpus.map(\.model) == ["H100", "H100"])
        #expect(watch.gpus[0].marketedMemoryBytes == 80 << 30)
        #expect(watch.gpus[0].pciAddress == "0000:1b:00.0")
        #expect(watch.gpus[0].links == [GPULink(peer: 1, path: "NV2")])
        #expect(watch.gpus.allSatisfy { $0.obstacle == nil })
    }

    @Test("an A100 in seven parts is seven devices, each with its own name and memory")
    func instances() throws {
        let driver = try StubDriver()
        let parts = (0..<7).map { part in
            """
            instance
            uuid=MIG-\(part)
            name=NVIDIA A100-SXM4-40GB MIG 1g.5gb
            memory=5100273664
            gi=\(part + 7)
            ci=0

            """
        }
        try driver.show(
            "gpu\nuuid=GPU-a\nname=NVIDIA A100-SXM4-40GB\nmemory=42949672960\nrecovery=0\nmig=1\n" + parts.joined())
        let survey = driver.survey()
        var watch = DeviceWatch()
        watch.look(survey.round(waitMilliseconds: 0).seen)
        #expect(watch.gpus.map(\.index) == Array(100...106))
        #expect(watch.gpus.map(\.uuid) == (0..<7).map { "MIG-\($0)" })
        #expect(watch.gpus.allSatisfy { $0.marketedMemoryBytes == 5 << 30 })
        try driver.fail(card: 0, instance: 9, xid: 95)
        for fault in survey.round(waitMilliseconds: 5_000).faults { watch.report(fault) }
        #expect(watch.gpus.filter { $0.obstacle != nil }.map(\.index) == [102])
    }

    @Test("a GB10, which answers that it has no memory of its own, has that of the host")
    func unifiedMemory() throws {
        let driver = try StubDriver()
        try driver.show("gpu\nuuid=GPU-g\nname=NVIDIA GB10\nmemory=unsupported\n")
        let seen = driver.survey().round(waitMilliseconds: 0).seen
        #expect(seen.map(\.memoryBytes) == [HostInventory.current().memoryBytes])
        #expect(seen.map(\.condition) == [.worksAsFarAsKnown])
    }

    @Test("a card that falls off the bus in mid-run, and comes back after a reset")
    func lost() throws {
        let driver = try StubDriver()
        try driver.show(Self.h100)
        let survey = driver.survey()
        var watch = DeviceWatch()
        watch.look(survey.round(waitMilliseconds: 0).seen)
        try driver.show(Self.h100.replacingOccurrences(of: "uuid=GPU-2222", with: "uuid=GPU-2222\nlost=1"))
        try driver.fail(card: 1, xid: 79)
        let round = survey.round(waitMilliseconds: 5_000)
        #expect(round.faults == [DeviceFault(card: 1, xid: 79)])
        for fault in round.faults { watch.report(fault) }
        watch.look(round.seen)
        #expect(watch.gpus.map { $0.obstacle?.kind } == [nil, .unhealthy])
        #expect(watch.gpus[1].obstacle?.text.hasPrefix("XID 79; its driver cannot reach it") == true)
        #expect(watch.waitsForReset)
        survey.release()
        try driver.show(Self.h100)
        for _ in 0..<3 { watch.look(survey.round(waitMilliseconds: 0).seen) }
        #expect(watch.gpus.map { $0.obstacle?.kind } == [nil, nil])
    }

    @Test(
        "what the driver wants done is what people are told", arguments: [(1, "reset"), (2, "reboot"), (4, "end all")])
    func recovery(action: Int, word: String) throws {
        let driver = try StubDriver()
        try driver.show("gpu\nuuid=GPU-1\nname=NVIDIA L40S\nmemory=48305799168\nrecovery=\(action)\n")
        var watch = DeviceWatch()
        watch.look(driver.survey().round(waitMilliseconds: 0).seen)
        #expect(watch.gpus[0].obstacle?.text.split(separator: " ").contains(word.split(separator: " ")[0]) == true)
    }

    @Test("a card that is plugged in later is found by the next look")
    func hotAdd() throws {
        let driver = try StubDriver()
        let both = Self.h100.components(separatedBy: "gpu\n")
        try driver.show("gpu\n" + both[1])
        let survey = driver.survey()
        #expect(survey.round(waitMilliseconds: 0).seen.count == 1)
        try driver.show(Self.h100)
        #expect(survey.round(waitMilliseconds: 0).seen.count == 2)
    }

    @Test(
        "processes are read in the shape that never changed, where the driver has it",
        arguments: [nil, "OLD", "V3"] as [String?])
    func processes(version: String?) throws {
        let driver = try StubDriver(version)
        let own = ProcessInfo.processInfo.processIdentifier
        try driver.show("gpu\nuuid=GPU-1\nname=NVIDIA T4\nmemory=15843721216\nusers=\(own)\n")
        let seen = driver.survey().round(waitMilliseconds: 0).seen
        #expect(seen.map { $0.strangers.map(\.process) } == [[own]])
        let accounts = try String(contentsOfFile: "/etc/passwd", encoding: .utf8).components(separatedBy: "\n")
        let account = accounts.map { $0.components(separatedBy: ":") }.first { $0.count > 2 && $0[2] == "\(getuid())" }
        #expect(seen.first?.strangers.first?.user == account?[0] ?? "user \(getuid())")
    }

    @Test("a process of one of our jobs is no stranger, one below somebody else's supervisor is")
    func ownJobs() throws {
        let driver = try StubDriver()
        let directory = NSTemporaryDirectory() + "supervisor-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: directory) } }
        // A script with this name makes a shell look like a supervisor of that directory.
        try "sleep 60 & echo $!; wait\n".write(toFile: directory + "/supervisor", atomically: true, encoding: .utf8)
        let supervisor = Process()
        supervisor.executableURL = URL(filePath: "/bin/sh")
        supervisor.currentDirectoryURL = URL(filePath: directory)
        supervisor.arguments = ["supervisor", "/data/supervisors/7"]
        let output = Pipe()
        supervisor.standardOutput = output
        try supervisor.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let job = try #require(Int32(line.trimmingCharacters(in: .whitespacesAndNewlines)))
        defer {
            kill(job, SIGKILL)
            // Whoever runs the tests may have it ignore gentler ones.
            kill(supervisor.processIdentifier, SIGKILL)
            supervisor.waitUntilExit()
        }
        try driver.show("gpu\nuuid=GPU-1\nname=NVIDIA T4\nmemory=15843721216\nusers=\(job)\n")
        for (supervisors, strangers) in [("/data/supervisors", 0), ("/other/supervisors", 1)] {
            let survey = DeviceSurvey(
                supervisors: supervisors, sysfs: "/nonexistent", nvidiaLibrary: driver.library)
            #expect(survey.round(waitMilliseconds: 0).seen.map(\.strangers.count) == [strangers])
        }
    }

    @Test("a driver that does not start says why; one that is not there is no error")
    func broken() throws {
        let driver = try StubDriver()
        try driver.show("broken")
        #expect(
            driver.survey().round(waitMilliseconds: 0).refusal
                == "NVIDIA driver: start: Driver/library version mismatch")
        let absent = DeviceSurvey(
            supervisors: "/", sysfs: "/nonexistent", nvidiaLibrary: "/nonexistent/libnvidia-ml.so")
        let round = absent.round(waitMilliseconds: 0)
        #expect(round.refusal == nil && round.seen.isEmpty && !round.hasWaited)
    }
}
