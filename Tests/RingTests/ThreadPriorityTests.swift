import Glibc
import Testing

@testable import Ring

@Suite struct ThreadPriorityTests {
    @Test("a raised thread runs before ordinary ones, and what it starts is ordinary again")
    func notInherited() async throws {
        let raised = try DedicatedThread("raised")
        let (isAllowed, policy) = try await raised.perform { (ThreadPriority.raise(), sched_getscheduler(0)) }
        let child = try await raised.perform { () -> Int32? in
            guard let thread = try? DedicatedThread("child") else { return nil }
            let policy = BlockingQueue<Int32>(capacity: 1)
            try? thread.submit { _ = policy.put(sched_getscheduler(0)) }
            defer { thread.finish() }
            return policy.take()
        }
        raised.finish()
        #expect(policy & 0xFF == (isAllowed ? SCHED_RR : SCHED_OTHER))
        #expect(child.map { $0 & 0xFF } == SCHED_OTHER)
    }
}
