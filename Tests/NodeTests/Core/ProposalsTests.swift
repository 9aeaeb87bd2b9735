import Codec
import Scheduler
import Testing

@testable import Node

@Suite("Proposals that wait for an answer")
struct ProposalsTests {
    private let start = Instant.zero + .seconds(5)

    private func entry(_ number: UInt64) -> Entry {
        Entry(request: RequestID(high: 1, low: number), time: 0, command: .tick)
    }

    @Test("proposals are sent in the order they came, and again with the same request id until they are answered")
    func repeated() {
        var proposals = Proposals()
        proposals.add(entry(2))
        proposals.add(entry(1))
        #expect(proposals.takeDue(now: start) == [entry(2), entry(1)])
        #expect(proposals.takeDue(now: start + .milliseconds(499)).isEmpty)
        #expect(proposals.nextDeadline == start + NodeConstants.proposalRetry)
        let again = start + NodeConstants.proposalRetry
        #expect(proposals.takeDue(now: again) == [entry(2), entry(1)])
        #expect(proposals.remove(entry(2).request) == true)
        #expect(proposals.takeDue(now: again + NodeConstants.proposalRetry) == [entry(1)])
        #expect(proposals.remove(entry(1).request) == true)
        #expect(proposals.isEmpty && proposals.nextDeadline == nil)
    }

    @Test("an answer is taken once, and one for a stranger not at all")
    func answeredOnce() {
        var proposals = Proposals()
        proposals.add(entry(1))
        #expect(proposals.remove(entry(9).request) == false)
        #expect(proposals.remove(entry(1).request) == true)
        #expect(proposals.remove(entry(1).request) == false)
    }

    @Test("with a new leader everything is sent anew at once")
    func newLeader() {
        var proposals = Proposals()
        proposals.add(entry(1))
        _ = proposals.takeDue(now: start)
        proposals.forgetSent()
        #expect(proposals.takeDue(now: start + .milliseconds(1)) == [entry(1)])
    }

    @Test("the same request added twice is one proposal")
    func sameRequest() {
        var proposals = Proposals()
        proposals.add(entry(1))
        proposals.add(entry(1))
        #expect(proposals.takeDue(now: start).count == 1)
        #expect(proposals.isPending(entry(1).request))
    }

    @Test("the number of waiting proposals is bounded")
    func bounded() {
        var proposals = Proposals()
        for number in 0..<UInt64(NodeConstants.proposalsPending) { proposals.add(entry(number)) }
        #expect(proposals.isFull)
        #expect(proposals.remove(entry(0).request) == true)
        #expect(!proposals.isFull)
    }
}
