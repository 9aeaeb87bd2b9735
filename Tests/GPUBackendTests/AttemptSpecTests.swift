import Codec
import Scheduler
import Testing

@testable import GPUBackend

@Suite("What an attempt needs of its supervisor")
struct AttemptSpecTests {
    private func spec(change: (inout AttemptSpec) -> Void = { _ in }) -> AttemptSpec {
        var spec = AttemptSpec(
            key: AttemptKey(job: 1, task: 0, attempt: 1), arguments: ["true"], environment: [],
            workingDirectory: "/work",
            isolation: .group, logPath: "/log")
        change(&spec)
        return spec
    }

    @Test("a supervisor of an older program is told to run nothing of which it would leave out a part")
    func leastVersion() {
        #expect(spec().leastVersion == 1)
        #expect(spec { $0.setup = ["/bin/true"] }.leastVersion == 3)
        #expect(spec { $0.hasInput = true }.leastVersion == 4)
        #expect(spec { $0.insideUser = JobUser(user: 1, group: 1) }.leastVersion == 5)
        let placed = AttemptSandbox(profile: .standard, network: .on, place: "/place")
        #expect(spec { $0.sandbox = placed }.leastVersion == 5)
        let door = GangDoor(directory: "/doors/1.0.1", program: "/usr/bin/swarmlet")
        let ranked = AttemptSandbox(profile: .standard, network: .on, door: door)
        #expect(spec { $0.sandbox = ranked }.leastVersion == 6)
        #expect(spec { $0.diskBytes = 1 << 20 }.leastVersion == 6)
        let proxied = AttemptSandbox(profile: .strict, network: .on, meshAddresses: [])
        #expect(spec { $0.sandbox = proxied }.leastVersion == 7)
        #expect(SupervisorRequest.version >= 7)
    }

    @Test("what a supervisor does not know of an attempt it sees, in the attempt and in its sandbox")
    func unknownParts() throws {
        let plain = spec { $0.sandbox = AttemptSandbox(profile: .standard, network: .on) }
        #expect(try !AttemptSpec(cbor: plain.cbor).hasUnknownParts)
        var later = try plain.cbor.requireMap()
        later.set(900, "later")
        #expect(try AttemptSpec(cbor: .map(later)).hasUnknownParts)
        var inside = try plain.cbor.requireMap()
        var sandbox = try #require(plain.sandbox).cbor.requireMap()
        sandbox.set(900, "later")
        inside[16] = .map(sandbox)
        #expect(try AttemptSpec(cbor: .map(inside)).hasUnknownParts)
    }
}
