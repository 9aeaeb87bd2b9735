import Foundation
import Scheduler
import Testing

@testable import GPUBackend

/// On directories with the files that the kernel would make in them: what is written and how it is read.
struct CgroupTests {
    private let root = NSTemporaryDirectory() + "groups-\(UUID().uuidString)"

    private func write(_ text: String, _ name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(root)/\(name)"))
    }

    private func read(_ name: String) throws -> String {
        try String(contentsOfFile: "\(root)/\(name)", encoding: .utf8)
    }

    private func make(_ directory: String, _ files: [String: String]) throws {
        try FileManager.default.createDirectory(atPath: "\(root)/\(directory)", withIntermediateDirectories: true)
        for (name, text) in files { try write(text, "\(directory)/\(name)") }
    }

    /// A group of version 2 with all controllers.
    private func unified(_ controllers: Set<CgroupHierarchies.Controller> = [.memory, .cpu, .pids, .freezer]) throws
        -> Cgroup
    {
        try make(
            "v2/a",
            [
                "memory.max": "max", "memory.swap.max": "max", "memory.peak": "4096\n", "cpu.max": "max 100000",
                "pids.max": "max", "cgroup.freeze": "0", "cgroup.kill": "", "cgroup.events": "populated 1\nfrozen 0\n",
                "memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n",
                "cpu.stat": "usage_usec 1000\nuser_usec 600\n", "io.stat": "8:0 rbytes=10 wbytes=20 rios=1\n",
            ])
        let hierarchies = CgroupHierarchies(legacy: [:], unified: root + "/v2", unifiedControllers: controllers)
        return try #require(try Cgroup(name: "a", in: hierarchies, isMade: true))
    }

    @Test("version 2: memory and swap, the part of a processor, processes; and no limit where none is asked")
    func limits() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let group = try unified()
        try group.prepare(.init(memoryBytes: 1 << 30, cpuMillis: 1_500, processes: 16_384))
        #expect(try read("v2/a/memory.max") == "1073741824")
        #expect(try read("v2/a/memory.swap.max").hasPrefix("0"))
        #expect(try read("v2/a/cpu.max").hasPrefix("150000 100000"))
        #expect(try read("v2/a/pids.max") == "16384")
    }

    @Test("a small share begins with the command: what stands around it is built with a whole processor")
    func smallShare() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let group = try unified()
        for _ in 0..<2 {
            try group.prepare(.init(memoryBytes: 1 << 30, cpuMillis: 20, processes: 16_384))
            #expect(try read("v2/a/cpu.max").hasPrefix("100000 100000"))
            try group.begin()
            #expect(try read("v2/a/cpu.max").hasPrefix("2000 100000"))
        }
        try group.prepare(.init(memoryBytes: 1 << 30, cpuMillis: 0, processes: 16_384))
        #expect(try read("v2/a/cpu.max").hasPrefix("max"))
    }

    @Test("version 2: what an attempt used is what was counted since the one before it")
    func counters() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let group = try unified()
        _ = group.takeUsage()
        try write("usage_usec 5000\nuser_usec 600\n", "v2/a/cpu.stat")
        try write("8:0 rbytes=110 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=30\n", "v2/a/io.stat")
        let quiet = group.takeUsage()
        #expect(quiet.cpuMicroseconds == 4_000 && quiet.readBytes == 101 && quiet.writtenBytes == 30)
        #expect(quiet.memoryEnd == nil && quiet.source == .groupVersion2 && quiet.peakMemoryBytes == 4_096)
        try write("max 9\noom 2\noom_kill 3\n", "v2/a/memory.events")
        #expect(group.takeUsage().memoryEnd == .limit)
        // Killed below its own limit: the host had no memory left.
        try write("max 9\noom 2\noom_kill 4\n", "v2/a/memory.events")
        #expect(group.takeUsage().memoryEnd == .ofHost)
        #expect(group.takeUsage().memoryEnd == nil)
    }

    @Test("version 2 freezes, says when the kernel is done, and kills; a group that was killed is not used again")
    func freezes() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let group = try unified()
        #expect(group.canFreeze && !group.isFrozen)
        try group.freeze()
        #expect(try read("v2/a/cgroup.freeze") == "1")
        #expect(!group.isFrozen)
        try write("populated 1\nfrozen 1\n", "v2/a/cgroup.events")
        #expect(group.isFrozen)
        try group.thaw()
        #expect(try read("v2/a/cgroup.freeze") == "0")
        #expect(!group.wasKilled)
        group.kill()
        #expect(try read("v2/a/cgroup.kill") == "1")
        #expect(group.wasKilled && !group.canCountAgain)
    }

    @Test("without its controllers version 2 counts and limits nothing, and still freezes")
    func withoutControllers() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        let group = try unified([.freezer])
        try group.prepare(.init(memoryBytes: 1 << 30, cpuMillis: 1_500, processes: 16_384))
        #expect(try read("v2/a/memory.max") == "max" && read("v2/a/pids.max") == "max")
        let usage = group.takeUsage()
        #expect(usage.cpuMicroseconds == nil && usage.memoryEnd == nil && usage.peakMemoryBytes == 0)
        #expect(usage.source == .processes && group.canFreeze)
    }

    @Test("version 1 freezes by its own file, and a host with no freezer says so")
    func versionOne() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try make("pids/a", ["tasks": "", "pids.max": "max"])
        try make("freezer/a", ["tasks": "", "freezer.state": "THAWED\n"])
        let both = CgroupHierarchies(
            legacy: [.pids: root + "/pids", .freezer: root + "/freezer"], unified: nil, unifiedControllers: [])
        let group = try #require(try Cgroup(name: "a", in: both, isMade: true))
        #expect(both.canFreeze && group.canFreeze && group.doors.count == 2)
        try group.freeze()
        #expect(try read("freezer/a/freezer.state").hasPrefix("FROZEN"))
        #expect(group.isFrozen)
        try make("pids/b", ["tasks": "", "pids.max": "max"])
        let none = CgroupHierarchies(legacy: [.pids: root + "/pids"], unified: nil, unifiedControllers: [])
        let other = try #require(try Cgroup(name: "b", in: none, isMade: true))
        #expect(!none.canFreeze && !other.canFreeze && !other.isFrozen)
    }
}
