import Codec
import Foundation
import Scheduler
import Testing

@testable import GPUBackend

@Suite("A supervisor starts many short tasks")
struct ThroughputTests {
    @Test("1,000 tasks run through one supervisor, each exactly once")
    func thousand() throws {
        let harness = try SupervisorHarness()
        let count = 1000
        let width = 2
        var started = 0
        var ended = 0
        let begin = HostClock.sinceBoot()
        func startOne() throws {
            started += 1
            _ = try harness.start(["/bin/true"]) { $0.memoryBytes = 64 << 20 }
        }
        for _ in 0..<width { try startOne() }
        var seen = 0
        while ended < count {
            try harness.waitForMore(than: seen)
            while seen < harness.events.count {
                let event = harness.events[seen]
                seen += 1
                guard case .ended(let key, let result) = event else { continue }
                #expect(result.outcome == .exited(0))
                ended += 1
                try harness.send(.acknowledge(key))
                if started < count { try startOne() }
            }
        }
        let seconds = (HostClock.sinceBoot() - begin).seconds
        print("1,000 true attempts through one supervisor, 2 at a time: \(Int(Double(count) / seconds)) per s")
    }
}
